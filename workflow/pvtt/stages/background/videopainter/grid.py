"""Grid artefacts: a pattern that repeats with the latent cells of a network, every 8 or 16 px.

The high-pass of each frame (the image minus its mean over one period) is averaged over all periods in the region:
scene detail averages out, a pattern on the grid stays. The power of that mean, minus its expectation by chance, is
averaged over the frames. Frames are not pooled first, since a still scene gives no independent samples.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

Array = np.ndarray

PERIOD = 16  # px; a pattern of 8 px repeats twice in it
_MIN_SAMPLES = 4  # pixels per cell of the period


class GridMeter:
    """Accumulates the power of the grid pattern frame by frame."""

    def __init__(self, period: int = PERIOD) -> None:
        self._period = period
        self._powers: list[float] = []

    def add(self, frame: Array, region: Array) -> None:
        """Add a frame, uint8 (h, w, 3), RGB, and its region, bool (h, w); a region that is too small is ignored.

        Pixels count whose whole surrounding period lies in the region.
        """
        period = self._period
        inside = cv2.erode(region.astype(np.uint8), np.ones((period, period), np.uint8), borderValue=0) > 0
        rows, columns = np.nonzero(inside)
        cell = (rows % period) * period + columns % period
        count = np.bincount(cell, minlength=period * period)
        if count.min() < _MIN_SAMPLES:
            return
        grey = frame.astype(np.float32).mean(2)
        detail = (grey - cv2.blur(grey, (period, period), borderType=cv2.BORDER_REFLECT_101))[rows, columns]
        mean = np.bincount(cell, detail, period * period) / count
        squares = np.bincount(cell, detail.astype(np.float64) ** 2, period * period) / count
        # A mean of n samples of variance s2 has a power of s2 / n by chance alone.
        chance = np.maximum(squares - mean**2, 0) / (count - 1)
        self._powers.append(float(((mean - mean.mean()) ** 2).mean() - chance.mean()))

    def rms(self) -> float:
        """Root mean square of the pattern in grey levels (0-255); 0 when no region was large enough."""
        return float(np.sqrt(max(0.0, float(np.mean(self._powers))))) if self._powers else 0.0


def grid_excess(frames: Iterable[Array], regions: Array) -> tuple[float, float]:
    """RMS of the grid pattern inside `regions` (bool (n, h, w)) and outside them, in grey levels."""
    inside, outside = GridMeter(), GridMeter()
    for frame, region in zip(frames, regions, strict=True):
        inside.add(frame, region)
        outside.add(frame, ~region)
    return inside.rms(), outside.rms()
