"""What backends that paint with a model share: the frame that comes out of generated pixels."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from pvtt.imaging.geometry import box_of, padded_box
from pvtt.io.video_reader import Frames
from pvtt.stages.background.base import Removal
from pvtt.stages.background.inpaint import blend_hole
from pvtt.stages.background.inpainting_metrics import InpaintingMetrics
from pvtt.stages.background.region import growth

Array = np.ndarray

_RIM_PX = 8


def nothing_to_remove(frames: Frames, masks: Array) -> Removal:
    """The clip as it is."""
    return Removal(frames(), np.zeros_like(masks), {"painted_frames": 0})


def composite_holes(
    frames: Frames,
    holes: Array,
    generated: Callable[[int], Array],
    settings: Mapping[str, Any],
    measures: dict[str, Any],
    place: tempfile.TemporaryDirectory[str],
) -> Iterator[Array]:
    """The clip's frames with what `generated(index)` (uint8 (h, w, 3) RGB, whole frame) shows in the holes.

    Outside the holes (bool (n, h, w)) a frame is its source bit for bit; inside, the seam is evened out and a
    transition of `feather_px` laid. At the end `measures` are completed and `place`, where the generated frames lie, is
    removed.
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


def feather_width(settings: Mapping[str, Any], shape: tuple[int, ...]) -> float:
    """Width in pixels of the transition in frames of `shape` (h, w): none that lets the product shine through."""
    return min(settings["feather_px"], 0.5 * growth(settings["grow_px"], shape))


def blend_into_hole(frame: Array, made: Array, hole: Array, feather_px: float) -> Array:
    """`made` in the `hole` (bool (h, w)) of `frame`, both uint8 (h, w, 3) RGB; outside it `frame` bit for bit."""
    box = box_of(hole)
    if box is None:
        return frame
    x0, y0, x1, y1 = padded_box(box, _RIM_PX, frame.shape[1], frame.shape[0])
    part = np.s_[y0:y1, x0:x1]
    result = frame.copy()
    result[part] = blend_hole(frame[part], made[part], hole[part], feather_px)
    return result
