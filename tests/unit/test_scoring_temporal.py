"""Temporal measures: each way of being unsteady lowers the score of a result that is steady otherwise."""

import subprocess
import sys
from fractions import Fraction

import cv2
import numpy as np
import pytest

from pvtt.io.video import read_frames, write_video
from pvtt.stages.scoring.source_flow import measure_flow, read_flow
from pvtt.stages.scoring.temporal import (
    Motion,
    Step,
    box_drift,
    jitter,
    motion_gate,
    source_motion,
    temporal_measures,
    temporal_score,
)

N, HEIGHT, WIDTH = 10, 120, 180


def texture(seed, mean, spread):
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, (240, 320, 3)).astype(np.float32), (0, 0), 3)
    return np.clip(mean + spread * noise / noise.std(), 0, 255).astype(np.uint8)


def video(seed, offsets, pan=1.0):
    """A disc of its own texture moving by `offsets` (n, 2) pixels over a ground that pans by `pan` a frame."""
    ground, skin = texture(1, 110, 22), texture(seed, 150, 30)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    frames, masks = [], []
    for index, (dx, dy) in enumerate(offsets):
        frame = cv2.remap(ground, x + np.float32(pan * index), y, cv2.INTER_LINEAR)
        own = cv2.remap(skin, x - np.float32(dx - 40), y - np.float32(dy - 40), cv2.INTER_LINEAR)
        mask = np.hypot(x - 50 - dx, y - 55 - dy) < 26
        frames.append(np.where(mask[..., None], own, frame))
        masks.append(mask)
    return np.stack(frames), np.stack(masks)


TRACK = np.stack([3.0 * np.arange(N), 1.0 * np.arange(N)], 1)
SOURCE, MASK = video(2, TRACK)
RESULT, INSERT = video(3, TRACK)


def measures(result=RESULT, insert=INSERT):
    steps = [
        Step((SOURCE[i], SOURCE[i + 1]), (result[i], result[i + 1]), MASK[i], (insert[i], insert[i + 1]))
        for i in range(N - 1)
    ]
    return temporal_measures(steps) | {"jitter": jitter(MASK, insert)}


@pytest.fixture(scope="module")
def clean():
    return measures()


def test_clean_result_scores_near_one(clean):
    assert temporal_score(clean) > 0.85
    assert clean["motion_ratio"] == pytest.approx(1, abs=0.15)
    assert clean["motion_ratio_outside"] == pytest.approx(1, abs=0.1)
    assert clean["flicker_inside"] < 1.5 and clean["flicker_outside"] < 0.5
    assert clean["valid_inside"] > 0.6 and clean["valid_outside"] > 0.8


def test_source_against_itself_has_no_excess():
    own = measures(SOURCE, MASK)
    assert own["excess_inside"] == own["excess_outside"] == own["flicker_outside"] == own["jitter"] == 0
    # The source's flow is stored in steps of 1/64 px, the result's is not.
    assert own["motion_ratio"] == pytest.approx(1, abs=1e-3)
    assert own["warping_error_inside"] == own["source_warping_error_inside"]
    assert temporal_score(own) == pytest.approx(1, abs=1e-4)


def unsteady():
    rng = np.random.default_rng(0)
    order = rng.permutation(N)
    light = np.where(np.arange(N) % 2, 1.12, 0.88)[:, None, None, None]
    noisy = np.clip(RESULT + rng.normal(0, 18, RESULT.shape), 0, 255).astype(np.uint8)
    return {
        "frozen": (np.repeat(RESULT[:1], N, 0), np.repeat(INSERT[:1], N, 0)),
        "frozen product": video(3, np.zeros((N, 2))),
        "shuffled": (RESULT[order], INSERT[order]),
        "noise": (noisy, INSERT),
        "flicker": (np.clip(RESULT * light, 0, 255).astype(np.uint8), INSERT),
        "flicker of the product": (
            np.where(INSERT[..., None], np.clip(RESULT * light, 0, 255), RESULT).astype(np.uint8),
            INSERT,
        ),
        "jitter": video(3, TRACK + rng.normal(0, 3, (N, 2))),
        "too fast": video(3, TRACK * 3 - 30),
    }


@pytest.mark.parametrize("kind", list(unsteady()))
def test_unsteady_result_is_clearly_lower(kind, clean):
    score = temporal_score(measures(*unsteady()[kind]))
    assert score < 0.6 and score < temporal_score(clean) - 0.25


def test_frozen_has_no_motion_and_shuffled_too_much():
    kinds = unsteady()
    assert measures(*kinds["frozen"])["motion_ratio"] < 0.2
    assert measures(*kinds["shuffled"])["motion_ratio"] > 2
    assert measures(*kinds["flicker"])["flicker_outside"] > 10


