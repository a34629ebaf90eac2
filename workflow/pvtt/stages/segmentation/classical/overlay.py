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

_JUMP, _STEADY = 30, 12  # grey levels
_LEAST_WIDTH = 5  # px at 240 px short side; moving contours change narrower strips
_LEAST_AREA, _LARGEST_AREA = 0.01, 0.15  # of the frame; arms that leave fast uncover more
_SUDDEN = 3  # times the changed area of the steps before and after: hands and cameras move for several frames
_GAP = 0.15  # of the width: letters and bars run on over what has their own colour
_LOOK = 8  # frames before and after the change


def overlays(frames: Sequence[Array]) -> Array:
    """Where overlays lie, bool (n, h, w), in frames uint8 (h, w, 3) RGB of about 240 px on the short side."""
    found = np.zeros((len(frames), *frames[0].shape[:2]), bool)
    steps = [_difference(a, b) for a, b in pairwise(frames)]
    extent = [_wide(step > _JUMP).mean() for step in steps]
    for number in range(1, len(steps) - 1):
        if not _SUDDEN * max(extent[number - 1], extent[number + 1]) + _LEAST_AREA < extent[number] < 0.5:
            continue
        steady = (steps[number - 1] < _STEADY) & (steps[number + 1] < _STEADY)
        zone = _wide((steps[number] > _JUMP) & steady)
        if not _LEAST_AREA <= zone.mean() <= _LARGEST_AREA:
            continue
        zone = _joined(zone)
        before = np.mean([step[zone].mean() for step in steps[max(0, number - _LOOK) : number]])
        after = np.mean([step[zone].mean() for step in steps[number + 1 : number + 1 + _LOOK]])
        if before < 0.7 * after:
            found[: number + 1] |= zone
        elif after < 0.7 * before:
            found[number + 1 :] |= zone
    return found


def _difference(first: Array, second: Array) -> Array:
    return cv2.absdiff(first, second).max(2)


def _wide(change: Array) -> Array:
    """Changed areas of some width, closed over the gaps between letters."""
    kernel = np.ones((_LEAST_WIDTH, _LEAST_WIDTH), np.uint8)
    opened = cv2.morphologyEx(change.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)) > 0


def _joined(zone: Array) -> Array:
    """The zone closed along lines of text."""
    line = np.ones((1, max(9, int(_GAP * zone.shape[1]) | 1)), np.uint8)
    return cv2.morphologyEx(zone.astype(np.uint8), cv2.MORPH_CLOSE, line) > 0
