"""The part of a clip that a model of one fixed size looks at: a crop around what is to be painted."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Array = np.ndarray

_MARGIN = 0.5


@dataclass(frozen=True)
class View:
    """A rectangle of the frame, (x0, y0, x1, y1), which may reach beyond it, seen at `size` (width, height)."""

    box: tuple[int, int, int, int]
    size: tuple[int, int]

    def of(self, image: Array) -> Array:
        """The view of a frame, uint8 (h, w, 3), or of a mask, bool (h, w); beyond the frame its edge goes on."""
        height, width = image.shape[:2]
        x0, y0, x1, y1 = self.box
        pixels = image.astype(np.uint8) * 255 if image.dtype == bool else image
        part = pixels[max(0, y0) : min(height, y1), max(0, x0) : min(width, x1)]
        sides = (max(0, -y0), max(0, y1 - height), max(0, -x0), max(0, x1 - width))
        border = cv2.BORDER_CONSTANT if image.dtype == bool else cv2.BORDER_REPLICATE
        part = cv2.copyMakeBorder(part, *sides, border)
        shrinks = self.size[0] < x1 - x0
        seen = cv2.resize(part, self.size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return seen > 0 if image.dtype == bool else seen

    def back(self, seen: Array, frame: Array) -> Array:
        """A copy of `frame` (uint8 (h, w, 3)) with the view `seen` in its place."""
        height, width = frame.shape[:2]
        x0, y0, x1, y1 = self.box
        part = cv2.resize(seen, (x1 - x0, y1 - y0), interpolation=cv2.INTER_CUBIC)
        result = frame.copy()
        result[max(0, y0) : y1, max(0, x0) : x1] = part[max(0, -y0) : height - y0, max(0, -x0) : width - x0]
        return result


def view_of(box: tuple[int, int, int, int], frame: tuple[int, int], size: tuple[int, int]) -> View:
    """View of `size` (width, height) on a frame (width, height), around `box` with half of its size on every side.

    Never smaller than `size` pixels of the frame, so nothing is enlarged where the frame is large enough, and within
    the frame as far as it fits; a frame smaller than the view is seen whole.
    """
    width, height = box[2] - box[0], box[3] - box[1]
    scale = max((1 + 2 * _MARGIN) * width / size[0], (1 + 2 * _MARGIN) * height / size[1], 1.0)
    # No larger than the smallest view that holds the whole frame.
    scale = min(scale, max(frame[0] / size[0], frame[1] / size[1]))
    wide, high = round(scale * size[0]), round(scale * size[1])
    x0, y0 = _start(box[0] + box[2], wide, frame[0]), _start(box[1] + box[3], high, frame[1])
    return View((x0, y0, x0 + wide, y0 + high), size)


def _start(ends: int, side: int, whole: int) -> int:
    """Start of a side about the middle of a box with this sum of ends, within 0 to `whole`, or about it if longer."""
    if side >= whole:
        return -((side - whole) // 2)
    return min(max(0, (ends - side) // 2), whole - side)
