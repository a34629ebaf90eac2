"""Colour and texture models: histograms of foreground and background, their likelihood ratio, and skin colour.

The models are smoothed three-dimensional Lab histograms, as in Jones and Rehg, "Statistical color models with
application to skin detection", IJCV 2002. The ratio of two of them is the data term of GrabCut (Rother, Kolmogorov and
Blake, SIGGRAPH 2004), with histograms instead of Gaussian mixtures, which keep the small colour modes of jewellery. A
histogram of local contrast separates metal and beads from a smooth background of the same colour.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from pvtt.imaging.morphology import components, convex_hull

Array = np.ndarray

BINS = 32  # per axis of the Lab histogram
TEXTURES = 16  # bins of the texture histogram
_COLOURS = BINS**3
# Weight of a flat density mixed into a model: unseen colours are weak evidence, rather for the background.
_FLAT_SHARE_FOREGROUND, _FLAT_SHARE_BACKGROUND = 0.04, 0.08
_SHADOW_SHARE = 0.2  # of the background that is assumed to lie in shadow
_REFERENCE_DENSITY = 2e-4  # probability within 2 to 3 bins, from which a colour counts as one of the photos' colours
_NON_REFERENCE_WEIGHT = 0.2  # weight of a colour that no photo shows
_LIGHTNESS_STEP = 8 / 2.55  # L (0-100) per bin
SHALLOW, DEEP = 0.8, 0.5  # cube root of the light that remains in the darkest shallow and deep shadow
_TEXTURE_WEIGHT = 0.7  # weight of the texture's log-likelihood ratio beside the colour's


def bin_indices(image: Array) -> Array:
    """Histogram bins of every pixel.

    Lightness has steps of 8 levels (0-255), a and b have steps of 4 within +-64, as products are often nearly grey.
    Texture is the mean absolute Laplacian of the lightness in 5 x 5 px, on a logarithmic scale.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB

    Returns
    -------
    int32 (h, w, 2): colour bin in [0, 32768), texture bin in [32768, 32784).
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    chroma_bins = np.clip((lab[..., 1:].astype(np.int32) - 64) >> 2, 0, BINS - 1)
    colour = ((lab[..., 0].astype(np.int32) >> 3) * BINS + chroma_bins[..., 0]) * BINS + chroma_bins[..., 1]
    contrast = cv2.blur(np.abs(cv2.Laplacian(lab[..., 0], cv2.CV_32F)), (5, 5))
    texture = np.minimum(2 * np.log2(1 + contrast), TEXTURES - 1).astype(np.int32)
    return np.dstack([colour, _COLOURS + texture])


def histogram(bins: Array, weights: Array) -> Array:
    """Smoothed histograms of colour and of texture.

    Parameters
    ----------
    bins : int32 (..., 2)
        From `bin_indices`.
    weights : (...), bool or float >= 0

    Returns
    -------
    float64 (32784,): 32768 colour bins and 16 texture bins, each part with sum 1; flat if all weights are zero.
    """
    counts = np.bincount(bins.ravel(), np.repeat(weights.ravel().astype(np.float64), 2), _COLOURS + TEXTURES)
    if counts.sum() <= 0:
        counts += 1
    colour = gaussian_filter(counts[:_COLOURS].reshape(BINS, BINS, BINS), 1.0, mode="nearest").ravel()
    texture = gaussian_filter(counts[_COLOURS:], 1.0, mode="nearest")
    return np.concatenate([colour / colour.sum(), texture / texture.sum()])


def log_ratio(foreground: Array, background: Array) -> Array:
    """Log-likelihood ratio of two histograms per bin; positive values favour the foreground.

    Parameters
    ----------
    foreground, background : float64 (32784,)

    Returns
    -------
    float32 (32784,), clipped to +-5.
    """
    flat = np.concatenate([np.full(_COLOURS, 1 / _COLOURS), np.full(TEXTURES, 1 / TEXTURES)])
    numerator = (1 - _FLAT_SHARE_FOREGROUND) * foreground + _FLAT_SHARE_FOREGROUND * flat
    denominator = (1 - _FLAT_SHARE_BACKGROUND) * background + _FLAT_SHARE_BACKGROUND * flat
    ratio = np.clip(np.log(numerator / denominator), -5, 5)
    ratio[_COLOURS:] *= _TEXTURE_WEIGHT
    return ratio.astype(np.float32)


def pixel_log_odds(ratio: Array, bins: Array) -> Array:
    """Log-odds of every pixel: the sum of its colour's and its texture's log-likelihood ratio.

    Parameters
    ----------
    ratio : float32 (32784,)
        From `log_ratio`.
    bins : int32 (h, w, 2)
        From `bin_indices`.

    Returns
    -------
    float32 (h, w)
        Positive values favour the foreground.
    """
    return np.asarray(ratio[bins[..., 0]] + ratio[bins[..., 1]])


def blend_reference(foreground: Array, reference: Array | None, share: float) -> Array:
    """Foreground histogram whose colours are mixed with those of the photos.

    Foreground colours far from all photo colours are reduced: they belong to what lies beside the product. Texture
    depends on scale and stays.

    Parameters
    ----------
    foreground : float64 (32784,)
    reference : float64 (32784,) or None
        Histogram of the photos.
    share : float in [0, 1]
        Of the photos' colours.
    """
    if reference is None:
        return foreground
    weighted = foreground[:_COLOURS] * np.maximum(color_likelihood(reference, greys=True), _NON_REFERENCE_WEIGHT)
    colour = (1 - share) * weighted / weighted.sum() + share * reference[:_COLOURS]
    return np.concatenate([colour, foreground[_COLOURS:]])


