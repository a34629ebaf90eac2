"""Membrane, patches, plate and shadow against known answers."""

import numpy as np

from pvtt.background.inpaint import fill, ground_texture, membrane, patches, shading
from pvtt.background.measures import HoleMeter
from pvtt.background.shadow import _without_gaps, shadow_of
from pvtt.background.temporal import build_plate, canvas_of, full_size, shut_masks
from pvtt.colour import to_linear, to_srgb


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
    assert ground_texture(image, hole, ~hole) > 30


def test_the_plate_is_the_median_of_what_was_seen():
    frames = np.full((30, 20, 30, 3), 100, np.uint8)
    frames[4] = 250
    covered = np.zeros((30, 20, 30), bool)
    covered[:, 5:10, 5:10] = True
    covered[0, 5:10, 5:8] = False
    covered[:3, 5:10, 9] = False
    frames[:3, 5:10, 9] = 40
    canvas = canvas_of(np.tile(np.eye(3), (30, 1, 1)), [(0, 0, 30, 20)] * 30, 30, 20)
    plate = build_plate(iter(frames), covered, canvas, 0)
    assert (plate.image[:, 12:] == 100).all()
    assert (plate.image[5:10, 9] == 40).all()
    assert not plate.known[6, 6]
    assert plate.known.sum() == 20 * 30 - 5 * 4


def test_gaps_of_a_moment_and_narrow_gaps_are_shut():
    masks = np.zeros((9, 60, 60), bool)
    masks[:, 10:50, 10:50] = True
    masks[:, 28:32, 10:50] = False
    masks[4] = False
    shut = shut_masks(masks)
    assert shut[:, 12:48, 12:48].all()
    assert not shut[:, :7].any()


def test_motion_on_a_small_frame_serves_the_full_one():
    shift = np.array([[1, 0, 3.0], [0, 1, -1.5], [0, 0, 1]])
    assert np.allclose(full_size(shift, (100, 50), (200, 100)), [[1, 0, 6], [0, 1, -3], [0, 0, 1]])
    assert np.allclose(full_size(np.eye(3), (100, 50), (333, 77)), np.eye(3))


def test_shadow_is_found_and_a_coloured_thing_is_not():
    image = np.full((120, 160, 3), 200, np.uint8)
    mask = np.zeros((120, 160), bool)
    mask[40:80, 60:100] = True
    image[mask] = [200, 20, 20]
    image[80:90, 60:100] = to_srgb(to_linear(np.uint8([[200, 200, 200]])) * 0.6)
    image[40:80, 100:112] = [190, 120, 80]
    found = shadow_of(image, mask, 0.6)
    assert found[82:88, 64:96].mean() > 0.95
    assert found[45:75, 103:110].mean() < 0.05
    assert not (found & mask).any()
    assert found.sum() < 1500


def test_meter_sees_flicker_and_seam():
    source = np.full((40, 40, 3), 100, np.uint8)
    hole = np.zeros((40, 40), bool)
    hole[10:30, 10:30] = True
    meter, still = HoleMeter(), HoleMeter()
    for index in range(5):
        frame = source.copy()
        frame[hole] = 100 + 10 * (index % 2)
        meter.add(source, frame, hole)
        still.add(source, source, hole)
    assert meter.measures() == {"flicker": 10.0, "flicker_beside": 0.0, "seam": 4.0}
    assert still.measures() == {"flicker": 0.0, "flicker_beside": 0.0, "seam": 0.0}


def test_a_thin_gap_between_product_and_shadow_is_closed():
    mask = np.zeros((60, 120), bool)
    mask[10:50, 10:40] = mask[10:50, 46:60] = mask[10:50, 100:110] = True
    closed = _without_gaps(mask, 10)
    assert closed[15:45, 40:46].all()
    assert not closed[:, 70:90].any() and (closed | ~mask).all()


def test_a_small_dark_shadow_with_a_steep_rim_is_found():
    ground = np.full((240, 320, 3), 200, np.float32)
    rows, columns = np.mgrid[:240, :320]
    depth = np.exp(-(((columns - 192) / 14.0) ** 2 + ((rows - 150) / 7.0) ** 2))
    image = (ground * (1 - 0.5 * depth)[..., None]).astype(np.uint8)
    product = np.zeros((240, 320), bool)
    product[80:155, 100:180] = True
    found = shadow_of(image, product, 0.5)
    core = (depth > 0.3) & ~product
    assert found[core].mean() > 0.95
