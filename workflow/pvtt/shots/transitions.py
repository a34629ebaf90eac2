"""Transitions that a frame-difference detector gets wrong: dissolves and fades it misses, overlays it takes for cuts.

A dissolve or fade is a linear blend, frame = (1 - a) A + a B with `a` rising from 0 to 1 (Lienhart, "Comparison of
automatic shot boundary detection algorithms", SPIE 1999). Every frame is tested as a blend of the frames `reach`
before and after it: the part that no blend explains must be small beside the frame's distance to both (in a move,
something is elsewhere, not half there), and the two must differ in structure, in place (which keeps changes of light
apart) and displaced (which keeps slow moves over fine texture apart), unless one has lost its contrast. The extent is
the ramp that fits the blend factors best.

An overlay (title, subtitle, arrow) leaves the picture beside it in place. As in the edge change ratio of Zabih, Miller
and Mai (Multimedia Systems 1999), structure is compared after a search for the best displacement, here per block.

All functions work on thumbnails: uint8 (n, h, w, 3) RGB, long side `THUMB_PX`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

Array = np.ndarray

THUMB_PX = 96
_MAX_RESIDUAL = 0.22
_MIN_DISTANCE = 8.0
_MAX_SAME_STRUCTURE = 0.5
_MAX_DISPLACED = 0.4
_FADED_CONTRAST = 0.35
_TEXTURE_VARIANCE = 16.0
_SAME_BLOCK = 0.8


def thumbnail(frame: Array, long_side: int = THUMB_PX) -> Array:
    """A frame shrunk to a long side in pixels by area averaging, never enlarged."""
    height, width = frame.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


# ---------------------------------------------------------------- overlays


def persistence(before: Array, after: Array, block: int = 6, search: int = 2) -> float:
    """Share of the textured blocks of two frames that show the same thing in both, 0..1; 0 without texture.

    A block of `block` pixels is the same when its normalised correlation with the other frame, best of all
    displacements of up to `search` pixels, is at least `_SAME_BLOCK`.
    """
    first, second = _grey(before), _grey(after)
    height, width = first.shape
    padded = np.pad(second, search, mode="edge")
    mean, variance = _moments(first, block)
    textured = np.maximum(variance, _moments(second, block)[1]) > _TEXTURE_VARIANCE
    best = np.full(variance.shape, -1.0, np.float32)
    for dy in range(2 * search + 1):
        for dx in range(2 * search + 1):
            moved = padded[dy : dy + height, dx : dx + width]
            moved_mean, moved_variance = _moments(moved, block)
            covariance = _blocks(first * moved, block) - mean * moved_mean
            best = np.maximum(best, covariance / np.sqrt(np.maximum(variance * moved_variance, 16.0)))
    return float((textured & (best >= _SAME_BLOCK)).sum() / max(1, textured.sum()))


def _grey(image: Array) -> Array:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) - 128.0


def _moments(image: Array, block: int) -> tuple[Array, Array]:
    mean = _blocks(image, block)
    return mean, _blocks(image * image, block) - mean**2


def _blocks(image: Array, block: int) -> Array:
    """Mean of every block of a float image; a rest at the right and bottom is left out."""
    rows, columns = image.shape[0] // block, image.shape[1] // block
    cut = image[: rows * block, : columns * block]
    return cut.reshape(rows, block, columns, block).mean(axis=(1, 3))


# ---------------------------------------------------------------- dissolves and fades


@dataclass(frozen=True)
class _Blend:
    """Frame `centre` is a blend of the frames `reach` before and after it, which lie `distance` grey levels apart."""

    centre: int
    reach: int
    distance: float


def find_gradual(thumbs: Sequence[Array], cuts: Sequence[int], fps: float) -> list[tuple[int, int]]:
    """Dissolves and fades of a video as (first, last) mixed frame, both included, between the given hard cuts.

    Transitions of 3 frames to about 2 seconds are found. Between two moving shots some stay unfound: motion is not a
    blend, and a false find would cost a good clip its end.
    """
    found: list[tuple[int, int]] = []
    bounds = [0, *cuts, len(thumbs)]
    for start, end in pairwise(bounds):
        shot = np.stack(thumbs[start:end]).astype(np.float32) if end - start >= 5 else np.zeros((0, 1, 1, 3))
        blends = _find_blends(shot, max(2, round(fps)))
        while blends:
            widest = max(blends, key=lambda blend: blend.distance)
            first, last = _extent(shot, widest)
            found.append((start + first, start + last))
            blends = [b for b in blends if b.centre + b.reach < first or b.centre - b.reach > last]
    return sorted(found)


def _find_blends(shot: Array, longest: int) -> list[_Blend]:
    reaches = sorted({reach for reach in (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48) if reach <= longest})
    blends = []
    for reach in reaches:
        for centre in range(reach, len(shot) - reach):
            distance = _blend_distance(shot[centre - reach], shot[centre], shot[centre + reach])
            if distance is not None:
                blends.append(_Blend(centre, reach, distance))
    return blends


def _blend_distance(before: Array, frame: Array, after: Array) -> float | None:
    """Distance in grey levels (RMS) between two frames whose blend a third is; None when it is not."""
    step = after - before
    energy = float(np.mean(step * step))
    if energy < _MIN_DISTANCE**2:
        return None
    moved = frame - before
    factor = float(np.mean(moved * step)) / energy
    if not 0.25 < factor < 0.75:
        return None
    moved_energy = float(np.mean(moved * moved))
    residual = moved_energy - factor**2 * energy
    nearest = min(moved_energy, float(np.mean((frame - after) ** 2)))
    if residual > _MAX_RESIDUAL * nearest:
        return None
    return energy**0.5 if _is_fade(before, after) or not _same_scene(before, after) else None


def _is_fade(first: Array, second: Array) -> bool:
    """Whether nearly all contrast of one frame is gone in the other: light that changes does not do that."""
    contrasts = sorted(float(image.mean(axis=2).std()) for image in (first, second))
    return contrasts[0] < _FADED_CONTRAST * contrasts[1]


def _same_scene(first: Array, second: Array) -> bool:
    """Whether two frames have the same structure, in place or displaced by a slow move."""
    if _same_structure(first, second) > _MAX_SAME_STRUCTURE:
        return True
    small = THUMB_PX // 2
    return persistence(thumbnail(first, small), thumbnail(second, small), search=3) > _MAX_DISPLACED


def _same_structure(first: Array, second: Array) -> float:
    """Correlation of two frames' luma gradients, -1..1."""
    gradients = []
    for image in (first, second):
        luma = image.mean(axis=2, dtype=np.float32)
        gradients.append(np.stack([cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)]))
    norm = float(np.sum(gradients[0] ** 2)) * float(np.sum(gradients[1] ** 2))
    return float(np.sum(gradients[0] * gradients[1])) / (norm**0.5 + 1e-6)


