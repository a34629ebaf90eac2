"""How a clip is cut into chunks that fit into a GPU's memory, and its frames into sizes that a network takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

Array = np.ndarray

# GB of GPU memory that ProPainter takes at half precision: the program, each pixel, each pixel of a frame that is
# worked on at once (these follow the upstream's table within 1 GB at 720p), and of one that is only kept (counted).
_BASE_GB, _PIXEL_GB, _WORKED_GB, _KEPT_GB = 1.5, 8.5e-6, 1.7e-7, 4e-8
_LEAST_WORKED = 20
_MULTIPLE = 8
# Below it the optical flow (RAFT, four levels of an eighth of the size) silently gives no numbers.
_LEAST_SIDE = 128


@dataclass(frozen=True)
class Plan:
    """How a clip is cut up: `size` (width, height) worked at, chunks (start, end), frames worked on at once."""

    size: tuple[int, int]
    chunks: list[tuple[int, int]]
    worked: int


def make_plan(shape: tuple[int, ...], memory_gb: float, own: Mapping[str, Any]) -> Plan:
    """Plan for a clip of `shape` (n, h, w): whole where it fits into `memory_gb` (half precision), else in chunks.

    Only a frame too large for `_LEAST_WORKED` frames at once is made smaller.
    """
    n_frames, height, width = shape
    overlap, most = own["overlap_frames"], own["subvideo_length"]
    size = round_up_size((width, height))
    room = _room(size, memory_gb)
    least = min(_LEAST_WORKED, n_frames)
    while room < least * (_WORKED_GB + _KEPT_GB) and min(size) > _LEAST_SIDE:
        width, height = (max(_LEAST_SIDE, side * 15 // 16 // _MULTIPLE * _MULTIPLE) for side in size)
        size = (width, height)
        room = _room(size, memory_gb)
    worked = int((room - n_frames * _KEPT_GB) / _WORKED_GB)
    if worked >= min(most, n_frames, 2 * _LEAST_WORKED):
        return Plan(size, [(0, n_frames)], min(most, worked))
    worked = max(least, min(most, int(room / (_WORKED_GB + 2 * _KEPT_GB))))
    kept = max(worked, int((room - worked * _WORKED_GB) / _KEPT_GB), 2 * overlap + 2)
    return Plan(size, split_chunks(n_frames, kept, overlap), worked)


def _room(size: tuple[int, int], memory_gb: float) -> float:
    """GB per pixel that are left for frames."""
    return (memory_gb - _BASE_GB) / (size[0] * size[1]) - _PIXEL_GB


def split_chunks(n_frames: int, length: int, overlap: int) -> list[tuple[int, int]]:
    """Chunks (start, end) of `length` frames, each sharing at least `overlap` with the next."""
    if length >= n_frames:
        return [(0, n_frames)]
    count = -(-(n_frames - overlap) // (length - overlap))
    starts = np.linspace(0, n_frames - length, count).round().astype(int)
    return [(int(start), int(start) + length) for start in starts]


def chunk_weight(chunks: list[tuple[int, int]], place: int, index: int) -> float:
    """Weight of chunk `place` in frame `index`: it rises over what it shares with the chunk before, and falls alike."""
    start, end = chunks[place]
    rise = (index - start + 1) / (chunks[place - 1][1] - start + 1) if place else 1.0
    fall = (end - index) / (end - chunks[place + 1][0] + 1) if place + 1 < len(chunks) else 1.0
    return min(1.0, rise, fall)


def round_up_size(size: tuple[int, int]) -> tuple[int, int]:
    """The next size (width, height) with sides that the network takes."""
    width, height = (max(_LEAST_SIDE, -(-side // _MULTIPLE) * _MULTIPLE) for side in size)
    return width, height


def fit_to_network(image: Array, size: tuple[int, int]) -> Array:
    """A frame (uint8 (h, w, 3)) or mask (bool (h, w)) at `size` (w, h), masks as 0/255.

    Its edges are repeated to the right and below where that makes the size, else it is shrunk.
    """
    height, width = image.shape[:2]
    pixels = image.astype(np.uint8) * 255 if image.dtype == bool else image
    if round_up_size((width, height)) == size:
        border = cv2.BORDER_CONSTANT if image.dtype == bool else cv2.BORDER_REPLICATE
        return cv2.copyMakeBorder(pixels, 0, size[1] - height, 0, size[0] - width, border)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return (small > 0).astype(np.uint8) * 255 if image.dtype == bool else small


def undo_fit(image: Array, size: tuple[int, int]) -> Array:
    """A frame of `fit_to_network` back at the clip's `size` (w, h)."""
    if round_up_size(size) == (image.shape[1], image.shape[0]):
        return image[: size[1], : size[0]]
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
