"""Insertion by VACE with tiny weights: what the model is given, what is left alone, what is computed once."""

import json

import jsonschema
import numpy as np
import pytest

from backends.vace_clips import (
    changed,
    clip,
    cutout,
    inserted,
    models_folder,
    request_of,
    settings_of,
    skip_without_packages,
    use,
)
from pvtt.backends.base import Limits
from pvtt.backends.registry import available
from pvtt.config.settings import load_schema
from pvtt.io.images import write_png
from pvtt.io.video import count_frames, read_masks, write_masks, write_video
from pvtt.stages.insertion import insert_product
from pvtt.stages.insertion.change_detection import detect_inserted_mask_otsu
from pvtt.stages.insertion.compositing import edges_in, reference_on_white, restore_background
from pvtt.stages.insertion.vace import Backend, square_box
from pvtt.stages.insertion.vace_insertion import growth_px
from synthetic.records import background_record, cutout_record, track_frame, track_record

skip_without_packages()

MODEL = "wan2.1-vace-1.3b"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return models_folder(tmp_path_factory.mktemp("models"), MODEL)


@pytest.fixture
def backend(home, monkeypatch):
    """A function that gives a loaded backend with changed settings."""
    use(monkeypatch, home)

    def make(**changes):
        made = Backend(settings_of("insertion", "vace", **changes))
        made.load()
        return made

    return make


def test_it_is_found_and_says_what_is_missing(tmp_path, monkeypatch):
    assert {"vace", "insertanywhere"} <= set(available("insertion"))
    use(monkeypatch, tmp_path)
    (tmp_path / "models.yaml").write_text("{}")
    wanted = Backend(settings_of("insertion", "vace", model="wan2.1-vace-14b"))
    assert wanted.needs == ("wan2.1-vace-14b",) and wanted.reads_prompt
    assert wanted.limits == Limits(), "windows take clips of any length, and sizes are brought to the model's"
    assert any("wan2.1-vace-14b" in problem for problem in wanted.problems())
    with pytest.raises(RuntimeError, match="load"):
        wanted.insert(request_of(clip(1)))


@pytest.mark.parametrize(
    ("n", "size"),
    [(2, (64, 96)), (9, (70, 122)), (22, (96, 64)), (3, (300, 200))],
    ids=["two frames of a portrait", "odd portrait", "five windows", "reduced"],
)
def test_frames_and_masks_have_the_clip_s_shape(backend, n, size):
    parts = clip(n, size)
    frames, seen, insertion = inserted(backend(), request_of(parts))
    assert frames.shape == parts[0].shape and frames.dtype == np.uint8
    assert seen.shape == parts[2].shape and seen.dtype == bool
    assert len(insertion.boxes) == n
    for box, mask in zip(insertion.boxes, seen, strict=True):
        assert (box is None) == (not mask.any())
    assert insertion.measures["windows"] == {22: 5}.get(n, 1)
    assert json.dumps(insertion.measures)


def test_outside_the_region_the_frame_is_that_of_composite(backend):
    parts = clip(22, step=1)
    source, plain, masks, _ = parts
    made = backend()
    frames, seen, _ = inserted(made, request_of(parts))
    size = made.engine.pipe.vae_scale_factor_spatial * 2
    assert size == 16
    regions = made._regions(request_of(parts), (96, 64), {})
    assert 0.05 < regions.mean() < 0.6
    for index in range(22):
        canvas = restore_background(source[index], plain[index], changed(parts)[index])
        outside = ~regions[index]
        assert np.array_equal(frames[index][outside], canvas[outside])
        assert not (seen[index] & outside).any()
        assert not np.array_equal(frames[index], canvas)
    far = ~regions.any(0) & ~masks.any(0)
    assert np.array_equal(frames[:, :20][:, far[:20]], source[:, :20][:, far[:20]])


def test_seed_and_words_matter(backend):
    parts = clip(13)
    first, _, _ = inserted(backend(), request_of(parts, seed=3))
    other, _, _ = inserted(backend(), request_of(parts, seed=4))
    words, _, _ = inserted(backend(), request_of(parts, seed=3, prompt="a ring"))
    assert not np.array_equal(first, other) and not np.array_equal(first, words)


