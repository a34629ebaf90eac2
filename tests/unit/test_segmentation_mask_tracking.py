"""Shadows, lost products and followed points, on drawn clips whose answers are known."""

import cv2
import numpy as np
import pytest

from pvtt.config.settings import stage_defaults
from pvtt.imaging import color_histograms
from pvtt.stages.segmentation.classical import Backend, resize_to_short_side
from pvtt.stages.segmentation.classical.cosegmentation import cosegment
from pvtt.stages.segmentation.classical.shadow_edges import flood_through_soft_edges
from pvtt.stages.segmentation.points import on_mask
from pvtt.stages.segmentation.track import track_queries

pytestmark = pytest.mark.slow

HEIGHT, WIDTH = 192, 256
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]


def ground(seed=0):
    noise = np.random.default_rng(seed).normal(0, 8, (HEIGHT // 8, WIDTH // 8, 1))
    noise = cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.clip(np.array([170, 165, 160]) + noise, 0, 255).astype(np.uint8)


def disc(x, y, radius):
    return (COLUMNS - x) ** 2 + (ROWS - y) ** 2 <= radius**2


def textured(height, width, seed):
    small = np.random.default_rng(seed).integers(0, 255, (height // 6, width // 6, 3)).astype(np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def iou(first, second):
    return (first & second).sum() / max(1, (first | second).sum())


def histogram_of(colour):
    return color_histograms.histogram(
        color_histograms.bin_indices(np.full((9, 9, 3), colour, np.uint8)), np.ones((9, 9))
    )


def backend():
    return Backend(stage_defaults("segmentation") | {"sampled_frames": 8})


def test_shades_of_a_colour_keep_its_hue_and_other_colours_stay_out():
    lit = (200, 150, 120)
    linear = (np.array(lit) / 255) ** 2.2 * 0.45
    shaded = np.rint(255 * linear ** (1 / 2.2)).astype(int)
    deep = color_histograms.add_shadows(histogram_of(lit), 0.6, color_histograms.DEEP)
    assert color_histograms.bhattacharyya(deep, histogram_of(shaded)) > 0.15
    assert color_histograms.bhattacharyya(deep, histogram_of((60, 100, 140))) < 0.02
    assert deep[: color_histograms.BINS**3].sum() == pytest.approx(1)


def test_a_soft_slope_is_crossed_and_an_edge_is_not():
    image = np.full((80, 120, 3), 180, np.uint8)
    image[:, 40:60] = np.linspace(180, 120, 20, dtype=np.uint8)[None, :, None]
    image[:, 60:80] = 120
    image[:, 80:] = 30
    outside = np.zeros((80, 120), bool)
    outside[:, :20] = True
    reached = flood_through_soft_edges(image, outside, np.zeros_like(outside))
    assert reached[:, :76].all() and not reached[:, 84:].any()
    wall = np.zeros_like(outside)
    wall[:, 30] = True
    assert not flood_through_soft_edges(image, outside, wall)[:, 31:].any()


def test_a_deep_soft_shadow_stays_out_of_the_mask():
    frames, truth = [], []
    for t in range(8):
        product = disc(110 + 3 * t, 90, 28)
        frame = ground().astype(np.float32)
        cast = cv2.GaussianBlur((disc(130 + 3 * t, 112, 26)).astype(np.float32), (0, 0), 6)[..., None]
        frame *= (1 - 0.6 * cast) ** (1 / 2.2)
        frame[product] = (40, 70, 160)
        frames.append(frame.astype(np.uint8))
        truth.append(product)
    masks = backend().segment(np.stack(frames), [], "").masks.any(0)
    assert min(iou(a, b) for a, b in zip(masks, truth, strict=True)) > 0.9


def test_a_product_that_was_wholly_covered_is_found_again():
    product = disc(128, 96, 26)
    frames = np.repeat(ground()[None], 32, axis=0)
    truth = np.repeat(product[None], 32, axis=0)
    for t, frame in enumerate(frames):
        frame[product] = (200, 40, 30)
        cover = (abs(COLUMNS - 26 * (t - 6)) < 60) & (t > 5)
        frame[cover] = (90, 95, 60)
        truth[t] &= ~cover
    assert not truth[11].any() and truth[-1].sum() == product.sum()
    masks = backend().segment(frames, [], "").masks.any(0)
    assert iou(masks[0], truth[0]) > 0.9 and iou(masks[-1], truth[-1]) > 0.9


def test_a_ball_of_the_products_colour_is_left_out_when_photos_show_one_part():
    body, ball = disc(100, 95, 30), disc(225, 60, 9)
    frames = np.repeat(ground()[None], 4, axis=0)
    for frame in frames:
        frame[body | ball] = (200, 40, 30)
    photo = np.zeros((60, 60, 4), np.uint8)
    photo[5:55, 5:55] = (200, 40, 30, 255)
    assert color_histograms.is_single_part([photo]) and not color_histograms.is_single_part([])
    masks = backend().segment(frames, [photo], "").masks.any(0)
    assert masks[1][body].mean() > 0.95 and not masks[1][ball].any()


def test_photos_with_two_parts_are_no_single_object():
    photo = np.zeros((40, 80, 4), np.uint8)
    photo[10:30, 5:30, 3] = photo[10:30, 50:75, 3] = 255
    assert not color_histograms.is_single_part([photo])


def test_a_part_of_another_colour_that_photos_show_belongs_to_the_product():
    base, top = (abs(COLUMNS - 120) < 22) & (abs(ROWS - 125) < 25), (abs(COLUMNS - 120) < 16) & (abs(ROWS - 72) < 22)
    frames = np.repeat(ground()[None], 4, axis=0)
    photo = np.zeros((120, 50, 4), np.uint8)
    photo[:55], photo[55:] = (200, 30, 40, 255), (20, 40, 130, 255)
    for frame in frames:
        frame[base], frame[top] = (20, 40, 130), (200, 30, 40)
    masks = backend().segment(frames, [photo], "").masks.any(0)
    assert masks[2][base].mean() > 0.95 and masks[2][top].mean() > 0.95


def test_colours_that_no_photo_shows_count_less():
    red, green = histogram_of((200, 30, 40)), histogram_of((30, 160, 60))
    mixed = color_histograms.blend_reference((red + green) / 2, red, 0.0)
    assert color_histograms.bhattacharyya(mixed, red) > 1.5 * color_histograms.bhattacharyya(mixed, green)
    assert color_histograms.reference_share(red, red) > 0.95 and color_histograms.reference_share(green, red) < 0.05


def test_the_fit_of_a_mask_is_highest_where_the_product_is():
    product = disc(100, 95, 30)
    frames = np.repeat(ground()[None], 3, axis=0)
    frames[:, product] = (200, 40, 30)
    found = cosegment(list(enumerate(frames)), [], [np.zeros((HEIGHT, WIDTH), bool)] * 3)
    assert found.color_contrast(1, product) > 0.8
    assert found.color_contrast(1, disc(190, 95, 30)) < 0.1 and found.color_contrast(1, np.zeros_like(product)) == -1


def test_small_frames_are_enlarged_and_large_ones_reduced():
    assert resize_to_short_side(np.zeros((120, 160, 3), np.uint8), 180).shape == (180, 240, 3)
    assert resize_to_short_side(np.zeros((120, 160, 3), np.uint8), 480).shape == (210, 280, 3)
    assert resize_to_short_side(np.zeros((720, 1280, 3), np.uint8), 480).shape[0] == 480


def moving(count=8, step=3):
    scene, product = textured(120, 160, 2), textured(40, 40, 3)
    frames, masks = np.repeat(scene[None], count, axis=0), np.zeros((count, 120, 160), bool)
    for t in range(count):
        frames[t, 40:80, 40 + step * t : 80 + step * t] = product
        masks[t, 40:80, 40 + step * t : 80 + step * t] = True
    return frames, masks


def test_queries_are_followed_both_ways_from_their_frame():
    frames, masks = moving()
    queries = np.array([[0, 60, 60], [4, 70, 55], [7, 75, 62]], float)
    paths = track_queries(frames, masks, queries)
    expected = queries[:, None, 1:] + 3 * (np.arange(8)[None] - queries[:, :1])[..., None] * [1, 0]
    assert paths.shape == (3, 8, 2) and paths.dtype == np.float32
    assert np.abs(paths - expected).max() < 0.5


def test_a_point_is_lost_behind_an_occluder_and_found_again():
    frames, masks = moving(10)
    for t in (4, 5):
        frames[t, 30:90, 48 + 3 * t : 64 + 3 * t] = (90, 60, 50)
        masks[t, 30:90, 48 + 3 * t : 64 + 3 * t] = False
    others = [[0, x, y] for x in (71, 75) for y in (44, 52, 60, 68, 76)]
    path = track_queries(frames, masks, np.array([[0, 56, 60], *others], float))[0]
    assert np.isnan(path[4:6]).all()
    assert np.abs(path[9] - [83, 60]).max() < 1


def test_a_point_on_a_plain_surface_moves_with_the_product():
    frames, masks = moving()
    for t in range(8):
        frames[t, 50:70, 50 + 3 * t : 70 + 3 * t] = (120, 120, 120)
    neighbours = [[0, x, y] for x in (44, 47, 73, 76) for y in (44, 60, 76)]
    path = track_queries(frames, masks, np.array([[0, 60, 60], *neighbours], float))[0]
    assert np.abs(path[-1] - [81, 60]).max() < 2


def test_no_query_gives_no_path():
    frames, masks = moving(3)
    assert track_queries(frames, masks, np.zeros((0, 3))).shape == (0, 3, 2)


def test_points_near_a_mask_are_on_it_within_the_margin():
    plane = np.zeros((20, 30), np.uint8)
    plane[5:10, 5:10] = 1
    assert on_mask(plane, np.array([[7, 7], [11, 7], [12, 7], [-3, 7], [np.inf, 0]]), 2).tolist() == [
        True,
        True,
        False,
        False,
        False,
    ]
