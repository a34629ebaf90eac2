"""A whole clip through the model, window by window, in memory that does not depend on its length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.stages.wan.engine import Engine, Task
from pvtt.stages.wan.windows import Span

Array = np.ndarray


@dataclass
class _Buffer:
    """Frames that are read and not yet given away: as they are, and at the model's size."""

    source: Iterator[Array]
    size: tuple[int, int]
    full: list[Array]
    small: list[Array]

    def fill(self, count: int) -> None:
        while len(self.full) < count:
            frame = next(self.source, None)
            if frame is None:
                raise RuntimeError("the clip's frames ended before its masks")
            self.full.append(frame)
            self.small.append(resized(frame, self.size))

    def drop(self, count: int) -> None:
        del self.full[:count], self.small[:count]


def generate_windows(
    engine: Engine, frames: Iterator[Array], regions: Array, spans: list[Span], task: Task
) -> Iterator[tuple[Array, Array]]:
    """Yield each frame, uint8 (h, w, 3) RGB as it came, and what the model makes of it, uint8 (H, W, 3).

    `regions` is bool (n, H, W), where the model paints, at its size; elsewhere its frames are only near to the source.
    Windows share frames: those of the one before go in as known, and the two versions of them are blended. A window
    without a region is not made. When `frames` ends early, so does this (RuntimeError).
    """
    n, height, width = regions.shape
    buffer, before = _Buffer(frames, (width, height), [], []), np.zeros((0, height, width, 3), np.uint8)
    for number, span in enumerate(spans):
        count = min(span.length, n - span.start)
        buffer.fill(count)
        area = regions[span.start : span.start + count]
        made = _window(engine, np.stack(buffer.small), area, (span, number), task, before)
        known = len(before)
        share = (np.arange(1, known + 1, dtype=np.float32) / (known + 1))[:, None, None, None]
        mixed = before + share * (made[:known].astype(np.float32) - before)
        made[:known] = np.rint(mixed).astype(np.uint8)
        done = count if number + 1 == len(spans) else spans[number + 1].start - span.start
        before = made[done:].copy()
        yield from zip(buffer.full[:done], made[:done], strict=True)
        buffer.drop(done)


def _window(engine: Engine, small: Array, area: Array, place: tuple[Span, int], task: Task, before: Array) -> Array:
    """What the model makes of one window; `before` are the last frames of the one before, known in this one."""
    span, number = place
    if not area.any():
        return small
    count, known = len(small), len(before)
    frames, mask = _padded(small, span.length), _padded(area, span.length)
    if known:
        # The model's own pixels only where it was to paint: elsewhere the clip's are better.
        frames[:known] = np.where(area[:known, ..., None], before, small[:known])
        mask[:known] = False
    if not mask.any():
        return frames[:count]
    return engine.make(frames, mask, task, number, reusable=known == 0)[:count]


def _padded(stack: Array, length: int) -> Array:
    """A copy with the last entry repeated up to `length` entries."""
    return np.concatenate([stack, np.repeat(stack[-1:], length - len(stack), 0)])


def resized(frame: Array, size: tuple[int, int]) -> Array:
    """A frame, uint8 (h, w, 3), at `size` (width, height)."""
    if frame.shape[1::-1] == size:
        return frame
    shrinks = size[0] * size[1] < frame.shape[0] * frame.shape[1]
    resized: Array = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized
