"""Windows that follow a small product, so that a model of fixed input size sees it large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

Array = np.ndarray
Box = tuple[float, float, float, float]

_LEAST_SIDE = 64
_ROOM = 2.0  # side of the window relative to the product's longer side
_MOST_OF_FRAME = 0.7  # of the frame's short side, above which a window gains too little
_SMOOTH = 9  # frames over which the window's path is averaged


@dataclass(frozen=True)
class Clip:
    """Frames of a video as a model sees them: whole, or through a square window of each.

    frames: uint8 (n, h, w, 3) RGB, never copied. numbers: which of them, in order; None for all. corners: (x, y)
    of each frame's window, int (n, 2), for all n frames; None for whole frames. side: the window's, in px.
    """

    frames: Array
    numbers: Sequence[int] | None = None
    corners: Array | None = None
    side: int = 0

    def __len__(self) -> int:
        return len(self.frames) if self.numbers is None else len(self.numbers)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what is seen."""
        return self.frames.shape[1:3] if self.corners is None else (self.side, self.side)

    def image(self, place: int) -> Array:
        """The `place`-th frame, uint8 (h, w, 3), a view."""
        return self.seen(self.frames[self._number(place)], place)

    def seen(self, plane: Array, place: int) -> Array:
        """The part of a plane (h, w, ...) of the whole frame that is seen in the `place`-th frame, a view."""
        if self.corners is None:
            return plane
        x, y = self.corners[self._number(place)]
        return plane[y : y + self.side, x : x + self.side]

    def box(self, box: Box, place: int) -> Box:
        """A box of the whole frame in pixels of what is seen."""
        x, y = (0, 0) if self.corners is None else self.corners[self._number(place)]
        return box[0] - x, box[1] - y, box[2] - x, box[3] - y

    def _number(self, place: int) -> int:
        return place if self.numbers is None else self.numbers[place]


def windowed(frames: Array, masks: Array) -> Clip | None:
    """`frames` (n, h, w, 3) through a window of one size that follows masks, bool (k, n, h, w).

    Twice as long as the product's longest side; its path is smoothed, and interpolated where no mask is. None where
    there is no mask at all, and where the window would be nearly as large as the frame.
    """
    height, width = frames.shape[1:3]
    boxes = np.full((len(frames), 4), np.nan)
    for number in range(len(frames)):
        union: Array = np.any(masks[:, number], axis=0)
        rows, columns = np.flatnonzero(union.any(1)), np.flatnonzero(union.any(0))
        if len(rows):
            boxes[number] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    known = np.flatnonzero(~np.isnan(boxes[:, 0]))
    if not len(known):
        return None
    longest = np.maximum(boxes[known, 2] - boxes[known, 0], boxes[known, 3] - boxes[known, 1])
    side = int(np.ceil(max(_LEAST_SIDE, _ROOM * min(longest.max(), 3 * np.median(longest)))))
    if side > _MOST_OF_FRAME * min(height, width):
        return None
    middles = (boxes[known, :2] + boxes[known, 2:]) / 2
    path = [np.interp(np.arange(len(frames)), known, middles[:, axis]) for axis in (0, 1)]
    smooth = uniform_filter1d(np.column_stack(path), min(_SMOOTH, len(frames)), axis=0, mode="nearest")
    corners = np.clip(np.rint(smooth - side / 2), 0, [width - side, height - side]).astype(int)
    return Clip(frames, None, corners, side)
