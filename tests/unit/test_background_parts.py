"""Membrane, patches, plate and shadow against known answers."""

import cv2
import numpy as np
import pytest

from pvtt.imaging.colour import to_linear, to_srgb
from pvtt.imaging.geometry import dilated
from pvtt.imaging.shadow import N_COPIES, shade
from pvtt.stages.background.inpaint import fill, membrane, patches, shading, surrounding_texture
from pvtt.stages.background.inpainting_metrics import InpaintingMetrics
from pvtt.stages.background.shadow import equalize, measure_shadow
from pvtt.stages.background.temporal import build_plate, close_masks, full_size, mosaic_extent


def hole_in(height=60, width=80):
    hole = np.zeros((height, width), bool)
    hole[20:40, 30:55] = True
    return hole


def test_a_membrane_over_a_plane_is_the_plane():
    y, x = np.mgrid[:60, :80].astype(np.float32)
    plane, hole = 3 * x - 2 * y + 10, hole_in()
    filled = membrane(np.where(hole, 0, plane), ~hole)
    assert np.abs(filled - plane)[hole].max() < 2.0
    assert np.array_equal(filled[~hole], plane[~hole])


def test_a_membrane_stays_between_its_boundary_values():
    random = np.random.default_rng(0).uniform(40, 90, (60, 80)).astype(np.float32)
    filled = membrane(random, ~hole_in())
    assert filled[hole_in()].min() >= 40 and filled[hole_in()].max() <= 90


def test_a_membrane_without_known_pixels_is_zero():
    assert not membrane(np.ones((10, 12, 3), np.float32), np.zeros((10, 12), bool)).any()


def test_shading_finds_a_quadratic_through_outliers():
    y, x = np.mgrid[:60, :80]
    surface = 100 + 0.4 * x + 0.01 * (y - 30) ** 2
    values = surface.copy()
    values[5:15, 5:20] = 0
    assert np.abs(shading(values.astype(np.float32), np.ones((60, 80), bool)) - surface).max() < 1


def stripes(height=96, width=120):
    x = np.arange(width)
    row = np.where(x // 4 % 2, 200, 60).astype(np.uint8)
    return np.repeat(np.repeat(row[None, :, None], height, 0), 3, 2)


def test_patches_continue_a_texture():
    image = stripes()
    hole = np.zeros(image.shape[:2], bool)
    hole[30:60, 40:80] = True
    damaged = image.copy()
    damaged[hole] = 0
    filled = patches(damaged, hole, ~hole, seed=1)
    assert np.abs(filled - image)[hole].mean() < 12
    again = patches(damaged, hole, ~hole, seed=1)
    assert np.array_equal(filled, again)


def test_fill_chooses_by_texture():
    image, flat = stripes(), np.full((96, 120, 3), 180, np.uint8)
    hole = np.zeros((96, 120), bool)
    hole[30:60, 40:80] = True
    assert fill(image, hole, ~hole, 3.0, 1)[1]["patched"] == 1
    result, measures = fill(flat, hole, ~hole, 3.0, 1)
    assert measures["patched"] == 0 and measures["texture"] < 1e-3
    assert np.array_equal(result, flat)
    assert surrounding_texture(image, hole, ~hole) > 30


def unshaded(index):
    return np.zeros((20, 30), bool)


def test_the_plate_is_the_median_of_what_was_seen():
    frames = np.full((30, 20, 30, 3), 100, np.uint8)
    frames[4] = 250
    covered = np.zeros((30, 20, 30), bool)
    covered[:, 5:10, 5:10] = True
    covered[0, 5:10, 5:8] = False
    covered[:3, 5:10, 9] = False
    frames[:3, 5:10, 9] = 40
    canvas = mosaic_extent(np.tile(np.eye(3), (30, 1, 1)), [(0, 0, 30, 20)] * 30, 30, 20)
    plate = build_plate(iter(frames), covered, unshaded, canvas, 0)
    assert (plate.image[:, 12:] == 100).all()
    assert (plate.image[5:10, 9] == 40).all()
    assert not plate.known[6, 6]
    assert plate.known.sum() == 20 * 30 - 5 * 4


def test_samples_in_shadow_count_only_where_there_are_no_others():
    frames = np.full((24, 20, 30, 3), 100, np.uint8)
    frames[:20, 5:10, 5:15] = 60
    shaded = np.zeros((24, 20, 30), bool)
    shaded[:20, 5:10, 5:10] = shaded[:, 5:10, 10:15] = True
    frames[:, 5:10, 10:15] = 60
    canvas = mosaic_extent(np.tile(np.eye(3), (24, 1, 1)), [(0, 0, 30, 20)] * 24, 30, 20)
    plate = build_plate(iter(frames), np.zeros((24, 20, 30), bool), lambda index: shaded[index], canvas, 0)
    assert (plate.image[5:10, 5:10] == 100).all() and (plate.image[5:10, 10:15] == 60).all()
    assert plate.known.all()
    assert plate.doubtful.sum() == 25 and plate.doubtful[5:10, 10:15].all()


def test_a_hand_before_the_product_is_no_plate():
    frames = np.full((24, 60, 90, 3), 180, np.uint8)
    covered = np.zeros((24, 60, 90), bool)
    covered[:16, 20:40, 30:60] = True
    frames[16:22, 25:45, :60] = [90, 60, 40]
    canvas = mosaic_extent(np.tile(np.eye(3), (24, 1, 1)), [(0, 0, 90, 60)] * 24, 90, 60)
    plate = build_plate(iter(frames), covered, lambda index: np.zeros((60, 90), bool), canvas, 0)
    assert (plate.image[plate.known] == 180).all()
    assert plate.known[20:24, 30:60].all()


def test_gaps_of_a_moment_and_narrow_gaps_are_shut():
    masks = np.zeros((9, 60, 60), bool)
    masks[:, 10:50, 10:50] = True
    masks[:, 28:32, 10:50] = False
    masks[4] = False
    shut = close_masks(masks)
    assert shut[:, 12:48, 12:48].all()
    assert not shut[:, :7].any()


def test_motion_on_a_small_frame_serves_the_full_one():
    shift = np.array([[1, 0, 3.0], [0, 1, -1.5], [0, 0, 1]])
    assert np.allclose(full_size(shift, (100, 50), (200, 100)), [[1, 0, 6], [0, 1, -3], [0, 0, 1]])
    assert np.allclose(full_size(np.eye(3), (100, 50), (333, 77)), np.eye(3))


def shadowed(texture=0.0, weight=0.8):
    """Frames of a box on a ramp with the shadow of one copy of its outline, masks, and the share of light left."""
    y, x = np.mgrid[:120, :180]
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (120, 180)), (0, 0), 1.5)
    plain = np.clip(150 + 0.2 * x - 0.1 * y + texture * noise / noise.std(), 0, 255)
    plain = np.stack([plain + 10, plain, plain - 15], 2).astype(np.uint8)
    mask = np.zeros((120, 180), bool)
    mask[30:80, 70:100] = True
    weights = np.zeros(N_COPIES)
    weights[-3], weights[2] = weight, 0.4
    left = shade(mask.astype(np.float32), weights)
    frame = to_srgb(to_linear(plain) * left[..., None])
    frame[mask] = [200, 30, 30]
    return np.stack([frame] * 6), np.stack([mask] * 6), left, plain


