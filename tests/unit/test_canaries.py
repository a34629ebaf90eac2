"""Canaries on a drawn pair: a square product has taken the place of a disc that moves over a textured ground."""

from __future__ import annotations

import json
import tempfile
from fractions import Fraction
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from pvtt.config.settings import load_schema, stage_defaults
from pvtt.imaging.geometry import box_of
from pvtt.io.files import write_empty
from pvtt.io.images import read_rgba, write_png
from pvtt.io.video import read_masks, read_video, write_masks, write_video
from pvtt.metrics import psnr
from pvtt.records.canaries import KINDS, Canaries, expected_verdict
from pvtt.records.layout import Layout
from pvtt.records.results import Score
from pvtt.stages.scoring import canaries, canary_kinds, source_flow
from pvtt.stages.scoring.canary_kinds import MAKERS, Material, NotMadeError
from pvtt.stages.verdicts import judge_canaries
from synthetic.records import clip_record, insertion_record, score_record
from unit.test_scoring import N, boxes, film, product, texture

SETTINGS = stage_defaults("scoring") | {"identity_frames": 3, "flow_pairs": 4}
FPS = Fraction(24)
PAIR = {"clip_id": "A_s01", "source_id": "A", "target_id": "B", "image_index": "1", "other_id": "C"}
PAIR |= {"swap_id": "B", "swap_start": 7}


