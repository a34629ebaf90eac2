"""Grid artefacts: a pattern that stands on the pixel grid of a network's latent cells, 8 or 16 pixels wide.

Detail (the image less its mean over one period) is folded onto one period, frame by frame: what belongs to the scene
averages out, what repeats on the grid stays. Its power is that of the folded mean less what chance leaves there, and
the mean over the frames (which are no more samples of the scene where it stands still).
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

Array = np.ndarray

PERIOD = 16  # a period of 8 repeats twice in it
_LEAST_SAMPLES = 4


class GridMeter:
    """Gathers frames (uint8 (h, w, 3) RGB) and the region (bool (h, w)) in each in which the pattern is looked for."""

    def __init__(self, period: int = PERIOD) -> None:
        self._period = period
        self._powers: list[float] = []

    def add(self, frame: Array, region: Array) -> None:
        """Take in a frame, unless its region is too small. Pixels count where the period around them is in it."""
        period = self._period
        inside = cv2.erode(region.astype(np.uint8), np.ones((period, period), np.uint8), borderValue=0) > 0
        rows, columns = np.nonzero(inside)
        cell = (rows % period) * period + columns % period
        count = np.bincount(cell, minlength=period * period)
        if count.min() < _LEAST_SAMPLES:
            return
        grey = frame.astype(np.float32).mean(2)
        detail = (grey - cv2.blur(grey, (period, period), borderType=cv2.BORDER_REFLECT_101))[rows, columns]
        mean = np.bincount(cell, detail, period * period) / count
        squares = np.bincount(cell, detail.astype(np.float64) ** 2, period * period) / count
        # A mean of n samples of variance s2 has a power of s2 / n by chance alone.
        chance = np.maximum(squares - mean**2, 0) / (count - 1)
        self._powers.append(float(((mean - mean.mean()) ** 2).mean() - chance.mean()))

    def rms(self) -> float:
        """Root mean square of the pattern in grey levels; 0 where no region was large enough to tell."""
        return float(np.sqrt(max(0.0, float(np.mean(self._powers))))) if self._powers else 0.0


def grid_excess(frames: Iterable[Array], regions: Array) -> tuple[float, float]:
    """RMS of the grid pattern inside `regions` (bool (n, h, w)) and outside them, in grey levels."""
    inside, outside = GridMeter(), GridMeter()
    for frame, region in zip(frames, regions, strict=True):
        inside.add(frame, region)
        outside.add(frame, ~region)
    return inside.rms(), outside.rms()
