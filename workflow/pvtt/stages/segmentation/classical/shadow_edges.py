"""Shadow regions: background that gets darker without an edge.

A cast shadow is reached from the lit background around the product over soft lightness slopes only. A part of the
product lies behind an edge. This module does not decide alone: where a shadow is possible, the background's colour
model contains a larger share of shaded background (`color_histograms.add_shadows`), and the product's colours still
count for the product.
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging import color_histograms
from pvtt.imaging.morphology import components, flood

Array = np.ndarray

DEEP_SHADOW_SHARE = 0.6  # of the background in shadow, where a shadow is possible
_BARRIER_DEEP, _BARRIER_SHALLOW = 1.5, 3.5  # log-odds of the product that stop the flood, with deep and shallow shadow
_SLOPE_QUANTILE = 0.9  # of the background's slopes; a soft slope lies below it
_SLOPE_LEVELS = (16.0, 24.0, 36.0, 54.0)  # Lab levels (0-255) per px, times 8 (sum of Sobel's weights)
_MIN_GAP_PX = 5  # px; narrower gaps in an edge do not let the flood through
_MIN_REACHED, _MIN_SEED_SHARE = 0.7, 0.15  # of the likely background: reached by the flood; area of a seed component
_MIN_SLOPE = 6.0  # Lab levels (0-255) per px; weaker slopes come from compression


def flood_through_soft_edges(image: Array, outside: Array, barrier: Array) -> Array:
    """Flood from the background over soft slopes.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB
    outside : bool (h, w)
        Seeds: pixels that are surely background. Their slopes set the steepest slope that may be crossed.
    barrier : bool (h, w)
        Pixels that may not be crossed.

    Returns
    -------
    bool (h, w), the pixels reached.
    """
    slope = _slope(image)
    if not outside.any():
        return np.zeros(outside.shape, bool)
    max_slope = max(8 * _MIN_SLOPE, float(np.quantile(slope[outside], _SLOPE_QUANTILE)))
    passable = (slope < max_slope) & ~barrier
    return flood(passable, outside, 4)


def shadow_tolerant_log_odds(bins: Array, image: Array, foreground: Array, background: Array, mask: Array) -> Array:
    """Log-odds of the product, with a larger share of shaded background where a shadow is possible.

    Parameters
    ----------
    bins : int32 (h, w, 2)
        `color_histograms.bin_indices(image)`.
    image : uint8 (h, w, 3) RGB
    foreground, background : float64 (32784,)
        Colour and texture histograms; the background without shadows.
    mask : bool (h, w)
        Approximate mask of the product.

    Returns
    -------
    float32 (h, w)
    """
    shallow = color_histograms.pixel_log_odds(
        color_histograms.log_ratio(foreground, color_histograms.add_shadows(background)), bins
    )
    deep = color_histograms.pixel_log_odds(
        color_histograms.log_ratio(
            foreground, color_histograms.add_shadows(background, DEEP_SHADOW_SHARE, color_histograms.DEEP)
        ),
        bins,
    )
    distance = cv2.distanceTransform(1 - mask.astype(np.uint8), cv2.DIST_L2, 5)
    barrier = (deep > _BARRIER_DEEP) | (shallow > _BARRIER_SHALLOW)
    return np.where(flood_through_soft_edges(image, distance > 3, barrier), np.minimum(shallow, deep), shallow)


def closed_contours(image: Array, background: Array) -> tuple[Array, Array]:
    """Regions that edges separate from the background.

    The background is flooded from its large parts over slopes below a threshold, through gaps of at least `_MIN_GAP_PX`
    px. The lowest threshold of `_SLOPE_LEVELS` that reaches most of the likely background gives the closed regions, the
    highest one separates soft edges from steep edges. On a strongly textured background no threshold does, and both
    results are empty.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB
    background : bool (h, w)
        Pixels that are likely background.

    Returns
    -------
    closed : bool (h, w)
        Objects of any colour, together with their shadows.
    soft : bool (h, w)
        The part of `closed` that only soft edges separate: shadows, and possibly pale parts of an object.
    """
    slope = _slope(image)
    kernel = np.ones((_MIN_GAP_PX, _MIN_GAP_PX), np.uint8)
    closed = closed_by_steep_edges = np.zeros(background.shape, bool)
    for max_slope in _SLOPE_LEVELS:
        passable = cv2.erode(
            (slope < max_slope).astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1
        )
        parts = components(passable, 4)
        seeds = np.bincount(parts.labels[background], minlength=len(parts)) > _MIN_SEED_SHARE * max(1, background.sum())
        reached = cv2.dilate(parts.select(seeds).astype(np.uint8), kernel) > 0
        if background.any() and reached[background].mean() > _MIN_REACHED:
            closed_by_steep_edges = ~reached
            closed = closed if closed.any() else closed_by_steep_edges
    return closed, closed & ~closed_by_steep_edges


def _slope(image: Array) -> Array:
    """Steepest slope of L, a and b (8 bit), Sobel's sum of 8, float32 (h, w)."""
    lab = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), (0, 0), 0.8).astype(np.float32)
    return np.asarray(np.hypot(cv2.Sobel(lab, cv2.CV_32F, 1, 0), cv2.Sobel(lab, cv2.CV_32F, 0, 1)).max(2))