def finish_pair(results: Path, still: bool = False) -> Layout:
    """A clip of product A (a disc) and a pair with B (a square) in its place; C is a plain green bar."""
    files = Layout(results)
    clip, pair = files.clip("A_s01"), files.pair_of(PAIR)
    source, source_masks = film(product("disc"), still=still)
    result, masks = film(product("square"), still=still)
    place = {"video": "A.mp4", "start_frame": 9, "end_frame": 9 + N, "width": 192, "height": 128}
    clip_record(source=place).write(clip.record)
    write_video(clip.video, source, FPS)
    write_masks(clip.masks, source_masks, FPS)
    write_video(clip.background, np.repeat(texture(1, (90, 100, 90), (150, 170, 140))[None], N, 0), FPS)
    source_flow.measure_flow(clip.video, clip.flow, SETTINGS)
    write_video(pair.video, result, FPS)
    write_masks(pair.mask, masks, FPS)
    shape = {"n_frames": N, "fps": "24/1", "width": masks.shape[2], "height": masks.shape[1]}
    insertion_record(boxes=boxes(masks), **shape).write(pair.record)
    write_png(files.cutout("A", 1).image, product("disc"))
    write_png(files.cutout("B", 1).image, product("square"))
    bar = np.zeros((40, 40, 4), np.uint8)
    bar[16:24] = (20, 230, 40, 255)
    write_png(files.cutout("C", 1).image, bar)
    return files


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return finish_pair(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def material(files):
    clip, pair = files.clip("A_s01"), files.pair_of(PAIR)
    masks = read_masks(pair.mask).any(0)
    cutout = files.cutout("B", 1).image
    return Material(clip.video, clip.background, pair.video, masks, cutout, 4.0, true_swap(files), 2, seed=3)


def true_swap(files: Layout) -> tuple[Path, Path]:
    """The pair itself as a true swap that begins two frames before the clip and ends three after it."""
    pair, found = files.pair_of(PAIR), (files.results / "swap.mp4", files.results / "swap.mkv")
    places = np.clip(np.arange(-2, N + 3), 0, N - 1)
    write_video(found[0], read_video(pair.video)[places], FPS)
    write_masks(found[1], read_masks(pair.mask)[:, places], FPS)
    return found


def shown(material, kind):
    """Frames and masks of a canary."""
    footage = MAKERS[kind](material)
    video = read_video(footage.video) if isinstance(footage.video, Path) else np.stack(list(footage.video))
    return video, footage.masks


def test_every_kind_has_a_maker_and_an_expected_verdict():
    assert set(MAKERS) == set(KINDS)
    found = {kind: expected_verdict(kind) for kind in KINDS}
    assert [kind for kind in KINDS if found[kind] != "rejected"] == ["no_shadow", "true_swap"]
    assert found["true_swap"] == "kept" and found["no_shadow"] == "none"


@pytest.mark.parametrize("kind", KINDS)
def test_a_canary_has_the_pairs_size_and_shows_its_product_in_every_frame(material, kind):
    video, masks = shown(material, kind)
    assert video.shape == (*material.masks.shape, 3) and masks.shape == material.masks.shape
    assert masks.dtype == bool and masks.any((1, 2)).all()


@pytest.mark.parametrize(
    ("kind", "origin"), [("unchanged", "source"), ("empty_hole", "background"), ("other_product", "result")]
)
def test_some_kinds_are_files_of_the_pair(material, kind, origin):
    footage = MAKERS[kind](material)
    assert footage.video == getattr(material, origin) and footage.masks is material.masks


def test_black_is_black(material):
    video, masks = shown(material, "black")
    assert not video.any() and masks is material.masks


def test_frozen_shows_one_frame_of_the_result(material):
    video, masks = shown(material, "frozen")
    assert (video == video[0]).all() and (masks == masks[0]).all()
    assert any((video[0] == frame).all() for frame in read_video(material.result))


def test_shuffled_has_every_frame_with_its_mask_once(material, monkeypatch):
    monkeypatch.setattr(canary_kinds, "_BLOCK", 6)  # N frames are two blocks and a rest
    video, masks = shown(material, "shuffled")
    result = read_video(material.result)
    order = [next(k for k in range(N) if (result[k] == frame).all()) for frame in video]
    assert sorted(order) == list(range(N)) and order != list(range(N))
    assert {place // 6 - index // 6 for place, index in enumerate(order)} == {0}, "frames stay within their block"
    np.testing.assert_array_equal(masks, material.masks[order])
    again, _ = shown(material, "shuffled")
    np.testing.assert_array_equal(again, video)


@pytest.mark.parametrize("kind", ["frozen", "shuffled"])
def test_a_still_source_has_no_wrong_order(material, kind):
    still = Material(**vars(material) | {"motion_px": 0.1})
    with pytest.raises(NotMadeError, match=r"moves by 0.10 px per frame only"):
        MAKERS[kind](still)


@pytest.mark.parametrize(("flipped", "side"), [(False, 1), (True, -1)])
def test_the_mask_is_shifted_by_half_a_width_to_the_free_side(material, flipped, side):
    masks = material.masks[..., ::-1] if flipped else material.masks
    found = MAKERS["shifted_mask"](Material(**vars(material) | {"masks": masks})).masks
    for before, after in zip(masks, found, strict=True):
        old, new = box_of(before), box_of(after)
        assert new[0] - old[0] == side * round((old[2] - old[0]) / 2) and new[1::2] == old[1::2]
        assert after.sum() == before.sum()


def test_no_shadow_is_the_cutout_as_it_is_over_the_background(material):
    video, masks = shown(material, "no_shadow")
    background = read_video(material.background)
    assert (masks <= material.masks).all() and masks.sum() > 0.85 * material.masks.sum()
    np.testing.assert_array_equal(video[~material.masks], background[~material.masks])
    rgba = read_rgba(material.cutout)
    colours = rgba[rgba[..., 3] > 127][:, :3].astype(int)
    inside = video[masks].astype(int)
    assert np.abs(inside.mean(0) - colours.mean(0)).max() < 12


def test_no_shadow_needs_an_opaque_pixel(material, tmp_path):
    write_png(tmp_path / "clear.png", np.zeros((20, 20, 4), np.uint8))
    with pytest.raises(NotMadeError, match="no opaque pixel"):
        MAKERS["no_shadow"](Material(**vars(material) | {"cutout": tmp_path / "clear.png"}))


def test_a_true_swap_must_have_the_clips_frames(material, tmp_path):
    video, masks = shown(material, "true_swap")
    np.testing.assert_array_equal(masks, material.masks)
    assert psnr(video, read_video(material.result)) > 35, "encoded once more"
    with pytest.raises(NotMadeError, match="no true swap"):
        MAKERS["true_swap"](Material(**vars(material) | {"swap": None}))
    for start in (-1, 6):
        with pytest.raises(NotMadeError, match=rf"has 21 frames of 192x128, the clip 16 .* from frame {start} of it"):
            MAKERS["true_swap"](Material(**vars(material) | {"swap_start": start}))


# ---------------------------------------------------------------- scored and judged


def score(files, pairs=(PAIR,), swaps=None, settings=SETTINGS):
    """Score the canaries of a run; the record that it left."""
    cutouts = {name: [files.cutout(name, 1).image] for name in "ABC"}
    known = {"A_s01": (files.results / "swap.mp4", files.results / "swap.mkv")} if swaps is None else swaps
    canaries.score_canaries(files.results, pairs, cutouts, known, settings, "cpu")
    return Canaries.read(files.canaries)


def limits(scores: list[Score]) -> pd.DataFrame:
    """Keep what shows the right product, steadily, and left the rest alone."""
    rows = []
    for each in scores:
        found = each.measures
        bad = [
            name
            for name, least in (("swap", 0.05), ("motion_ratio", 0.3), ("background_psnr", 30))
            if least > found[name]
        ]
        rows.append({"kept": not bad, "reasons": ";".join(bad), "quality_score": each.scores.identity})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def scored(files, material, tmp_path_factory):
    before = sorted(path for path in files.results.rglob("*") if path.is_file())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("canaries")))
        record = score(files)
        assert list(Path(tempfile.gettempdir()).iterdir()) == []
    after = sorted(path for path in files.results.rglob("*") if path.is_file())
    assert set(after) - set(before) == {files.canaries}, "nothing else is left behind"
    return record


