"""Scoring of generated pairs: a textured product moves over a textured ground, so what is right and wrong is known."""

import json
from fractions import Fraction

import cv2
import jsonschema
import numpy as np
import pytest

from pvtt.config.settings import load_schema, stage_defaults
from pvtt.io.files import write_empty
from pvtt.io.images import write_png
from pvtt.io.video import write_masks, write_video
from pvtt.metrics import psnr
from pvtt.stages import scoring
from pvtt.stages.scoring import score_pair
from pvtt.stages.scoring.base import Crop
from pvtt.stages.scoring.classical import Backend
from pvtt.stages.scoring.identity import cut_out_crops, identity_measures, tight_crop
from pvtt.stages.scoring.judges.base import Answer, JudgeError
from synthetic.records import insertion_record

SETTINGS = stage_defaults("scoring")
FPS = Fraction(24000, 1001)
N, HEIGHT, WIDTH = 16, 128, 192


def texture(seed, low, high, shape=(HEIGHT, WIDTH), grain=2.5):
    noise = np.random.default_rng(seed).normal(0, 1, (*shape, 3)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), grain)
    noise = np.clip((noise / noise.std() + 2) / 4, 0, 1)
    return (np.array(low) + noise * (np.array(high) - np.array(low))).astype(np.uint8)


