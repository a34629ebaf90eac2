"""Generation of a whole clip, window by window; memory use does not depend on the length of the clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

from pvtt.io.arrays import BoolArray, UInt8Array
from pvtt.stages.wan.engine import Engine, GenerationRequest
from pvtt.stages.wan.windows import Window

Stack = TypeVar("Stack", UInt8Array, BoolArray)


@dataclass
class _FrameBuffer:
    """Frames that are read but not yet yielded, at the clip's size and at the model's size (width, height)."""

    source: Iterator[UInt8Array]
    size: tuple[int, int]
    full: list[UInt8Array]
    small: list[UInt8Array]

    def fill(self, count: int) -> None:
        while len(self.full) < count:
            frame = next(self.source, None)
            if frame is None:
                raise RuntimeError("the clip has fewer frames than masks")
            self.full.append(frame)
            self.small.append(resize_frame(frame, self.size))

    def drop(self, count: int) -> None:
        del self.full[:count], self.small[:count]


def generate_windows(
    engine: Engine, frames: Iterator[UInt8Array], regions: BoolArray, windows: list[Window], request: GenerationRequest
) -> Iterator[tuple[UInt8Array, UInt8Array]]:
    """Generate the regions of a clip.

    The last frames of a window are known frames of the next one; in the overlap, the two versions are blended linearly.
    Windows without a region are copied.

    Parameters
    ----------
    engine : Engine
    frames : iterator of uint8 (h, w, 3), RGB
        Frames of the clip.
    regions : bool (n, H, W)
        Where the model generates, at the model's size. Elsewhere its frames are only close to the source.
    windows : list of Window
        From `plan_windows`.
    request : GenerationRequest

    Yields
    ------
    frame : uint8 (h, w, 3), RGB
        The frame of the clip as it came.
    generated : uint8 (H, W, 3), RGB
        The frame of the model.

    Raises
    ------
    RuntimeError
        If there are fewer frames than masks.
    """
    n, height, width = regions.shape
    buffer, before = _FrameBuffer(frames, (width, height), [], []), np.zeros((0, height, width, 3), np.uint8)
    for number, window in enumerate(windows):
        count = min(window.length, n - window.start)
        buffer.fill(count)
        region = regions[window.start : window.start + count]
        generated = _generate_window(engine, np.stack(buffer.small), region, (window, number), request, before)
        known = len(before)
        weight = (np.arange(1, known + 1, dtype=np.float32) / (known + 1))[:, None, None, None]
        blended = before + weight * (generated[:known].astype(np.float32) - before)
        generated[:known] = np.rint(blended).astype(np.uint8)
        done = count if number + 1 == len(windows) else windows[number + 1].start - window.start
        before = generated[done:].copy()
        yield from zip(buffer.full[:done], generated[:done], strict=True)
        buffer.drop(done)


def _generate_window(
    engine: Engine,
    small: UInt8Array,
    region: BoolArray,
    position: tuple[Window, int],
    request: GenerationRequest,
    before: UInt8Array,
) -> UInt8Array:
    """Generate one window; `before` are the last frames of the window before, which are known in this one."""
    window, number = position
    if not region.any():
        return small
    count, known = len(small), len(before)
    frames, mask = _pad(small, window.length), _pad(region, window.length)
    if known:
        # Only in the region: elsewhere the frames of the clip are more exact than the model's.
        frames[:known] = np.where(region[:known, ..., None], before, small[:known])
        mask[:known] = False
    if not mask.any():
        return frames[:count]
    return engine.generate(frames, mask, request, number, reusable=known == 0)[:count]


def _pad(stack: Stack, length: int) -> Stack:
    """A copy with the last entry repeated up to `length` entries."""
    return np.concatenate([stack, np.repeat(stack[-1:], length - len(stack), 0)])


def resize_frame(frame: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    """Resize a frame: area average to shrink, bicubic to enlarge.

    Parameters
    ----------
    frame : uint8 (h, w, 3) RGB
    size : (width, height)
        In px.

    Returns
    -------
    uint8 (height, width, 3) RGB
        `frame` itself if it has this size.
    """
    if frame.shape[1::-1] == size:
        return frame
    shrinks = size[0] * size[1] < frame.shape[0] * frame.shape[1]
    resized: UInt8Array = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized
