"""Naive insertion: the cut-out resized to fit the source product's box and pasted; no light, shadow or occlusion."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from pvtt.backends.base import Embedded
from pvtt.imaging.geometry import box_of
from pvtt.stages.insertion.base import Box, Insertion, InsertionError, Request

Array = np.ndarray


class Backend(Embedded):
    """The whole cut-out, its aspect kept, as large as the frame's box allows and centred in it, over the background."""

    name = "paste"
    version = "1"

    def insert(self, request: Request) -> Insertion:
        """See `pvtt.stages.insertion.base.InsertionBackend.insert`."""
        box = box_of(request.cutout[..., 3] > 127)
        if box is None:
            raise InsertionError("the cut-out has no opaque pixel")
        image = request.cutout[box[1] : box[3], box[0] : box[2]]
        boxes = [None if one is None else _fitted(one, image.shape[1] / image.shape[0]) for one in request.boxes]
        return Insertion(_frames(request, image, boxes), boxes)


def _fitted(box: Box, aspect: float) -> Box:
    """The largest box of an aspect (width / height) in the middle of another."""
    width, height = box[2] - box[0], box[3] - box[1]
    width, height = min(width, height * aspect), min(height, width / aspect)
    x, y = (box[0] + box[2] - width) / 2, (box[1] + box[3] - height) / 2
    return x, y, x + width, y + height


def _frames(request: Request, image: Array, boxes: list[Box | None]) -> Iterator[tuple[Array, Array]]:
    for frame, box in zip(request.background(), boxes, strict=True):
        yield (frame, np.zeros(frame.shape[:2], bool)) if box is None else _pasted(frame, image, box)


def _pasted(frame: Array, image: Array, box: Box) -> tuple[Array, Array]:
    size = max(1, round(box[2] - box[0])), max(1, round(box[3] - box[1]))
    layer = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    x, y = round(box[0]), round(box[1])
    left, top = max(0, x), max(0, y)
    right, bottom = min(frame.shape[1], x + size[0]), min(frame.shape[0], y + size[1])
    result, mask = frame.copy(), np.zeros(frame.shape[:2], bool)
    layer = layer[top - y : bottom - y, left - x : right - x]
    if layer.size:
        alpha = layer[..., 3:] / 255
        under = frame[top:bottom, left:right]
        result[top:bottom, left:right] = np.rint(layer[..., :3] * alpha + under * (1 - alpha)).astype(np.uint8)
        mask[top:bottom, left:right] = alpha[..., 0] > 0.5
    return result, mask