def add_shadows(background: Array, share: float = _SHADOW_SHARE, deepest: float = SHALLOW) -> Array:
    """Background histogram of which `share` lies in shadow.

    A shadow scales the light (Cucchiara et al., "Detecting moving objects, ghosts, and shadows in video streams", PAMI
    2003). Scaling it by s scales L + 16, a and b of CIE Lab by the cube root of s, so the shades of a colour lie on a
    line through the histogram. Dark shades have lower weights.

    Parameters
    ----------
    background : float64 (32784,)
    share : float in [0, 1]
    deepest : float
        Cube root of the light that remains in the darkest shadow, SHALLOW or DEEP.
    """
    occupied = np.flatnonzero(background[:_COLOURS] > 1e-7)
    lightness_bin, a, b = occupied // BINS**2, occupied // BINS % BINS, occupied % BINS
    lightness = (lightness_bin + 0.5) * _LIGHTNESS_STEP + 16
    dark = np.zeros(_COLOURS)
    shades = np.linspace(deepest, 1, 11)
    for root, weight in zip(shades, shades**4 / (shades**4).sum(), strict=True):
        rows = np.clip((lightness * root - 16) / _LIGHTNESS_STEP, 0, BINS - 1).astype(int)
        a_bins, b_bins = (np.rint((code + 0.5 - BINS / 2) * root + BINS / 2 - 0.5).astype(int) for code in (a, b))
        dark += weight * np.bincount((rows * BINS + a_bins) * BINS + b_bins, background[occupied], _COLOURS)
    colour = (1 - share) * background[:_COLOURS] + share * dark
    return np.concatenate([colour / colour.sum(), background[_COLOURS:]])


def bhattacharyya(first: Array, second: Array) -> float:
    """Bhattacharyya coefficient of the colours of two histograms; texture does not count.

    Parameters
    ----------
    first, second : float64 (32784,)
        From `histogram`.

    Returns
    -------
    float in [0, 1]
        0 for disjoint colours, 1 for equal ones.
    """
    return float(np.sqrt(first[:_COLOURS] * second[:_COLOURS]).sum())


def reference_histogram(references: Sequence[Array]) -> Array | None:
    """Mean histogram of the opaque pixels of cut-outs.

    Each cut-out is reduced to a long side of at most 320 px. A pixel is opaque if its alpha is above 200 (0-255).

    Parameters
    ----------
    references : uint8 (h, w, 4) RGBA, each
        Cut-outs; may be empty. Cut-outs with fewer than 16 opaque pixels are left out.

    Returns
    -------
    float64 (32784,) or None
        None if no cut-out has enough opaque pixels.
    """
    models = []
    for cutout in references:
        scale = min(1.0, 320 / max(cutout.shape[:2]))
        small = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        alpha = (small[..., 3] > 200).astype(np.uint8)
        core = cv2.erode(alpha, np.ones((5, 5), np.uint8))  # without the fringe of the photo's background
        alpha = core if core.sum() > 0.3 * alpha.sum() else alpha
        if alpha.sum() >= 16:
            models.append(histogram(bin_indices(np.ascontiguousarray(small[..., :3])), alpha))
    return np.mean(models, axis=0) if models else None


def reference_share(colours: Array, reference: Array) -> float:
    """Share of a histogram's colours that are colours of `reference` or near them.

    Parameters
    ----------
    colours, reference : float64 (32784,)
        From `histogram`.

    Returns
    -------
    float in [0, 1]
    """
    return float((colours[:_COLOURS] * color_likelihood(reference)).sum())


def color_likelihood(reference: Array, greys: bool = False) -> Array:
    """How likely each colour bin belongs to a histogram, float64 (32768,) in [0, 1].

    Parameters
    ----------
    reference : float64 (32784,)
    greys : bool
        Treat every grey as likely, as gloss is.
    """
    cube = gaussian_filter(reference[:_COLOURS].reshape(BINS, BINS, BINS), (4, 2, 2), mode="nearest")
    if greys:
        middle = slice(BINS // 2 - 2, BINS // 2 + 2)
        cube[:, middle, middle] = 1
    return np.asarray(np.minimum(cube / _REFERENCE_DENSITY, 1).ravel())


def is_single_part(references: Sequence[Array]) -> bool:
    """Whether every cut-out is nearly one connected component: its largest one has over 95 % of the area.

    Parameters
    ----------
    references : uint8 (h, w, 4) RGBA, each
        Cut-outs; may be empty.

    Returns
    -------
    bool
        False without cut-outs, or if one of them is transparent.
    """
    largest_shares = []
    for cutout in references:
        areas = components(cutout[..., 3] > 127, 8).areas[1:]
        largest_shares.append(areas.max() / areas.sum() if len(areas) else 0.0)
    return bool(largest_shares) and min(largest_shares) > 0.95


def solidity(mask: Array) -> float:
    """Area of a mask over the area of its convex hull.

    Parameters
    ----------
    mask : bool (h, w)

    Returns
    -------
    float in [0, 1]
        0 for an empty mask.
    """
    return float(mask.sum() / convex_hull(mask).sum()) if mask.any() else 0.0


def skin_probability(image: Array) -> Array:
    """Similarity of each pixel's colour to skin, from an elliptic Gaussian in the Cb-Cr plane; 0 for very dark pixels.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB

    Returns
    -------
    float32 (h, w) in [0, 1]

    References
    ----------
    Hsu, Abdel-Mottaleb and Jain, "Face detection in color images", PAMI 2002.
    """
    ycc = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    red, blue = ycc[..., 1] - 152, ycc[..., 2] - 110
    # Long axis along falling Cb with rising Cr.
    along, across = (red - blue) / np.sqrt(2), (red + blue) / np.sqrt(2)
    distance = (along / 16) ** 2 + (across / 9) ** 2
    return np.asarray(np.exp(-0.5 * distance) * (ycc[..., 0] > 40))
