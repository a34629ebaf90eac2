"""Grid artefacts: a pattern that stands on the pixel grid of a network's latent cells, 8 or 16 pixels wide.

Detail (the image less its mean over one period) is folded onto one period, over all frames: what belongs to the scene
averages out, what repeats on the grid stays. Its power is that of the folded mean less what chance leaves there.
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
        self._sum, self._squares, self._count = (np.zeros(period * period) for _ in range(3))

    def add(self, frame: Array, region: Array) -> None:
        """Take in a frame. Its pixels count where the whole period around them is in the region."""
        period = self._period
        inside = cv2.erode(region.astype(np.uint8), np.ones((period, period), np.uint8), borderValue=0) > 0
        rows, columns = np.nonzero(inside)
        if len(rows) == 0:
            return
        grey = frame.astype(np.float32).mean(2)
        detail = (grey - cv2.blur(grey, (period, period), borderType=cv2.BORDER_REFLECT_101))[rows, columns]
        cell = (rows % period) * period + columns % period
        self._sum += np.bincount(cell, detail, period * period)
        self._squares += np.bincount(cell, detail.astype(np.float64) ** 2, period * period)
        self._count += np.bincount(cell, minlength=period * period)

    def rms(self) -> float:
        """Root mean square of the pattern in grey levels; 0 where the region holds too few whole periods to tell."""
        if self._count.min() < _LEAST_SAMPLES:
            return 0.0
        mean = self._sum / self._count
        # A mean of n samples of variance s2 has a power of s2 / n by chance alone.
        spread = np.maximum(self._squares / self._count - mean**2, 0) / (self._count - 1)
        pattern = mean - mean.mean()
        return float(np.sqrt(max(0.0, float((pattern**2).mean() - spread.mean()))))


def grid_excess(frames: Iterable[Array], regions: Array) -> tuple[float, float]:
    """RMS of the grid pattern inside `regions` (bool (n, h, w)) and outside them, in grey levels."""
    inside, outside = GridMeter(), GridMeter()
    for frame, region in zip(frames, regions, strict=True):
        inside.add(frame, region)
        outside.add(frame, ~region)
    return inside.rms(), outside.rms()
