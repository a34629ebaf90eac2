"""Paths from boxes, ends and key points: exact on motion that is known."""

import numpy as np
import pytest

from pvtt.imaging.geometry import apply, similarity
from pvtt.stages.insertion.base import InsertionError
from pvtt.stages.insertion.trajectory import (
    estimate_trajectory,
    point_steps,
    select_points,
    smooth,
    trajectory_from_boxes,
    trajectory_from_ends,
    trajectory_from_points,
)

N = 25
FRAME = (640, 360)


def moving_boxes(dx=4.0, dy=-1.5, growth=0.0):
    boxes = []
    for index in range(N):
        half_w, half_h = 30 * np.exp(growth * index), 20 * np.exp(growth * index)
        x, y = 200 + dx * index, 180 + dy * index
        boxes.append((x - half_w, y - half_h, x + half_w, y + half_h))
    return boxes


def centres(boxes):
    return np.array([[(b[0] + b[2]) / 2, (b[1] + b[3]) / 2] for b in boxes])


def no_points():
    return np.zeros((0, N, 2))


def turned_points(angle=0.03, growth=0.01, count=12, seed=0):
    start = np.random.default_rng(seed).uniform([170, 160], [230, 200], (count, 2))
    moves = [similarity(np.exp(growth * i), angle * i, (3.0 * i, 1.0 * i), (200, 180)) for i in range(N)]
    return np.stack([apply(move, start) for move in moves], 1)


@pytest.mark.parametrize("control", ["ends", "boxes"])
@pytest.mark.parametrize("smooth_frames", [0.0, 5.0])
def test_a_square_in_steady_motion_is_followed_exactly(control, smooth_frames):
    boxes = moving_boxes()
    path = estimate_trajectory(control, boxes, no_points(), FRAME, smooth_frames)
    assert np.allclose(path.centres, centres(boxes), atol=1e-3)
    assert np.allclose(path.scales, 1, atol=1e-6)
    assert np.allclose(path.angles, 0)
    assert path.size == pytest.approx((60, 40))


def test_ends_look_at_nothing_between():
    boxes = moving_boxes()
    wild = [boxes[0]] + [(0, 0, 9, 9), None] * 11 + [None, boxes[-1]]
    assert np.allclose(trajectory_from_ends(wild).centres, trajectory_from_ends(boxes).centres)
    late = [None, None, *boxes[2:-2], None, None]
    path = trajectory_from_ends(late)
    assert np.allclose(path.centres[2:-2], centres(boxes)[2:-2])
    assert np.allclose(path.centres[0], centres(boxes)[2])


def test_boxes_follow_growth():
    path = trajectory_from_boxes(moving_boxes(growth=0.02), no_points(), FRAME)
    ratio = path.scales / path.scales[0]
    assert np.allclose(ratio, np.exp(0.02 * np.arange(N)), rtol=1e-3)


def test_turning_about_the_vertical_keeps_the_scale():
    boxes = []
    for index in range(N):
        half = 30 * abs(np.cos(0.1 * index)) + 3
        boxes.append((200 - half, 160, 200 + half, 200))
    assert np.allclose(trajectory_from_boxes(boxes, no_points(), FRAME, 3.0).scales, 1, atol=0.01)


def test_missing_boxes_are_bridged():
    boxes = moving_boxes()
    gaps = [None if 8 <= i < 13 else box for i, box in enumerate(boxes)]
    assert np.allclose(trajectory_from_boxes(gaps, no_points(), FRAME, 3.0).centres, centres(boxes), atol=0.05)


def test_a_box_cut_short_loses_to_the_points():
    boxes = moving_boxes(dx=3.0, dy=1.0)
    points = turned_points(angle=0, growth=0)
    cut = [(b[0] + 25, *b[1:]) if 10 <= i < 14 else b for i, b in enumerate(boxes)]
    path = trajectory_from_boxes(cut, points, FRAME, 2.0)
    assert np.abs(path.centres - centres(boxes)).max() < 2.0


