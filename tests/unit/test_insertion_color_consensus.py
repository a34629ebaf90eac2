"""Colours that a product's photos agree on: known lights of known colours."""

import numpy as np
import pytest

from pvtt.imaging.colour import to_linear, to_srgb
from pvtt.stages.insertion.color_consensus import apply_color_gain, consensus_color_gain
from pvtt.stages.insertion.layer import prefilter


def cutout_of(colour, side=80):
    cutout = np.zeros((side, side, 4), np.uint8)
    cutout[10:-10, 10:-10] = [*colour, 255]
    return cutout


def two_tone():
    cutout = cutout_of((90, 120, 60))
    cutout[20:50, 20:50, :3] = (140, 70, 100)
    return cutout


def lit(cutout, *gain):
    """A cut-out as another light shows it: a gain per channel, or one for all, in linear light."""
    return np.dstack([to_srgb(to_linear(cutout[..., :3]) * np.float32(gain)), cutout[..., 3]])


def test_without_other_photos_colours_are_the_photos():
    assert np.array_equal(consensus_color_gain(two_tone(), []), np.ones(3))
    assert np.array_equal(consensus_color_gain(two_tone(), [np.zeros((50, 50, 4), np.uint8)]), np.ones(3))


def test_a_photo_is_drawn_to_the_middle_of_all():
    # One photo as much darker as the other is brighter: the middle is the photo.
    larger = np.repeat(np.repeat(two_tone(), 2, 0), 2, 1)
    own, dark, bright = two_tone(), lit(two_tone(), 0.8), lit(larger, 1.25)
    assert consensus_color_gain(own, [dark, bright]) == pytest.approx(1, abs=0.01)
    # Of two the middle is the geometric mean, a little nearer to the photo itself.
    weight = np.exp(-((np.log(1.25) / 0.7) ** 2) / 2)
    expected = 1.25 ** (weight / (1 + weight))
    assert consensus_color_gain(own, [bright]) == pytest.approx(expected, rel=0.01) and 1.11 < expected < 1.118


def test_a_cast_of_one_photo_is_shared():
    gain = consensus_color_gain(lit(two_tone(), 1.2, 1.0, 0.8), [two_tone(), two_tone()])
    assert gain[0] < 0.92 and gain[1] == pytest.approx(1, abs=0.01) and gain[2] > 1.12


def test_another_colour_of_the_product_hardly_counts():
    red, blue = cutout_of((190, 30, 30)), cutout_of((30, 40, 190))
    assert consensus_color_gain(red, [blue, blue]) == pytest.approx(1, abs=0.01)


def test_lightened_highlights_stay_white():
    layer = prefilter(cutout_of((250, 250, 250)), 80)
    assert apply_color_gain(layer, np.full(3, 1.5)).layer[..., :3].max() == 1.0
