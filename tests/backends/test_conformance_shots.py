"""What every shot detector keeps to."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from backends import entrants

FPS = Fraction(25)


@pytest.fixture(params=entrants.of("shots"))
def make(request):
    return entrants.maker(request)


def scene(seed, n, size=(90, 160)):
    """`n` frames of a blurred random picture that pans slowly."""
    picture = np.random.default_rng(seed).integers(0, 256, (6, 12, 3)).astype(np.uint8)
    large = cv2.resize(picture, (240, 120), interpolation=cv2.INTER_CUBIC)
    return [large[: size[0], i // 2 : i // 2 + size[1]].copy() for i in range(n)]


def test_a_hard_cut_is_the_first_frame_of_the_new_shot(make):
    found = make().detect(iter([*scene(4, 60), *scene(5, 60), *scene(6, 40)]), FPS)
    assert found.cuts == (60, 120) and found.gradual == ()


def test_one_shot_has_no_transition(make):
    found = make().detect(iter(scene(1, 80)), FPS)
    assert found.cuts == () and found.gradual == ()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_frames_are_no_error(make, n):
    found = make().detect(iter(scene(1, n)), FPS)
    assert found.cuts == () and found.gradual == ()


def test_frames_are_not_changed_and_two_runs_agree(make):
    frames = [*scene(4, 55), *scene(5, 55)]
    before = [frame.copy() for frame in frames]
    backend = make()
    first = backend.detect(iter(frames), FPS)
    assert all(np.array_equal(a, b) for a, b in zip(frames, before, strict=True))
    backend.close()
    backend.load("cpu")
    assert backend.detect(iter(frames), FPS) == first


def test_the_method_names_the_backend(make):
    backend = make()
    assert backend.method.split(":")[0] == backend.name
