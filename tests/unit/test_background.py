"""Removal of the product: a square with a soft shadow over a known ground has a known background."""

import json
from fractions import Fraction

import cv2
import numpy as np
import pytest

from pvtt.config.settings import stage_defaults
from pvtt.imaging.colour import to_linear, to_srgb
from pvtt.io.video import count_frames, read_masks, read_video, video_fps, write_masks, write_video
from pvtt.metrics import psnr
from pvtt.stages.background import remove_product
from pvtt.stages.background.base import RemovalError
from pvtt.stages.background.inpaint import blend_hole
from pvtt.stages.background.plate import Backend, growth, with_front
from synthetic.records import clip_record

N, H, W, SIDE = 24, 144, 192, 36


def ground(texture: float = 0.0) -> np.ndarray:
    y, x = np.mgrid[:H, :W]
    grey = 150 + 0.25 * x - 0.1 * y
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (H, W)), (0, 0), 2)
    grey = grey + texture * noise / noise.std()
    return np.clip(np.stack([grey + 12, grey, grey - 20], 2), 0, 255).astype(np.uint8)


def scene(step: int, texture: float = 0.0, shadow: float = 0.0):
    """Frames, masks and ground of a striped square that moves by `step` pixels a frame, shadow below right of it."""
    plain = ground(texture)
    frames, masks = [], []
    for index in range(N):
        x, y = 30 + step * index, 50
        mask = np.zeros((H, W), bool)
        mask[y : y + SIDE, x : x + SIDE] = True
        soft = cv2.GaussianBlur(np.roll(mask, (6, 6), (0, 1)).astype(np.float32), (0, 0), 3)
        frame = to_srgb(to_linear(plain) * (1 - shadow * soft)[..., None])
        frame[mask] = [200, 30, 40]
        frame[y + 8 : y + 14, x : x + SIDE] = [20, 20, 90]
        frames.append(frame)
        masks.append(mask)
    return np.stack(frames), np.stack(masks), plain


def removed(frames, masks, **changes):
    removal = Backend(stage_defaults("background") | changes).remove(lambda: iter(frames), masks)
    return np.stack(list(removal.frames)), removal


def test_a_moving_square_leaves_the_known_ground():
    frames, masks, plain = scene(4, texture=12)
    result, removal = removed(frames, masks, shadow_extent=0)
    assert psnr(result, np.broadcast_to(plain, result.shape), masks) > 42
    assert removal.measures["plate_share"] > 0.95
    assert not removal.measures["camera_moves"]


@pytest.mark.slow
def test_outside_the_region_the_source_is_untouched():
    frames, masks, _ = scene(4, shadow=0.4)
    result, removal = removed(frames, masks)
    assert np.array_equal(result[~removal.region], frames[~removal.region])
    assert (removal.region & masks).sum() == masks.sum()
    assert removal.region.mean() < 4 * masks.mean()


def test_unseen_smooth_ground_becomes_a_membrane():
    frames, masks, plain = scene(0)
    result, removal = removed(frames, masks)
    assert psnr(result, np.broadcast_to(plain, result.shape), masks) > 42
    assert removal.measures["patched"] == 0
    assert removal.measures["inpainted_share"] > 0.9
    assert removal.measures["flicker"] == 0


@pytest.mark.slow
def test_the_shadow_goes_with_the_product():
    frames, masks, plain = scene(0, shadow=0.4)
    truth = np.broadcast_to(plain, frames.shape)
    beside = ~masks & (np.abs(frames.astype(int) - truth).max(-1) > 4)
    kept, _ = removed(frames, masks, shadow_extent=0, grow_px=4)
    gone, removal = removed(frames, masks, grow_px=4)
    residue = np.abs(gone.astype(int) - truth)
    assert residue[beside].mean() < 2.5 < np.abs(kept.astype(int) - truth)[beside].mean()
    assert removal.measures["shadow_share"] > 0.2


def test_a_differently_coloured_neighbour_is_no_shadow():
    frames, masks, _ = scene(0)
    frames[:, 40:110, 66:120] = [190, 120, 90]
    _, removal = removed(frames, masks, grow_px=2)
    assert not removal.region[:, 50:86, 74:120].any()


@pytest.mark.slow
def test_the_plate_follows_a_moving_camera():
    wide = cv2.resize(np.random.default_rng(3).integers(0, 255, (60, 100, 3), np.uint8), (400, 240))
    wide = cv2.GaussianBlur(wide, (0, 0), 1.5)
    frames = np.stack([wide[20 : 20 + H, 2 * i : 2 * i + W] for i in range(N)])
    truth, masks = frames.copy(), np.zeros((N, H, W), bool)
    masks[:, 50:86, 70:106] = True
    frames = np.where(masks[..., None], np.uint8(0), frames)
    result, removal = removed(frames, masks, shadow_extent=0, grow_px=2)
    assert removal.measures["camera_moves"]
    assert psnr(result, truth, masks) > 30


def test_exposure_is_followed():
    frames, masks, plain = scene(4, texture=8)
    gains = np.linspace(1.0, 0.6, N)
    frames = np.stack([to_srgb(to_linear(f) * g) for f, g in zip(frames, gains, strict=True)])
    truth = np.stack([to_srgb(to_linear(plain) * g) for g in gains])
    result, _ = removed(frames, masks, shadow_extent=0)
    assert psnr(result, truth, masks) > 38


