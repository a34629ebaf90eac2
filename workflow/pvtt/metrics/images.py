"""Image quality metrics with a reference, over the whole image or over a region.

A metric over a region uses the pixels of the region in both images and divides by their number, not by that of the
frame. LPIPS (Zhang et al., CVPR 2018) needs network weights; `gmsd` is the perceptual metric without weights.
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.io.arrays import AnyArray, BoolArray, Float32Array, UInt8Array

PSNR_CAP_DB = 100.0  # dB: value for equal images and upper limit
_SSIM_REACH = 5  # half of the 11-pixel Gaussian window
_GMSD_C = 170.0  # squared grey levels: stabilising constant of the similarity (Xue et al. 2014)


def psnr(a: UInt8Array, b: UInt8Array, mask: AnyArray | None = None) -> float:
    """Peak signal-to-noise ratio (peak 255).

    Parameters
    ----------
    a, b : uint8 (h, w), (h, w, 3) or (n, h, w, 3)
        Images or videos of one shape.
    mask : bool, optional
        Pixels that count; the shape of the arrays, with or without the channel axis.

    Returns
    -------
    float
        dB, at most 100.

    Raises
    ------
    ValueError
        If the shapes differ or the mask is empty.
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


def ssim(a: UInt8Array, b: UInt8Array, mask: AnyArray | None = None) -> float:
    """Structural similarity by scikit-image: Gaussian window of sigma 1.5 over 11 px, K1 0.01, K2 0.03.

    Parameters
    ----------
    a, b : uint8 (h, w) or (h, w, 3), RGB
        Images of one shape, at least 11 px a side; colour is converted to grey.
    mask : bool (h, w), optional
        Pixels whose SSIM is averaged.

    Returns
    -------
    float in [-1, 1]
        1 for equal images.

    Raises
    ------
    ValueError
        If the shapes differ, an image is too small, or the mask is empty.

    References
    ----------
    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    IEEE Trans. Image Processing 2004.
    """
    from skimage.metrics import structural_similarity

    region = _region(a, b, mask, "SSIM")
    # Pixels farther from the region than the reach of the window do not affect it.
    part = _around(region, _SSIM_REACH)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, full = structural_similarity(_grey(a)[part], _grey(b)[part], data_range=255, full=True, **options)
    return float(full[region[part]].mean())


def coarse_ssim(a: UInt8Array, b: UInt8Array, mask: AnyArray, side: float = 32.0) -> float:
    """SSIM at one coarse scale, which depends on the size of the region.

    At full size, a texture that is shifted by a pixel counts as much as a wrong product. At the coarse scale, shape,
    position and colour count. If the image would become smaller than the window of 11 px, it is reduced less.

    Parameters
    ----------
    a, b : uint8 (h, w) or (h, w, 3), RGB
    mask : bool (h, w)
    side : float
        Square root of the area of the region at the coarse scale, px. Images are never enlarged.

    Returns
    -------
    float in [-1, 1]

    Raises
    ------
    ValueError
        As in `ssim`.

    References
    ----------
    Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003.
    """
    region = _region(a, b, mask, "SSIM")
    scale = min(1.0, max(side / float(np.sqrt(np.count_nonzero(region))), 11.5 / min(region.shape)))
    small = [cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for image in (a, b)]
    share = cv2.resize(region.astype(np.float32), small[0].shape[1::-1], interpolation=cv2.INTER_AREA)
    return ssim(small[0], small[1], share >= min(0.5, float(share.max())))


def gmsd(a: UInt8Array, b: UInt8Array, mask: AnyArray | None = None) -> float:
    """Gradient magnitude similarity deviation: images halved by a 2 x 2 mean, Prewitt gradients.

    Parameters
    ----------
    a, b : uint8 (h, w) or (h, w, 3), RGB
        Images of one shape; colour is converted to grey.
    mask : bool (h, w), optional
        The deviation is taken over the halved pixels of which at least two of four are in it.

    Returns
    -------
    float
        0 for equal images.

    Raises
    ------
    ValueError
        If the shapes differ or the mask is empty.

    References
    ----------
    Xue, Zhang, Mou and Bovik, "Gradient magnitude similarity deviation: a highly efficient perceptual image quality
    index", IEEE Trans. Image Processing 2014.
    """
    region = _region(a, b, mask, "GMSD")
    part = _around(region, 8, even=True)
    half = _halved(region[part].astype(np.float32)) >= 0.5
    if not half.any():
        half = _halved(region[part].astype(np.float32)) > 0
    first, second = (_gradient(_halved(_grey(image)[part].astype(np.float32))) for image in (a, b))
    similarity = (2 * first * second + _GMSD_C) / (first**2 + second**2 + _GMSD_C)
    return float(similarity[half].std())


def colour_error(a: UInt8Array, mask_a: AnyArray, b: UInt8Array, mask_b: AnyArray) -> float:
    """CIEDE2000 difference of the mean CIE L*a*b* colours of two regions, by scikit-image.

    Parameters
    ----------
    a, b : uint8 (h, w, 3), RGB
    mask_a, mask_b : bool (h, w)
        The regions of a and b.

    Returns
    -------
    float
        About 1 is just noticeable, 5 is clearly another shade.

    Raises
    ------
    ValueError
        If a mask is empty.

    References
    ----------
    Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", Color Research and Application 2005.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    if not mask_a.any() or not mask_b.any():
        raise ValueError("colour of no pixels: a mask is empty")
    means = [rgb2lab(image[mask][None]).mean((0, 1)) for image, mask in ((a, mask_a), (b, mask_b))]
    return float(deltaE_ciede2000(means[0], means[1]))


def _region(a: UInt8Array, b: UInt8Array, mask: AnyArray | None, name: str) -> BoolArray:
    if a.shape != b.shape:
        raise ValueError(f"{name} needs images of one shape, not {a.shape} and {b.shape}")
    region = np.ones(a.shape[:2], bool) if mask is None else np.asarray(mask, bool)
    if region.shape != a.shape[:2]:
        raise ValueError(f"{name}: a mask of shape {region.shape} does not fit images of shape {a.shape}")
    if not region.any():
        raise ValueError(f"{name} of no pixels: the mask is empty")
    return region


def _around(region: BoolArray, margin: int, even: bool = False) -> tuple[slice, slice]:
    """Window around a region with a margin in px; with `even`, it starts at even pixels."""
    window = []
    for axis in (1, 0):
        found = np.flatnonzero(region.any(axis))
        first, last = max(0, int(found[0]) - margin), min(region.shape[1 - axis], int(found[-1]) + 1 + margin)
        if last - first < 2 * margin + 1:
            first = max(0, last - 2 * margin - 1)
        window.append(slice(first // 2 * 2 if even else first, last))
    return window[0], window[1]


def _grey(image: UInt8Array) -> UInt8Array:
    if image.ndim == 2:
        return image
    grey: UInt8Array = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return grey


def _halved(image: Float32Array) -> Float32Array:
    height, width = (side // 2 * 2 for side in image.shape)
    halved: Float32Array = image[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    return halved


def _gradient(grey: Float32Array) -> Float32Array:
    kernel = np.array([[1, 0, -1]] * 3, np.float32) / 3
    across: Float32Array = cv2.filter2D(grey, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    down = cv2.filter2D(grey, -1, np.ascontiguousarray(kernel.T), borderType=cv2.BORDER_CONSTANT)
    gradient: Float32Array = np.hypot(across, down)
    return gradient
