"""A second opinion on masks: their overlap with what a salient object network sees at their place.

The network knows neither the product's photos nor the motion, so that its errors are others than the segmentation's.
Parts of its map that the mask does not touch may be other objects and do not count.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pvtt.backends.base import ModelBackend
from pvtt.config.stages.segmentation import SegmentationSettings
from pvtt.metrics import mask_iou
from pvtt.models.u2net import MODEL, U2Net

_MARGIN = 0.75  # of the mask's longer side, added on each side of its box: a part that it lacks can be as large
_LEAST_MARGIN_PX = 8  # px of the frame, likewise
_LEAST_SHARE = 0.1  # of a part that the mask must cover, to count as touched


class SecondOpinion(ModelBackend[SegmentationSettings]):
    """U2-Net on a few frames, around the mask."""

    settings_type = SegmentationSettings
    name = "second_opinion"
    version = "1"
    environment = "core"
    gpu = False
    packages = ()
    needs = (MODEL,)

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._network: U2Net | None = None

    def load(self, device: str = "cpu") -> None:
        """Read the network; it runs on the CPU, whatever `device` is."""
        self._network = U2Net()

    def close(self) -> None:
        """Release the network."""
        self._network = None

    def measure(self, frames: NDArray[np.uint8], masks: NDArray[np.bool_]) -> dict[str, float]:
        """Mean IoU, over a few frames that have a mask, of the mask and the parts that the network sees there.

        Parameters
        ----------
        frames : uint8 (n, h, w, 3) RGB
        masks : bool (k, n, h, w)
            One plane per object; their union counts.

        Returns
        -------
        dict
            `second_opinion`, 0 to 1; {} when no frame has a mask.
        """
        assert self._network is not None, "load it first"
        union: NDArray[np.bool_] = np.asarray(masks.any(0))
        shown = np.flatnonzero(union.any((1, 2)))
        if not len(shown):
            return {}
        places = np.linspace(0, len(shown) - 1, min(len(shown), self.settings.second_opinion_frames))
        overlaps = []
        for number in shown[np.unique(places.round().astype(int))]:
            x0, y0, x1, y1 = window(union[number])
            chance = self._network.saliency(np.ascontiguousarray(frames[number, y0:y1, x0:x1]))
            overlaps.append(overlap(union[number, y0:y1, x0:x1], chance > 0.5))
        return {"second_opinion": round(float(np.mean(overlaps)), 4)}


def window(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Box (x0, y0, x1, y1), ends exclusive, around the set pixels of a mask (h, w), with a margin."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x0, x1, y0, y1 = int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
    margin = max(_LEAST_MARGIN_PX, round(_MARGIN * max(x1 - x0, y1 - y0)))
    height, width = mask.shape
    return max(0, x0 - margin), max(0, y0 - margin), min(width, x1 + margin), min(height, y1 + margin)


def overlap(mask: NDArray[np.bool_], seen: NDArray[np.bool_]) -> float:
    """IoU of a mask and those parts of another that it touches.

    Parameters
    ----------
    mask, seen : bool (h, w)

    Returns
    -------
    float, 0 to 1
    """
    _, labels = cv2.connectedComponents(seen.astype(np.uint8), connectivity=8)
    areas = np.bincount(labels.ravel())
    inside = np.bincount(labels[mask], minlength=len(areas))
    touched = inside >= _LEAST_SHARE * areas
    touched[0] = False  # what is not seen
    return mask_iou(mask, np.asarray(touched[labels]))
