"""ffmpeg's scene filter as a shot detector: exact cuts, nothing in still or moving shots, its threshold counts."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from pvtt.stages.shots.base import Transitions
from pvtt.stages.shots.ffmpeg import Backend

FPS = Fraction(24000, 1001)


def scene(seed, count, size=(97, 161), speed=0.0):
    """`count` frames, odd sides, of a blurred random picture that slides by `speed` pixels a frame."""
    picture = np.random.default_rng(seed).integers(0, 256, (6, 24, 3)).astype(np.uint8)
    wide = cv2.resize(picture, (600, size[0]), interpolation=cv2.INTER_CUBIC)
    starts = [round(speed * k) for k in range(count)]
    return [wide[:, start : start + size[1]] for start in starts]


def detect(frames, threshold=0.2, fps=FPS):
    return Backend({"ffmpeg": {"threshold": threshold}}).detect(iter(frames), fps)


@pytest.mark.parametrize("place", [1, 2, 30, 58, 59])
def test_a_cut_is_found_at_its_frame(place):
    frames = [*scene(4, place), *scene(5, 60 - place)]
    assert detect(frames) == Transitions((place,))


def test_nothing_is_found_in_a_still_clip():
    assert detect(scene(1, 40)) == Transitions()


def test_nothing_is_found_in_a_slow_pan():
    assert detect(scene(1, 60, speed=2.0)) == Transitions()


def test_the_threshold_counts():
    frames = [*scene(4, 20), *scene(5, 20)]
    assert detect(frames, 0.9) == Transitions()
    step = float(np.abs(np.subtract(*(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY).astype(int) for f in frames[19:21]))).mean())
    for threshold, cuts in ((step / 100 - 0.01, (20,)), (step / 100 + 0.01, ())):
        assert detect(frames, threshold).cuts == cuts


def test_a_slow_dissolve_is_no_cut_and_nothing_gradual_is_claimed():
    first, last = scene(4, 1)[0].astype(float), scene(5, 1)[0].astype(float)
    mixed = [np.rint(first + (last - first) * k / 20).astype(np.uint8) for k in range(21)]
    assert detect([*scene(4, 20), *mixed, *scene(5, 20)]) == Transitions()
