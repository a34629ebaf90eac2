"""Insertion without weights: the cut-out follows the product's trajectory, lit, shadowed and hidden as the product was.

Trajectory (`control`), light and shadow (`light`) and what stands in front (`occlusion`) are measured on the clip, the
product's colours on its photos (`photos`); then each frame is composed in linear light (Porter and Duff, 1984): the
background where the product was, the new shadow on it, the cut-out over it, and what is in front over all. Elsewhere
the frame is the source's, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from pvtt.backends.base import Embedded
from pvtt.config.stages.insertion import InsertionSettings
from pvtt.imaging.colour import to_linear, to_srgb
from pvtt.imaging.geometry import dilated
from pvtt.stages.insertion import illumination as lighting
from pvtt.stages.insertion.base import Insertion, Request
from pvtt.stages.insertion.clip_model import ClipModel, measure_model
from pvtt.stages.insertion.color_consensus import apply_color_gain, consensus_color_gain
from pvtt.stages.insertion.compositing import restore_background
from pvtt.stages.insertion.layer import Cutout, prefilter, render_layer, rotated_box
from pvtt.stages.insertion.placement import adapted_size, align_to_ground, target_boxes

Array = np.ndarray


class Backend(Embedded[InsertionSettings]):
    """Tracked, lit and shadowed compositing on the CPU."""

    settings_type = InsertionSettings
    name = "composite"
    version = "5"
    reads_other_cutouts = True
    reads_clip_model = True

    def insert(self, request: Request) -> Insertion:
        """See `base.InsertionBackend.insert`."""
        model = request.clip_model or measure_model(request, self.settings)
        frame = request.masks.shape[2], request.masks.shape[1]
        layer = prefilter(request.cutout, 2.0 * max(frame))
        width, height = adapted_size(model.trajectory, layer.aspect, frame, self.settings.max_side)
        # Shrunk once to the largest size that is drawn; each frame then shrinks a little more.
        largest = float(model.trajectory.scales.max()) * max(width, height)
        layer = prefilter(request.cutout, 1.05 * largest + 1)
        gain = consensus_color_gain(request.cutout, request.other_cutouts)
        layer = lighting.match_illumination(apply_color_gain(layer, gain), model.light, self.settings.colour_strength)
        trajectory = align_to_ground(model.trajectory, height)
        model = replace(model, trajectory=trajectory)
        boxes = target_boxes(request.boxes, trajectory, (width, height))
        measures = {
            "aspect": round(layer.aspect, 4),
            "colour_gain": [round(float(channel), 4) for channel in gain],
            "shadow": round(float(model.light.shadow.sum()), 4),
            "occluded_frames": int(model.occluders.any((1, 2)).sum()),
            "largest_turn_deg": round(float(np.degrees(np.abs(model.trajectory.angles).max())), 2),
        }
        return Insertion(self._compose(request, model, layer, (width, height)), boxes, measures)

    def _compose(
        self, request: Request, model: ClipModel, layer: Cutout, size: tuple[float, float]
    ) -> Iterator[tuple[Array, Array]]:
        soften = self.settings.feather_px * min(1.0, min(request.masks.shape[1:]) / 720)
        for index, (source, plain) in enumerate(zip(request.source(), request.background(), strict=True)):
            canvas = restore_background(source, plain, request.region[index])
            if request.boxes[index] is None:
                yield canvas, np.zeros(source.shape[:2], bool)
                continue
            scale, angle = float(model.trajectory.scales[index]), float(model.trajectory.angles[index])
            drawn = (scale * size[0], scale * size[1])
            centre = (float(model.trajectory.centres[index][0]), float(model.trajectory.centres[index][1]))
            exposure = model.light.exposure[index]
            window = _window(rotated_box(centre, drawn, angle), source.shape)
            if window is None:
                yield canvas, np.zeros(source.shape[:2], bool)
                continue
            rgba = render_layer(layer, centre, drawn, angle, window, soften)
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
    """Put a drawn cut-out and its shadow onto a frame, behind what is in front of it.

    Parameters
    ----------
    canvas : uint8 (h, w, 3) RGB
        The frame without the product.
    source : uint8 (h, w, 3) RGB
        The frame of the source video.
    rgba : float32 (y1 - y0, x1 - x0, 4) in [0, 1]
        The cut-out in the window, premultiplied linear RGBA.
    exposure : float (3,)
        Factors of linear R, G, B in this frame.
    front : float32 (y1 - y0, x1 - x0) in [0, 1]
        How much of `source` covers the window.
    place : ((x0, y0, x1, y1), float (N_COPIES,))
        The window in px, and the weights of the basis shadows.

    Returns
    -------
    frame : uint8 (h, w, 3) RGB
    seen : bool (h, w)
        Where more than half of a pixel shows the product.
    """
    (x0, y0, x1, y1), shadow = place
    part = np.s_[y0:y1, x0:x1]
    alpha = rgba[..., 3]
    below = to_linear(canvas[part]) * lighting.shaded(alpha, shadow)[..., None]
    light = np.clip(rgba[..., :3] * exposure, 0, 1) + below * (1 - alpha[..., None])
    if front.any():
        light += front[..., None] * (to_linear(source[part]) - light)
    result = canvas.copy()
    result[part] = to_srgb(light)
    seen = np.zeros(canvas.shape[:2], bool)
    seen[part] = alpha * (1 - front) > 0.5
    return result, seen


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
    soft: Array = cv2.GaussianBlur(covering.astype(np.float32), (0, 0), 0.8)
    return soft
