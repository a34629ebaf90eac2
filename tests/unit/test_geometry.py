"""Transforms, boxes, masks and the camera's motion on what is known."""

import cv2
import numpy as np
import pytest

from pvtt.imaging.camera_motion import camera_motion
from pvtt.imaging.geometry import (
    apply,
    box_of,
    closed,
    dilated,
    fit_similarity,
    padded_box,
    robust_similarity,
    scale_and_angle,
    similarity,
)

POINTS = np.random.default_rng(0).uniform(0, 100, (20, 2))


def test_a_similarity_is_found_exactly():
    move = similarity(1.3, 0.4, (5, -2), (50, 40))
    assert np.allclose(fit_similarity(POINTS, apply(move, POINTS)), move)
    assert scale_and_angle(move) == pytest.approx((1.3, 0.4))
    assert np.allclose(apply(move, np.array([[50.0, 40.0]])), [[55, 38]])


def test_outliers_do_not_move_the_similarity():
    move = similarity(0.9, -0.2, (3, 4))
    target = apply(move, POINTS)
    target[:6] += 40
    found, inliers = robust_similarity(POINTS, target)
    assert np.allclose(found, move, atol=1e-6)
    assert inliers.tolist() == [False] * 6 + [True] * 14
    assert robust_similarity(POINTS[:1], POINTS[:1])[0] is None


def test_points_in_one_place_only_shift():
    assert np.allclose(fit_similarity([[1, 1], [1, 1]], [[3, 2], [3, 2]]), similarity(1, 0, (2, 1)))


def test_boxes():
    mask = np.zeros((10, 12), bool)
    assert box_of(mask) is None
    mask[2:5, 3:9] = True
    assert box_of(mask) == (3, 2, 9, 5)
    assert padded_box((3, 2, 9, 5), 4, 12, 10) == (0, 0, 12, 9)


def test_dilation_and_closing_are_by_discs():
    mask = np.zeros((21, 21), bool)
    mask[10, 10] = True
    assert dilated(mask, 3).sum() == 29
    assert not dilated(np.zeros_like(mask), 3).any()
    bars = np.zeros((30, 30), bool)
    bars[5:25, 5:12], bars[5:25, 16:25] = True, True
    assert closed(bars, 3)[8:22, 5:25].all()
    assert not closed(bars, 1)[:, 13:15].any()
    assert not closed(bars, 3)[:5].any()


def texture(height=400, width=600):
    noise = np.random.default_rng(1).integers(0, 255, (height // 4, width // 4), np.uint8)
    return cv2.GaussianBlur(cv2.resize(noise, (width, height)), (0, 0), 1.5)


def test_a_moving_camera_is_followed():
    wide = texture()
    grays = [wide[100 + i : 280 + i, 50 + 3 * i : 290 + 3 * i] for i in range(15)]
    covered = [np.zeros((180, 240), bool) for _ in grays]
    motion = camera_motion(grays, covered, 7)
    for index in range(15):
        assert apply(motion[index], [[120.0, 90.0]])[0] == pytest.approx(
            [120 + 3 * (index - 7), 90 + index - 7], abs=0.1
        )


def test_a_thing_that_moves_does_not_move_the_camera():
    wide, hand = texture()[:180, :240], texture()[200:300, :120]
    grays = []
    for index in range(15):
        gray = wide.copy()
        gray[40:140, 5 * index : 5 * index + 120] = hand
        grays.append(gray)
    motion = camera_motion(grays, [np.zeros((180, 240), bool)] * 15, 7)
    assert np.array_equal(motion, np.tile(np.eye(3), (15, 1, 1)))


def test_a_scene_without_features_stands_still():
    grays = [np.full((90, 120), 240, np.uint8)] * 5
    assert np.array_equal(camera_motion(grays, [np.zeros((90, 120), bool)] * 5, 2), np.tile(np.eye(3), (5, 1, 1)))
