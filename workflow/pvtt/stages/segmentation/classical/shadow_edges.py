"""Where a shadow may lie: ground that gets darker without an edge.

A cast shadow is reached from the lit ground around the product over soft slopes of lightness only, a part of the
product lies behind an edge. It does not decide by itself: where a shadow may lie, the colour model of the ground has
a larger share of shaded ground (`appearance.shadowed`), and the product's own colours still speak for the product.
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.stages.segmentation import color_histograms

Array = np.ndarray

DEEP_SHARE = 0.6  # of the ground in shadow, where one may lie
_SURE, _SURE_IN_LIGHT = 1.5, 3.5  # log-odds of the product, with deep and with usual shadow, that bar the way
_STEEPEST = 0.9  # quantile of the slopes of the ground that a soft slope stays below
_STEPS = (16.0, 24.0, 36.0, 54.0)  # slopes, Sobel's sum of 8, over which the ground is followed
_GAP = 5
_REACHED, _LEAST_PART = 0.7, 0.15  # of the likely ground: all of it that is reached, a part of it that is followed
_LEAST_SLOPE = 6.0  # grey levels of L (0-255) per px, Sobel's sum of 8: below it compression makes the slopes


def soft_reach(image: Array, outside: Array, barred: Array) -> Array:
    """Pixels reached from `outside` over soft slopes and not over `barred` ones; all bool (h, w).

    image: uint8 (h, w, 3) RGB. `outside`: what is surely ground.
    """
    slope = _slope(image)
    if not outside.any():
        return np.zeros(outside.shape, bool)
    steepest = max(8 * _LEAST_SLOPE, float(np.quantile(slope[outside], _STEEPEST)))
    passable = (slope < steepest) & ~barred
    count, labels = cv2.connectedComponents(passable.astype(np.uint8), connectivity=4)
    reached = np.zeros(count, bool)
    reached[np.unique(labels[outside & passable])] = True
    reached[0] = False
    return reached[labels]


def shaded_evidence(index: Array, image: Array, product: Array, ground: Array, mask: Array) -> Array:
    """Log-odds of the product, float32 (h, w), with more of the ground in shadow where a shadow may lie.

    `index` is `appearance.features(image)`, `product` and `ground` (unshaded) are histograms, `mask` bool (h, w) is
    about where the product lies.
    """
    light = color_histograms.evidence(color_histograms.log_ratio(product, color_histograms.shadowed(ground)), index)
    deep = color_histograms.evidence(
        color_histograms.log_ratio(product, color_histograms.shadowed(ground, DEEP_SHARE, color_histograms.DEEP)), index
    )
    distance = cv2.distanceTransform(1 - mask.astype(np.uint8), cv2.DIST_L2, 5)
    barred = (deep > _SURE) | (light > _SURE_IN_LIGHT)
    return np.where(soft_reach(image, distance > 3, barred), np.minimum(light, deep), light)


def enclosed(image: Array, ground: Array) -> tuple[Array, Array]:
    """What edges close off from the ground, and what of it only soft edges do; both bool (h, w).

    The first is an object, whatever its colours, with its shadow; shadows are in the second, and so may be an object's
    pale parts. image: uint8 (h, w, 3) RGB; `ground` bool (h, w): what is likely ground. From its large parts,
    everything is reached over slopes below a threshold and through gaps of at least `_GAP` px. The lowest threshold of
    `_STEPS` that reaches most of the likely ground counts, and the highest for soft edges; where none does, as on a
    ground of strong texture, nothing is said to be closed off.
    """
    slope = _slope(image)
    kernel = np.ones((_GAP, _GAP), np.uint8)
    closed = firm = np.zeros(ground.shape, bool)
    for steepest in _STEPS:
        passable = cv2.erode((slope < steepest).astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1)
        count, labels = cv2.connectedComponents(passable, connectivity=4)
        chosen = np.bincount(labels[ground], minlength=count) > _LEAST_PART * max(1, ground.sum())
        chosen[0] = False
        reached = cv2.dilate(chosen[labels].astype(np.uint8), kernel) > 0
        if ground.any() and reached[ground].mean() > _REACHED:
            firm = ~reached
            closed = closed if closed.any() else firm
    return closed, closed & ~firm


def _slope(image: Array) -> Array:
    """Steepest slope of L, a and b (8 bit), Sobel's sum of 8, float32 (h, w)."""
    lab = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), (0, 0), 0.8).astype(np.float32)
    return np.hypot(cv2.Sobel(lab, cv2.CV_32F, 1, 0), cv2.Sobel(lab, cv2.CV_32F, 0, 1)).max(2)