def test_every_kind_is_scored(scored, files):
    assert [canary.kind for canary in scored.canaries] == list(KINDS)
    assert {canary.score.status for canary in scored.canaries} == {"scored"}
    assert {(canary.clip_id, canary.pair_id) for canary in scored.canaries} == {("A_s01", "A_s01__B_i1")}
    targets = {canary.kind: canary.target_id for canary in scored.canaries}
    assert targets.pop("other_product") == "C" and set(targets.values()) == {"B"}
    jsonschema.validate(json.loads(files.canaries.read_text()), load_schema("canaries"))


def test_each_fault_shows_in_the_measure_that_is_about_it(scored):
    found = {canary.kind: canary.score for canary in scored.canaries}
    good = found["true_swap"]
    assert good.measures["swap"] > 0.3 and good.scores.temporal > 0.8
    assert found["unchanged"].measures["swap"] < 0 and found["unchanged"].measures["changed"] < 0.05
    assert found["empty_hole"].scores.identity < good.scores.identity - 0.2
    assert found["other_product"].scores.identity < good.scores.identity - 0.3
    assert found["black"].measures["background_psnr"] < 15
    assert found["frozen"].measures["motion_ratio"] < 0.2
    assert found["shuffled"].scores.temporal < 0.5 * good.scores.temporal
    assert found["shifted_mask"].scores.identity < good.scores.identity - 0.1


def test_verdicts_are_right_where_they_are_as_expected(scored, tmp_path):
    verdicts = judge_canaries([scored], limits)
    found = {verdict.kind: verdict for verdict in verdicts.canaries}
    assert found["true_swap"].kept and found["true_swap"].right and found["true_swap"].reasons == []
    for kind in ("unchanged", "black", "frozen"):
        assert found[kind].kept is False and found[kind].right and found[kind].reasons
    assert found["no_shadow"].right is None and found["no_shadow"].kept is not None
    everything = judge_canaries([scored], lambda scores: limits(list(scores)).assign(kept=True, reasons=""))
    wrong = [verdict.name for verdict in everything.canaries if verdict.right is False]
    assert len(wrong) == len(KINDS) - 2 and "black of A_s01" in wrong
    verdicts.write(tmp_path / "verdicts.json")
    jsonschema.validate(json.loads((tmp_path / "verdicts.json").read_text()), load_schema("canary_verdicts"))


def test_what_could_not_be_made_or_scored_has_no_verdict(tmp_path):
    files = finish_pair(tmp_path, still=True)
    write_empty(files.cutout("C", 1).image)
    record = score(files, [PAIR | {"swap_id": ""}], {})
    reasons = {canary.kind: canary.reason for canary in record.canaries if canary.score is None}
    assert set(reasons) == {"frozen", "shuffled", "other_product", "true_swap"}
    assert reasons["other_product"] == "no photo of C could be cut out"
    assert reasons["true_swap"] == "no true swap of this clip is known"
    failed = score_record("A_s01__B_i1", status="failed", reason="no GPU", keep=False)
    black = record.canaries[list(KINDS).index("black")].model_copy(update={"score": failed})
    verdicts = judge_canaries([Canaries(canaries=[*record.canaries, black])], limits).canaries
    unjudged = {verdict.kind: verdict for verdict in verdicts if verdict.kept is None}
    assert set(unjudged) == {*reasons, "black"} and unjudged["black"].reasons == ["failed: no GPU"]
    assert all(verdict.right is None for verdict in unjudged.values())


def test_a_pair_that_failed_has_no_canaries(tmp_path):
    files = Layout(tmp_path)
    pair = files.pair_of(PAIR)
    for path in (pair.video, pair.mask):
        write_empty(path)
    insertion_record(status="failed", reason="too large").write(pair.record)
    record = score(files)
    assert {canary.reason for canary in record.canaries} == {"the pair could not be made: too large"}


def test_a_passing_failure_is_not_cached(files, monkeypatch, tmp_path):
    calls = []

    def fail(clip_dir, pair_dir, *arguments):
        calls.append(arguments)
        score_record(status="failed", reason="no GPU", keep=False).write(pair_dir / "score.json")

    monkeypatch.setattr(canaries, "score_pair", fail)
    monkeypatch.setattr(Layout, "canaries", property(lambda self: tmp_path / "canaries.json"))
    score(files, settings=SETTINGS | {"judge": "openai"})
    assert json.loads((tmp_path / "canaries.json").read_text())["keep"] is False
    assert {arguments[2]["judge"] for arguments in calls} == {"none"}, "no judge is asked"
