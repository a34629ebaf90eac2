"""What every background backend keeps to."""

import json

import numpy as np
import pytest

from backends import entrants
from backends.conformance import RED, SIZES, Clip, assert_bounded, clip_of
from pvtt.stages.background.base import RemovalError


@pytest.fixture(params=entrants.of("background"))
def make(request):
    return entrants.maker(request)


def removed(backend, clip):
    removal = backend.remove(clip.frames, clip.masks)
    return np.stack(list(removal.frames)), removal


@pytest.mark.parametrize("case", SIZES)
def test_the_product_goes_and_the_rest_stays_bit_for_bit(make, case):
    clip = clip_of(case)
    source, before = clip.array(), clip.masks.copy()
    frames, removal = removed(make(), clip)
    assert frames.dtype == np.uint8 and frames.shape == source.shape
    assert removal.region.dtype == bool and removal.region.shape == clip.masks.shape
    assert not (clip.masks & ~removal.region).any()
    assert np.array_equal(frames[~removal.region], source[~removal.region])
    assert np.abs(frames[clip.masks].astype(int) - RED).mean() > 10
    assert np.array_equal(clip.masks, before)
    assert json.dumps(removal.measures)


def test_two_runs_are_bit_identical(make):
    clip = clip_of("small")
    first, second = (removed(make(), clip) for _ in range(2))
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1].region, second[1].region)
    assert first[1].measures == second[1].measures


def test_empty_masks_give_the_clip_itself(make):
    clip = Clip(5, (96, 64), leaves=0)
    frames, removal = removed(make(), clip)
    assert np.array_equal(frames, clip.array()) and not removal.region.any()


def test_frames_that_the_product_has_left_are_the_clips(make):
    clip = Clip(9, (96, 64), leaves=4)
    frames, removal = removed(make(), clip)
    assert removal.region[:4].any((1, 2)).all()
    assert not removal.region[4:].any() and np.array_equal(frames[4:], clip.array()[4:])


def test_a_product_that_covers_too_much_is_refused_with_the_limit(make):
    with pytest.raises(RemovalError, match="max_coverage"):
        removed(make(max_coverage=0.01), clip_of("small"))


def test_300_frames_take_bounded_memory(make):
    backend = make()

    def work(clip):
        removal = backend.remove(clip.frames, clip.masks)
        assert sum(1 for _ in removal.frames) == clip.n

    assert_bounded(work)
