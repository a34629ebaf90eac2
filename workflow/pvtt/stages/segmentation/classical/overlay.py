"""Titles, subtitles and other graphics laid over the video: they are not the product and may cover it.

An overlay appears or disappears within one frame over a wide area while the picture before and after changes little;
it belongs to the side on which the area moves less, as an overlay stays fixed on the screen while the scene moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

Array = np.ndarray

_MIN_CHANGE, _MAX_STEADY_CHANGE = 30, 12  # grey levels
_MIN_WIDTH_PX = 5  # px at 240 px short side; moving contours change narrower strips
_MIN_AREA, _MAX_AREA = 0.01, 0.15  # of the frame; arms that leave fast uncover more
_MIN_SUDDENNESS = 3  # times the changed area of the steps before and after: hands and cameras move for several frames
_TEXT_GAP = 0.15  # of the width: letters and bars run on over what has their own colour
_WINDOW = 8  # frames before and after the change


def detect_overlays(frames: Sequence[Array]) -> Array:
    """Where overlays lie, bool (n, h, w), in frames uint8 (h, w, 3) RGB of about 240 px on the short side."""
    found = np.zeros((len(frames), *frames[0].shape[:2]), bool)
    steps = [_difference(a, b) for a, b in pairwise(frames)]
    extent = [_wide_regions(step > _MIN_CHANGE).mean() for step in steps]
    for number in range(1, len(steps) - 1):
        if not _MIN_SUDDENNESS * max(extent[number - 1], extent[number + 1]) + _MIN_AREA < extent[number] < 0.5:
            continue
        steady_before_and_after = (steps[number - 1] < _MAX_STEADY_CHANGE) & (steps[number + 1] < _MAX_STEADY_CHANGE)
        zone = _wide_regions((steps[number] > _MIN_CHANGE) & steady_before_and_after)
        if not _MIN_AREA <= zone.mean() <= _MAX_AREA:
            continue
        zone = _join_text_lines(zone)
        before = np.mean([step[zone].mean() for step in steps[max(0, number - _WINDOW) : number]])
        after = np.mean([step[zone].mean() for step in steps[number + 1 : number + 1 + _WINDOW]])
        if before < 0.7 * after:
            found[: number + 1] |= zone
        elif after < 0.7 * before:
            found[number + 1 :] |= zone
    return found


def _difference(first: Array, second: Array) -> Array:
    return cv2.absdiff(first, second).max(2)


def _wide_regions(change: Array) -> Array:
    """Changed areas of some width, closed over the gaps between letters."""
    kernel = np.ones((_MIN_WIDTH_PX, _MIN_WIDTH_PX), np.uint8)
    opened = cv2.morphologyEx(change.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)) > 0


def _join_text_lines(zone: Array) -> Array:
    """The zone closed along lines of text."""
    line = np.ones((1, max(9, int(_TEXT_GAP * zone.shape[1]) | 1)), np.uint8)
    return cv2.morphologyEx(zone.astype(np.uint8), cv2.MORPH_CLOSE, line) > 0