def product(kind):
    """RGBA, 40 x 40: a red striped disc, or a blue square with a hole."""
    y, x = np.mgrid[:40, :40]
    rgba = np.zeros((40, 40, 4), np.uint8)
    if kind == "disc":
        rgba[..., :3] = np.where(((x // 5) % 2)[..., None], (200, 40, 30), (120, 15, 10))
        rgba[..., 3] = 255 * (np.hypot(x - 19.5, y - 19.5) <= 19)
    else:
        rgba[..., :3] = np.where(((x + y) // 8 % 2)[..., None], (30, 60, 190), (90, 150, 230))
        rgba[..., 3] = 255 * ((np.abs(x - 19.5) < 18) & (np.abs(y - 19.5) < 18) & (np.hypot(x - 19.5, y - 19.5) > 8))
    return rgba


def place(frame, rgba, x, y):
    matrix = np.array([[1.0, 0, x], [0, 1.0, y]])
    layer = cv2.warpAffine(rgba, matrix, (WIDTH, HEIGHT))
    mask = layer[..., 3] > 127
    return np.where(mask[..., None], layer[..., :3], frame), mask


def path(index):
    return 30 + 4.0 * index, 40 + 1.5 * index


def film(rgba, offsets=None, still=False):
    ground = texture(1, (90, 100, 90), (150, 170, 140))
    shown = [path(0 if still else i) for i in range(N)]
    offsets = np.zeros((N, 2)) if offsets is None else offsets
    pairs = [place(ground, rgba, x + dx, y + dy) for (x, y), (dx, dy) in zip(shown, offsets, strict=True)]
    return np.stack([frame for frame, _ in pairs]), np.stack([mask for _, mask in pairs])


def boxes(masks):
    found = []
    for mask in masks:
        if not mask.any():
            found.append(None)
            continue
        y, x = np.nonzero(mask)
        found.append([float(x.min()), float(y.min()), float(x.max() + 1), float(y.max() + 1)])
    return found


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    source, masks = film(product("disc"))
    ground = np.repeat(texture(1, (90, 100, 90), (150, 170, 140))[None], N, 0)
    write_video(folder / "video.mp4", source, FPS)
    write_video(folder / "background.mp4", ground, FPS)
    write_masks(folder / "masks.mkv", masks, FPS)
    write_png(folder / "target.png", product("square"))
    write_png(folder / "source.png", product("disc"))
    write_empty(folder / "rejected.png")
    return folder


def scored(clip, folder, frames, masks, fps=FPS, target="target.png", **record):
    write_video(folder / "insert.mp4", frames, fps)
    write_masks(folder / "insert_mask.mkv", masks, FPS)
    insertion_record(boxes=boxes(masks), **record).write(folder / "insert.json")
    score_pair(clip, folder, [clip / "rejected.png", clip / target], [clip / "source.png"], SETTINGS)
    return json.loads((folder / "score.json").read_text())


def test_right_swap_scores_high(clip, tmp_path):
    record = scored(clip, tmp_path, *film(product("square")))
    assert (record["status"], record["reason"], record["pair_id"]) == ("scored", "", "A_s01__B_i1")
    assert record["scores"]["lighting"] is None and record["scores"]["overall"] is None
    identity, temporal = record["scores"]["identity"], record["scores"]["temporal"]
    assert identity > 0.85 and temporal > 0.8
    measures = record["measures"]
    assert measures["swap"] > 0.3 and measures["changed"] > 0.8 and measures["background_psnr"] > 38
    assert measures["motion_ratio"] == pytest.approx(1, abs=0.35) and measures["box_drift"] < 0.02
    assert measures["identity_p10"] <= measures["identity_median"] == identity
    assert record["provenance"]["inputs"].keys() >= {"clip_video.mp4", "insert.mp4", "target_2", "source_1"}


@pytest.mark.parametrize("reached", [True, False])
def test_a_score_is_not_kept_when_the_judge_was_not_reached(clip, tmp_path, monkeypatch, reached):
    class Judge:
        name, version, asked_model = "stub", "1", "stub"

        def load(self, device):
            pass

        def ask(self, question):
            if not reached:
                raise JudgeError("no answer")
            return Answer("no digit", (("no", 0.0),))  # an answer all the same

        def close(self):
            pass

    monkeypatch.setattr(scoring, "judge_backend", lambda settings: Judge())
    record = scored(clip, tmp_path, *film(product("square")))
    assert record["status"] == "scored" and record["judge"]["status"] == "failed"
    assert ("keep" in record, record.get("keep")) == (not reached, None if reached else False)
    jsonschema.validate(record, load_schema("score"))


def test_unchanged_source_is_no_swap(clip, tmp_path):
    measures = scored(clip, tmp_path, *film(product("disc")))["measures"]
    assert measures["swap"] < -0.2 and measures["changed"] < 0.05 and measures["source_likeness"] > 0.9


def test_destroyed_background_is_seen_only_outside_the_masks(clip, tmp_path):
    frames, masks = film(product("square"))
    damaged = np.where(masks[..., None], frames, 255 - frames)
    assert scored(clip, tmp_path, damaged, masks)["measures"]["background_psnr"] < 20


def test_background_psnr_is_that_of_the_pixels_outside(clip, tmp_path):
    frames, masks = film(product("square"))
    source, source_masks = film(product("disc"))
    brighter = np.where(masks[..., None], frames, np.clip(frames.astype(int) + 10, 0, 255)).astype(np.uint8)
    found = scored(clip, tmp_path, brighter, masks)["measures"]["background_psnr"]
    outside = ~np.stack(
        [cv2.dilate((a | b).astype(np.uint8), np.ones((13, 13))) > 0 for a, b in zip(masks, source_masks, strict=True)]
    )
    assert found == pytest.approx(psnr(brighter, source, outside), abs=0.4)


def test_failed_insertion_passes_its_reason_on(clip, tmp_path):
    insertion_record(status="failed", reason="no room for the product").write(tmp_path / "insert.json")
    score_pair(clip, tmp_path, [clip / "target.png"], [], SETTINGS)
    record = json.loads((tmp_path / "score.json").read_text())
    assert (record["status"], record["reason"]) == ("failed", "no room for the product")
    assert set(record["scores"].values()) == {None}


def invalid(record, *words):
    assert record["status"] == "invalid" and record["measures"] == {}
    assert all(word in record["reason"] for word in words), record["reason"]


def test_files_that_do_not_belong_together_are_invalid(clip, tmp_path):
    frames, masks = film(product("square"))
    invalid(scored(clip, tmp_path, frames[:-1], masks), "insert.mp4 15", "video.mp4 16")
    invalid(scored(clip, tmp_path, frames, masks[:-1]), "insert_mask.mkv is 15 frames")
    invalid(scored(clip, tmp_path, frames[:, :, :176], masks), "insert.mp4 is 176x128")
    invalid(scored(clip, tmp_path, frames, masks, fps=Fraction(24)), "24/1", "24000/1001")
    invalid(scored(clip, tmp_path, frames, np.zeros_like(masks)), "visible in no frame")
    invalid(scored(clip, tmp_path, frames, masks, target="rejected.png"), "no accepted cut-out of the target")


def test_missing_or_damaged_file_is_invalid(clip, tmp_path):
    frames, masks = film(product("square"))
    scored(clip, tmp_path, frames, masks)
    write_empty(tmp_path / "insert.mp4")
    score_pair(clip, tmp_path, [clip / "target.png"], [], SETTINGS)
    invalid(json.loads((tmp_path / "score.json").read_text()), "insert.mp4: missing or empty")
    (tmp_path / "insert.mp4").write_bytes(b"not a video")
    score_pair(clip, tmp_path, [clip / "target.png"], [], SETTINGS)
    invalid(json.loads((tmp_path / "score.json").read_text()), "insert.mp4: cannot be opened")


def test_empty_source_clip_has_no_swap_but_a_score(clip, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    for name in ("background.mp4", "target.png", "rejected.png"):
        (empty / name).write_bytes((clip / name).read_bytes())
    (empty / "video.mp4").write_bytes((clip / "background.mp4").read_bytes())
    write_masks(empty / "masks.mkv", np.zeros((N, HEIGHT, WIDTH), bool), FPS)
    frames, masks = film(product("square"))
    write_video(tmp_path / "insert.mp4", frames, FPS)
    write_masks(tmp_path / "insert_mask.mkv", masks, FPS)
    insertion_record(boxes=boxes(masks)).write(tmp_path / "insert.json")
    score_pair(empty, tmp_path, [empty / "target.png"], [], SETTINGS)
    record = json.loads((tmp_path / "score.json").read_text())
    assert record["status"] == "scored" and record["scores"]["identity"] > 0.85
    assert record["measures"]["swap"] is None and record["measures"]["motion_ratio"] is None
    assert record["measures"]["box_drift"] is None


def turned(rgba, degrees, scale, light):
    size = int(60 * scale) + 8
    matrix = cv2.getRotationMatrix2D((20, 20), degrees, scale)
    matrix[:, 2] += size / 2 - 20
    out = cv2.warpAffine(rgba, matrix, (size, size))
    out[..., :3] = np.clip(out[..., :3] * np.array(light), 0, 255).astype(np.uint8)
    return out


def crop_of(rgba):
    return tight_crop(rgba[..., :3], rgba[..., 3] > 127)


@pytest.mark.parametrize("kind", ["disc", "square"])
@pytest.mark.parametrize(
    ("degrees", "scale", "light"), [(0, 1, (1, 1, 1)), (10, 0.8, (0.9, 0.9, 0.95)), (-20, 1.6, (1.1, 1.05, 1))]
)
def test_same_product_is_alike_and_another_is_not(kind, degrees, scale, light):
    backend = Backend(SETTINGS)
    other = "square" if kind == "disc" else "disc"
    seen, same, different = backend.embed(
        [crop_of(p) for p in (turned(product(kind), degrees, scale, light), product(kind), product(other))]
    )
    assert backend.similarity(seen, same) > 0.75
    assert backend.similarity(seen, different) < 0.5


def test_likeness_is_one_to_itself_and_symmetric():
    backend = Backend(SETTINGS)
    a, b = backend.embed([crop_of(product("disc")), crop_of(product("square"))])
    assert backend.similarity(a, a) == pytest.approx(1, abs=0.01)
    assert backend.similarity(a, b) == pytest.approx(backend.similarity(b, a), abs=0.08)
    assert 0 <= backend.similarity(a, b) <= 1


def test_tight_crop_greys_what_is_not_product():
    image, mask = np.full((50, 60, 3), 7, np.uint8), np.zeros((50, 60), bool)
    mask[10:20, 30:44] = True
    mask[10, 30] = False
    crop = tight_crop(image, mask)
    assert crop.image.shape == (10, 14, 3) and crop.mask.shape == (10, 14)
    assert crop.image[0, 0].tolist() == [128] * 3 and crop.image[5, 5].tolist() == [7] * 3
    assert tight_crop(image, np.zeros((50, 60), bool)) is None


def test_rejected_cut_outs_are_passed_over(clip):
    assert len(cut_out_crops([clip / "rejected.png", clip / "target.png"])) == 1


class ByMean:
    """Features are mean grey levels; likeness falls by their difference."""

    def embed(self, crops):
        return [float(crop.image[crop.mask].mean()) for crop in crops]

    def similarity(self, a, b):
        return max(0.0, 1 - abs(a - b) / 100)


def test_identity_figures_are_exact():
    mask = np.ones((10, 10), bool)

    def grey(level):
        return np.full((10, 10, 3), level, np.uint8)

    frames = [
        {"source": grey(200), "result": grey(level), "source_mask": mask, "insert_mask": mask}
        for level in (100, 110, 120)
    ]
    target = [Crop(grey(100), mask), Crop(grey(10), mask)]
    found = identity_measures(ByMean(), frames, target, [Crop(grey(150), mask)])
    assert found["identity_median"] == pytest.approx(0.9) and found["identity_p10"] == pytest.approx(0.82)
    assert found["source_likeness"] == pytest.approx(0.6)
    assert found["swap"] == pytest.approx(0.3) and found["changed"] == 1.0
    nothing = identity_measures(ByMean(), frames, [], [])
    assert set(nothing.values()) == {None}
