"""Shared by the generative backends: compositing of generated pixels into the frames."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pvtt.config.stages.background import BackgroundSettings
from pvtt.imaging.geometry import box_of, padded_box
from pvtt.io.video_reader import Frames
from pvtt.stages.background.base import Removal
from pvtt.stages.background.inpaint import blend_hole
from pvtt.stages.background.inpainting_metrics import InpaintingMetrics
from pvtt.stages.background.region import growth

Array = np.ndarray

_RIM_PX = 8  # px: context around the hole's box that the blending works on


def nothing_to_remove(frames: Frames, masks: Array) -> Removal:
    """The removal of a clip without a product: its own frames."""
    return Removal(frames(), np.zeros_like(masks), {"painted_frames": 0})


def composite_holes(
    frames: Frames,
    holes: Array,
    generated: Callable[[int], Array],
    settings: BackgroundSettings,
    measures: dict[str, Any],
    place: tempfile.TemporaryDirectory[str],
) -> Iterator[Array]:
    """Yield the clip's frames with generated pixels in the holes.

    Outside the holes a frame equals its source exactly. Inside, the seam is corrected and cross-faded.

    Parameters
    ----------
    frames : callable
        Starts a pass over n frames, uint8 (h, w, 3), RGB.
    holes : bool (n, h, w)
    generated : callable
        Maps a frame index to a whole generated frame, uint8 (h, w, 3), RGB.
    settings
        Settings of the stage; `feather_px` and `grow_px` are read.
    measures : dict
        Gets the inpainting metrics when the frames are exhausted.
    place
        Folder of the generated frames; removed at the end.
    """
    meter = InpaintingMetrics()
    feather = feather_width(settings, holes.shape[1:])
    with place:
        for index, frame in enumerate(frames()):
            if not holes[index].any():
                yield frame
                continue
            result = blend_into_hole(frame, generated(index), holes[index], feather)
            meter.add(frame, result, holes[index])
            yield result
    measures.update(meter.measures())


def feather_width(settings: BackgroundSettings, shape: tuple[int, ...]) -> float:
    """Width of the cross-fade in pixels, for frames of `shape` (h, w): at most half of the mask's growth.

    A wider one would let the product show through.
    """
    return min(float(settings.feather_px), 0.5 * growth(settings.grow_px, shape))


def blend_into_hole(frame: Array, made: Array, hole: Array, feather_px: float) -> Array:
    """Blend `made` into the `hole` (bool (h, w)) of `frame`, both uint8 (h, w, 3), RGB; see `inpaint.blend_hole`."""
    box = box_of(hole)
    if box is None:
        return frame
    x0, y0, x1, y1 = padded_box(box, _RIM_PX, frame.shape[1], frame.shape[0])
    part = np.s_[y0:y1, x0:x1]
    result = frame.copy()
    result[part] = blend_hole(frame[part], made[part], hole[part], feather_px)
    return result
