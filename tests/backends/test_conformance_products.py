"""What every cut-out backend keeps to."""

import cv2
import numpy as np
import pytest

from backends import entrants
from pvtt.stages.cutouts.base import NoCutOutError


@pytest.fixture(params=entrants.of("products"))
def make(request):
    return entrants.maker(request)


def photo(height, width):
    """A red disc on a pale ground, and its mask."""
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (width // 2, height // 2), min(height, width) // 4, 1, -1)
    image = np.full((height, width, 3), (228, 226, 222), np.uint8)
    image[mask > 0] = (180, 30, 40)
    return image, mask > 0


@pytest.mark.parametrize("size", [(240, 320), (333, 201), (320, 240)], ids=["landscape", "odd sides", "portrait"])
def test_the_alpha_has_the_photos_size_and_is_the_product(make, size):
    image, mask = photo(*size)
    before = image.copy()
    matte = make().cut_out(image)
    alpha = matte.alpha
    assert alpha.dtype == np.uint8 and alpha.shape == size and np.array_equal(image, before)
    assert (mask & (alpha > 127)).sum() / (mask | (alpha > 127)).sum() > 0.95
    assert all(isinstance(value, float) and np.isfinite(value) for value in matte.measures.values())


def test_two_runs_are_bit_identical(make):
    image, _ = photo(240, 320)
    first, second = make().cut_out(image), make().cut_out(image)
    assert np.array_equal(first.alpha, second.alpha) and first.measures == second.measures


def test_a_photo_of_nothing_gives_no_product(make):
    plain = np.full((200, 240, 3), 226, np.uint8)
    try:
        alpha = make().cut_out(plain).alpha
    except NoCutOutError as error:
        assert str(error)
    else:
        assert alpha.shape == (200, 240) and (alpha > 127).mean() < 0.01


def test_it_works_again_after_it_was_closed(make):
    image, _ = photo(120, 160)
    backend = make()
    first = backend.cut_out(image).alpha
    backend.close()
    backend.load("cpu")
    assert np.array_equal(backend.cut_out(image).alpha, first)
