"""Picture measures against values worked out by hand and against scikit-image."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity

from pvtt.metrics import coarse_ssim, colour_error, gmsd, psnr, ssim

_NOISE = np.random.default_rng(5).normal(0, 1, (300, 300))
TEXTURE = np.clip(128 + 300 * gaussian_filter(_NOISE, 2), 0, 255).astype(np.uint8)


def noisy(image, sigma, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_psnr_is_exact_on_large_videos():
    rng = np.random.default_rng(1)
    a, b = (rng.integers(0, 256, (9, 65, 33, 3), dtype=np.uint8) for _ in range(2))
    mask = rng.random((9, 65, 33)) < 0.5
    error = ((a[mask].astype(np.int64) - b[mask]) ** 2).mean()
    assert psnr(a, b, mask) == pytest.approx(10 * np.log10(255**2 / error), abs=1e-12)


def test_ssim_is_that_of_scikit_image():
    a = TEXTURE[100:260, 100:300]
    b = noisy(a, 20)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, full = structural_similarity(a, b, data_range=255, full=True, **options)
    assert ssim(a, b) == pytest.approx(full.mean())
    mask = np.zeros(a.shape, bool)
    mask[3:60, 150:] = True
    mask[100, 20] = True
    assert ssim(a, b, mask) == pytest.approx(full[mask].mean())


def test_ssim_of_flat_images():
    # Without variance SSIM is its luminance term.
    a, b = np.full((20, 20), 100, np.uint8), np.full((20, 20), 120, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert ssim(a, b) == pytest.approx((2 * 100 * 120 + c1) / (100**2 + 120**2 + c1))
    assert ssim(a, a) == 1.0


def test_ssim_looks_at_the_region_only():
    a = TEXTURE[:128, :128]
    b = a.copy()
    b[:, :40] = 255 - b[:, :40]
    right = np.zeros(a.shape, bool)
    right[:, 60:] = True
    assert ssim(a, b, right) == 1.0
    assert ssim(a, b, ~right) < 0.6
    with pytest.raises(ValueError, match="empty"):
        ssim(a, b, np.zeros(a.shape, bool))


def test_coarse_ssim_is_ssim_of_the_reduced_images():
    a, b = TEXTURE[:128, :128], noisy(TEXTURE[:128, :128], 40)
    mask = np.zeros(a.shape, bool)
    mask[32:96, 32:96] = True  # 64 x 64: halved
    small = [image.reshape(64, 2, 64, 2).mean((1, 3)) for image in (a, b)]
    halved = [np.floor(image + 0.5).astype(np.uint8) for image in small]
    assert coarse_ssim(a, b, mask) == pytest.approx(ssim(*halved, mask[::2, ::2]), abs=5e-3)
    assert coarse_ssim(a, b, mask) > ssim(a, b, mask) + 0.05
    # A region that is small already is not enlarged.
    mask[:, 60:] = False
    mask[60:] = False
    assert coarse_ssim(a, b, mask) == ssim(a, b, mask)
    assert coarse_ssim(a, a, mask) == 1.0


def test_gmsd_of_equal_and_of_brighter_images():
    a = TEXTURE[:128, :128] // 2
    assert gmsd(a, a) == 0.0
    # Gradients do not see a constant; at the border the frame is taken to be black.
    inner = np.zeros(a.shape, bool)
    inner[8:-8, 8:-8] = True
    assert gmsd(a, a + 40, inner) == pytest.approx(0, abs=1e-6)


def test_gmsd_of_a_step_against_nothing():
    # Half size, away from the border: two columns see the step, of a gradient of 90; the others see none.
    a = np.zeros((40, 40), np.uint8)
    a[:, 20:] = 90
    mask = np.zeros(a.shape, bool)
    mask[8:32, 12:28] = True
    expected = np.array([1.0] * 6 + [170 / (90**2 + 170)] * 2).std()
    assert gmsd(a, np.zeros_like(a), mask) == pytest.approx(expected, rel=1e-5)


def test_gmsd_grows_with_the_damage():
    a = TEXTURE[:128, :128]
    values = [gmsd(a, noisy(a, sigma)) for sigma in (2, 8, 30)]
    assert values == sorted(values) and values[0] > 0


def test_colour_error_of_flat_regions():
    a, b = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)
    a[:4], b[4:] = (200, 40, 40), (180, 60, 40)
    top = np.zeros((8, 8), bool)
    top[:4] = True
    expected = deltaE_ciede2000(rgb2lab(a[:1, :1])[0, 0], rgb2lab(b[-1:, :1])[0, 0])
    assert colour_error(a, top, b, ~top) == pytest.approx(expected)
    assert colour_error(a, top, a, top) == 0
    with pytest.raises(ValueError, match="empty"):
        colour_error(a, np.zeros_like(top), b, top)
