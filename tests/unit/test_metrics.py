"""Measures against values worked out by hand."""

import numpy as np
import pytest

from pvtt.metrics import mask_iou, psnr


def test_psnr_of_a_constant_difference():
    a = np.full((4, 6, 3), 100, np.uint8)
    assert psnr(a, a + 1) == pytest.approx(20 * np.log10(255))
    assert psnr(a, a - 10) == pytest.approx(20 * np.log10(25.5))
    assert psnr(a + 1, a) == psnr(a, a + 1)


def test_psnr_of_the_extremes():
    black, white = np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)
    assert psnr(black, white) == pytest.approx(0)
    assert psnr(white, white) == 100.0


def test_psnr_counts_only_the_mask():
    a = np.zeros((10, 10, 3), np.uint8)
    b = a.copy()
    b[:5] = 255
    b[7, 7] = 1
    mask = np.zeros((10, 10), bool)
    mask[5:] = True
    assert psnr(a, b, mask) == pytest.approx(10 * np.log10(255**2 * 50))
    mask[7, 7] = False
    assert psnr(a, b, mask) == 100.0
    assert psnr(a, b, ~mask) < 1


def test_psnr_of_a_masked_video():
    a = np.zeros((3, 4, 4, 3), np.uint8)
    b = a.copy()
    b[1, 0, 0] = 8
    mask = np.zeros((3, 4, 4), bool)
    mask[:, 0, 0] = True
    assert psnr(a, b, mask) == pytest.approx(10 * np.log10(255**2 / (64 / 3)))


@pytest.mark.parametrize("mask", [np.zeros((4, 4), bool), np.ones((4, 5), bool)])
def test_psnr_refuses_an_unusable_mask(mask):
    with pytest.raises(ValueError, match="mask"):
        psnr(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8), mask)


def test_psnr_refuses_unequal_shapes():
    with pytest.raises(ValueError, match="one shape"):
        psnr(np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8))


def test_iou():
    a, b = np.zeros((10, 10), bool), np.zeros((10, 10), bool)
    a[:, :6], b[:, 4:] = True, True
    assert mask_iou(a, b) == pytest.approx(0.2)
    assert mask_iou(a, a) == 1.0
    assert mask_iou(a, ~a) == 0.0
    assert mask_iou(np.zeros_like(a), np.zeros_like(a)) == 1.0
    with pytest.raises(ValueError, match="one shape"):
        mask_iou(a, b[:5])