def _extent(shot: Array, blend: _Blend) -> tuple[int, int]:
    """First and last mixed frame: the ramp that fits the blend factors around a transition, and a frame each side."""
    low = max(0, blend.centre - 2 * blend.reach - 2)
    high = min(len(shot), blend.centre + 2 * blend.reach + 3)
    before, after = shot[blend.centre - blend.reach], shot[blend.centre + blend.reach]
    step = after - before
    factors = np.array([float(np.mean((frame - before) * step)) for frame in shot[low:high]])
    factors /= float(np.mean(step * step))
    times = np.arange(len(factors), dtype=float)
    best = (np.inf, 0, len(factors) - 1)
    for first in range(len(factors) - 1):
        for last in range(first + 2, len(factors)):
            ramp = np.clip((times - first) / (last - first), 0, 1)
            error = _fit_error(ramp, factors)
            if error < best[0] - 1e-12:
                best = (error, first, last)
    # `first` and `last` are the frames at 0 and 1: pure, but for easing, which starts slower than a straight ramp.
    return max(0, low + best[1]), min(len(shot) - 1, low + best[2])


def _fit_error(ramp: Array, values: Array) -> float:
    """Squared error of the best straight line from a ramp to values."""
    spread = float(np.var(ramp))
    slope = float(np.mean((ramp - ramp.mean()) * (values - values.mean()))) / spread if spread else 0.0
    return float(np.sum((values - values.mean() - slope * (ramp - ramp.mean())) ** 2))
