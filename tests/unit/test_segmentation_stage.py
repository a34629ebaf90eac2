"""The segmentation stage on generated clips whose masks are known exactly."""

import json
from fractions import Fraction

import cv2
import numpy as np
import pytest

from pvtt.config.settings import stage_defaults
from pvtt.imaging import color_histograms
from pvtt.io import images, video
from pvtt.records.results import MeasuredMasks
from pvtt.stages.segmentation import segment_clip
from pvtt.stages.segmentation.classical import Backend
from pvtt.stages.segmentation.photo_evidence import sample_numbers
from pvtt.stages.verdicts import judge_mask
from synthetic.records import clip_record

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 192, 256
LIMITS = stage_defaults("verdicts")["masks"]


def ground(height=HEIGHT, width=WIDTH, seed=0):
    noise = np.random.default_rng(seed).normal(0, 12, (height // 8, width // 8, 1))
    noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.clip(np.array([150, 155, 160]) + noise, 0, 255).astype(np.uint8)


def disc(x, y, radius):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def paint(shapes, colours=((200, 40, 30),)):
    """Frames with a soft shadow right below each shape, and their masks (n, h, w)."""
    frames = np.repeat(ground()[None], len(shapes), axis=0)
    for frame, planes in zip(frames, shapes, strict=True):
        for k, plane in enumerate(planes):
            shadow = np.roll(plane, (4, 4), (0, 1)) & ~plane
            frame[shadow] = (frame[shadow] * 0.85).astype(np.uint8)
            frame[plane] = colours[k % len(colours)]
    return frames, np.stack([np.any(planes, axis=0) for planes in shapes])


def iou(first, second):
    return (first & second).sum() / max(1, (first | second).sum())


def settings():
    return stage_defaults("segmentation") | {"sampled_frames": 4}


def backend():
    return Backend(settings())


def make_clip(folder, frames, **changes):
    video.write_video(folder / "video.mp4", frames, Fraction(24000, 1001))
    size = {"width": frames.shape[2], "height": frames.shape[1], "n_frames": len(frames)}
    clip_record("A1_s01", fps="24000/1001", **size, **changes).write(folder / "clip.json")


def test_a_moving_disc_with_a_shadow_is_found_in_every_frame_and_accepted(tmp_path):
    frames, truth = paint([[disc(80 + 8 * t, 90 + 2 * t, 30)] for t in range(6)])
    make_clip(tmp_path, frames)
    segment_clip(tmp_path, [], "a red disc", settings())
    masks = video.read_masks(tmp_path / "masks.mkv")
    record = json.loads((tmp_path / "mask_measures.json").read_text())
    track = json.loads((tmp_path / "track.json").read_text())
    assert masks.shape == (1, 6, HEIGHT, WIDTH)
    assert min(iou(a, b) for a, b in zip(masks[0], truth, strict=True)) > 0.93
    assert (record["status"], record["reason"]) == ("measured", "")
    verdict = judge_mask(MeasuredMasks.of(record), LIMITS)
    assert (verdict.status, verdict.reason) == ("accepted", "") and 0.5 < verdict.score <= 1
    assert record["provenance"]["backend"] == "classical" and "video" in record["provenance"]["inputs"]
    boxes = np.array([frame["box"] for frame in track["frames"]])
    expected = np.array([[50 + 8 * t, 60 + 2 * t, 111 + 8 * t, 121 + 2 * t] for t in range(6)])
    assert np.abs(boxes - expected).max() <= 3
    assert track["fps"] == "24000/1001" and track["n_frames"] == 6
    assert track["objects"][0]["visible_frames"] == 6


def test_the_same_clip_gives_the_same_bytes(tmp_path):
    frames, _ = paint([[disc(90 + 4 * t, 90, 25)] for t in range(4)])
    outputs = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        make_clip(folder, frames)
        segment_clip(folder, [], "", settings())
        outputs.append([(folder / file).read_bytes() for file in ("masks.mkv", "track.json")])
    assert outputs[0] == outputs[1]


def test_the_inside_of_a_ring_is_not_filled():
    frames, _ = paint([[disc(120 + 3 * t, 95, 42) & ~disc(120 + 3 * t, 95, 28)] for t in range(4)], ((190, 150, 30),))
    masks = backend().segment(frames, [], "").masks.any(0)
    for t in range(4):
        assert masks[t][disc(120 + 3 * t, 95, 22)].mean() < 0.05
        assert masks[t][disc(120 + 3 * t, 95, 40) & ~disc(120 + 3 * t, 95, 30)].mean() > 0.95


def test_two_objects_that_stay_apart_keep_their_ids():
    shapes = [[disc(80 + 4 * t, 90, 20), disc(165 - 3 * t, 100, 20)] for t in range(6)]
    frames, _ = paint(shapes, ((200, 40, 30), (205, 45, 35)))
    masks = backend().segment(frames, [], "").masks
    assert len(masks) == 2
    for t, planes in enumerate(shapes):
        assert [iou(masks[k, t], planes[k]) > 0.85 for k in range(2)] == [True, True]


def test_a_hand_from_the_border_is_cut_out_of_the_mask():
    frames, truth = paint([[disc(125, 95, 40)]] * 8, ((30, 60, 170),))
    for t, frame in enumerate(frames):
        hand = np.zeros((HEIGHT, WIDTH), bool)
        hand[80:112, : 20 * t] = True
        frame[hand] = (215, 160, 130)
        truth[t] &= ~hand
    masks = backend().segment(frames, [], "").masks.any(0)
    assert min(iou(a, b) for a, b in zip(masks, truth, strict=True)) > 0.85


def test_the_photo_decides_between_two_rivals():
    frames, _ = paint([[disc(75 + 2 * t, 95, 26), disc(180, 95, 26)] for t in range(4)], ((200, 40, 30), (30, 60, 190)))
    photo = np.zeros((60, 60, 4), np.uint8)
    photo[...] = (30, 60, 190, 255)
    result = backend().segment(frames, [photo], "")
    assert iou(result.masks[:, 0].any(0), disc(180, 95, 26)) > 0.85
    assert result.evidence["likeness"] > 0.8


@pytest.mark.parametrize("count", [1, 3])
def test_very_short_clips_are_segmented(count):
    frames, truth = paint([[disc(120, 95, 30)]] * count)
    masks = backend().segment(frames, [], "").masks
    assert masks.shape[1] == count
    assert iou(masks.any(0)[0], truth[0]) > 0.9


def test_a_portrait_clip_keeps_its_size():
    frames, truth = paint([[disc(120, 95, 30)]] * 2)
    turned = np.ascontiguousarray(np.rot90(frames, axes=(1, 2)))
    masks = backend().segment(turned, [], "").masks.any(0)
    assert masks.shape == (2, WIDTH, HEIGHT)
    assert iou(masks[0], np.rot90(truth[0])) > 0.9


@pytest.mark.parametrize("level", [0, 128])
def test_frames_without_anything_are_rejected_with_a_reason(tmp_path, level):
    make_clip(tmp_path, np.full((3, 96, 128, 3), level, np.uint8))
    segment_clip(tmp_path, [], "", settings())
    record = json.loads((tmp_path / "mask_measures.json").read_text())
    assert record["status"] == "failed" and "no product found" in record["reason"]
    assert not video.read_masks(tmp_path / "masks.mkv").any()
    assert json.loads((tmp_path / "track.json").read_text())["frames"][0] == {
        "visible": False,
        "box": None,
        "area": 0.0,
    }


def test_an_unreadable_clip_is_a_rejected_record(tmp_path):
    make_clip(tmp_path, ground()[None])
    (tmp_path / "video.mp4").write_bytes(b"no video")
    segment_clip(tmp_path, [], "", settings())
    record = json.loads((tmp_path / "mask_measures.json").read_text())
    assert record["status"] == "failed" and "cannot be read" in record["reason"]
    assert (tmp_path / "masks.mkv").stat().st_size == 0 and (tmp_path / "track.json").stat().st_size == 0


def test_unusable_references_are_skipped(tmp_path):
    frames, _ = paint([[disc(120, 95, 30)]] * 2)
    make_clip(tmp_path, frames)
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "2.png").write_bytes(b"no image")
    images.write_png(tmp_path / "3.png", np.zeros((8, 8, 4), np.uint8))
    paths = [tmp_path / f"{k}.png" for k in (1, 2, 3, 4)]
    segment_clip(tmp_path, paths, "", settings())
    record = json.loads((tmp_path / "mask_measures.json").read_text())
    assert judge_mask(MeasuredMasks.of(record), LIMITS).status == "accepted" and "likeness" not in record["measures"]
    assert list(record["provenance"]["inputs"]) == ["video"]


def test_an_empty_scene_gets_a_place_that_moves_with_the_camera(tmp_path):
    wide = np.random.default_rng(3).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    wide = cv2.resize(wide, (480, 320), interpolation=cv2.INTER_CUBIC)
    frames = np.stack([wide[40 : 40 + HEIGHT, 60 - 3 * t : 60 - 3 * t + WIDTH] for t in range(8)])
    make_clip(tmp_path, frames, empty=True)
    segment_clip(tmp_path, [], "", settings())
    record = json.loads((tmp_path / "mask_measures.json").read_text())
    track = json.loads((tmp_path / "track.json").read_text())
    assert (record["status"], record["measures"]) == ("empty", {"empty": True})
    assert not video.read_masks(tmp_path / "masks.mkv").any()
    boxes = np.array([frame["box"] for frame in track["frames"]])
    side = np.sqrt(0.06 * HEIGHT * WIDTH)
    assert boxes[0] == pytest.approx([128 - side / 2, 119 - side / 2, 128 + side / 2, 119 + side / 2], abs=1)
    assert boxes[:, 0] - boxes[0, 0] == pytest.approx(3 * np.arange(8), abs=1.1)
    assert np.abs(boxes[:, 1] - boxes[0, 1]).max() <= 1
    assert all(frame["visible"] for frame in track["frames"])


def test_the_hull_fill_of_a_square_is_one_and_of_a_thin_ring_small():
    square = np.zeros((40, 40), bool)
    square[10:30, 10:30] = True
    assert color_histograms.solidity(square) == 1
    assert color_histograms.solidity(disc(100, 95, 50) & ~disc(100, 95, 45)) == pytest.approx(
        1 - 45**2 / 50**2, abs=0.03
    )
    assert color_histograms.solidity(np.zeros((4, 4), bool)) == 0


def test_sampled_frames_are_distinct_and_inside():
    assert sample_numbers(1, 9) == [0]
    assert sample_numbers(3, 9) == [0, 1, 2]
    assert sample_numbers(90, 9) == [5, 15, 25, 35, 45, 55, 65, 75, 85]
