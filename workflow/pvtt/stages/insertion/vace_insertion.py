"""Insertion by Wan VACE (Jiang et al., VACE: All-in-One Video Creation and Editing, ICCV 2025).

The model gets the clean background with neutral grey in the region to generate (so that nothing of the source product
enters), the cut-out on white as reference image, and a prompt. Except for `region: adapted`, the region depends on the
clip alone; the latents of background and mask are then computed for the first pair and reused. Outside the region the
frame is the source, or the background where the removal changed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pvtt.config.stages.insertion import InsertionSettings, WanInsertionSettings
from pvtt.imaging.geometry import box_of, dilated
from pvtt.imaging.resize import resize_nearest
from pvtt.stages.insertion.base import Box, Insertion, InsertionError, Request
from pvtt.stages.insertion.change_detection import detect_inserted_mask_otsu
from pvtt.stages.insertion.compositing import put_back, reference_on_white, restore_background
from pvtt.stages.insertion.placement import adapted_size, align_to_ground
from pvtt.stages.insertion.trajectory import Trajectory, estimate_trajectory
from pvtt.stages.wan import regions as grid
from pvtt.stages.wan.backend import WanBackend
from pvtt.stages.wan.engine import GenerationRequest
from pvtt.stages.wan.windowed import generate_windows, resize_frame
from pvtt.stages.wan.windows import model_size, plan_windows

Array = np.ndarray


class VaceInsertion(WanBackend[InsertionSettings]):
    """Base class of the backends that insert with Wan VACE through Diffusers."""

    settings_type = InsertionSettings
    reads_prompt = True

    @property
    def own(self) -> WanInsertionSettings:
        """Settings of this backend."""
        raise NotImplementedError

    def insert(self, request: Request) -> Insertion:
        """See `base.InsertionBackend.insert`; boxes and measures are complete when the frames are exhausted."""
        if not any(box is not None for box in request.boxes):
            raise InsertionError("the product is not visible in any frame of the clip")
        n, height, width = request.masks.shape
        size = model_size(width, height, self.own.max_area)
        measures: dict[str, Any] = {"model_width": size[0], "model_height": size[1]}
        regions = self._regions(request, size, measures)
        windows = plan_windows(n, self.own.window_frames, self.own.overlap_frames)
        generation = GenerationRequest(
            self._prompt(request), request.seed, reference_on_white(request.cutout, size), self._guide(request, size)
        )
        canvas = (
            restore_background(source, plain, region)
            for source, plain, region in zip(request.source(), request.background(), request.region, strict=True)
        )
        measures |= {"windows": len(windows), "window_frames": windows[0].length, "region_share": _share(regions)}
        boxes: list[Box | None] = [None] * n
        generated = generate_windows(self.running, canvas, regions, windows, generation)
        return Insertion(self._put_back(generated, request, regions, (boxes, measures)), boxes, measures)

    def _put_back(
        self,
        generated: Iterator[tuple[Array, Array]],
        request: Request,
        regions: Array,
        out: tuple[list[Box | None], dict[str, Any]],
    ) -> Iterator[tuple[Array, Array]]:
        boxes, measures = out
        measures["unclear_frames"] = 0
        feather = self.own.feather_px * min(1.0, min(request.masks.shape[1:]) / 720)
        for index, (canvas, small) in enumerate(generated):
            if request.boxes[index] is None:
                yield canvas, np.zeros(canvas.shape[:2], bool)
                continue
            region = resize_nearest(regions[index], canvas.shape)
            made = resize_frame(small, (canvas.shape[1], canvas.shape[0]))
            frame = put_back(canvas, made, region, feather)
            seen, clear = detect_inserted_mask_otsu(canvas, frame, region)
            found = box_of(seen)
            boxes[index] = (
                None if found is None else (float(found[0]), float(found[1]), float(found[2]), float(found[3]))
            )
            measures["unclear_frames"] += not clear
            yield frame, seen

    # ------------------------------------------------------------ inputs of the model

    def _regions(self, request: Request, size: tuple[int, int], measures: dict[str, Any]) -> Array:
        """Region to generate, bool (n, H, W), at the model's size."""
        grow = growth_px(self.own.grow_px, request.masks.shape[1:])
        masks = (dilated(mask, grow) for mask in self.placement_masks(request, measures))
        return grid.dilate_in_time(np.stack([grid.align_to_blocks(mask, size, self.own.block_px) for mask in masks]))

    def placement_masks(self, request: Request, measures: dict[str, Any]) -> Iterator[Array]:
        """Yield the region of each frame, bool (h, w), before growth; empty where the product is not visible."""
        raise NotImplementedError

    def trajectory(self, request: Request) -> tuple[Trajectory, tuple[float, float]]:
        """Trajectory of the new product and its size (width, height) in px in the reference frame."""
        frame = request.masks.shape[2], request.masks.shape[1]
        smooth = self.settings.smooth_s * request.fps
        trajectory = estimate_trajectory(self.settings.control, request.boxes, request.points, frame, smooth)
        size = adapted_size(trajectory, cutout_aspect(request.cutout), frame, self.settings.max_side)
        return align_to_ground(trajectory, size[1]), size

    def _prompt(self, request: Request) -> str:
        return str(self.own.prompt).replace("{product}", request.prompt.strip() or "product")

    def _guide(self, request: Request, size: tuple[int, int]) -> Array | None:
        """Guide of the first frame, uint8 (H, W, 4), RGBA; None without one."""
        return None


def growth_px(grow_px: float, shape: tuple[int, ...]) -> int:
    """Growth in pixels for a mask of `shape` (h, w); `grow_px` is defined at a short side of 720 px."""
    return round(grow_px * min(1.0, min(shape) / 720))


def cutout_aspect(cutout: Array) -> float:
    """Width over height of the opaque box of a cut-out.

    Parameters
    ----------
    cutout : uint8 (h, w, 4) RGBA

    Returns
    -------
    float

    Raises
    ------
    InsertionError
        If no pixel is opaque.
    """
    box = box_of(cutout[..., 3] > 127)
    if box is None:
        raise InsertionError("the cut-out has no opaque pixel")
    return (box[2] - box[0]) / (box[3] - box[1])


def _share(regions: Array) -> float:
    return round(float(regions.mean()), 4)
