"""Pixel labelling: log-odds made edge-aware by guided filtering, and small operations on masks.

A mean field with short-range, colour-dependent messages (Krähenbühl and Koltun, NeurIPS 2011), where the messages
are a colour guided filter (He, Sun and Tang, PAMI 2013) as in cost-volume filtering (Rhemann et al., CVPR 2011).
Unlike a graph cut it takes any data term, has no bias against thin parts, and costs a few box filters.
"""

from __future__ import annotations

import cv2
import numpy as np

Array = np.ndarray


class GuidedFilter:
    """Colour guided filter of one image: statistics of the guide once, then any number of filtered maps."""

    def __init__(self, image: Array, radius: int = 4, smoothing: float = 0.03) -> None:
        """Guide: uint8 (h, w, 3) RGB; `radius` px of the window; `smoothing`: contrast (0-1) that counts as an edge."""
        self._size = (2 * radius + 1, 2 * radius + 1)
        self._planes = cv2.split(image.astype(np.float32) / 255)
        self._means = [self._box(plane) for plane in self._planes]
        pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
        rr, rg, rb, gg, gb, bb = (
            self._box(self._planes[a] * self._planes[b]) - self._means[a] * self._means[b] for a, b in pairs
        )
        epsilon = smoothing**2
        rr, gg, bb = rr + epsilon, gg + epsilon, bb + epsilon
        c_rr, c_rg, c_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
        c_gg, c_gb, c_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
        determinant = rr * c_rr + rg * c_rg + rb * c_rb
        self._inverse = [c / determinant for c in (c_rr, c_rg, c_rb, c_gg, c_gb, c_bb)]

    def _box(self, values: Array) -> Array:
        return cv2.blur(values, self._size, borderType=cv2.BORDER_REFLECT)

    def __call__(self, values: Array) -> Array:
        """Filter a float32 (h, w) map; the same shape."""
        mean = self._box(values)
        guide = self._planes
        c_r, c_g, c_b = (self._box(g * values) - m * mean for g, m in zip(guide, self._means, strict=True))
        rr, rg, rb, gg, gb, bb = self._inverse
        slopes = (rr * c_r + rg * c_g + rb * c_b, rg * c_r + gg * c_g + gb * c_b, rb * c_r + gb * c_g + bb * c_b)
        result = mean
        for slope, average in zip(slopes, self._means, strict=True):
            result = result - slope * average
        result = self._box(result)
        for slope, plane in zip(slopes, guide, strict=True):
            result += self._box(slope) * plane
        return result


def sigmoid(values: Array) -> Array:
    """Logistic function."""
    return 1 / (1 + np.exp(-values))


def mean_field(log_odds: Array, guided: GuidedFilter, coupling: float = 3.0, rounds: int = 3) -> Array:
    """Probability of the product, float32 (h, w), from log-odds and the guide of the same image."""
    probability = sigmoid(log_odds)
    for _ in range(rounds):
        probability = sigmoid(log_odds + coupling * (2 * np.clip(guided(probability), 0, 1) - 1))
    return probability


def signed_distance(mask: Array) -> Array:
    """Distance to the mask's contour in px, positive inside, float32 (h, w); -inf-like (-1e3) for an empty mask."""
    if not mask.any():
        return np.full(mask.shape, -1e3, np.float32)
    plane = mask.astype(np.uint8)
    inside = cv2.distanceTransform(np.pad(plane, 1, mode="edge"), cv2.DIST_L2, 5)[1:-1, 1:-1]
    outside = cv2.distanceTransform(1 - plane, cv2.DIST_L2, 5)
    return np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32)


def remove_small_objects(mask: Array, min_size: float) -> Array:
    """The mask without components below `min_size` px, and with holes below `min_size` px filled."""
    without_small = _large_components(mask, min_size)
    return ~_large_components(~without_small, min_size)


def largest_components(mask: Array, share: float = 0.25, reach: float = 0.15) -> Array:
    """The largest part of a mask and those that belong to it: of a like size, or close by.

    A part is kept with at least `share` of the largest one's area, or within `reach` of the largest one's extent.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].astype(float)
    areas[0] = 0
    largest = int(areas.argmax())
    extent = max(stats[largest, cv2.CC_STAT_WIDTH], stats[largest, cv2.CC_STAT_HEIGHT])
    distance = cv2.distanceTransform((labels != largest).astype(np.uint8), cv2.DIST_L2, 5)
    nearest = np.full(count, np.inf)
    np.minimum.at(nearest, labels.ravel(), distance.ravel())
    kept = (areas >= share * areas[largest]) | (nearest <= reach * extent)
    kept[0] = False
    return kept[labels]


def _large_components(mask: Array, min_size: float) -> Array:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    kept = stats[:, cv2.CC_STAT_AREA] >= min_size
    kept[0] = False
    return kept[labels] if count > 1 else np.zeros_like(mask)