@pytest.mark.parametrize(("texture", "most"), [(0, 0.02), (8, 0.05)])
def test_the_shadow_is_told_from_the_ground(texture, most):
    frames, masks, left, plain = shadowed(texture)
    shadow = measure_shadow(lambda: iter(frames), masks, 2.0)
    beside = ~dilated(masks[0], 2) & (left < 0.9)
    assert beside.sum() > 200
    assert np.abs(shadow.shade(0) - left)[beside].mean() < most
    lit = shadow.lit(frames[0], 0).astype(int)
    assert np.abs(lit - plain)[beside].mean() < 0.35 * np.abs(frames[0].astype(int) - plain)[beside].mean()
    assert not shadow.zone(0, 0.05)[:, :20].any()


def test_without_a_shadow_nothing_is_lit():
    frames, masks, _, plain = shadowed(8, weight=0.0)
    frames = np.where(masks[..., None], frames, plain)
    shadow = measure_shadow(lambda: iter(frames), masks, 2.0)
    assert (1 - shadow.shade(0))[~masks[0]].max() < 0.03
    kept = measure_shadow(lambda: iter(shadowed(0)[0]), masks, 0.0)
    assert (kept.shade(0) == 1).all()
    assert np.array_equal(kept.lit(frames[0], 0), frames[0])


def test_a_coloured_thing_beside_is_no_shadow():
    frames, masks, _, _ = shadowed(0, weight=0.0)
    frames[:, 30:80, 100:120] = [190, 60, 40]
    shadow = measure_shadow(lambda: iter(frames), masks, 2.0)
    assert (1 - shadow.shade(0))[40:70, 108:118].max() < 0.1


def test_doubtful_ground_gets_the_brightness_around_it():
    image = np.full((100, 140, 3), 160, np.uint8)
    doubtful = np.zeros((100, 140), bool)
    doubtful[40:70, 50:90] = True
    image[doubtful] = 150
    result = equalize(image, np.ones_like(doubtful), doubtful)
    assert np.array_equal(result[~doubtful], image[~doubtful])
    assert np.abs(result[48:62, 58:82].astype(int) - 160).max() <= 1
    textured = stripes(100, 140)
    assert np.abs(equalize(textured, np.ones_like(doubtful), doubtful).astype(int) - textured).max() <= 3


def test_meter_sees_flicker_and_seam():
    source = np.full((40, 40, 3), 100, np.uint8)
    hole = np.zeros((40, 40), bool)
    hole[10:30, 10:30] = True
    meter, still = InpaintingMetrics(), InpaintingMetrics()
    for index in range(5):
        frame = source.copy()
        frame[hole] = 100 + 10 * (index % 2)
        meter.add(source, frame, hole)
        still.add(source, source, hole)
    assert meter.measures() == {"flicker": 10.0, "flicker_beside": 0.0, "seam": 4.0}
    assert still.measures() == {"flicker": 0.0, "flicker_beside": 0.0, "seam": 0.0}
