"""Crop windows: the part of a clip that a model with a fixed input size works on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Array = np.ndarray

_MARGIN = 0.5  # share of the box's width and height, added on every side


@dataclass(frozen=True)
class CropWindow:
    """A rectangle of the frame, `box` (x0, y0, x1, y1), resized to `size` (width, height); it may exceed the frame."""

    box: tuple[int, int, int, int]
    size: tuple[int, int]

    def crop(self, image: Array) -> Array:
        """Crop a frame, uint8 (h, w, 3), or a mask, bool (h, w), and resize it; a frame's edge is repeated outside."""
        height, width = image.shape[:2]
        x0, y0, x1, y1 = self.box
        pixels = image.astype(np.uint8) * 255 if image.dtype == bool else image
        part = pixels[max(0, y0) : min(height, y1), max(0, x0) : min(width, x1)]
        sides = (max(0, -y0), max(0, y1 - height), max(0, -x0), max(0, x1 - width))
        border = cv2.BORDER_CONSTANT if image.dtype == bool else cv2.BORDER_REPLICATE
        part = cv2.copyMakeBorder(part, *sides, border)
        shrinks = self.size[0] < x1 - x0
        crop: Array = cv2.resize(part, self.size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return crop > 0 if image.dtype == bool else crop

    def paste(self, crop: Array, frame: Array) -> Array:
        """Copy of `frame` (uint8 (h, w, 3)) with `crop` (uint8 (H, W, 3), of `size`) in its place."""
        height, width = frame.shape[:2]
        x0, y0, x1, y1 = self.box
        part = cv2.resize(crop, (x1 - x0, y1 - y0), interpolation=cv2.INTER_CUBIC)
        result = frame.copy()
        result[max(0, y0) : y1, max(0, x0) : x1] = part[max(0, -y0) : height - y0, max(0, -x0) : width - x0]
        return result

    @classmethod
    def around(cls, box: tuple[int, int, int, int], frame: tuple[int, int], size: tuple[int, int]) -> CropWindow:
        """Window around a box, with a margin of half of the box's size on every side.

        The window has the aspect of `size` and covers at least `size` pixels of the frame, so that nothing is enlarged
        where the frame is large enough. It stays inside the frame where it fits; a smaller frame is covered whole.

        Parameters
        ----------
        box : (x0, y0, x1, y1)
            Box in pixels of the frame.
        frame, size : (width, height)
            Size of the frame and of the network's input, in pixels.
        """
        width, height = box[2] - box[0], box[3] - box[1]
        scale = max((1 + 2 * _MARGIN) * width / size[0], (1 + 2 * _MARGIN) * height / size[1], 1.0)
        # No larger than the smallest window that holds the whole frame.
        scale = min(scale, max(frame[0] / size[0], frame[1] / size[1]))
        wide, high = round(scale * size[0]), round(scale * size[1])
        x0, y0 = _start(box[0] + box[2], wide, frame[0]), _start(box[1] + box[3], high, frame[1])
        return cls((x0, y0, x0 + wide, y0 + high), size)


def _start(ends: int, side: int, whole: int) -> int:
    """Start of an interval of length `side` centred on (sum of) `ends`, shifted into 0..`whole` where it fits."""
    if side >= whole:
        return -((side - whole) // 2)
    return min(max(0, (ends - side) // 2), whole - side)