def test_turns_come_from_the_points():
    boxes = moving_boxes(dx=3.0, dy=1.0)
    path = trajectory_from_boxes(boxes, turned_points(angle=0.03, growth=0), FRAME, 2.0)
    turn = path.angles - path.angles[0]
    assert np.allclose(turn, 0.03 * np.arange(N), atol=0.01)


def test_points_give_the_similarity_exactly():
    points = turned_points()
    boxes = [(170.0, 160.0, 230.0, 200.0)] * N
    path = trajectory_from_points(boxes, points)
    index = np.arange(N)
    assert np.allclose(path.angles - path.angles[0], 0.03 * index, atol=1e-6)
    assert np.allclose(path.scales / path.scales[0], np.exp(0.01 * index), rtol=1e-6)
    assert np.allclose(path.centres - path.centres[0], np.c_[3.0 * index, 1.0 * index], atol=1e-4)


def test_points_are_needed_for_points():
    with pytest.raises(InsertionError, match="at least 2 key points"):
        estimate_trajectory("points", moving_boxes(), no_points(), FRAME, 0)


def test_no_visible_box_is_an_error():
    with pytest.raises(InsertionError, match="not visible"):
        estimate_trajectory("boxes", [None] * N, no_points(), FRAME, 0)


def test_selection_keeps_the_largest_motion_and_suppresses_neighbours():
    speeds = [1.0, 9.0, 8.0, 5.0, 7.0, 0.5]
    places = [(0, 0), (100, 0), (103, 0), (200, 0), (300, 0), (400, 0)]
    tracks = np.array([[(x, y + s * t) for t in range(5)] for (x, y), s in zip(places, speeds, strict=True)], float)
    assert select_points(tracks, 10, 3).tolist() == [1, 4, 3]
    assert select_points(tracks, 10, 8).tolist() == [1, 4, 3, 0, 5]
    assert select_points(tracks, 2, 8).tolist() == [1, 2, 4, 3, 0, 5]


def test_selection_keeps_eight_and_ignores_points_seen_once():
    tracks = np.stack([np.stack([np.full(4, 50.0 * k), np.arange(4) * (k + 1.0)], 1) for k in range(12)])
    tracks[11, 1:] = np.nan
    assert select_points(tracks, 5).tolist() == [10, 9, 8, 7, 6, 5, 4, 3]


def test_points_that_do_not_agree_are_not_followed():
    points = turned_points()
    points[:, 5] = np.random.default_rng(1).uniform(0, 300, (12, 2))
    steps, agree = point_steps(points, np.full((N, 2), 200.0), 50.0)
    assert not agree[4] and not agree[5] and agree[[11, 16]].all()
    assert not steps[4].any()


def test_a_turn_out_of_the_image_plane_is_not_taken_for_one_in_it():
    spread = np.random.default_rng(2).uniform(-30, 30, (14, 3))
    turn = 0.06 * np.arange(N)
    x = spread[:, :1] * np.cos(turn) + spread[:, 2:] * np.sin(turn)
    depth = spread[:, 2:] * np.cos(turn) - spread[:, :1] * np.sin(turn)
    points = np.stack([200 + x, 180 + 0.8 * spread[:, 1:2] + 0.6 * depth], 2)
    path = trajectory_from_boxes([(170, 160, 230, 200)] * N, points, FRAME, 2.0)
    assert np.abs(path.angles).max() < 0.03


def test_smoothing_keeps_steady_motion_and_drops_an_outlier():
    steady = 5 + 0.5 * np.arange(N)
    none = np.zeros(N - 1)
    assert np.allclose(smooth(steady, np.ones(N), none, none, 100.0), steady, atol=1e-6)
    broken = steady.copy()
    broken[12] += 40
    assert np.abs(smooth(broken, np.ones(N), none, none, 100.0) - steady).max() < 0.2
