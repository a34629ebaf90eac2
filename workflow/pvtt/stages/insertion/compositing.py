"""What a generative backend is given of a pair, and what it is found to have made of it."""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.geometry import box_of, dilated, padded_box
from pvtt.stages.insertion.base import Box, InsertionError

Array = np.ndarray

_SPREAD_PX = 4  # px: encoding spreads a change beyond the region, half a chroma block of 4:2:0 at most
_SOFT_PX = 1.5  # px: standard deviation of the transition from background to source
_LEAST_WEIGHT = 0.02  # share of the background: less is the source
_MARGIN = 0.06  # margin of the reference image, both sides together, relative to its side


def reference_on_white(cutout: Array, size: tuple[int, int]) -> Array:
    """Draw a cut-out on a white picture, as large as fits.

    Parameters
    ----------
    cutout : uint8 (h, w, 4) RGBA, not premultiplied
    size : (width, height)
        Size of the picture in px.

    Returns
    -------
    uint8 (height, width, 3) RGB

    Raises
    ------
    InsertionError
        If no pixel is opaque.
    """
    box = box_of(cutout[..., 3] > 127)
    if box is None:
        raise InsertionError("the cut-out has no opaque pixel")
    part = cutout[box[1] : box[3], box[0] : box[2]]
    alpha = part[..., 3:].astype(np.float32) / 255
    on_white = part[..., :3] * alpha + 255 * (1 - alpha)
    room = [(1 - _MARGIN) * side for side in size]
    scale = min(room[0] / part.shape[1], room[1] / part.shape[0])
    width, height = (max(1, round(side * scale)) for side in part.shape[1::-1])
    drawn = cv2.resize(on_white, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    result = np.full((size[1], size[0], 3), 255, np.uint8)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    result[top : top + height, left : left + width] = np.clip(np.rint(drawn), 0, 255)
    return result


def edges_in(cutout: Array, box: Box, frame: tuple[int, int], size: tuple[int, int]) -> Array:
    """Edges of a cut-out in its box: a sketch of what is to be where.

    White lines, the rim and Canny's edges inside, on black.

    Parameters
    ----------
    cutout : uint8 (h, w, 4) RGBA, not premultiplied
    box : (x0, y0, x1, y1)
        Where the product is to be, in px of the frame.
    frame : (width, height)
        Size of the frame in px.
    size : (width, height)
        Size of the result in px.

    Returns
    -------
    uint8 (height, width, 4) RGBA
        Opaque (255) where the product is, else 0. All 0 for a cut-out without opaque pixels.

    References
    ----------
    Canny, 1986.
    """
    opaque = box_of(cutout[..., 3] > 127)
    result = np.zeros((size[1], size[0], 4), np.uint8)
    if opaque is None:
        return result
    scale = size[0] / frame[0], size[1] / frame[1]
    x0, y0, x1, y1 = (round(side * scale[index % 2]) for index, side in enumerate(box))
    part = cutout[opaque[1] : opaque[3], opaque[0] : opaque[2]]
    drawn = cv2.resize(part, (max(1, x1 - x0), max(1, y1 - y0)), interpolation=cv2.INTER_AREA)
    inside = drawn[..., 3] > 127
    grey = cv2.cvtColor(np.ascontiguousarray(drawn[..., :3]), cv2.COLOR_RGB2GRAY)
    rim = inside & dilated(np.pad(~inside, 1, constant_values=True), 1)[1:-1, 1:-1]
    lines = rim | ((cv2.Canny(grey, 60, 160) > 0) & inside)
    layer = np.dstack([*([lines * np.uint8(255)] * 3), inside * np.uint8(255)])
    left, top, right, bottom = max(0, x0), max(0, y0), min(size[0], x1), min(size[1], y1)
    if right > left and bottom > top:
        result[top:bottom, left:right] = layer[top - y0 : bottom - y0, left - x0 : right - x0]
    return result


def put_back(frame: Array, made: Array, region: Array, feather_px: float) -> Array:
    """Put a region of a generated frame into a frame.

    Parameters
    ----------
    frame, made : uint8 (h, w, 3) RGB
        The frame and the generated one.
    region : bool (h, w)
    feather_px : float
        Width of the transition in px. It lies inside the region, but not at the frame's edges.

    Returns
    -------
    uint8 (h, w, 3) RGB
        Outside the region, `frame` bit for bit; `frame` itself if the region is empty.
    """
    box = box_of(region)
    if box is None:
        return frame
    x0, y0, x1, y1 = box
    part = np.s_[y0:y1, x0:x1]
    # Beyond the frame the region goes on, or its edge would fade to the frame there.
    around = np.pad(region, 1, mode="edge")[y0 : y1 + 2, x0 : x1 + 2].astype(np.uint8)
    inside = cv2.distanceTransform(around, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    alpha = np.clip(inside / max(feather_px, 1e-3), 0, 1)[..., None]
    mixed = frame[part] + alpha * (made[part].astype(np.float32) - frame[part])
    result = frame.copy()
    result[part] = np.where(region[part][..., None], np.clip(np.rint(mixed), 0, 255).astype(np.uint8), frame[part])
    return result


def restore_background(source: Array, background: Array, region: Array) -> Array:
    """Frame without the product: the background in `region`, the source elsewhere.

    Parameters
    ----------
    source, background : uint8 (h, w, 3), RGB, 0-255
        The frame with and without the product. Both are decoded, so they differ a little everywhere.
    region : bool (h, w)
        Where the removal changed the frame before encoding (region.mkv).

    Returns
    -------
    uint8 (h, w, 3)
        The background's pixels in the region, a soft transition outside it, and the source's pixels beyond.
    """
    box = box_of(region)
    if box is None:
        return source
    x0, y0, x1, y1 = padded_box(box, _SPREAD_PX + round(4 * _SOFT_PX), region.shape[1], region.shape[0])
    part = np.s_[y0:y1, x0:x1]
    inside = region[part]
    soft = cv2.GaussianBlur(dilated(inside, _SPREAD_PX).astype(np.float32), (0, 0), _SOFT_PX)
    soft = np.where(inside, 1, np.where(soft < _LEAST_WEIGHT, 0, soft)).astype(np.float32)
    result = source.copy()
    mixed = source[part] + soft[..., None] * (background[part].astype(np.float32) - source[part])
    result[part] = np.rint(mixed).astype(np.uint8)
    return result
