"""Content rectangle of a video: what remains when baked-in bars are cut away, and the size it is worked at.

A bar is a run of rows (or columns) from an edge inwards that has one colour in space and in time and ends in a straight
step: most of the next rows' pixels differ from that colour in at least one of the sampled frames. The step is what
tells a bar from plain studio ground, which is as uniform but ends in the outline of whatever stands on it. Bars are
peeled from all four sides again and again, so coloured side bars inside black top and bottom bars are found too.
FFmpeg's `cropdetect` does the first half (uniform dark rows) and takes dark scenes for bars, which the step avoids.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Array = np.ndarray
Rect = tuple[int, int, int, int]

# Grey levels by which a bar's pixels may differ from its colour. The narrow limits are for dark scenes in black bars.
_TOLERANCES = (12, 6, 3)
# Share of a row that may differ all the same, and mean difference of a bar: studio ground is uniform, a bar is flat.
_SPECKS = 0.01
_FLAT = 1.5
# Share of the line beyond a bar that differs from it, all along and in its first and last tenth.
_STRAIGHT = 0.6
_STRAIGHT_AT_ENDS = 0.3
_STEP_PX = 3
_MIN_CONTENT = 0.15
# Sub-pixel edges of scaled bars and the ringing beside them.
_INSET_PX = 1


def find_content(frames: Sequence[Array]) -> Rect:
    """Rectangle [x, y, w, h] inside the bars that all frames share; the whole frame when there are none.

    `frames`: some frames of one shot or one video, uint8 (h, w, 3) RGB, of one size, best spread over its length.
    """
    stack = np.stack([cv2.medianBlur(np.ascontiguousarray(frame), 3) for frame in frames])  # without GIF dither
    height, width = stack.shape[1:3]
    x0, y0, x1, y1 = 0, 0, width, height
    for _ in range(4):
        view = stack[:, y0:y1, x0:x1]
        top, bottom = _bars(view)
        left, right = _bars(view.transpose(0, 2, 1, 3)[:, :, top : view.shape[1] - bottom])
        if not (top or bottom or left or right):
            break
        x0, y0, x1, y1 = x0 + left, y0 + top, x1 - right, y1 - bottom
    if x1 - x0 < _MIN_CONTENT * width or y1 - y0 < _MIN_CONTENT * height:
        return 0, 0, width, height
    return x0, y0, x1 - x0, y1 - y0


def has_bars(frames: Sequence[Array], rect: Rect) -> bool:
    """Whether everything outside `rect` is bars in these frames too: one colour along each row or column, all the time.

    For a shot in which the bars' step cannot be seen (it is dark, or fades) but the whole video has them.
    """
    stack = np.stack(frames)
    x, y, w, h = rect
    level = stack[:, y : y + h].transpose(0, 2, 1, 3)
    strips = (stack[:, :y], stack[:, y + h :], level[:, :x], level[:, x + w :])
    return all(_is_bar(strip) for strip in strips if strip.shape[1] > _INSET_PX)


def is_blank(frames: Sequence[Array], rect: Rect, min_contrast: float = 4.0) -> bool:
    """Whether no frame shows anything inside `rect`: each is one colour, its standard deviation under `min_contrast`.

    Measured on a quarter-size average of each channel, so that noise does not count as content.
    """
    x, y, w, h = rect
    size = (max(1, w // 4), max(1, h // 4))
    for frame in frames:
        small = cv2.resize(frame[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
        if float(small.reshape(-1, 3).std(axis=0).max()) >= min_contrast:
            return False
    return True


def intersect(first: Rect, second: Rect) -> Rect:
    """Common part of two rectangles; the first when they have none."""
    x0, y0 = max(first[0], second[0]), max(first[1], second[1])
    x1 = min(first[0] + first[2], second[0] + second[2])
    y1 = min(first[1] + first[3], second[1] + second[3])
    return (x0, y0, x1 - x0, y1 - y0) if x1 > x0 and y1 > y0 else first


def working_size(rect: Rect, short_side: int, multiple: int) -> tuple[Rect, int, int]:
    """Rectangle to cut and the width and height to scale it to.

    Output sides are multiples of `multiple`, the short one at most `short_side`, and never larger than the source.
    The aspect is kept by cutting a few pixels, centred, rather than by stretching; where no scaling is needed the
    pixels are the source's. ValueError when the content is smaller than one multiple.
    """
    x, y, w, h = rect
    scale = min(1.0, short_side / min(w, h))
    out_w, out_h = (int(side * scale + 1e-6) // multiple * multiple for side in (w, h))
    if out_w == 0 or out_h == 0:
        raise ValueError(f"content of {w}x{h} pixels is smaller than {multiple} pixels")
    if scale == 1.0:
        cut_w, cut_h = out_w, out_h
    else:
        larger = min(w / out_w, h / out_h)
        cut_w, cut_h = min(w, round(out_w * larger)), min(h, round(out_h * larger))
    return (_centred(x, w, cut_w), _centred(y, h, cut_h), cut_w, cut_h), out_w, out_h


def _centred(start: int, length: int, cut: int) -> int:
    """First pixel of a centred cut, on an even pixel where there is room: chroma is stored for pairs of pixels."""
    first = start + (length - cut) // 2
    if first % 2 and first > start:
        first -= 1
    return first


def _bars(stack: Array) -> tuple[int, int]:
    """Rows to cut at the top and at the bottom of frames (n, h, w, 3)."""
    for tolerance in _TOLERANCES:
        top, bottom = _bar(stack, tolerance), _bar(stack[:, ::-1], tolerance)
        if top or bottom:
            return top, bottom
    return 0, 0


def _bar(stack: Array, tolerance: int) -> int:
    """Rows of the bar at the top of frames (n, h, w, 3), with the inset; 0 when there is none."""
    height = stack.shape[1]
    colour = np.median(stack[:, 0].reshape(-1, 3), axis=0)
    depth = 0
    while depth < height and _off_colour(stack[:, depth], colour, tolerance).mean() <= _SPECKS:
        depth += 1
    if depth == 0 or depth >= height:
        return 0
    if np.abs(stack[:, :depth] - colour).mean() > _FLAT:
        return 0
    # Twice the tolerance within a few rows is a step; a gradient that drifts past the tolerance is none.
    beyond = _off_colour(stack[:, depth : depth + _STEP_PX], colour, 2 * tolerance)
    differs: Array = np.any(beyond, axis=(0, 1))
    tenth = max(1, len(differs) // 10)
    ends = min(differs[:tenth].mean(), differs[-tenth:].mean())
    straight = differs.mean() >= _STRAIGHT and ends >= _STRAIGHT_AT_ENDS
    return min(depth + _INSET_PX, height) if straight else 0


def _is_bar(strip: Array) -> bool:
    colours = np.median(strip, axis=(0, 2), keepdims=True)
    return bool(_off_colour(strip, colours, _TOLERANCES[0]).mean() <= _SPECKS)


def _off_colour(pixels: Array, colour: Array, tolerance: int) -> Array:
    """Which pixels (..., 3) differ from a colour by more than the tolerance in any channel."""
    return np.asarray((np.abs(pixels.astype(np.int16) - np.rint(colour).astype(np.int16)) > tolerance).any(axis=-1))
