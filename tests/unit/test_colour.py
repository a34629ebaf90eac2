"""sRGB and linear light against the standard's values."""

import numpy as np
import pytest

from pvtt.imaging.colour import luminance, to_lab, to_linear, to_srgb, white_point


def test_every_level_comes_back():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_srgb(to_linear(levels)), levels)


def test_known_values():
    assert to_linear(np.uint8([0, 128, 255])) == pytest.approx([0, 0.2158605, 1], abs=1e-6)
    assert to_srgb(np.array([0.5, -1, 2, 0.001])).tolist() == [188, 0, 255, 3]
    assert luminance(np.float32([[1, 1, 1], [0, 1, 0]])) == pytest.approx([1, 0.7152])
    assert to_lab(np.full((1, 1, 3), 255, np.uint8))[0, 0] == pytest.approx([100, 0, 0], abs=0.01)


def test_the_white_point_of_a_cast_is_the_cast():
    cast = np.array([0.5, 0.4, 0.2])
    grey = np.random.default_rng(0).uniform(0, 1, (50, 1)) * cast
    assert white_point(grey) == pytest.approx(cast / luminance(cast), rel=1e-4)
    assert white_point(np.zeros((4, 3))).tolist() == [1, 1, 1]
    two = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    assert white_point(two, np.array([0, 1]))[0] == 0
