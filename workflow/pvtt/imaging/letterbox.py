"""Detection of letterbox and pillarbox bars, and the crop and size at which a video is processed.

A bar is a run of rows (or columns) at an edge that has one colour in space and time and ends in a straight step: most
pixels of the next rows differ from that colour in at least one of the sampled frames. The step distinguishes a bar from
a plain studio background, which is as uniform but ends at the outline of an object. Bars are removed from all four
sides repeatedly, so that coloured side bars inside black top and bottom bars are found. FFmpeg's `cropdetect` looks for
uniform dark rows only and also crops dark scenes.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pvtt.io.arrays import AnyArray, BoolArray, UInt8Array

Rect = tuple[int, int, int, int]  # (x, y, width, height), px

# Grey levels by which pixels of a bar may differ from its colour, tried in this order; the small ones are for dark
# scenes between black bars.
_TOLERANCES = (12, 6, 3)
_MAX_OUTLIERS = 0.01  # largest share of the pixels of a row of a bar that may differ more
_MAX_MEAN_DIFFERENCE = 1.5  # grey levels: largest mean difference of a bar from its colour
_MIN_STEP_SHARE = 0.6  # smallest share of the line after a bar that differs from the bar
_MIN_STEP_SHARE_AT_ENDS = 0.3  # the same, in the first and in the last tenth of the line
_STEP_PX = 3  # px: rows after a bar in which the step is looked for
_MIN_CONTENT = 0.15  # smallest width and height of the content, relative to the frame
_INSET_PX = 1  # px that are cut in addition: sub-pixel edges of scaled bars and ringing


def detect_letterbox(frames: Sequence[UInt8Array]) -> Rect:
    """Find the content rectangle inside the bars that all frames share.

    Parameters
    ----------
    frames : sequence of uint8 (h, w, 3), RGB
        Some frames of one shot or one video, if possible spread over its length.

    Returns
    -------
    (x, y, width, height) in px
        The whole frame if there are no bars.
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


def has_bars(frames: Sequence[UInt8Array], rect: Rect) -> bool:
    """Check whether everything outside a rectangle is bars: each row or column has one colour over time.

    For a shot in which the step is not visible (it is dark, or fades) although the video has bars.

    Parameters
    ----------
    frames : sequence of uint8 (h, w, 3), RGB
    rect : (x, y, width, height) in px

    Returns
    -------
    bool
    """
    stack = np.stack(frames)
    x, y, w, h = rect
    level = stack[:, y : y + h].transpose(0, 2, 1, 3)
    strips = (stack[:, :y], stack[:, y + h :], level[:, :x], level[:, x + w :])
    return all(_is_bar(strip) for strip in strips if strip.shape[1] > _INSET_PX)


def is_blank(frames: Sequence[UInt8Array], rect: Rect, min_contrast: float = 4.0) -> bool:
    """Check whether all frames have a single colour inside a rectangle.

    The contrast is measured on an average at a quarter of the size, so that noise does not count as content.

    Parameters
    ----------
    frames : sequence of uint8 (h, w, 3), RGB
    rect : (x, y, width, height) in px
    min_contrast : float
        Smallest standard deviation of content in any channel, grey levels.

    Returns
    -------
    bool
    """
    x, y, w, h = rect
    size = (max(1, w // 4), max(1, h // 4))
    for frame in frames:
        small = cv2.resize(frame[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
        if float(small.reshape(-1, 3).std(axis=0).max()) >= min_contrast:
            return False
    return True


def intersect(first: Rect, second: Rect) -> Rect:
    """Intersection of two rectangles; the first one if it is empty."""
    x0, y0 = max(first[0], second[0]), max(first[1], second[1])
    x1 = min(first[0] + first[2], second[0] + second[2])
    y1 = min(first[1] + first[3], second[1] + second[3])
    return (x0, y0, x1 - x0, y1 - y0) if x1 > x0 and y1 > y0 else first


def working_size(rect: Rect, short_side: int, multiple: int) -> tuple[Rect, int, int]:
    """Choose the rectangle to crop and the size to scale it to.

    The aspect ratio is kept: a few pixels are cropped symmetrically instead of stretching the image. Frames are never
    enlarged.

    Parameters
    ----------
    rect : (x, y, width, height) in px
        Content rectangle.
    short_side : int
        Largest length of the short side after scaling, px.
    multiple : int
        Both sides are multiples of it after scaling, px.

    Returns
    -------
    crop : (x, y, width, height) in px
    width, height : int
        After scaling, px.

    Raises
    ------
    ValueError
        If the content is smaller than one multiple.
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
    """First pixel of a centred crop; even if possible, because chroma is stored for pairs of pixels."""
    first = start + (length - cut) // 2
    if first % 2 and first > start:
        first -= 1
    return first


def _bars(stack: UInt8Array) -> tuple[int, int]:
    """Rows to crop at the top and at the bottom of frames (n, h, w, 3)."""
    for tolerance in _TOLERANCES:
        top, bottom = _bar(stack, tolerance), _bar(stack[:, ::-1], tolerance)
        if top or bottom:
            return top, bottom
    return 0, 0


def _bar(stack: UInt8Array, tolerance: int) -> int:
    """Rows of the bar at the top of frames (n, h, w, 3), with the inset; 0 if there is none."""
    height = stack.shape[1]
    colour = np.median(stack[:, 0].reshape(-1, 3), axis=0)
    depth = 0
    while depth < height and _off_colour(stack[:, depth], colour, tolerance).mean() <= _MAX_OUTLIERS:
        depth += 1
    if depth == 0 or depth >= height:
        return 0
    if np.abs(stack[:, :depth] - colour).mean() > _MAX_MEAN_DIFFERENCE:
        return 0
    # Twice the tolerance within a few rows is a step; a gradient that exceeds the tolerance is not.
    beyond = _off_colour(stack[:, depth : depth + _STEP_PX], colour, 2 * tolerance)
    differs: BoolArray = np.any(beyond, axis=(0, 1))
    tenth = max(1, len(differs) // 10)
    ends = min(differs[:tenth].mean(), differs[-tenth:].mean())
    straight = differs.mean() >= _MIN_STEP_SHARE and ends >= _MIN_STEP_SHARE_AT_ENDS
    return min(depth + _INSET_PX, height) if straight else 0


def _is_bar(strip: UInt8Array) -> bool:
    colours = np.median(strip, axis=(0, 2), keepdims=True)
    return bool(_off_colour(strip, colours, _TOLERANCES[0]).mean() <= _MAX_OUTLIERS)


def _off_colour(pixels: UInt8Array, colour: AnyArray, tolerance: int) -> BoolArray:
    """Which pixels (..., 3) differ from a colour by more than the tolerance in any channel, bool (...)."""
    return np.asarray((np.abs(pixels.astype(np.int16) - np.rint(colour).astype(np.int16)) > tolerance).any(axis=-1))
