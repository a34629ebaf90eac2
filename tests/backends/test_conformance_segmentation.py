"""What every segmentation backend keeps to."""

import numpy as np
import pytest

from backends import entrants
from backends.conformance import SIZES, Clip, assert_bounded, clip_of, disc

WORDS = "mug. red mug."


@pytest.fixture(params=entrants.of("segmentation"))
def make(request):
    return entrants.maker(request)


def check(result, clip):
    k = len(result.masks)
    assert result.masks.dtype == bool and result.masks.shape == (k, clip.n, *clip.masks.shape[1:])
    assert result.confidence.shape == (clip.n,) and ((result.confidence >= 0) & (result.confidence <= 1)).all()
    assert all(np.isfinite(value) for value in result.evidence.values())
    assert k or result.note, "nothing found, and no reason"


@pytest.mark.parametrize("case", SIZES)
def test_masks_and_confidence_have_the_clips_shape(make, case):
    clip = clip_of(case)
    check(make().segment(clip.array(), [disc()], WORDS), clip)


def test_two_runs_are_bit_identical(make):
    frames = clip_of("small").array()
    first, second = (make().segment(frames, [disc()], WORDS) for _ in range(2))
    assert np.array_equal(first.masks, second.masks) and np.array_equal(first.confidence, second.confidence)
    assert first.evidence == second.evidence and first.note == second.note


def test_no_product_no_references_and_no_words_are_an_answer(make):
    clip = Clip(4, (96, 64), leaves=0)
    check(make().segment(clip.array(), [], ""), clip)


def test_a_product_that_leaves_is_an_answer(make):
    clip = Clip(8, (96, 64), leaves=4)
    check(make().segment(clip.array(), [], WORDS), clip)


def test_frames_are_left_as_they_are(make):
    frames = clip_of("small").array()
    before = frames.copy()
    make().segment(frames, [disc()], WORDS)
    assert np.array_equal(frames, before)


def test_300_frames_take_bounded_memory(make):
    backend = make()

    def work(clip):
        backend.segment(clip.array(), [], WORDS)

    # The stage gives the whole clip; `classical` compares colours of all its frames at the working size.
    assert_bounded(work, times=6)
