"""What the suites of all stages look at a backend with: clips made by code, and the memory that it takes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pvtt.imaging.geometry import box_of
from pvtt.stages.insertion.base import Request

Array = np.ndarray

SIZES = {"one frame": (1, (96, 64)), "odd sides": (6, (101, 67)), "portrait": (5, (64, 112)), "small": (9, (96, 64))}
RED, BLUE = (200, 40, 30), (30, 60, 210)
LONG, SHORT = 300, 40
LONG_SIZE = (192, 144)
# What 300 frames may take over what 40 take: `times` the bytes of the 260 further frames, and for each of these what is
# worked out on a reduced copy of it; once, what allocators keep.
REDUCED, SLACK = 192 << 10, 24 << 20


class Clip:
    """A red square that walks over textured ground; it leaves at frame `leaves`. Frames are made when they are read."""

    def __init__(self, n: int, size: tuple[int, int], leaves: int | None = None) -> None:
        self.n, self.size, self.leaves = n, size, n if leaves is None else leaves
        width, height = size
        y, x = np.mgrid[:height, :width]
        noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (height, width)), (0, 0), 2)
        grey = 150 + 0.25 * x - 0.1 * y + 8 * noise / noise.std()
        self.ground = np.clip(np.stack([grey + 12, grey, grey - 20], 2), 0, 255).astype(np.uint8)
        self.masks = np.stack([self._mask(index) for index in range(n)])

    def _mask(self, index: int) -> Array:
        width, height = self.size
        side = round(0.3 * min(width, height))
        mask = np.zeros((height, width), bool)
        if index < self.leaves:
            left = width // 5 + round(0.35 * width * index / max(1, self.n))
            mask[height // 3 : height // 3 + side, left : left + side] = True
        return mask

    def frames(self) -> Iterator[Array]:
        """A new pass over the frames, uint8 (h, w, 3)."""
        for mask in self.masks:
            frame = self.ground.copy()
            frame[mask] = RED
            yield frame

    def background(self) -> Iterator[Array]:
        """A new pass over the frames without the square."""
        return (self.ground.copy() for _ in range(self.n))

    def array(self) -> Array:
        """All frames, (n, h, w, 3)."""
        return np.stack(list(self.frames()))

    def request(self, seed: int = 1, cutout: Array | None = None) -> Request:
        """To put a blue disc into the square's place."""
        found = [box_of(mask) for mask in self.masks]
        boxes = [None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3])) for box in found]
        image = disc() if cutout is None else cutout
        points = np.zeros((0, self.n, 2))
        videos = self.frames, self.background, self.masks, self.masks
        return Request(*videos, boxes, points, image, 25.0, seed, "a blue disc")


def disc(side: int = 60) -> Array:
    """A cut-out: a blue disc, uint8 (side, side, 4) RGBA."""
    image = np.zeros((side, side, 4), np.uint8)
    cv2.circle(image, (side // 2, side // 2), side // 2 - 2, (*BLUE, 255), -1)
    return image


def clip_of(case: str, **changes: Any) -> Clip:
    """The clip of a case of SIZES."""
    n, size = SIZES[case]
    return Clip(n, size, **changes)


def assert_bounded(work: Callable[[Clip], Any], times: float = 2) -> None:
    """`work(clip)` on 300 small frames takes little more than on 40, see REDUCED; it must return nothing it made."""
    short, long = Clip(SHORT, LONG_SIZE), Clip(LONG, LONG_SIZE)
    work(Clip(10, LONG_SIZE))  # what is loaded and kept once
    first, second = peak_of(lambda: work(short)), peak_of(lambda: work(long))
    frame = 3 * LONG_SIZE[0] * LONG_SIZE[1]
    allowed = int((LONG - SHORT) * (times * frame + REDUCED)) + SLACK
    assert second - first <= allowed, f"{(second - first) / 1e6:.0f} MB more, not {allowed / 1e6:.0f}"


def peak_of(work: Callable[[], Any]) -> int:
    """Bytes by which this process's resident memory rises at most while `work` runs."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    work()
    return max(0, _status("VmHWM") - before)


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(f"{key}:")))