@pytest.mark.parametrize("region", ["box", "square", "mask"])
def test_the_second_pair_of_a_clip_is_cheaper_and_the_same(backend, monkeypatch, region):
    parts = clip(9)
    warm, cold = backend(region=region), backend(region=region, cache_mb=0)
    inserted(warm, request_of(parts, cutout(), seed=1))
    calls, encode = [], type(warm.engine.pipe.vae).encode
    monkeypatch.setattr(
        type(warm.engine.pipe.vae),
        "encode",
        lambda self, x, *a, **k: calls.append(x.shape[2]) or encode(self, x, *a, **k),
    )
    tall = request_of(parts, cutout(20, 70), seed=2)
    cached, _, _ = inserted(warm, tall)
    assert calls == [1], "the VAE sees the second pair's reference, not the background again"
    fresh, _, _ = inserted(cold, tall)
    assert len(calls) == 1 + 3
    assert np.array_equal(cached, fresh)


def test_later_windows_take_over_what_the_one_before_made(backend, monkeypatch):
    parts = clip(14, step=0)
    made, given = backend(), []
    generate = made.engine.generate
    monkeypatch.setattr(
        made.engine, "generate", lambda f, m, *a, **k: given.append((f.copy(), m.copy())) or generate(f, m, *a, **k)
    )
    inserted(made, request_of(parts))
    assert [frames.shape[0] for frames, _ in given] == [9, 9, 9]
    first, second = given[0], given[1]
    assert first[1].any((1, 2)).all()
    assert not second[1][:5].any() and second[1][5:].any((1, 2)).all()
    assert not np.array_equal(second[0][0], parts[1][4]), "the frame that is known shows the first window's product"
    inside = first[1][4]
    assert np.array_equal(second[0][0][~inside], parts[1][4][~inside])


def test_windows_without_overlap_know_nothing_of_each_other(backend):
    frames, _, insertion = inserted(backend(overlap_frames=0), request_of(clip(14)))
    assert insertion.measures["windows"] == 2 and len(frames) == 14


def test_a_window_without_the_product_is_not_made(backend, monkeypatch):
    parts = clip(30, leaves=3)
    made, numbers = backend(overlap_frames=0), []
    generate = made.engine.generate
    monkeypatch.setattr(made.engine, "generate", lambda *a, **k: numbers.append(a[3]) or generate(*a, **k))
    frames, _, _ = inserted(made, request_of(parts))
    assert numbers == [0] and np.array_equal(frames[3:], parts[0][3:])


def test_regions_grow_with_their_kind(backend):
    parts = clip(5, (192, 128), side=30)
    area = {}
    for kind in ("mask", "box", "square", "adapted"):
        made = backend(region=kind, max_area=192 * 128)
        area[kind] = made._regions(request_of(parts, cutout(90, 30)), (192, 128), {}).sum()
    assert area["mask"] <= area["box"] <= area["square"]
    assert area["adapted"] > 0
    assert square_box((10.0, 0.0, 20.0, 40.0)) == (-5.0, 0.0, 35.0, 40.0)
    assert growth_px(10, (1440, 900)) == 10 and growth_px(10, (360, 640)) == 5


def test_edges_are_drawn_in_the_first_frame_and_matter(backend):
    parts = clip(5)
    plain, _, _ = inserted(backend(), request_of(parts))
    drawn, _, _ = inserted(backend(edges=True), request_of(parts))
    assert not np.array_equal(plain, drawn)
    sketch = edges_in(cutout(60, 40), (20.0, 10.0, 80.0, 50.0), (96, 64), (96, 64))
    assert (sketch[..., 3] > 0).sum() == 60 * 40 and set(np.unique(sketch[..., 0])) == {0, 255}
    assert sketch[11:49, 21:79, 0].mean() < 40, "lines, not areas"
    outside = edges_in(cutout(), (80.0, 50.0, 140.0, 90.0), (96, 64), (96, 64))
    assert outside[50:, 80:, 3].all() and not outside[:50].any()


