"""Hands at the product, as evidence about masks: which of a few frames show a hand that reaches into its box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pvtt.backends.base import CpuNetwork
from pvtt.config.stages.segmentation import SegmentationSettings
from pvtt.models.hands import MODEL, Hands
from pvtt.stages.segmentation.base import evenly

_FRAMES = 6  # frames that are looked at, of those with a mask; 0.2 CPU s each


class HandEvidence(CpuNetwork[SegmentationSettings, Hands]):
    """MediaPipe's hand networks on a few frames."""

    settings_type = SegmentationSettings
    name = "hands"
    version = "1"
    needs = (MODEL,)

    def open_network(self) -> Hands:
        """Both networks."""
        return Hands()

    def share(self, frames: NDArray[np.uint8], masks: NDArray[np.bool_]) -> float:
        """Share of the frames that show a hand at the product.

        Parameters
        ----------
        frames : uint8 (n, h, w, 3) RGB
        masks : bool (k, n, h, w)
            With at least one set pixel.

        Returns
        -------
        float
            0 to 1, of at most six frames with a mask, spread evenly: those in which the box of a hand overlaps that of
            the masks.
        """
        union: NDArray[np.bool_] = np.asarray(masks.any(0))
        shown = np.flatnonzero(union.any(axis=(1, 2)))
        numbers = evenly(shown, _FRAMES)
        hits = [any(_overlap(union[k], hand.box) for hand in self.network.find(frames[k])) for k in numbers]
        return round(float(np.mean(hits)), 4)


def _overlap(mask: NDArray[np.bool_], box: tuple[float, float, float, float]) -> bool:
    """Whether the box of a mask and a box (x0, y0, x1, y1) have a pixel in common."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x0, y0, x1, y1 = box
    return bool(x0 < columns[-1] + 1 and x1 > columns[0] and y0 < rows[-1] + 1 and y1 > rows[0])
