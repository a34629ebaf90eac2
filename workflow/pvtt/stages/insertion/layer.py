"""Layers: a cut-out prepared for compositing, in linear light, and its rendering at a position, size and angle.

Colours are premultiplied by alpha (Porter and Duff, Compositing digital images, SIGGRAPH 1984), so that resampling
never mixes in colours of transparent pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.imaging.colour import to_linear
from pvtt.imaging.geometry import box_of
from pvtt.stages.insertion.base import InsertionError

Array = np.ndarray

_PAD = 2  # px: transparent border, so that the edge is interpolated


@dataclass(frozen=True)
class Cutout:
    """A cut-out: `layer` is premultiplied linear RGBA, float32 (h, w, 4), 0-1, cropped to its opaque box."""

    layer: Array

    @property
    def aspect(self) -> float:
        """Width over height."""
        height, width = self.layer.shape[:2]
        return float(width / height)

    @property
    def colours(self) -> Array:
        """Linear RGB, float32 (n, 3), not premultiplied, of the pixels with alpha above 0.9 (else above 0.5)."""
        opaque = self.layer[..., 3] > 0.9
        chosen = opaque if opaque.any() else self.layer[..., 3] > 0.5
        colours: Array = self.layer[chosen][:, :3] / self.layer[chosen][:, 3:]
        return colours


def prefilter(rgba: Array, longest_px: float) -> Cutout:
    """Convert an image to a layer and reduce it without aliasing.

    Parameters
    ----------
    rgba : uint8 (h, w, 4), RGBA, not premultiplied
    longest_px : float
        Largest length of the longer side in pixels; a smaller image is not enlarged.

    Raises
    ------
    InsertionError
        When no pixel is opaque.
    """
    box = box_of(rgba[..., 3] > 127)
    if box is None:
        raise InsertionError("the cut-out has no opaque pixel")
    x0, y0, x1, y1 = box
    alpha = rgba[y0:y1, x0:x1, 3:].astype(np.float32) / 255
    layer = np.concatenate([to_linear(rgba[y0:y1, x0:x1, :3]) * alpha, alpha], 2)
    scale = longest_px / max(layer.shape[:2])
    if scale < 1:
        size = (max(1, round(layer.shape[1] * scale)), max(1, round(layer.shape[0] * scale)))
        layer = cv2.resize(layer, size, interpolation=cv2.INTER_AREA)
    return Cutout(layer)


def render_layer(
    cutout: Cutout,
    centre: tuple[float, float],
    size: tuple[float, float],
    angle: float,
    window: tuple[int, int, int, int],
    soften_px: float = 0.0,
) -> Array:
    """Render a layer into a window of the frame.

    Parameters
    ----------
    cutout : Cutout
    centre : (x, y)
        Centre of its box in pixels, as a box coordinate: a box from 0 to 4 has its centre at 2.
    size : (width, height)
        In pixels.
    angle : float
        In radians, from x towards y.
    window : (x0, y0, x1, y1)
        Part of the frame, in pixels.
    soften_px : float
        Width of the blur of its edges in pixels.

    Returns
    -------
    float32 (y1 - y0, x1 - x0, 4)
        Premultiplied linear RGBA, 0-1.
    """
    height, width = cutout.layer.shape[:2]
    drawn = (max(1, round(size[0])), max(1, round(size[1])))
    shrinks = drawn[0] * drawn[1] < width * height
    layer = cv2.resize(cutout.layer, drawn, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    layer = cv2.copyMakeBorder(layer, _PAD, _PAD, _PAD, _PAD, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    fx, fy = size[0] / drawn[0], size[1] / drawn[1]
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos * fx, -sin * fy], [sin * fx, cos * fy]])
    middle = np.array([(layer.shape[1] - 1) / 2, (layer.shape[0] - 1) / 2])
    shift = np.array([centre[0] - 0.5 - window[0], centre[1] - 0.5 - window[1]]) - linear @ middle
    result: Array = cv2.warpAffine(
        layer,
        np.c_[linear, shift],
        (window[2] - window[0], window[3] - window[1]),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    )
    if soften_px > 0.1:
        result = cv2.GaussianBlur(result, (0, 0), soften_px / 2)
    return result


def rotated_box(centre: tuple[float, float], size: tuple[float, float], angle: float) -> tuple[float, ...]:
    """Axis-parallel bounding box (x0, y0, x1, y1) of a rectangle that is rotated by `angle` (radians)."""
    cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
    half_w, half_h = (size[0] * cos + size[1] * sin) / 2, (size[0] * sin + size[1] * cos) / 2
    return centre[0] - half_w, centre[1] - half_h, centre[0] + half_w, centre[1] + half_h
