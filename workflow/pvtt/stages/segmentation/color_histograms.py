"""Colour and texture as evidence: histograms of product and ground, their likelihood ratio, and skin.

The colour models are smoothed three-dimensional Lab histograms, as in Jones and Rehg, "Statistical color models with
application to skin detection", IJCV 2002; the ratio of two of them is the data term of GrabCut (Rother et al., SIGGRAPH
2004) with histograms in the place of Gaussian mixtures, which keep the small colour modes of jewellery. A histogram of
local contrast beside it tells metal and beads from a smooth ground of the same colour.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

Array = np.ndarray

BINS = 32
TEXTURES = 16
_COLOURS = BINS**3
# Weight of a flat density mixed into a model: what was never seen argues weakly, and rather for the ground.
_FLAT_SHARE_FOREGROUND, _FLAT_SHARE_BACKGROUND = 0.04, 0.08
_SHADOW_SHARE = 0.2
_REFERENCE_DENSITY = 2e-4  # of a photo's colours within two or three bins, from which a colour counts as known
_NON_REFERENCE_WEIGHT = 0.2  # weight of a colour that no photo shows
_LIGHTNESS_STEP = 8 / 2.55  # of L (0-100) per bin
SHALLOW, DEEP = 0.8, 0.5  # cube roots of the share of light that the deepest of usual and of deep shadows leave
_TEXTURE_WEIGHT = 0.7


def bin_indices(image: Array) -> Array:
    """Histogram bins of every pixel of a uint8 (h, w, 3) RGB image, int32 (h, w, 2): of its colour, of its texture.

    Lightness has steps of 8 levels, the two chroma axes steps of 4 within +-64: products are often nearly grey.
    Texture is the mean absolute Laplacian of the lightness around the pixel, on a logarithmic scale.
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    chroma_bins = np.clip((lab[..., 1:].astype(np.int32) - 64) >> 2, 0, BINS - 1)
    colour = ((lab[..., 0].astype(np.int32) >> 3) * BINS + chroma_bins[..., 0]) * BINS + chroma_bins[..., 1]
    contrast = cv2.blur(np.abs(cv2.Laplacian(lab[..., 0], cv2.CV_32F)), (5, 5))
    texture = np.minimum(2 * np.log2(1 + contrast), TEXTURES - 1).astype(np.int32)
    return np.dstack([colour, _COLOURS + texture])


def histogram(bins: Array, weights: Array) -> Array:
    """Smoothed histograms of colour and of texture, one after the other, float64 (32784,), each with sum 1.

    `bins` (..., 2) from `bin_indices`, `weights` (...) >= 0; flat when all weights are zero.
    """
    counts = np.bincount(bins.ravel(), np.repeat(weights.ravel().astype(np.float64), 2), _COLOURS + TEXTURES)
    if counts.sum() <= 0:
        counts += 1
    colour = gaussian_filter(counts[:_COLOURS].reshape(BINS, BINS, BINS), 1.0, mode="nearest").ravel()
    texture = gaussian_filter(counts[_COLOURS:], 1.0, mode="nearest")
    return np.concatenate([colour / colour.sum(), texture / texture.sum()])


def log_ratio(foreground: Array, background: Array) -> Array:
    """Log-likelihood ratio of two histograms per bin, float32 (32784,), clipped to +-5; > 0 speaks for the product."""
    flat = np.concatenate([np.full(_COLOURS, 1 / _COLOURS), np.full(TEXTURES, 1 / TEXTURES)])
    numerator = (1 - _FLAT_SHARE_FOREGROUND) * foreground + _FLAT_SHARE_FOREGROUND * flat
    denominator = (1 - _FLAT_SHARE_BACKGROUND) * background + _FLAT_SHARE_BACKGROUND * flat
    ratio = np.clip(np.log(numerator / denominator), -5, 5)
    ratio[_COLOURS:] *= _TEXTURE_WEIGHT
    return ratio.astype(np.float32)


def pixel_log_odds(ratio: Array, bins: Array) -> Array:
    """Log-odds of every pixel, float32 (h, w), from a table of `log_ratio` and bins of `bin_indices`."""
    return ratio[bins[..., 0]] + ratio[bins[..., 1]]


