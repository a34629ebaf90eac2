"""Transitions that a frame-difference detector gets wrong: dissolves and fades it misses, overlays it takes for cuts.

Dissolves and fades are windows of frames that `pvtt.stages.shots.blends` scores as blends, whose ends do not show the same
scene displaced. The extent is the ramp that fits the blend factors best.

An overlay (title, subtitle, arrow) leaves the picture beside it in place. As in the edge change ratio of Zabih, Miller
and Mai (Multimedia Systems 1999), structure is compared after a search for the best displacement, here per block.

All functions work on thumbnails: uint8 (n, h, w, 3) RGB, long side `THUMB_PX`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.stages.shots.blends import REACHES, Pictures, Windows

Array = np.ndarray

THUMB_PX = 96
_MIN_SCORE = 2.0
_MAX_SHARED = 0.35
_MARGIN = 1
_SURE_SCORE = 6.5
_MAX_DISPLACED, _MAX_DISPLACED_SURE = 0.4, 0.7
_TEXTURE_VARIANCE = 16.0
_SAME_BLOCK = 0.8


def thumbnail(frame: Array, long_side: int = THUMB_PX) -> Array:
    """A frame shrunk to a long side in pixels by area averaging, never enlarged."""
    height, width = frame.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))


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
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) - 128.0)


def _moments(image: Array, block: int) -> tuple[Array, Array]:
    mean = _blocks(image, block)
    return mean, _blocks(image * image, block) - mean**2


def _blocks(image: Array, block: int) -> Array:
    """Mean of every block of a float image; a rest at the right and bottom is left out."""
    rows, columns = image.shape[0] // block, image.shape[1] // block
    cut = image[: rows * block, : columns * block]
    return np.asarray(cut.reshape(rows, block, columns, block).mean(axis=(1, 3)))


# ---------------------------------------------------------------- dissolves and fades


def find_gradual(
    thumbs: Sequence[Array], cuts: Sequence[int], fps: float, certain: Sequence[int] = ()
) -> list[tuple[int, int]]:
    """Dissolves and fades of a video as (first, last) mixed frame, both included, ascending.

    Transitions of 3 frames to about 2 seconds are found. Of the hard `cuts`, none lies in an extent unless it lies in
    the window that shows the blend; no window reaches over one of the `certain` cuts, which are among them.
    """
    if len(thumbs) < 5:
        return []
    pictures = Pictures(thumbs)
    found: list[tuple[int, int]] = []
    for window in _candidates(pictures, max(2, round(fps))):
        if any(window.first < cut <= window.last for cut in certain):
            continue
        if any(_shared(window, extent) > _MAX_SHARED for extent in found):
            continue
        limit = _MAX_DISPLACED if window.score < _SURE_SCORE else _MAX_DISPLACED_SURE
        if not window.faded and _displaced(thumbs[window.first], thumbs[window.last]) > limit:
            continue
        found.append(_extent(pictures.colours, window, cuts))
    return _joined(found)


def _joined(extents: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Extents in order, those that overlap as one: a fade out and the fade in after it."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(extents):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


@dataclass(frozen=True, order=True)
class _Candidate:
    """A window that looks like a transition; `distance` of its ends in grey levels, `faded` when one lost contrast."""

    score: float
    centre: int
    reach: int
    distance: float
    faded: bool

    @property
    def first(self) -> int:
        """First frame of the window."""
        return self.centre - self.reach

    @property
    def last(self) -> int:
        """Last frame of the window."""
        return self.centre + self.reach


def _shared(window: _Candidate, extent: tuple[int, int]) -> float:
    """Frames that a window has in common with an extent, as a share of the shorter of both."""
    common = min(window.last, extent[1]) - max(window.first, extent[0]) + 1
    return common / min(2 * window.reach + 1, extent[1] - extent[0] + 1)


def _candidates(pictures: Pictures, longest: int) -> list[_Candidate]:
    """Windows that look like a transition, best first."""
    candidates = []
    for reach in REACHES:
        if reach <= longest and pictures.count > 2 * reach:
            windows = Windows(pictures, reach)
            scores = windows.scores()
            for index in np.flatnonzero(scores > _MIN_SCORE):
                distance, faded = float(windows.distances[index]), bool(windows.faded[index])
                candidates.append(_Candidate(float(scores[index]), int(index) + reach, reach, distance, faded))
    return sorted(candidates, reverse=True)


def _displaced(first: Array, second: Array) -> float:
    """Share of two frames that shows the same in both, displaced by a slow move, 0..1."""
    small = THUMB_PX // 2
    return persistence(thumbnail(first, small), thumbnail(second, small), search=3)


def _extent(frames: Array, window: _Candidate, cuts: Sequence[int]) -> tuple[int, int]:
    """First and last mixed frame: the ramp that fits the blend factors around a window, then around that ramp."""
    low = max([0, *(cut for cut in cuts if cut <= window.first)])
    high = min([len(frames), *(cut for cut in cuts if cut > window.last)])
    margin = window.reach + 2
    first, last = _ramp(
        frames, (window.first, window.last), max(low, window.first - margin), min(high, window.last + margin + 1)
    )
    margin = max(4, (last - first) // 2)
    first, last = _ramp(frames, (first, last), max(low, first - margin), min(high, last + margin + 1))
    reach = window.reach + window.reach // 2 + 2
    low, high = max(low, window.centre - reach), min(high, window.centre + reach + 1)
    return max(low, first - _MARGIN), min(high - 1, last + _MARGIN)


def _ramp(frames: Array, ends: tuple[int, int], low: int, high: int) -> tuple[int, int]:
    """The ramp from 0 to 1 that fits the blend factors of the frames low to high (excluded) best, start and end.

    Both frames are pure, but for easing, which starts slower than a straight ramp.
    """
    before, step = frames[ends[0]], frames[ends[1]] - frames[ends[0]]
    factors = ((frames[low:high] - before) * step).mean(axis=(1, 2, 3)) / max(float(np.mean(step * step)), 1e-6)
    count = len(factors)
    times = np.arange(count, dtype=float)
    starts, stops = (index.ravel() for index in np.meshgrid(times, times, indexing="ij"))
    fits = stops >= starts + 2
    starts, stops = starts[fits], stops[fits]
    ramps = np.clip((times - starts[:, None]) / (stops - starts)[:, None], 0, 1)
    ramps -= ramps.mean(axis=1, keepdims=True)
    factors = factors - factors.mean()
    gains = (ramps @ factors) ** 2 / np.maximum((ramps * ramps).sum(axis=1), 1e-9)
    best = int(np.argmax(gains))
    return low + int(starts[best]), low + int(stops[best])