def test_a_hand_beside_the_hole_does_not_colour_it():
    source = np.full((80, 80, 3), 200, np.uint8)
    source[:, 50:] = [120, 60, 30]
    hole = np.zeros((80, 80), bool)
    hole[20:60, 20:50] = True
    result = blend_hole(source, np.full_like(source, 190), hole, feather_px=0)
    assert np.abs(result[hole].astype(int) - 200).max() <= 2
    assert np.array_equal(result[~hole], source[~hole])


def test_growth_is_meant_for_720_lines():
    assert [growth(10, (side, 2 * side)) for side in (1080, 720, 432, 144)] == [10, 10, 6, 6]
    assert growth(2, (144, 192)) == 2


def test_a_thing_in_front_keeps_its_pixels_beside_the_product():
    filled = np.full((60, 90, 3), 180, np.uint8)
    source = filled.copy()
    source[20:40, 44:] = [120, 60, 30]
    source[30:33, 10:14] = 20
    mask, cover, hole = np.zeros((3, 60, 90), bool)
    mask[15:45, 20:40] = cover[11:49, 16:48] = hole[6:54, :60] = True
    result = with_front(filled, source, source, (mask, cover, hole))
    assert np.array_equal(result[22:38, 48:], source[22:38, 48:])
    assert np.array_equal(result[22:38, 45:48], source[22:38, 45:48])
    assert (result[mask] == 180).all()
    # What does not reach out is no thing in front, but a rest of the product or of its shadow.
    assert result[31, 12].min() > source[31, 12].min()


@pytest.mark.slow
def test_the_result_is_the_same_every_time():
    frames, masks, _ = scene(1, texture=14, shadow=0.3)
    first, _ = removed(frames, masks)
    second, _ = removed(frames, masks)
    assert np.array_equal(first, second)


def test_a_product_that_fills_the_frame_is_refused():
    frames, masks, _ = scene(0)
    masks = np.ones_like(masks)
    with pytest.raises(RemovalError, match="100% of frame 0"):
        removed(frames, masks)


@pytest.mark.parametrize(("tint", "kept"), [(0.1, True), (0.03, False)])
def test_a_thing_in_front_is_told_by_its_tint(tint, kept):
    """The difference of chromaticities (r, g, b shares, 0-1) at which a thing is another: between 0.03 and 0.1."""
    filled = np.full((60, 90, 3), 150, np.uint8)
    light = float(to_linear(filled)[0, 0, 0])
    source = filled.copy()
    source[20:40, 30:] = to_srgb(np.float32([light * (1 + 3 * tint), light, light * (1 - 3 * tint)]))
    mask, cover, hole = np.zeros((3, 60, 90), bool)
    mask[15:45, 8:16] = cover[11:49, 4:20] = hole[6:54, :60] = True
    result = with_front(filled, source, source, (mask, cover, hole))
    assert np.array_equal(result[24:36, 36:56], source[24:36, 36:56]) == kept


# ---------------------------------------------------------------- the stage


def write_clip(folder, frames, masks, empty=False):
    folder.mkdir(parents=True, exist_ok=True)
    rate = Fraction(24000, 1001)
    write_video(folder / "video.mp4", frames, rate)
    write_masks(folder / "masks.mkv", masks, rate)
    clip_record("P_s01", empty=empty, n_frames=len(frames)).write(folder / "clip.json")


def test_stage_writes_video_and_record(tmp_path):
    frames, masks, plain = scene(4)
    write_clip(tmp_path, frames, masks)
    remove_product(tmp_path, stage_defaults("background"))
    record = json.loads((tmp_path / "background.json").read_text())
    result = read_video(tmp_path / "background.mp4")
    assert record["status"] == "done" and record["reason"] == ""
    _, removal = removed(read_video(tmp_path / "video.mp4"), masks)
    assert np.array_equal(read_masks(tmp_path / "region.mkv"), removal.region[None])
    assert record["provenance"]["backend"] == "plate"
    assert record["measures"]["seam"] < 2
    assert video_fps(tmp_path / "background.mp4") == Fraction(24000, 1001)
    assert psnr(result, np.broadcast_to(plain, result.shape), masks) > 36


def test_an_empty_clip_is_its_own_background(tmp_path):
    frames, masks, _ = scene(4)
    write_clip(tmp_path, frames, np.zeros_like(masks), empty=True)
    remove_product(tmp_path, stage_defaults("background"))
    assert (tmp_path / "background.mp4").read_bytes() == (tmp_path / "video.mp4").read_bytes()
    region = read_masks(tmp_path / "region.mkv")
    assert region.shape == (1, *masks.shape) and not region.any()
    assert json.loads((tmp_path / "background.json").read_text())["status"] == "done"


@pytest.mark.parametrize("fault", ["covered", "length"])
def test_an_impossible_clip_is_a_record(tmp_path, fault):
    frames, masks, _ = scene(4)
    write_clip(tmp_path, frames, np.ones_like(masks) if fault == "covered" else masks[:-1])
    remove_product(tmp_path, stage_defaults("background"))
    record = json.loads((tmp_path / "background.json").read_text())
    assert record["status"] == "failed"
    assert ("cover 100%" if fault == "covered" else "24 frames but 23 masks") in record["reason"]
    assert (tmp_path / "background.mp4").stat().st_size == (tmp_path / "region.mkv").stat().st_size == 0


def test_frames_are_counted_exactly(tmp_path):
    frames, masks, _ = scene(4)
    masks[10:] = False
    write_clip(tmp_path, frames, masks)
    remove_product(tmp_path, stage_defaults("background"))
    assert count_frames(tmp_path / "background.mp4") == N
