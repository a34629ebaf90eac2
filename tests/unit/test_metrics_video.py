"""Measures over time and of shadows against values worked out by hand."""

import numpy as np
import pytest

from pvtt.imaging.colour import to_srgb
from pvtt.metrics import flicker, shadow_error, shadow_residue


def videos(*levels, n=3):
    """Videos of one linear luminance each, as sRGB."""
    return [np.full((n, 6, 8, 3), to_srgb(np.array(level)), np.uint8) for level in levels]


REGION = np.ones((3, 6, 8), bool)


def test_flicker_is_the_change_of_the_error():
    truth = np.random.default_rng(0).integers(50, 200, (4, 6, 8, 3), dtype=np.uint8)
    region = np.ones(truth.shape[:3], bool)
    assert flicker(truth + 7, truth, region) == 0.0
    result = truth.copy()
    result[1] += 6
    assert flicker(result, truth, region) == pytest.approx((6 + 6 + 0) / 3)


def test_flicker_counts_pixels_that_both_frames_have():
    truth = np.zeros((2, 4, 4, 3), np.uint8)
    result = truth.copy()
    result[1, :2] = 8
    region = np.zeros((2, 4, 4), bool)
    region[0, 1:], region[1, :3] = True, True
    assert flicker(result, truth, region) == pytest.approx(8 / 2)
    region[0] = False
    assert flicker(result, truth, region) is None


def test_shadow_residue_from_gone_to_untouched():
    truth, source, half, bright = videos(0.5, 0.3, 0.4, 0.6)
    assert shadow_residue(truth, truth, source, REGION) == 0.0
    assert shadow_residue(source, truth, source, REGION) == pytest.approx(1.0)
    assert shadow_residue(half, truth, source, REGION) == pytest.approx(0.5, abs=0.01)
    assert shadow_residue(bright, truth, source, REGION) == 0.0
    assert shadow_residue(half, truth, truth, REGION) is None
    assert shadow_residue(half, truth, source, REGION & False) is None


def test_shadow_residue_looks_at_the_region_only():
    truth, source = videos(0.5, 0.3)
    result = truth.copy()
    result[:, :3] = source[:, :3]
    region = REGION.copy()
    region[:, :3] = False
    assert shadow_residue(result, truth, source, region) == 0.0
    assert shadow_residue(result, truth, source, ~region) == pytest.approx(1.0)


def test_shadow_error_is_relative_to_the_contrast():
    bare, truth, half, black = videos(0.5, 0.3, 0.4, 0.1)
    assert shadow_error(truth, truth, bare, REGION) == 0.0
    assert shadow_error(bare, truth, bare, REGION) == pytest.approx(1.0)
    assert shadow_error(half, truth, bare, REGION) == pytest.approx(0.5, abs=0.01)
    assert shadow_error(black, truth, bare, REGION) == pytest.approx(1.0, abs=0.01)
    assert shadow_error(half, truth, truth, REGION) is None
