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
_UNSEEN_PRODUCT, _UNSEEN_GROUND = 0.04, 0.08
_SHADOW = 0.2
_TEXTURE_WEIGHT = 0.7


def features(image: Array) -> Array:
    """Histogram bins of every pixel of a uint8 (h, w, 3) RGB image, int32 (h, w, 2): of its colour, of its texture.

    Lightness has steps of 8 levels, the two chroma axes steps of 4 within +-64: products are often nearly grey.
    Texture is the mean absolute Laplacian of the lightness around the pixel, on a logarithmic scale.
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    codes = np.clip((lab[..., 1:].astype(np.int32) - 64) >> 2, 0, BINS - 1)
    colour = ((lab[..., 0].astype(np.int32) >> 3) * BINS + codes[..., 0]) * BINS + codes[..., 1]
    detail = cv2.blur(np.abs(cv2.Laplacian(lab[..., 0], cv2.CV_32F)), (5, 5))
    texture = np.minimum(2 * np.log2(1 + detail), TEXTURES - 1).astype(np.int32)
    return np.dstack([colour, _COLOURS + texture])


def histogram(bins: Array, weights: Array) -> Array:
    """Smoothed histograms of colour and of texture, one after the other, float64 (32784,), each with sum 1.

    `bins` (..., 2) from `features`, `weights` (...) >= 0; flat when all weights are zero.
    """
    counts = np.bincount(bins.ravel(), np.repeat(weights.ravel().astype(np.float64), 2), _COLOURS + TEXTURES)
    if counts.sum() <= 0:
        counts += 1
    colour = gaussian_filter(counts[:_COLOURS].reshape(BINS, BINS, BINS), 1.0, mode="nearest").ravel()
    texture = gaussian_filter(counts[_COLOURS:], 1.0, mode="nearest")
    return np.concatenate([colour / colour.sum(), texture / texture.sum()])


def log_ratio(product: Array, ground: Array) -> Array:
    """Log-likelihood ratio of two histograms per bin, float32 (32784,), clipped to +-5; > 0 speaks for the product."""
    flat = np.concatenate([np.full(_COLOURS, 1 / _COLOURS), np.full(TEXTURES, 1 / TEXTURES)])
    above = (1 - _UNSEEN_PRODUCT) * product + _UNSEEN_PRODUCT * flat
    below = (1 - _UNSEEN_GROUND) * ground + _UNSEEN_GROUND * flat
    ratio = np.clip(np.log(above / below), -5, 5)
    ratio[_COLOURS:] *= _TEXTURE_WEIGHT
    return ratio.astype(np.float32)


def evidence(ratio: Array, bins: Array) -> Array:
    """Log-odds of every pixel, float32 (h, w), from a table of `log_ratio` and bins of `features`."""
    return ratio[bins[..., 0]] + ratio[bins[..., 1]]


def blend(product: Array, known: Array | None, share: float) -> Array:
    """Colours of `product` mixed with `share` of those of `known`; texture, which depends on scale, stays."""
    if known is None:
        return product
    colour = (1 - share) * product[:_COLOURS] + share * known[:_COLOURS]
    return np.concatenate([colour, product[_COLOURS:]])


def shadowed(ground: Array) -> Array:
    """Histogram of a ground lying partly in soft shadow: the same chroma at down to two thirds of the lightness.

    Cast shadows keep chromaticity and lose intensity (Cucchiara et al., PAMI 2003).
    """
    cube = ground[:_COLOURS].reshape(BINS, BINS * BINS)
    dark = np.zeros_like(cube)
    for row in range(BINS):
        lowest = int(np.floor(0.67 * row))
        dark[lowest : row + 1] += cube[row] / (row + 1 - lowest)
    colour = (1 - _SHADOW) * ground[:_COLOURS] + _SHADOW * dark.ravel()
    return np.concatenate([colour, ground[_COLOURS:]])


def overlap(first: Array, second: Array) -> float:
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
            models.append(histogram(features(np.ascontiguousarray(small[..., :3])), alpha))
    return np.mean(models, axis=0) if models else None


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
