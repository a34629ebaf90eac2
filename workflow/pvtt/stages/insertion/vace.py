"""Insertion by Wan VACE as published; `vace_insertion` says how it works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pvtt.config.stages.insertion import VaceInsertionSettings
from pvtt.imaging.geometry import box_mask
from pvtt.stages.insertion.base import Box, Request
from pvtt.stages.insertion.compositing import edges_in
from pvtt.stages.insertion.placement import target_boxes
from pvtt.stages.insertion.vace_insertion import VaceInsertion

Array = np.ndarray


class Backend(VaceInsertion):
    """Wan VACE through Diffusers; `insertion.vace.model` chooses among its sizes."""

    name = "vace"
    version = "2"

    @property
    def own(self) -> VaceInsertionSettings:
        """Settings of this backend."""
        return self.settings.vace

    def placement_masks(self, request: Request, measures: dict[str, Any]) -> Iterator[Array]:
        """Yield the region of each frame, bool (h, w), before growth; empty where the product is not visible."""
        kind, shape = self.own.region, request.masks.shape[1:]
        boxes = request.boxes
        if kind == "adapted":
            boxes = target_boxes(request.boxes, *self.trajectory(request))
        for index, box in enumerate(boxes):
            if request.boxes[index] is None or box is None:
                yield np.zeros(shape, bool)
            elif kind == "mask" and request.masks[index].any():
                yield request.masks[index]
            else:
                yield box_mask(square_box(box) if kind == "square" else box, shape)

    def _guide(self, request: Request, size: tuple[int, int]) -> Array | None:
        """Edge guide of the first frame, uint8 (H, W, 4); None when disabled or the product is not visible there."""
        if not self.own.edges or request.boxes[0] is None:
            return None
        box = target_boxes(request.boxes, *self.trajectory(request))[0]
        frame = request.masks.shape[2], request.masks.shape[1]
        return None if box is None else edges_in(request.cutout, box, frame, size)


def square_box(box: Box) -> Box:
    """Square box with the same lower edge: it holds any product with the same longer side."""
    side, middle = max(box[2] - box[0], box[3] - box[1]), (box[0] + box[2]) / 2
    return middle - side / 2, box[3] - side, middle + side / 2, box[3]