def test_the_reference_is_whole_centred_and_on_white():
    found = reference_on_white(cutout(60, 20, (10, 20, 30)), (96, 64))
    assert found.shape == (64, 96, 3) and (found[0] == 255).all() and (found[32, 48] == (10, 20, 30)).all()
    dark = (found < 128).all(2)
    assert dark.any(0).sum() / dark.any(1).sum() == pytest.approx(3, rel=0.05)
    assert dark.any(0).sum() == pytest.approx(0.94 * 96, abs=2)


def test_the_seen_product_is_what_changed():
    before = np.full((80, 100, 3), 120, np.uint8)
    region = np.zeros((80, 100), bool)
    region[10:70, 10:90] = True
    after = before.copy()
    after[25:55, 30:60] = (200, 60, 60)
    after[38:42, 40:50] = 120  # a hole
    after[region] += np.random.default_rng(0).integers(0, 6, (int(region.sum()), 3), dtype=np.uint8)
    seen, clear = detect_inserted_mask_otsu(before, after, region)
    wanted = np.zeros((80, 100), bool)
    wanted[25:55, 30:60] = True
    assert clear and (seen & wanted).sum() / (seen | wanted).sum() > 0.9
    nothing, clear = detect_inserted_mask_otsu(before, before, region)
    assert not clear and np.array_equal(nothing, region)
    assert not detect_inserted_mask_otsu(before, after, region & False)[0].any()


# ---------------------------------------------------------------- the stage


PAIR = {
    "pair_id": "A_s01__B_i1",
    "clip_id": "A_s01",
    "source_id": "A",
    "target_id": "B",
    "image_index": 1,
    "seed": 5,
}


def write_clip(folder, parts):
    from fractions import Fraction

    source, plain, masks, boxes = parts
    rate = Fraction(30000, 1001)
    folder.mkdir()
    write_video(folder / "video.mp4", source, rate)
    write_video(folder / "background.mp4", plain, rate)
    background_record().write(folder / "background.json")
    write_masks(folder / "masks.mkv", masks, rate)
    write_masks(folder / "region.mkv", changed(parts), rate)
    frames = [track_frame(box and [round(side) for side in box]) for box in boxes]
    n, height, width = masks.shape
    track = {"n_frames": n, "fps": "30000/1001", "width": width, "height": height, "frames": frames, "points": []}
    track_record(**track).write(folder / "track.json")


def run_stage(folder, settings, parts):
    folder.mkdir(parents=True)
    write_clip(folder / "clip", parts)
    write_png(folder / "1.png", cutout())
    out = folder / "out"
    insert_product(folder / "clip", [folder / "1.png"], cutout_record(), out, PAIR, settings, prompt="a watch, watches")
    record = json.loads((out / "insert.json").read_text())
    jsonschema.Draft202012Validator(load_schema("insert")).validate(record)
    return out, record


def test_the_stage_writes_video_masks_and_record(home, monkeypatch, tmp_path):
    use(monkeypatch, home)
    settings = settings_of("insertion", "vace")
    out, record = run_stage(tmp_path / "a", settings, clip(14, leaves=12))
    assert record["status"] == "done" and record["reason"] == ""
    assert count_frames(out / "insert.mp4") == 14
    seen = read_masks(out / "insert_mask.mkv")
    assert seen.shape == (1, 14, 64, 96) and seen[0, 0].any() and not seen[0, 12:].any()
    assert record["boxes"][0] is not None and record["boxes"][13] is None
    assert record["measures"]["windows"] == 3
    assert record["provenance"]["backend"] == "vace" and record["provenance"]["seed"] == 5
    again, _ = run_stage(tmp_path / "b", settings, clip(14, leaves=12))
    for name in ("insert.mp4", "insert_mask.mkv"):
        assert (out / name).read_bytes() == (again / name).read_bytes()


def test_a_pair_that_cannot_be_made_is_a_record(home, monkeypatch, tmp_path):
    use(monkeypatch, home)
    out, record = run_stage(tmp_path / "a", settings_of("insertion", "vace"), clip(5, leaves=0))
    assert record["status"] == "failed" and "not visible" in record["reason"]
    assert (out / "insert.mp4").stat().st_size == 0