def blend_reference(foreground: Array, reference: Array | None, share: float) -> Array:
    """Colours of `foreground` mixed with `share` of those of `reference`; texture, which depends on scale, stays.

    Colours of `foreground` that are far from all of `reference` count less: they belong to what lies beside it.
    """
    if reference is None:
        return foreground
    weighted = foreground[:_COLOURS] * np.maximum(color_likelihood(reference, greys=True), _NON_REFERENCE_WEIGHT)
    colour = (1 - share) * weighted / weighted.sum() + share * reference[:_COLOURS]
    return np.concatenate([colour, foreground[_COLOURS:]])


def add_shadows(background: Array, share: float = _SHADOW_SHARE, deepest: float = SHALLOW) -> Array:
    """Histogram of a ground of which `share` lies in shadow, up to `deepest` (LIGHT or DEEP).

    A shadow scales the light (Cucchiara et al., PAMI 2003). Scaling it by s scales L + 16, a and b of CIE Lab by the
    cube root of s, so the shades of a colour lie on a line through the histogram; deep shades count less.
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
    """Bhattacharyya coefficient of the colours of two histograms, 0 (disjoint) to 1 (equal)."""
    return float(np.sqrt(first[:_COLOURS] * second[:_COLOURS]).sum())


def reference_histogram(references: Sequence[Array]) -> Array | None:
    """Mean colour histogram of RGBA cut-outs (uint8 (h, w, 4)) over their opaque pixels; None without any."""
    models = []
    for cutout in references:
        scale = min(1.0, 320 / max(cutout.shape[:2]))
        small = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        alpha = (small[..., 3] > 200).astype(np.uint8)
        core = cv2.erode(alpha, np.ones((5, 5), np.uint8))  # without the fringe of the photo's ground
        alpha = core if core.sum() > 0.3 * alpha.sum() else alpha
        if alpha.sum() >= 16:
            models.append(histogram(bin_indices(np.ascontiguousarray(small[..., :3])), alpha))
    return np.mean(models, axis=0) if models else None


def reference_share(colours: Array, reference: Array) -> float:
    """Share, 0 to 1, of the colours of a histogram that are those of `reference` or near them."""
    return float((colours[:_COLOURS] * color_likelihood(reference)).sum())


def color_likelihood(reference: Array, greys: bool = False) -> Array:
    """How much each colour is one of a histogram's, float64 (32768,) in 0-1; with `greys` every grey is, as gloss."""
    cube = gaussian_filter(reference[:_COLOURS].reshape(BINS, BINS, BINS), (4, 2, 2), mode="nearest")
    if greys:
        middle = slice(BINS // 2 - 2, BINS // 2 + 2)
        cube[:, middle, middle] = 1
    return np.minimum(cube / _REFERENCE_DENSITY, 1).ravel()


def is_single_part(references: Sequence[Array]) -> bool:
    """Whether each RGBA cut-out (uint8 (h, w, 4)) is nearly one connected part; False without any."""
    largest_shares = []
    for cutout in references:
        opaque = (cutout[..., 3] > 127).astype(np.uint8)
        areas = cv2.connectedComponentsWithStats(opaque, connectivity=8)[2][1:, cv2.CC_STAT_AREA]
        largest_shares.append(areas.max() / areas.sum() if len(areas) else 0.0)
    return bool(largest_shares) and min(largest_shares) > 0.95


def solidity(mask: Array) -> float:
    """Area of a mask over that of its convex hull, 0 to 1; 0 for an empty mask."""
    pixels = cv2.findNonZero(mask.astype(np.uint8))
    if pixels is None:
        return 0.0
    hull = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(pixels), 1)
    return float(mask.sum() / hull.sum())


def skin_probability(image: Array) -> Array:
    """How much a colour is like skin, float32 (h, w) in [0, 1], of a uint8 (h, w, 3) RGB image.

    An elliptic Gaussian in the Cb-Cr plane (Hsu, Abdel-Mottaleb and Jain, PAMI 2002), for all but very dark pixels.
    """
    ycc = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    red, blue = ycc[..., 1] - 152, ycc[..., 2] - 110
    # Long axis along falling Cb with rising Cr.
    along, across = (red - blue) / np.sqrt(2), (red + blue) / np.sqrt(2)
    distance = (along / 16) ** 2 + (across / 9) ** 2
    return np.exp(-0.5 * distance) * (ycc[..., 0] > 40)