def test_still_source_lets_a_still_result_pass():
    still, mask = video(2, np.zeros((N, 2)), pan=0)
    other, insert = video(3, np.zeros((N, 2)), pan=0)
    steps = [
        Step((still[i], still[i + 1]), (other[i], other[i + 1]), mask[i], (insert[i], insert[i + 1]))
        for i in range(N - 1)
    ]
    found = temporal_measures(steps)
    assert found["motion_ratio"] == 1 and temporal_score(found) == 1


@pytest.mark.parametrize("speed", [0.25, 1.0, 4.0])
def test_a_frozen_product_s_motion_ratio_falls_with_the_speed_of_its_source(speed):
    """A still result has the ratio 0.15 px / (0.15 px + speed): motion below that is noise of the optical flow."""
    still, mask = video(2, np.zeros((2, 2)), pan=0)
    forward = np.broadcast_to(np.array([speed * 64, 0], np.int16), (HEIGHT, WIDTH, 2)).copy()
    moved = Motion(forward, np.ones((HEIGHT, WIDTH), bool))
    step = Step((still[0], still[1]), (still[0], still[1]), mask[0], (mask[0], mask[1]), moved)
    assert temporal_measures([step])["motion_ratio"] == pytest.approx(0.15 / (0.15 + speed), rel=0.02)


@pytest.mark.parametrize(
    ("ratio", "expected"), [(1, 1), (0.6, 1), (1.7, 1), (0.375, 0.5), (2.72, 0.5), (0.05, 0), (20, 0)]
)
def test_motion_gate_is_two_sided(ratio, expected):
    assert motion_gate(ratio) == pytest.approx(expected, abs=1e-3)


def test_box_drift_is_exact():
    source = [[10.0 * i, 0.0, 10.0 * i + 30, 40.0] for i in range(4)] + [None]
    same = [[box[0] + 7, box[1] - 3, box[2] + 7, box[3] - 3] if box else None for box in source]
    assert box_drift(source, same) == 0
    away = [*same[:2], *([b[0], b[1] + 20, b[2], b[3] + 20] for b in same[2:4]), None]
    assert box_drift(source, away) == pytest.approx(10 / 50)
    assert box_drift(source, [None] * 5) is None


def test_half_of_the_score_is_left_at_a_jitter_of_a_fiftieth():
    steady = {"excess_inside": 0.0, "excess_own_inside": 0.0}
    assert temporal_score(steady | {"jitter": 0.0}) == 1
    assert temporal_score(steady | {"jitter": 0.02}) == pytest.approx(0.5)


def test_a_motion_read_from_a_file_is_the_one_that_is_computed(tmp_path):
    write_video(tmp_path / "video.mp4", SOURCE, Fraction(25))
    measure_flow(tmp_path / "video.mp4", tmp_path / "flow.npz", {"flow_side_px": 64, "flow_pairs": 4})
    found = read_flow(tmp_path / "flow.npz")
    assert list(found) == [0, 3, 5, 8]
    frames = [
        cv2.resize(frame, (96, 64), interpolation=cv2.INTER_AREA) for frame in read_frames(tmp_path / "video.mp4")
    ]
    for index, motion in found.items():
        expected = source_motion((frames[index], frames[index + 1]))
        assert np.array_equal(motion.forward, expected.forward) and np.array_equal(motion.valid, expected.valid)
        assert motion.forward.dtype == np.float32 and np.abs(motion.forward).max() > 0.2
        assert np.array_equal(motion.forward * 64, np.rint(motion.forward * 64))


def test_scoring_does_not_load_the_statistics_of_scipy():
    code = "import sys, pvtt.stages.scoring; print('scipy.stats' in sys.modules, 'scipy.optimize' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_jitter_is_exact():
    def squares(rows):
        masks = np.zeros((len(rows), 60, 60), bool)
        for mask, row in zip(masks, rows, strict=True):
            mask[row : row + 10, 20:30] = True
        return masks

    smooth = squares([10, 12, 14, 16, 18])
    assert jitter(smooth, smooth) == 0
    trembling = squares([10, 13, 14, 17, 18])
    assert jitter(smooth, trembling) == pytest.approx(2 / 10)
    assert jitter(trembling, trembling) == 0
    assert jitter(smooth, np.zeros_like(smooth)) is None


def test_nothing_to_measure_is_none():
    assert temporal_measures([]) == {} and temporal_score({}) is None
    hidden = [Step((SOURCE[0], SOURCE[1]), (RESULT[0], RESULT[1]), MASK[0], (np.zeros_like(MASK[0]),) * 2)]
    found = temporal_measures(hidden)
    assert found["excess_inside"] is None and found["warping_error_outside"] is not None
    assert temporal_score(found) is None
