"""The rendered world: its shadows, edits and scenes agree with what is known of them; needs the renderer."""

import json
from ctypes.util import find_library
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from pvtt.io import video as media

pv = pytest.importorskip("pyvista", reason="the renderer is not installed (envs/world.txt)")
if find_library("EGL") is None:
    pytest.skip("there is no libEGL to draw with", allow_module_level=True)

from world.editing import Join, Title, Video, assemble
from world.motion import CameraPath, HandPath, LightPath, ProductPath
from world.render import Camera, Part, Renderer
from world.scene import Shot, Stage
from world.shadows import GRID_PX, GRID_SIDE, ground_shadow, surface_points

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 160, 96


def still_shot(**changes):
    shot = Shot(
        12,
        "ball",
        "wood",
        0,
        CameraPath("still", 0, 30, 4.2, 0.4, 0.0, 0),
        ProductPath("still", 1.0, 0, 0.0),
        HandPath("none", 1.0, 1, 0.3),
        LightPath("steady", 0.0),
        (0.4, -0.3, 1.0),
        3,
    )
    return replace(shot, **changes)


def ball(colour):
    mesh = pv.Sphere(radius=0.4, center=(0, 0, 0.4)).triangulate().compute_normals(cell_normals=False)
    return [Part(mesh, colour, 0.0, 0.5)]


@pytest.fixture(scope="module")
def renderer():
    return Renderer(WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def products():
    return {"ball": ball((0.1, 0.6, 0.2)), "other": ball((0.8, 0.1, 0.1))}


def test_shadow_of_a_plate_lies_where_the_light_throws_it():
    side = np.linspace(-0.5, 0.5, 120)
    plate = np.stack([*np.meshgrid(side, side), np.full((120, 120), 0.5)], axis=-1).reshape(-1, 3)
    shadow = ground_shadow(plate, np.array([0.6, 0.0, 0.8]), (0.0, 0.0), softness=1e-6)
    place = (np.arange(GRID_PX) + 0.5) * GRID_SIDE / GRID_PX - GRID_SIDE / 2
    rows, columns = np.nonzero(shadow.key > 0.5)
    # The plate is 0.5 above the ground and the light leans 0.75 to the right: the shadow is 0.375 to the left.
    assert place[columns].mean() == pytest.approx(-0.375, abs=0.02)
    assert place[rows].mean() == pytest.approx(0, abs=0.02)
    assert (shadow.key > 0.5).mean() * GRID_SIDE**2 == pytest.approx(1.0, rel=0.06)
    assert shadow.sky.max() < shadow.key.max()


def test_a_wider_light_makes_a_softer_shadow():
    side = np.linspace(-0.5, 0.5, 120)
    plate = np.stack([*np.meshgrid(side, side), np.full((120, 120), 0.5)], axis=-1).reshape(-1, 3)
    soft, hard = (ground_shadow(plate, np.array([0.0, 0.1, 1.0]), (0, 0), s).key for s in (0.5, 0.01))
    between = [float(((m > 0.1) & (m < 0.9)).mean()) for m in (soft, hard)]
    assert between[0] > 3 * between[1]


def test_surface_points_are_spread_by_area():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [3, 0, 0], [0, 3, 0]], float)
    points = surface_points(vertices, np.array([[0, 1, 2], [3, 4, 5]]), 20_000, np.random.default_rng(0))
    assert points[:, :2].sum(1).max() <= 3 + 1e-9
    assert (points[:, :2].sum(1) <= 1).mean() == pytest.approx(0.2, abs=0.02)  # (1 + 1) of 1 + 9 parts of the area


def takes(counts, tones):
    return [np.full((n, 32, 48, 3), tone, np.uint8) for n, tone in zip(counts, tones, strict=True)]


def edit(joins, counts, **changes):
    shots = tuple(still_shot(n_frames=n) for n in counts)
    return replace(Video("A", shots, joins, (), Fraction(24), 48, 32), **changes)


def test_edit_truth_names_every_mixed_frame():
    video = edit((Join(), Join("dissolve", 6), Join("fade", 8)), (20, 30, 30, 30))
    assert video.truth() == {
        "n_frames": 104,
        "hard": [20],
        "gradual": [
            {"first_frame": 44, "last_frame": 49, "kind": "dissolve"},
            {"first_frame": 70, "last_frame": 77, "kind": "fade"},
        ],
    }
    assert [span[1:] for span in video.spans()] == [(0, 20), (20, 44), (50, 70), (78, 104)]
    tones = (40, 200, 90, 160)
    frames = list(assemble(video, takes((20, 30, 30, 30), tones), seed=1))
    assert len(frames) == 104
    level = np.array([float(frame.mean()) for frame in frames])
    for (_, start, end), tone in zip(video.spans(), tones, strict=True):
        np.testing.assert_allclose(level[start:end], tone, atol=0.5)
    np.testing.assert_allclose(level[44:50], 200 + (90 - 200) * np.arange(1, 7) / 7, atol=1)
    assert level[70:78].min() < 15
    assert all(min(abs(v - 90), abs(v - 160)) > 2 for v in level[70:78])


def test_bars_and_titles_are_drawn_where_they_are_said_to_be():
    title = Title("NEW", 3, 6, (0.1, 0.9))
    video = edit((), (10,), bars=(8, 0), titles=(title,))
    frames = np.stack(list(assemble(video, takes((10,), (120,)), seed=1)))
    assert frames.shape == (10, 32, 64, 3)
    assert frames[:, :, :8].max() == 0
    covered = title.covers((32, 48), 4)
    assert covered.any()
    shown = np.abs(frames[4, :, 8:-8].astype(int).mean(-1) - 120) > 12
    assert not shown[~covered].any()
    assert shown[covered].mean() > 0.9
    assert not title.covers((32, 48), 6).any()


