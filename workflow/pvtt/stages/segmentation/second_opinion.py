"""A second opinion on masks: what a salient object network sees at their place.

The network knows neither the product's photos nor the motion, so that its errors are others than the segmentation's.
Parts of its map that the mask does not touch may be other objects and do not count.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pvtt.backends.base import CpuNetwork
from pvtt.config.stages.segmentation import SegmentationSettings
from pvtt.models.u2net import MODEL, U2Net

_MARGIN = 0.75  # of the mask's longer side, added on each side of its box: a part that it lacks can be as large
_LEAST_MARGIN_PX = 8  # px of the frame, likewise
_LEAST_SHARE = 0.1  # of a part that the mask must cover, to count as touched
_UNSEEN = 0.5  # probability up to which a pixel belongs to no part


class SecondOpinion(CpuNetwork[SegmentationSettings, U2Net]):
    """U2-Net on a few frames, around the mask."""

    settings_type = SegmentationSettings
    name = "second_opinion"
    version = "1"
    needs = (MODEL,)

    def open_network(self) -> U2Net:
        """The network."""
        return U2Net()

    def parts(self, frame: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """What the network sees around a mask, without the parts that the mask does not touch.

        Parameters
        ----------
        frame : uint8 (h, w, 3) RGB
        mask : bool (h, w)
            With at least one pixel.

        Returns
        -------
        float32 (h, w), 0 to 1
            Probability of a salient object; 0 outside the window and in parts that the mask does not touch.
        """
        x0, y0, x1, y1 = window(mask)
        chance = self.network.saliency(np.ascontiguousarray(frame[y0:y1, x0:x1]))
        found = np.zeros(mask.shape, np.float32)
        found[y0:y1, x0:x1] = np.where(touched_parts(mask[y0:y1, x0:x1], chance > _UNSEEN), chance, 0)
        return found


def window(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Box (x0, y0, x1, y1), ends exclusive, around the set pixels of a mask (h, w), with a margin."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x0, x1, y0, y1 = int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
    margin = max(_LEAST_MARGIN_PX, round(_MARGIN * max(x1 - x0, y1 - y0)))
    height, width = mask.shape
    return max(0, x0 - margin), max(0, y0 - margin), min(width, x1 + margin), min(height, y1 + margin)


def touched_parts(mask: NDArray[np.bool_], seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Connected parts of `seen`, bool (h, w), of which `mask`, bool (h, w), covers at least a tenth."""
    _, labels = cv2.connectedComponents(seen.astype(np.uint8), connectivity=8)
    areas = np.bincount(labels.ravel())
    touched = np.bincount(labels[mask], minlength=len(areas)) >= _LEAST_SHARE * areas
    touched[0] = False  # what is not seen
    return np.asarray(touched[labels])
