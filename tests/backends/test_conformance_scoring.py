"""What every identity backend keeps to."""

import numpy as np
import pytest

from backends import entrants
from backends.conformance import BLUE, RED, assert_bounded
from pvtt.stages.scoring.base import Crop
from pvtt.stages.scoring.identity import tight_crop


@pytest.fixture(params=entrants.of("scoring"))
def make(request):
    return entrants.maker(request)


def crop(seed, height=40, width=28):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    mask = np.zeros((height, width), bool)
    mask[height // 8 : height - height // 8, width // 8 : width - width // 8] = True
    return Crop(np.where(mask[..., None], image, 128).astype(np.uint8), mask)


@pytest.mark.parametrize("shape", [(8, 8), (67, 101), (120, 30), (9, 300)])
def test_a_crop_of_any_shape_is_like_itself(make, shape):
    backend = make()
    (feature,) = backend.embed([crop(1, *shape)])
    assert backend.similarity(feature, feature) == pytest.approx(1, abs=1e-4)


def test_likeness_lies_between_0_and_1(make):
    backend = make()
    features = backend.embed([crop(seed, 30 + 9 * seed, 40) for seed in range(4)])
    assert len(features) == 4
    for a in features:
        for b in features:
            assert 0 <= backend.similarity(a, b) <= 1


def test_nothing_to_look_at_gives_nothing(make):
    assert list(make().embed([])) == []


def test_two_runs_are_identical(make):
    crops = [crop(seed) for seed in range(3)]
    first, second = make(), make()
    a, b = first.embed(crops), second.embed(crops)
    likeness = [
        [backend.similarity(x, y) for x in found for y in found] for backend, found in ((first, a), (second, b))
    ]
    assert likeness[0] == likeness[1]


def test_another_colour_is_less_alike(make):
    backend = make()
    masks = np.ones((48, 48), bool)
    red, blue = (Crop(np.full((48, 48, 3), colour, np.uint8), masks) for colour in (RED, BLUE))
    one, other = backend.embed([red, blue])
    assert backend.similarity(one, other) < backend.similarity(one, one)


def test_300_frames_take_bounded_memory(make):
    backend = make()

    def work(clip):
        crops = [tight_crop(frame, mask) for frame, mask in zip(clip.frames(), clip.masks, strict=True)]
        assert len(backend.embed(crops)) == clip.n

    assert_bounded(work)
