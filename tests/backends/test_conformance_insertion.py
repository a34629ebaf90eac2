"""What every insertion backend keeps to."""

import json

import numpy as np
import pytest

from backends import entrants
from backends.conformance import SIZES, Clip, assert_bounded, clip_of
from pvtt.stages.insertion.base import InsertionError


@pytest.fixture(params=entrants.of("insertion"))
def make(request):
    return entrants.maker(request)


def inserted(backend, request):
    insertion = backend.insert(request)
    frames, masks = zip(*insertion.frames, strict=True)
    return np.stack(frames), np.stack(masks), insertion


@pytest.mark.parametrize("case", SIZES)
def test_frames_masks_and_boxes_have_the_clips_length_and_size(make, case):
    clip = clip_of(case)
    before = clip.masks.copy()
    frames, masks, insertion = inserted(make(), clip.request())
    assert frames.dtype == np.uint8 and frames.shape == clip.array().shape
    assert masks.dtype == bool and masks.shape == clip.masks.shape
    assert len(insertion.boxes) == clip.n and masks.any()
    assert np.array_equal(clip.masks, before)
    assert json.dumps(insertion.measures)


def test_a_seed_decides_and_two_runs_are_bit_identical(make):
    request = clip_of("small").request(seed=7)
    first, second = (inserted(make(), request) for _ in range(2))
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])
    assert first[2].boxes == second[2].boxes and first[2].measures == second[2].measures


def test_a_pair_does_not_depend_on_those_before_it(make):
    """A warm backend makes what a fresh one makes."""
    clip, warm = clip_of("small"), make()
    inserted(warm, clip.request(seed=1, cutout=np.full((30, 50, 4), 255, np.uint8)))
    assert np.array_equal(inserted(warm, clip.request(seed=2))[0], inserted(make(), clip.request(seed=2))[0])


def test_where_the_product_has_left_the_clip_stays(make):
    clip = Clip(9, (96, 64), leaves=4)
    frames, masks, insertion = inserted(make(), clip.request())
    assert insertion.boxes[4:] == [None] * 5 and not masks[4:].any()
    assert np.array_equal(frames[4:], clip.array()[4:])
    assert all(box is not None for box in insertion.boxes[:4]) and masks[:4].any((1, 2)).all()


def test_a_clip_without_a_product_is_refused(make):
    with pytest.raises(InsertionError, match="not visible in any frame"):
        inserted(make(), Clip(4, (96, 64), leaves=0).request())


def test_an_empty_cut_out_is_refused(make):
    with pytest.raises(InsertionError, match="opaque"):
        inserted(make(), clip_of("small").request(cutout=np.zeros((20, 20, 4), np.uint8)))


def test_300_frames_take_bounded_memory(make):
    backend = make()

    def work(clip):
        assert sum(1 for _ in backend.insert(clip.request()).frames) == clip.n

    assert_bounded(work)
