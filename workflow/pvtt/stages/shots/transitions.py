"""Gradual transitions and overlays: what a frame-difference detector misses, and what it takes for cuts.

Dissolves and fades are windows of frames that `pvtt.stages.shots.blends` scores as blends, and whose ends do not show
the same scene displaced. The extent is the ramp that fits the blend factors best.

An overlay (title, subtitle, arrow) leaves the picture beside it in place. As in the edge change ratio of Zabih, Miller
and Mai ("A feature-based algorithm for detecting and classifying production effects", Multimedia Systems 1999),
structure is compared after a search for the best displacement, here per block.

All functions work on thumbnails: uint8 (n, h, w, 3) RGB, long side `THUMB_PX`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.stages.shots.blends import REACHES, BlendWindows, FrameProducts

Array = np.ndarray

THUMB_PX = 96  # px, long side of the thumbnails
_MIN_SCORE = 2.0  # log-odds of a blend window (see `blends`), from which it is a candidate
_MAX_OVERLAP = 0.35  # of the shorter one: frames that a window may share with a transition found before
_MARGIN_FRAMES = 1  # frames added to both sides of a transition, as easing starts slower than a straight ramp
_CONFIDENT_SCORE = 6.5  # log-odds from which a window is a confident candidate
_MAX_DISPLACED, _MAX_DISPLACED_CONFIDENT = 0.4, 0.7  # of the textured blocks: same content at both ends, displaced
_TEXTURE_VARIANCE = 16.0  # squared gray levels; a block with less has no texture
_MIN_BLOCK_CORRELATION = 0.8  # normalised correlation from which two blocks show the same


def thumbnail(frame: Array, long_side: int = THUMB_PX) -> Array:
    """Reduce a frame by area averaging.

    Parameters
    ----------
    frame : uint8 (h, w, 3) RGB
    long_side : int
        Largest length of the long side, px; a smaller frame is not enlarged.

    Returns
    -------
    uint8 (h', w', 3) RGB
        No side is below 8 px.
    """
    height, width = frame.shape[:2]
    scale = min(1.0, long_side / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))


# ---------------------------------------------------------------- overlays


def persistence(before: Array, after: Array, block: int = 6, search: int = 2) -> float:
    """Share of the textured blocks of two frames that show the same content.

    A block is the same if its normalised correlation with the other frame, at the best displacement of up to `search`
    px, is at least `_MIN_BLOCK_CORRELATION`.

    Parameters
    ----------
    before, after : uint8 (h, w, 3) RGB
    block : int
        Side of a block in px.
    search : int
        px

    Returns
    -------
    Share in [0, 1]; 0 without texture.
    """
    first, second = _centered_gray(before), _centered_gray(after)
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
    return float((textured & (best >= _MIN_BLOCK_CORRELATION)).sum() / max(1, textured.sum()))


def _centered_gray(image: Array) -> Array:
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
    """Dissolves and fades of a video, from 3 frames to about 2 seconds.

    Parameters
    ----------
    thumbs : uint8 (h, w, 3) RGB, one per frame
    cuts : list of int
        Hard cuts. A transition contains one only if it lies in the window that shows the blend.
    fps : float
    certain : list of int
        The cuts that no window may span.

    Returns
    -------
    (first, last) mixed frame of each transition, both included, ascending.
    """
    if len(thumbs) < 5:
        return []
    pictures = FrameProducts(thumbs)
    found: list[tuple[int, int]] = []
    for window in _candidates(pictures, max(2, round(fps))):
        if any(window.first < cut <= window.last for cut in certain):
            continue
        if any(_overlap_share(window, extent) > _MAX_OVERLAP for extent in found):
            continue
        limit = _MAX_DISPLACED if window.score < _CONFIDENT_SCORE else _MAX_DISPLACED_CONFIDENT
        if not window.faded and _displaced_share(thumbs[window.first], thumbs[window.last]) > limit:
            continue
        found.append(_transition_extent(pictures.colours, window, cuts))
    return _merge_overlapping(found)


def _merge_overlapping(extents: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Extents in order, overlapping ones merged: a fade-out and the fade-in after it."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(extents):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


@dataclass(frozen=True, order=True)
class _Candidate:
    """A window that looks like a transition; `distance` of its ends in gray levels, `faded` if one end lost its
    contrast.
    """

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


def _overlap_share(window: _Candidate, extent: tuple[int, int]) -> float:
    """Frames that a window shares with an extent, relative to the shorter of both."""
    common = min(window.last, extent[1]) - max(window.first, extent[0]) + 1
    return common / min(2 * window.reach + 1, extent[1] - extent[0] + 1)


def _candidates(pictures: FrameProducts, longest: int) -> list[_Candidate]:
    """Windows that look like a transition, best first."""
    candidates = []
    for reach in REACHES:
        if reach <= longest and pictures.count > 2 * reach:
            windows = BlendWindows(pictures, reach)
            scores = windows.scores()
            for index in np.flatnonzero(scores > _MIN_SCORE):
                distance, faded = float(windows.distances[index]), bool(windows.faded[index])
                candidates.append(_Candidate(float(scores[index]), int(index) + reach, reach, distance, faded))
    return sorted(candidates, reverse=True)


def _displaced_share(first: Array, second: Array) -> float:
    """Share of two frames, 0 to 1, that shows the same content displaced by a slow move."""
    small = THUMB_PX // 2
    return persistence(thumbnail(first, small), thumbnail(second, small), search=3)


def _transition_extent(frames: Array, window: _Candidate, cuts: Sequence[int]) -> tuple[int, int]:
    """First and last mixed frame: the ramp that fits the blend factors around a window, then around that ramp."""
    low = max([0, *(cut for cut in cuts if cut <= window.first)])
    high = min([len(frames), *(cut for cut in cuts if cut > window.last)])
    margin = window.reach + 2
    first, last = _fit_ramp(
        frames, (window.first, window.last), max(low, window.first - margin), min(high, window.last + margin + 1)
    )
    margin = max(4, (last - first) // 2)
    first, last = _fit_ramp(frames, (first, last), max(low, first - margin), min(high, last + margin + 1))
    reach = window.reach + window.reach // 2 + 2
    low, high = max(low, window.centre - reach), min(high, window.centre + reach + 1)
    return max(low, first - _MARGIN_FRAMES), min(high - 1, last + _MARGIN_FRAMES)


def _fit_ramp(frames: Array, ends: tuple[int, int], low: int, high: int) -> tuple[int, int]:
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
