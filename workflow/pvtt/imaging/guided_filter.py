"""Edge-aware smoothing by guided filters (He, Sun and Tang, "Guided image filtering", PAMI 2013)."""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.io.arrays import Float32Array, UInt8Array


class GuidedFilter:
    """Colour guided filter; the statistics of the guide are computed once for any number of filtered maps.

    Parameters
    ----------
    image : uint8 (h, w, 3), RGB
        The guide.
    radius : int
        Of the window, px.
    smoothing : float in [0, 1]
        Contrast of the guide above which an edge is kept.
    """

    def __init__(self, image: UInt8Array, radius: int = 4, smoothing: float = 0.03) -> None:
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

    def _box(self, values: Float32Array) -> Float32Array:
        return np.asarray(cv2.blur(values, self._size, borderType=cv2.BORDER_REFLECT))

    def __call__(self, values: Float32Array) -> Float32Array:
        """Filter a map, float32 (h, w); float32 (h, w)."""
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


def gray_guided_coefficients(
    guide: Float32Array, values: Float32Array, radius: int, epsilon: float
) -> tuple[Float32Array, Float32Array]:
    """Smoothed coefficients of the grey guided filter: result = slope * guide + offset.

    They may be computed at a reduced size, enlarged, and applied to the full guide (the fast guided filter).

    Parameters
    ----------
    guide, values : float32 (h, w)
        The guide in [0, 1] and the map to filter.
    radius : int
        Of the window, px.
    epsilon : float
        Regularisation: variance of the guide below which a region is smoothed.

    Returns
    -------
    slope, offset : float32 (h, w)

    References
    ----------
    He and Sun, "Fast guided filter", arXiv 1505.00996, 2015.
    """
    window = (2 * radius + 1,) * 2
    mean_i, mean_p = cv2.blur(guide, window), cv2.blur(values, window)
    slope = (cv2.blur(guide * values, window) - mean_i * mean_p) / (cv2.blur(guide**2, window) - mean_i**2 + epsilon)
    offset = cv2.blur(mean_p - slope * mean_i, window)
    return cv2.blur(slope, window), offset
