"""Square crops that follow a small product, so that a model with a fixed input size sees it large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

Array = np.ndarray
Box = tuple[float, float, float, float]

_MIN_SIDE_PX = 64  # px; smallest side of a crop
_MARGIN_FACTOR = 2.0  # side of the crop over the product's longer side
_MAX_FRAME_SHARE = 0.7  # of the frame's short side; a larger crop gains too little
_SMOOTHING_FRAMES = 9  # frames over which the crop's path is averaged


@dataclass(frozen=True)
class CroppedVideo:
    """Frames of a video as a model sees them: whole frames, or a square crop of each.

    frames: uint8 (n, h, w, 3) RGB, never copied. numbers: selected frames in order; None for all. corners: top-left
    corner (x, y) of each frame's crop, int (n, 2), for all n frames; None for whole frames. side: side of the crop in
    px.
    """

    frames: Array
    numbers: Sequence[int] | None = None
    corners: Array | None = None
    side: int = 0

    def __len__(self) -> int:
        return len(self.frames) if self.numbers is None else len(self.numbers)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images, in px."""
        return self.frames.shape[1:3] if self.corners is None else (self.side, self.side)

    def image(self, place: int) -> Array:
        """The `place`-th image, uint8 (h, w, 3) RGB; a view."""
        return self.crop(self.frames[self._number(place)], place)

    def crop(self, plane: Array, place: int) -> Array:
        """The crop of a full-frame plane.

        Parameters
        ----------
        plane : (h, w, ...), any dtype
            At the size of `frames`.
        place : int
            Index of the image in this video.

        Returns
        -------
        (side, side, ...)
            A view; the plane itself if the video has whole frames.
        """
        if self.corners is None:
            return plane
        x, y = self.corners[self._number(place)]
        return plane[y : y + self.side, x : x + self.side]

    def box(self, box: Box, place: int) -> Box:
        """A box of the full frame, (x0, y0, x1, y1), in px of the `place`-th image."""
        x, y = (0, 0) if self.corners is None else self.corners[self._number(place)]
        return box[0] - x, box[1] - y, box[2] - x, box[3] - y

    def _number(self, place: int) -> int:
        return place if self.numbers is None else self.numbers[place]


def crop_around_product(frames: Array, masks: Array) -> CroppedVideo | None:
    """Crop a video around the product, with one size and a smoothed path.

    The side is twice the product's longest side. The path is interpolated over frames without a mask.

    Parameters
    ----------
    frames : uint8 (n, h, w, 3) RGB
    masks : bool (k, n, h, w)

    Returns
    -------
    None if no frame has a mask, or if the crop would be nearly as large as the frame.
    """
    height, width = frames.shape[1:3]
    boxes = np.full((len(frames), 4), np.nan)
    for number in range(len(frames)):
        union: Array = np.any(masks[:, number], axis=0)
        rows, columns = np.flatnonzero(union.any(1)), np.flatnonzero(union.any(0))
        if len(rows):
            boxes[number] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    valid = np.flatnonzero(~np.isnan(boxes[:, 0]))
    if not len(valid):
        return None
    longest = np.maximum(boxes[valid, 2] - boxes[valid, 0], boxes[valid, 3] - boxes[valid, 1])
    side = int(np.ceil(max(_MIN_SIDE_PX, _MARGIN_FACTOR * min(longest.max(), 3 * np.median(longest)))))
    if side > _MAX_FRAME_SHARE * min(height, width):
        return None
    centers = (boxes[valid, :2] + boxes[valid, 2:]) / 2
    path = [np.interp(np.arange(len(frames)), valid, centers[:, axis]) for axis in (0, 1)]
    smoothed = uniform_filter1d(np.column_stack(path), min(_SMOOTHING_FRAMES, len(frames)), axis=0, mode="nearest")
    corners = np.clip(np.rint(smoothed - side / 2), 0, [width - side, height - side]).astype(int)
    return CroppedVideo(frames, None, corners, side)
