"""Chunks of a clip that fit into GPU memory, and frame sizes that the network accepts."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.config.stages.background import ProPainterSettings

Array = np.ndarray

# GB of GPU memory at half precision: the program; per pixel; per pixel of each frame of a sub-video (these three follow
# the table of ProPainter's README within 1 GB at 720p); per pixel of each frame that is only kept (counted).
_BASE_GB, _PIXEL_GB, _WORKED_GB, _KEPT_GB = 1.5, 8.5e-6, 1.7e-7, 4e-8
_MIN_WORKED = 20  # frames: least length of a sub-video
_MULTIPLE = 8  # px: sides of the network's input are multiples of it
_MIN_SIDE = 128  # px: below it RAFT (four pyramid levels of an eighth of the size) returns NaN without an error


@dataclass(frozen=True)
class Plan:
    """Plan of a run: `size` (width, height) in px, `chunks` (start, end) and `worked`, frames of a sub-video."""

    size: tuple[int, int]
    chunks: list[tuple[int, int]]
    worked: int


def make_plan(shape: tuple[int, ...], memory_gb: float, own: ProPainterSettings) -> Plan:
    """Plan the run for a clip: in one piece where it fits into memory, else in chunks.

    Frames are only reduced when not even 20 of them fit.

    Parameters
    ----------
    shape : (n, h, w)
        Number and size of the frames.
    memory_gb : float
        GPU memory in GB, as if at half precision.
    own
        Settings of the backend; `overlap_frames` and `subvideo_length` are read.
    """
    n_frames, height, width = shape
    overlap, most = own.overlap_frames, own.subvideo_length
    size = round_up_size((width, height))
    room = _room(size, memory_gb)
    least = min(_MIN_WORKED, n_frames)
    while room < least * (_WORKED_GB + _KEPT_GB) and min(size) > _MIN_SIDE:
        width, height = (max(_MIN_SIDE, side * 15 // 16 // _MULTIPLE * _MULTIPLE) for side in size)
        size = (width, height)
        room = _room(size, memory_gb)
    worked = int((room - n_frames * _KEPT_GB) / _WORKED_GB)
    if worked >= min(most, n_frames, 2 * _MIN_WORKED):
        return Plan(size, [(0, n_frames)], min(most, worked))
    worked = max(least, min(most, int(room / (_WORKED_GB + 2 * _KEPT_GB))))
    kept = max(worked, int((room - worked * _WORKED_GB) / _KEPT_GB), 2 * overlap + 2)
    return Plan(size, split_chunks(n_frames, kept, overlap), worked)


def _room(size: tuple[int, int], memory_gb: float) -> float:
    """GB per pixel that are left for frames of `size` (width, height)."""
    return (memory_gb - _BASE_GB) / (size[0] * size[1]) - _PIXEL_GB


def split_chunks(n_frames: int, length: int, overlap: int) -> list[tuple[int, int]]:
    """Chunks (start, end) of `length` frames, each sharing at least `overlap` with the next."""
    if length >= n_frames:
        return [(0, n_frames)]
    count = -(-(n_frames - overlap) // (length - overlap))
    starts = np.linspace(0, n_frames - length, count).round().astype(int)
    return [(int(start), int(start) + length) for start in starts]


def chunk_weight(chunks: list[tuple[int, int]], place: int, index: int) -> float:
    """Cross-fade weight (0-1, before normalisation) of chunk number `place` in frame `index`."""
    start, end = chunks[place]
    rise = (index - start + 1) / (chunks[place - 1][1] - start + 1) if place else 1.0
    fall = (end - index) / (end - chunks[place + 1][0] + 1) if place + 1 < len(chunks) else 1.0
    return min(1.0, rise, fall)


def round_up_size(size: tuple[int, int]) -> tuple[int, int]:
    """Next larger size (width, height) with sides that are multiples of 8 and at least 128 px."""
    width, height = (max(_MIN_SIDE, -(-side // _MULTIPLE) * _MULTIPLE) for side in size)
    return width, height


def fit_to_network(image: Array, size: tuple[int, int]) -> Array:
    """Bring a frame (uint8 (h, w, 3)) or mask (bool (h, w)) to `size` (width, height); masks become uint8, 0 or 255.

    The edge is repeated to the right and below where padding is enough, else the image is reduced.
    """
    height, width = image.shape[:2]
    pixels = image.astype(np.uint8) * 255 if image.dtype == bool else image
    if round_up_size((width, height)) == size:
        border = cv2.BORDER_CONSTANT if image.dtype == bool else cv2.BORDER_REPLICATE
        padded: Array = cv2.copyMakeBorder(pixels, 0, size[1] - height, 0, size[0] - width, border)
        return padded
    small: Array = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return (small > 0).astype(np.uint8) * 255 if image.dtype == bool else small


def undo_fit(image: Array, size: tuple[int, int]) -> Array:
    """Inverse of `fit_to_network` for frames: back to the clip's `size` (width, height)."""
    if round_up_size(size) == (image.shape[1], image.shape[0]):
        return image[: size[1], : size[0]]
    enlarged: Array = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    return enlarged
