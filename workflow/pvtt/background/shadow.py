"""Growth of the product's mask over its shadow.

Beside the product, a shadow is the ground with less light: in linear light its ratio to the ground is below one, its
chromaticity nearly the ground's (Horprasert, Harwood and Davis, ICCV workshop 1999; Cucchiara et al., PAMI 2003). The
ground under the shadow is the membrane spanned by what lies further out. Faint reflections of the product in glossy
ground pass too; hands and neighbouring things do not: they are too different in colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import cv2
import numpy as np

from pvtt.background.inpaint import membrane
from pvtt.colour import luminance, to_linear
from pvtt.geometry import dilated, disc

Array = np.ndarray

_SHORT_SIDE = 240
_CHROMATICITY = 0.035
_DARKEST = 0.2
_FAINTEST = 0.04
_STEEPEST = 0.15


def grow_masks(frames: Iterable[Array], masks: Array, settings: Mapping[str, Any]) -> Array:
    """Masks bool (n, h, w) grown by `grow_px` and over the shadow, steady in time.

    `frames` are uint8 (h, w, 3) RGB. The shadow reaches at most `shadow_extent` times the square root of the mask's
    area; 0 switches it off.
    """
    grown = np.stack([dilated(mask, settings["grow_px"]) for mask in masks])
    if settings["shadow_extent"] <= 0:
        return grown
    height, width = masks.shape[1:]
    scale = min(1.0, _SHORT_SIDE / min(height, width))
    size = (round(width * scale), round(height * scale))
    shadows = np.zeros((len(masks), size[1], size[0]), np.uint8)
    for index, frame in enumerate(frames):
        if masks[index].any():
            small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
            mask = cv2.resize(grown[index].astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 0
            shadows[index] = shadow_of(small, mask, settings["shadow_extent"])
    for index, shadow in enumerate(_steady(shadows)):
        if masks[index].any():
            full = cv2.resize(shadow, (width, height), interpolation=cv2.INTER_LINEAR)
            grown[index] = _without_gaps(grown[index] | (full > 0.5), settings["grow_px"])
    return grown


def _without_gaps(mask: Array, width: int) -> Array:
    """Close what the product and its shadow leave open between them: a thin strip would stay as an outline."""
    padded = np.pad(mask.astype(np.uint8), width + 1, mode="edge")
    return cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc(width))[width + 1 : -width - 1, width + 1 : -width - 1] > 0


def shadow_of(image: Array, mask: Array, extent: float) -> Array:
    """Shadow beside `mask` (bool (h, w)) in `image` (uint8 (h, w, 3) RGB) as bool (h, w), `mask` not included."""
    reach = min(extent * float(np.sqrt(mask.sum())), 0.25 * min(mask.shape))
    zone = dilated(mask, max(2, round(reach)))
    if (~zone).sum() < 0.05 * zone.size:
        return np.zeros_like(mask)
    light = _smoothed(to_linear(image), ~mask)
    ground = membrane(light, ~zone)
    ratio = light / np.maximum(ground, 1e-3)
    brightness = luminance(light) / np.maximum(luminance(ground), 1e-3)
    tint = np.abs(_chromaticity(light) - _chromaticity(ground)).max(2)
    darker = brightness < 1 - max(_FAINTEST, 2 * _unevenness(light, zone, round(reach)))
    shaded = darker & (brightness > _DARKEST) & (tint < _CHROMATICITY)
    reflected = darker & (ratio.min(2) > 0.7) & (tint < 2 * _CHROMATICITY)
    steep = _slope(light) > _STEEPEST
    steep &= ~dilated(mask, 3)
    candidates = (zone & ~mask & ~steep & (shaded | reflected)).astype(np.uint8)
    candidates = cv2.morphologyEx(candidates, cv2.MORPH_OPEN, disc(1))
    joined = candidates | dilated(mask, 2).astype(np.uint8)
    labels = cv2.connectedComponents(joined, connectivity=4)[1]
    touching = np.unique(labels[mask])
    connected = np.isin(labels, touching[touching > 0]) & (candidates > 0)
    return dilated(connected, 3) & ~mask & zone


def _smoothed(values: Array, known: Array) -> Array:
    """Gaussian mean (2 px) of the known pixels, so that the product's colours do not bleed over its rim."""
    weight = cv2.GaussianBlur(known.astype(np.float32), (0, 0), 2)
    total = cv2.GaussianBlur(values * known[..., None].astype(np.float32), (0, 0), 2)
    return np.where(weight[..., None] > 0.02, total / np.maximum(weight, 0.02)[..., None], values)


def _chromaticity(light: Array) -> Array:
    return light / np.maximum(light.sum(2, keepdims=True), 1e-3)


def _slope(light: Array) -> Array:
    """Relative change of luminance per pixel: shadows fade, things have edges."""
    level = np.log(np.maximum(luminance(light), 1e-3))
    return np.hypot(cv2.Sobel(level, -1, 1, 0, scale=1 / 8), cv2.Sobel(level, -1, 0, 1, scale=1 / 8))


def _unevenness(light: Array, zone: Array, reach: int) -> float:
    """How far off a membrane is on ground without the product: the ring around the zone, predicted from beyond it."""
    size = (light.shape[1] // 2, light.shape[0] // 2)
    small = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
    inner = cv2.resize(zone.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    outer = dilated(inner, max(3, reach // 2))
    ring = outer & ~inner
    if ring.sum() < 20 or outer.all():
        return 0.0
    ratio = luminance(small)[ring] / np.maximum(luminance(membrane(small, ~outer))[ring], 1e-3)
    return 1.48 * float(np.median(np.abs(ratio - 1)))


def _steady(shadows: Array) -> Iterator[Array]:
    """For each frame, the share of the five frames around it in which a pixel is in shadow, float32 (h, w)."""
    for index in range(len(shadows)):
        yield shadows[max(0, index - 2) : index + 3].mean(0, dtype=np.float32)