def test_only_the_product_and_its_shadow_differ_from_the_empty_scene(renderer, products):
    stage = Stage(still_shot(), renderer, products)
    base = stage.base(0)
    full, bare = stage.frame(0, base, "ball"), stage.frame(0, base, None)
    differs = np.abs(full.image.astype(int) - bare.image).max(-1) > 1
    edge = cv2.dilate(full.mask.astype(np.uint8), np.ones((3, 3))) > 0
    assert not (differs & ~edge & (full.shadow < 0.004)).any()
    assert differs[full.mask].mean() > 0.98
    dark = full.shadow > 0.2
    assert dark.any()
    light = [(image[dark & ~edge] / 255.0) ** 2.2 for image in (full.image, bare.image)]
    assert light[0].mean() / light[1].mean() == pytest.approx(1 - float(full.shadow[dark & ~edge].mean()), abs=0.03)


def test_a_swap_changes_nothing_else(renderer, products):
    stage = Stage(still_shot(), renderer, products)
    base = stage.base(5)
    one, other = stage.frame(5, base, "ball"), stage.frame(5, base, "other")
    assert np.array_equal(one.mask, other.mask)
    away = cv2.dilate(one.mask.astype(np.uint8), np.ones((5, 5))) == 0
    assert np.array_equal(one.image[away], other.image[away])
    assert one.image[one.mask].mean(0)[1] > one.image[one.mask].mean(0)[0]
    assert other.image[other.mask].mean(0)[0] > other.image[other.mask].mean(0)[1]


def test_a_hand_in_front_hides_the_product_and_its_points(renderer, products):
    shot = still_shot(n_frames=41, hand=HandPath("passes", 1.0, 1, 0.3))
    stage = Stage(shot, renderer, products)
    areas, seen = [], []
    for index in range(0, 41, 4):
        base = stage.base(index)
        frame = stage.frame(index, base, "ball")
        if base.hand is not None:  # where the product shows, no part of the hand is nearer
            both = frame.mask & (base.hand.alpha > 0.5)
            assert (frame.depth[both] < base.hand.depth[both]).all()
        areas.append(frame.mask.sum())
        seen.append(frame.visible.sum())
    assert min(areas) < 0.7 * max(areas)
    assert min(seen) < max(seen)


def test_points_are_where_the_camera_sees_them_and_depth_is_that_of_the_scene(renderer, products):
    stage = Stage(still_shot(), renderer, products)
    base = stage.base(0)
    frame = stage.frame(0, base, "ball")
    xy = np.rint(frame.points[frame.visible]).astype(int)
    assert len(xy) >= 8
    assert frame.mask[xy[:, 1], xy[:, 0]].all()
    camera = Camera(*(tuple(part) for part in still_shot().camera.at(0)), 28.0)
    ground = np.array([[0.9, -0.2, 0.0], [-0.7, -0.4, 0.0]])
    places, depth = camera.project(ground, WIDTH, HEIGHT)
    for (x, y), expected in zip(np.rint(places).astype(int), depth, strict=True):
        assert frame.depth[y, x] == pytest.approx(expected, rel=0.02)


def test_same_shot_same_bytes(renderer, products):
    shot = still_shot(clutter=3, camera=CameraPath("handheld", 5, 25, 4.2, 0.4, 1.0, 9))
    first, second = (Stage(shot, renderer, products) for _ in range(2))
    images = [stage.frame(7, stage.base(7), "ball").image for stage in (first, second)]
    assert np.array_equal(*images)


@pytest.fixture(scope="module")
def tiny_world(tmp_path_factory):
    from world.generate import make_world

    return make_world(tmp_path_factory.mktemp("world"), seed=4, size="tiny", jobs=2).parent


def test_a_world_is_a_feed_with_its_truth(tiny_world):
    record = json.loads((tiny_world / "truth/world.json").read_text())
    cuts = json.loads((tiny_world / "truth/cuts.json").read_text())
    rows = (tiny_world / "products.csv").read_text().splitlines()
    assert len(rows) > 3
    assert record["clips"]
    for clip, about in record["clips"].items():
        n = about["end_frame"] - about["start_frame"]
        assert n >= 50
        folder = tiny_world / "truth/clips" / clip
        video = media.read_video(tiny_world / about["video"])
        assert len(video) == cuts[about["product_id"]]["n_frames"]
        x, y, w, h = about["content_rect"]
        shown = video[about["start_frame"] : about["end_frame"], y : y + h, x : x + w].astype(int)
        background = media.read_video(folder / "background.mp4").astype(int)
        masks, shadow = media.read_masks(folder / "masks.mkv")[0], media.read_grey(folder / "shadow.mkv")
        hands, depth = media.read_masks(folder / "occluder.mkv")[0], media.read_grey(folder / "depth.mkv")
        assert len({len(part) for part in (shown, background, masks, shadow, hands, depth)}) == 1
        touched = np.stack([cv2.dilate(m.astype(np.uint8), np.ones((7, 7))) for m in masks]) > 0
        away = ~touched & (shadow == 0)
        assert np.abs(shown - background)[away].mean() < 2.5  # grain and two encodings
        assert np.abs(shown - background)[masks].mean() > 10
        assert len(json.loads((folder / "track.json").read_text())["boxes"]) == n
        for other in about["swaps"]:
            swapped = media.read_video(folder / f"swaps/{other}.mp4").astype(int)
            assert len(swapped) == n
            own = media.read_masks(folder / f"swaps/{other}.mkv")[0]
            assert np.abs(swapped - background)[own].mean() > 8
