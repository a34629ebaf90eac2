"""Measures between pictures, each over a region where one is given.

A measure over a region looks at the region's pixels in both pictures and divides by their number, not by that of the
frame: one that blanks one picture only, or averages over the frame, says nothing about the region. LPIPS (Zhang et al.,
CVPR 2018) needs the weights of a network; `gmsd` stands in its place as the perceptual measure without weights.
"""

from __future__ import annotations

import cv2
import numpy as np

Array = np.ndarray

PSNR_CAP_DB = 100.0
_SSIM_REACH = 5  # half of the 11-pixel Gaussian window
_GMSD_C = 170.0


def psnr(a: Array, b: Array, mask: Array | None = None) -> float:
    """Peak signal-to-noise ratio in dB (peak 255) of two uint8 arrays of one shape, capped at 100.0 (equal arrays).

    Arrays are images (h, w), (h, w, 3) or videos (n, h, w, 3). `mask` is bool, of the arrays' shape with or without
    the channel axis; only its pixels count, all channels together. ValueError for unequal shapes or an empty mask.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise ValueError(f"PSNR needs arrays of one shape, not {a.shape} and {b.shape}")
    mask = np.ones(a.shape, bool) if mask is None else np.asarray(mask, bool)
    if mask.shape not in (a.shape, a.shape[:-1]):
        raise ValueError(f"PSNR: a mask of shape {mask.shape} does not fit arrays of shape {a.shape}")
    channels = a.shape[-1] if mask.ndim < a.ndim else 1
    pixels = int(np.count_nonzero(mask))
    if not pixels:
        raise ValueError("PSNR of no pixels: the mask is empty")
    # OpenCV's norm sums 8-bit differences exactly and needs no copy of the region's pixels.
    first, second = (np.ascontiguousarray(image).reshape(mask.size, 1, channels) for image in (a, b))
    chosen = np.ascontiguousarray(mask).view(np.uint8).reshape(-1, 1)
    squares = cv2.norm(first, second, cv2.NORM_L2SQR, mask=chosen)
    error = squares / (pixels * channels)
    return PSNR_CAP_DB if error == 0 else min(PSNR_CAP_DB, 10 * float(np.log10(255.0**2 / error)))


def ssim(a: Array, b: Array, mask: Array | None = None) -> float:
    """Structural similarity of two uint8 images, (h, w) or (h, w, 3) RGB taken as grey; 1 for equal ones.

    The mean of the SSIM map inside `mask`, bool (h, w) (the whole image without one), by scikit-image: Gaussian window
    of sigma 1.5 over 11 pixels, K1 0.01, K2 0.03 (Wang, Bovik, Sheikh and Simoncelli, IEEE Trans. Image Processing
    2004). ValueError for unequal shapes, images under 11 pixels, or an empty mask.
    """
    from skimage.metrics import structural_similarity

    region = _region(a, b, mask, "SSIM")
    # Farther than the window's reach from the region, pixels have no part in its values.
    part = _around(region, _SSIM_REACH)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, full = structural_similarity(_grey(a)[part], _grey(b)[part], data_range=255, full=True, **options)
    return float(full[region[part]].mean())


def coarse_ssim(a: Array, b: Array, mask: Array, side: float = 32.0) -> float:
    """SSIM at the scale at which the region, bool (h, w), covers `side` squared pixels; never enlarged.

    At full size a texture that is off by a pixel counts as much as a wrong product. Here form, place and colour count:
    one coarse scale of multi-scale SSIM (Wang, Simoncelli and Bovik, Asilomar 2003). A region whose image becomes
    smaller than the window of 11 pixels is measured at the scale that just fits it. Errors as in `ssim`.
    """
    region = _region(a, b, mask, "SSIM")
    scale = min(1.0, max(side / float(np.sqrt(np.count_nonzero(region))), 11.5 / min(region.shape)))
    small = [cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for image in (a, b)]
    share = cv2.resize(region.astype(np.float32), small[0].shape[1::-1], interpolation=cv2.INTER_AREA)
    return ssim(small[0], small[1], share >= min(0.5, float(share.max())))


def gmsd(a: Array, b: Array, mask: Array | None = None) -> float:
    """Gradient magnitude similarity deviation of two uint8 images, (h, w) or (h, w, 3) RGB taken as grey; 0 is equal.

    Halved by a 2 x 2 mean, Prewitt gradients, constant 170; the standard deviation of the similarity map (Xue, Zhang,
    Mou and Bovik, IEEE Trans. Image Processing 2014), taken inside `mask`, bool (h, w), where one is given: over the
    halved pixels of which at least two of four are in it. ValueError for unequal shapes or an empty mask.
    """
    region = _region(a, b, mask, "GMSD")
    part = _around(region, 8, even=True)
    half = _halved(region[part].astype(np.float32)) >= 0.5
    if not half.any():
        half = _halved(region[part].astype(np.float32)) > 0
    first, second = (_gradient(_halved(_grey(image)[part].astype(np.float32))) for image in (a, b))
    similarity = (2 * first * second + _GMSD_C) / (first**2 + second**2 + _GMSD_C)
    return float(similarity[half].std())


def colour_error(a: Array, mask_a: Array, b: Array, mask_b: Array) -> float:
    """Difference in colour, CIEDE2000, of the mean CIE L*a*b* inside two regions, each of its own image.

    Images are uint8 (h, w, 3) RGB, masks bool (h, w). About 1 is just visible, 5 is plainly another shade (Sharma, Wu
    and Dalal, Color Research and Application 2005; scikit-image's implementation). ValueError for an empty mask.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    if not mask_a.any() or not mask_b.any():
        raise ValueError("colour of no pixels: a mask is empty")
    means = [rgb2lab(image[mask][None]).mean((0, 1)) for image, mask in ((a, mask_a), (b, mask_b))]
    return float(deltaE_ciede2000(means[0], means[1]))


def _region(a: Array, b: Array, mask: Array | None, name: str) -> Array:
    if a.shape != b.shape:
        raise ValueError(f"{name} needs images of one shape, not {a.shape} and {b.shape}")
    region = np.ones(a.shape[:2], bool) if mask is None else np.asarray(mask, bool)
    if region.shape != a.shape[:2]:
        raise ValueError(f"{name}: a mask of shape {region.shape} does not fit images of shape {a.shape}")
    if not region.any():
        raise ValueError(f"{name} of no pixels: the mask is empty")
    return region


def _around(region: Array, margin: int, even: bool = False) -> tuple[slice, slice]:
    """Window of a region grown by a margin; `even` puts its start on even pixels."""
    window = []
    for axis in (1, 0):
        found = np.flatnonzero(region.any(axis))
        first, last = max(0, int(found[0]) - margin), min(region.shape[1 - axis], int(found[-1]) + 1 + margin)
        if last - first < 2 * margin + 1:
            first = max(0, last - 2 * margin - 1)
        window.append(slice(first // 2 * 2 if even else first, last))
    return window[0], window[1]


def _grey(image: Array) -> Array:
    if image.ndim == 2:
        return image
    grey: Array = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return grey


def _halved(image: Array) -> Array:
    height, width = (side // 2 * 2 for side in image.shape)
    halved: Array = image[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    return halved


def _gradient(grey: Array) -> Array:
    kernel = np.array([[1, 0, -1]] * 3, np.float32) / 3
    across: Array = cv2.filter2D(grey, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    down = cv2.filter2D(grey, -1, np.ascontiguousarray(kernel.T), borderType=cv2.BORDER_CONSTANT)
    gradient: Array = np.hypot(across, down)
    return gradient
