"""Insertion without weights: the cut-out follows the product's path, lit, shadowed and hidden as the product was.

Path (`control`), light and shadow (`light`) and what stands in front (`occlusion`) are measured on the clip, the
product's colours on its photos (`photos`); then each frame is composed in linear light (Porter and Duff, 1984): the
background where the product was, the new shadow on it, the cut-out over it, and what is in front over all. Elsewhere
the frame is the source's, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pvtt.backends import Embedded
from pvtt.colour import to_linear, to_srgb
from pvtt.geometry import box_of, dilated, padded_box
from pvtt.insertion import light as lighting
from pvtt.insertion.base import Box, Insertion, Request
from pvtt.insertion.control import Path, follow
from pvtt.insertion.cutout import Cutout, draw, prepare, turned_box
from pvtt.insertion.occlusion import find_occluders
from pvtt.insertion.photos import agreed_gain, toned

Array = np.ndarray

_CHANGED = 2.5
_DEPTH = 0.15


@dataclass(frozen=True)
class ClipModel:
    """What is measured on a clip alone and serves every product put into it."""

    path: Path
    light: lighting.Light
    occluders: Array


class Backend(Embedded):
    """Tracked, lit and shadowed compositing on the CPU."""

    name = "composite"
    version = "4"
    reads_other_cutouts = True

    def insert(self, request: Request) -> Insertion:
        """See `base.InsertionBackend.insert`."""
        model = self.measure_clip(request)
        frame = request.masks.shape[2], request.masks.shape[1]
        layer = prepare(request.cutout, 2.0 * max(frame))
        width, height = adapted_size(model.path, layer.aspect, frame, self.settings["max_side"])
        # Shrunk once to the largest size that is drawn; each frame then shrinks a little more.
        largest = float(model.path.scales.max()) * max(width, height)
        layer = prepare(request.cutout, 1.05 * largest + 1)
        gain = agreed_gain(request.cutout, request.other_cutouts)
        layer = lighting.matched(toned(layer, gain), model.light, self.settings["colour_strength"])
        path = stood(model.path, height)
        model = replace(model, path=path)
        boxes = placed_boxes(request.boxes, path, (width, height))
        measures = {
            "aspect": round(layer.aspect, 4),
            "colour_gain": [round(float(channel), 4) for channel in gain],
            "shadow": round(float(model.light.shadow.sum()), 4),
            "occluded_frames": int(model.occluders.any((1, 2)).sum()),
            "largest_turn_deg": round(float(np.degrees(np.abs(model.path.angles).max())), 2),
        }
        return Insertion(self._compose(request, model, layer, (width, height)), boxes, measures)

    def measure_clip(self, request: Request) -> ClipModel:
        """Path, light and occluders of a clip; the cut-out is not looked at."""
        frame = request.masks.shape[2], request.masks.shape[1]
        smooth_frames = self.settings["smooth_s"] * request.fps
        path = follow(self.settings["control"], request.boxes, request.points, frame, smooth_frames)
        light = lighting.measure_light(
            request.source(), request.background(), request.masks, self.settings["default_shadow"]
        )
        return ClipModel(path, light, find_occluders(request.background, request.masks, path))

    def _compose(
        self, request: Request, model: ClipModel, layer: Cutout, size: tuple[float, float]
    ) -> Iterator[tuple[Array, Array]]:
        soften = self.settings["feather_px"] * min(1.0, min(request.masks.shape[1:]) / 720)
        for index, (source, plain) in enumerate(zip(request.source(), request.background(), strict=True)):
            canvas = restored(source, plain, request.masks[index])
            if request.boxes[index] is None:
                yield canvas, np.zeros(source.shape[:2], bool)
                continue
            scale, angle = float(model.path.scales[index]), float(model.path.angles[index])
            drawn = (scale * size[0], scale * size[1])
            centre = (float(model.path.centres[index][0]), float(model.path.centres[index][1]))
            exposure = model.light.exposure[index]
            window = _window(turned_box(centre, drawn, angle), source.shape)
            if window is None:
                yield canvas, np.zeros(source.shape[:2], bool)
                continue
            rgba = draw(layer, centre, drawn, angle, window, soften)
            front = _front(model.occluders[index], request.masks[index], window)
            yield compose(canvas, source, rgba, exposure, front, (window, model.light.shadow))


def compose(
    canvas: Array,
    source: Array,
    rgba: Array,
    exposure: Array,
    front: Array,
    place: tuple[tuple[int, int, int, int], Array],
) -> tuple[Array, Array]:
    """Put a drawn cut-out and its shadow onto `canvas` (uint8 (h, w, 3)), what is in front of it left in front.

    `rgba` is premultiplied linear light of the window, `exposure` (3,) the light's strength, `front` (window) says 0-1
    how much of `source` covers it; `place` is the window and the shadow's weights. Returns the frame and the mask of
    where the product is seen.
    """
    (x0, y0, x1, y1), shadow = place
    part = np.s_[y0:y1, x0:x1]
    alpha = rgba[..., 3]
    below = to_linear(canvas[part]) * lighting.shaded(alpha, shadow)[..., None]
    light = np.clip(rgba[..., :3] * exposure, 0, 1) + below * (1 - alpha[..., None])
    light += front[..., None] * (to_linear(source[part]) - light)
    result = canvas.copy()
    result[part] = to_srgb(light)
    seen = np.zeros(canvas.shape[:2], bool)
    seen[part] = alpha * (1 - front) > 0.5
    return result, seen


def restored(source: Array, background: Array, mask: Array) -> Array:
    """The frame without the product: the background where it was changed around `mask`, else the source.

    All uint8 (h, w, 3), `mask` bool (h, w). What counts is whether they differ, in an area that joins the mask: the
    background is encoded anew, so it differs a little everywhere.
    """
    box = box_of(mask)
    if box is None:
        return source
    length = float(np.sqrt(mask.sum()))
    x0, y0, x1, y1 = padded_box(box, round(length) + 24, mask.shape[1], mask.shape[0])
    part = np.s_[y0:y1, x0:x1]
    change = cv2.GaussianBlur(cv2.absdiff(source[part], background[part]).max(2).astype(np.float32), (0, 0), 3)
    changed = (change > _CHANGED) | dilated(mask[part], 4)
    labels = cv2.connectedComponents(changed.astype(np.uint8))[1]
    touched = np.unique(labels[mask[part]])
    joined = dilated(np.isin(labels, touched[touched > 0]), 5)
    soft = cv2.GaussianBlur(joined.astype(np.float32), (0, 0), 1.5)
    soft = np.where(mask[part], 1, np.where(soft < 0.02, 0, soft)).astype(np.float32)
    result = source.copy()
    mixed = source[part] + soft[..., None] * (background[part].astype(np.float32) - source[part])
    result[part] = np.rint(mixed).astype(np.uint8)
    return result


def adapted_size(path: Path, aspect: float, frame: tuple[int, int], max_side: float) -> tuple[float, float]:
    """Width and height, in the reference frame, of a product of `aspect` (width / height) in the source's place.

    Their longer sides are equal, as of products that fill the same picture; one goes beyond `max_side` of the frame at
    the largest scale shrinks.
    """
    longest = max(path.size)
    width, height = longest * min(1.0, aspect), longest * min(1.0, 1 / aspect)
    largest = float(path.scales.max())
    fit = min(1.0, max_side * frame[0] / (width * largest), max_side * frame[1] / (height * largest))
    return width * fit, height * fit


def stood(path: Path, height: float, top: float = 0.0) -> Path:
    """The path of a product of `height` (reference frame) that stands where the source's product stands.

    Both stand on the ground, not on a line: what looks flat lies deep, so its lower edge is nearer to the camera than
    the middle of its foot, by `_DEPTH` of what it lacks in height. One that would rise above the frame's `top` sinks.
    """
    up = (0.5 + _DEPTH) * (height - path.size[1])
    above = float(path.centres[path.reference][1]) - up - height / 2 - top
    rise = (up + min(0.0, above) if up > 0 else up) * path.scales
    turn = np.stack([np.sin(path.angles), -np.cos(path.angles)], 1)
    return replace(path, centres=path.centres + rise[:, None] * turn, size=(path.size[0], height))


def placed_boxes(boxes: list[Box | None], path: Path, size: tuple[float, float]) -> list[Box | None]:
    """Boxes of the new product per frame, None where the source's is None."""
    placed: list[Box | None] = []
    for index, box in enumerate(boxes):
        scale = float(path.scales[index])
        centre = (float(path.centres[index][0]), float(path.centres[index][1]))
        whole = turned_box(centre, (scale * size[0], scale * size[1]), float(path.angles[index]))
        placed.append(None if box is None else (whole[0], whole[1], whole[2], whole[3]))
    return placed


def _window(box: tuple[float, ...], shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """The part of the frame that the product and its shadow can touch, or None when both are outside."""
    reach = 1.2 * max(box[2] - box[0], box[3] - box[1]) + 4
    x0, y0 = max(0, int(box[0] - reach)), max(0, int(box[1] - reach))
    x1, y1 = min(shape[1], int(box[2] + reach) + 1), min(shape[0], int(box[3] + reach) + 1)
    return (x0, y0, x1, y1) if x1 - x0 >= 2 and y1 - y0 >= 2 else None


def _front(occluder: Array, mask: Array, window: tuple[int, int, int, int]) -> Array:
    """How much of each pixel of the window is behind something, float32 0-1; the mask draws its edge to the product."""
    x0, y0, x1, y1 = window
    if not occluder.any():
        return np.zeros((y1 - y0, x1 - x0), np.float32)
    full = cv2.resize(occluder.astype(np.float32), mask.shape[::-1], interpolation=cv2.INTER_LINEAR)[y0:y1, x0:x1] > 0.5
    product = mask[y0:y1, x0:x1]
    covering = (full | (dilated(full, 4) & dilated(product, 4))) & ~product
    return cv2.GaussianBlur(covering.astype(np.float32), (0, 0), 0.8)
