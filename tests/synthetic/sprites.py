"""Products as RGBA sprites: signed-distance shapes, bevelled by their own distance, lit by Blinn-Phong.

A shape is an array of signed distances (negative inside) over the square -1..1, y down; a material turns it into
colour and coverage. The same description draws a sprite of any size under any light.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from pvtt.records.ids import stable_hash
from world.textures import noise

Array = np.ndarray
Colour = tuple[float, float, float]
OVERSAMPLING = 2


class Canvas:
    """A square of signed-distance layers, painted in order. `light` is the direction towards the light (x, y, z)."""

    def __init__(self, size: int, light: tuple[float, float, float]) -> None:
        self.side = size * OVERSAMPLING
        axis = (np.arange(self.side, dtype=np.float32) + 0.5) / self.side * 2 - 1
        self.x, self.y = np.meshgrid(axis, axis)
        self.pixel = 2 / self.side
        self.light = np.array(light, np.float32) / np.linalg.norm(light)
        self.colour: Array = np.zeros((self.side, self.side, 3), np.float32)
        self.alpha: Array = np.zeros((self.side, self.side, 1), np.float32)

    def paint(self, shape: Array, colour: Colour | Array, bevel: float = 0.1, gloss: float = 0.35) -> None:
        """Paint a shape whose edge is rounded over `bevel` units, with a highlight of strength `gloss`."""
        depth = np.clip(-shape / max(bevel, 1e-6), 0, 1)
        height = np.sqrt(1 - (1 - depth) ** 2) * bevel
        height = cv2.GaussianBlur(height, (0, 0), max(0.6, self.side * 0.004))
        slope_y, slope_x = np.gradient(height, self.pixel)
        self._shade(shape, colour, (-slope_x, -slope_y), gloss)

    def paint_round(self, shape: Array, colour: Colour | Array, axis_x: float, half_width: float, gloss: float) -> None:
        """Paint a shape as an upright cylinder around `axis_x` with radius `half_width`."""
        across = np.clip((self.x - axis_x) / half_width, -0.96, 0.96)
        self._shade(shape, colour, (across / np.sqrt(1 - across**2), np.zeros_like(across)), gloss)

    def _shade(self, shape: Array, colour: Colour | Array, normal: tuple[Array, Array], gloss: float) -> None:
        length = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + 1)
        half = self.light + np.array((0, 0, 1), np.float32)
        half /= np.linalg.norm(half)
        diffuse = np.clip((normal[0] * self.light[0] + normal[1] * self.light[1] + self.light[2]) / length, 0, 1)
        mirror = np.clip((normal[0] * half[0] + normal[1] * half[1] + half[2]) / length, 0, 1)
        tone = (0.38 + 0.78 * diffuse)[..., None] * np.asarray(colour, np.float32)
        tone = tone + (gloss * mirror**34)[..., None]
        cover = np.clip(0.5 - shape / self.pixel, 0, 1)[..., None]
        self.colour = self.colour * (1 - cover) + tone * cover
        self.alpha = self.alpha * (1 - cover) + cover

    def sprite(self) -> Array:
        """The painting, float32 (size, size, 4): RGB premultiplied by alpha, 0-1."""
        colour = np.clip(self.colour, 0, self.alpha)
        both = np.concatenate([colour, self.alpha], axis=2)
        size = self.side // OVERSAMPLING
        return cv2.resize(both.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)


def _circle(c: Canvas, x: float, y: float, radius: float) -> Array:
    return np.hypot(c.x - x, c.y - y) - radius


def _ellipse(c: Canvas, x: float, y: float, radii: tuple[float, float]) -> Array:
    return (np.hypot((c.x - x) / radii[0], (c.y - y) / radii[1]) - 1) * min(radii)


def _box(c: Canvas, x: float, y: float, half: tuple[float, float], corner: float = 0.05, taper: float = 0.0) -> Array:
    across = np.abs((c.x - x) / (1 + taper * (c.y - y))) - half[0] + corner
    down = np.abs(c.y - y) - half[1] + corner
    return np.hypot(np.maximum(across, 0), np.maximum(down, 0)) + np.minimum(np.maximum(across, down), 0) - corner


def _line(c: Canvas, start: tuple[float, float], end: tuple[float, float], radius: float) -> Array:
    run, rise = end[0] - start[0], end[1] - start[1]
    along = np.clip(((c.x - start[0]) * run + (c.y - start[1]) * rise) / (run * run + rise * rise), 0, 1)
    return np.hypot(c.x - start[0] - along * run, c.y - start[1] - along * rise) - radius


def _blend(first: Array, second: Array, width: float) -> Array:
    """Union of two shapes with a fillet of `width`: the polynomial smooth minimum."""
    share = np.clip(0.5 + 0.5 * (second - first) / width, 0, 1)
    return second * (1 - share) + first * share - width * share * (1 - share)


def _speckle(c: Canvas, name: str, cell: float) -> Array:
    rng = np.random.default_rng(stable_hash("speckle", name))
    coarse = noise(rng, 256, 256, (cell, cell), 3)
    return cv2.resize(coarse, (c.side, c.side), interpolation=cv2.INTER_CUBIC)


def _mug(c: Canvas, glaze: Colour, foot: Colour, striped: bool) -> None:
    handle = np.abs(np.hypot((c.x - 0.45) / 1.0, (c.y - 0.12) / 1.25) - 0.27) - 0.065
    c.paint(handle, glaze, 0.07, 0.4)
    body = np.minimum(_box(c, -0.08, 0.1, (0.5, 0.66), 0.14, -0.06), _ellipse(c, -0.08, -0.54, (0.52, 0.13)))
    wave = c.y - 0.34 - 0.035 * np.sin(c.x * 9)
    blend: Array = np.clip(wave / 0.02 + 0.5, 0, 1)[..., None]
    if striped:
        blend = (np.sin((c.y + 0.1) * 26) > 0.35).astype(np.float32)[..., None]
    colour = np.array(glaze, np.float32) * (1 - blend) + np.array(foot, np.float32) * blend
    colour = colour * (1 - 0.5 * (_speckle(c, "mug", 5) > 0.70))[..., None]
    c.paint_round(body, colour, -0.08, 0.56, 0.35)
    c.paint(_ellipse(c, -0.08, -0.54, (0.525, 0.135)), 0.5 + 0.5 * np.array(glaze, np.float32), 0.04, 0.3)
    c.paint(_ellipse(c, -0.08, -0.535, (0.465, 0.105)), (0.22, 0.12, 0.07), 0.01, 0.0)


def _bottle(c: Canvas) -> None:
    c.paint_round(_box(c, 0, -0.78, (0.085, 0.16), 0.08), (0.10, 0.10, 0.11), 0, 0.1, 0.3)
    c.paint_round(_box(c, 0, -0.52, (0.15, 0.13), 0.02), (0.83, 0.67, 0.38), 0, 0.16, 0.6)
    glass = np.minimum(_box(c, 0, 0.27, (0.36, 0.63), 0.14), _box(c, 0, -0.36, (0.13, 0.12), 0.03))
    c.paint_round(glass, (0.62, 0.27, 0.06), 0, 0.40, 0.7)
    c.paint_round(_box(c, 0, 0.34, (0.355, 0.34), 0.01), (0.95, 0.92, 0.85), 0, 0.46, 0.05)
    c.paint_round(_circle(c, 0, 0.17, 0.10), (0.22, 0.42, 0.30), 0, 0.46, 0.05)
    for row, half in ((0.36, 0.22), (0.44, 0.16), (0.55, 0.25), (0.60, 0.20)):
        c.paint_round(_box(c, 0, row, (half, 0.016), 0.01), (0.25, 0.23, 0.22), 0, 0.46, 0.0)
    c.paint(_box(c, -0.27, 0.2, (0.018, 0.46), 0.015), (1.0, 0.86, 0.66), 0.02, 0.3)


def _watch(c: Canvas) -> None:
    leather = (0.50, 0.24, 0.12)
    grain = np.array(leather, np.float32) * (0.85 + 0.3 * _speckle(c, "leather", 9))[..., None]
    strap = _box(c, 0, 0, (0.215, 0.95), 0.10)
    c.paint(strap, grain, 0.09, 0.15)
    for side in (-0.165, 0.165):
        stitches = np.maximum(_box(c, side, 0, (0.012, 0.88), 0.01), np.cos(c.y * 64) * 0.02)
        c.paint(stitches, (0.88, 0.78, 0.60), 0.01, 0.0)
    for row in (0.62, 0.72, 0.82):
        c.paint(_ellipse(c, 0, row, (0.03, 0.022)), (0.12, 0.07, 0.05), 0.01, 0.0)
    c.paint(_box(c, 0.47, 0, (0.06, 0.05), 0.02), (0.80, 0.80, 0.82), 0.03, 0.5)
    c.paint(_circle(c, 0, 0, 0.46), (0.78, 0.79, 0.81), 0.09, 0.8)
    c.paint(_circle(c, 0, 0, 0.375), (0.07, 0.13, 0.27), 0.02, 0.15)
    for hour in range(12):
        angle = hour * np.pi / 6
        inner, outer = (0.28, 0.34) if hour % 3 else (0.25, 0.34)
        start, end = (inner * np.sin(angle), -inner * np.cos(angle)), (outer * np.sin(angle), -outer * np.cos(angle))
        c.paint(_line(c, start, end, 0.013), (0.95, 0.95, 0.92), 0.01, 0.0)
    c.paint(_line(c, (0, 0), (-0.14, -0.10), 0.018), (0.96, 0.96, 0.94), 0.01, 0.0)
    c.paint(_line(c, (0, 0), (0.17, -0.20), 0.013), (0.96, 0.96, 0.94), 0.01, 0.0)
    c.paint(_circle(c, 0, 0, 0.03), (0.85, 0.65, 0.25), 0.02, 0.4)


def _beads(c: Canvas) -> None:
    colours = ((0.12, 0.46, 0.48), (0.86, 0.66, 0.30), (0.12, 0.46, 0.48), (0.80, 0.33, 0.26))
    for bead in range(24):
        angle = bead * np.pi / 12
        x, y = 0.78 * np.cos(angle), 0.70 * np.sin(angle)
        c.paint(_circle(c, float(x), float(y), 0.108), colours[bead % 4], 0.108, 0.55)


def _ring(c: Canvas) -> None:
    band = np.abs(_circle(c, 0, 0.16, 0.62)) - 0.10
    c.paint(band, (0.90, 0.70, 0.30), 0.10, 0.8)
    c.paint(_box(c, 0, -0.50, (0.20, 0.11), 0.05), (0.88, 0.68, 0.30), 0.05, 0.6)
    c.paint(_circle(c, 0, -0.62, 0.23), (0.16, 0.42, 0.80), 0.16, 0.9)
    facet = np.maximum(_circle(c, 0, -0.62, 0.13), -(c.y + 0.70 + 0.4 * c.x))
    c.paint(facet, (0.35, 0.62, 0.95), 0.03, 0.4)


def _bag(c: Canvas) -> None:
    arch = np.maximum(np.abs(np.hypot(c.x / 1.0, (c.y + 0.22) / 1.3) - 0.42) - 0.045, c.y + 0.10)
    c.paint(arch, (0.40, 0.12, 0.13), 0.05, 0.3)
    hide = np.array((0.62, 0.17, 0.18), np.float32) * (0.86 + 0.28 * _speckle(c, "hide", 7))[..., None]
    body = _box(c, 0, 0.28, (0.76, 0.50), 0.14, 0.14)
    c.paint(body, hide, 0.16, 0.2)
    seam = np.maximum(np.abs(body + 0.075) - 0.008, np.cos((c.x + c.y) * 46) * 0.02)
    c.paint(seam, (0.93, 0.78, 0.58), 0.01, 0.0)
    flap = np.maximum(_ellipse(c, 0, -0.20, (0.72, 0.52)), -(c.y + 0.20))
    c.paint(flap, hide * 0.86, 0.06, 0.2)
    c.paint(_box(c, 0, 0.30, (0.10, 0.075), 0.03), (0.90, 0.72, 0.34), 0.04, 0.8)
    c.paint(_circle(c, 0, 0.30, 0.028), (0.45, 0.33, 0.14), 0.02, 0.2)


def _hand(c: Canvas) -> None:
    skin = (0.86, 0.62, 0.50)
    tone = np.array(skin, np.float32) * (0.95 + 0.10 * _speckle(c, "skin", 20))[..., None]
    arm = _line(c, (0.25, 1.6), (0.05, 0.35), 0.28)
    shape = _blend(arm, _ellipse(c, 0.0, 0.15, (0.33, 0.36)), 0.12)
    nails = []
    for finger, tip in enumerate(((-0.44, -0.40), (-0.20, -0.72), (0.05, -0.78), (0.28, -0.64))):
        base = (-0.22 + 0.15 * finger, 0.0)
        shape = _blend(shape, _line(c, base, tip, 0.082), 0.05)
        nails.append((base[0] + (tip[0] - base[0]) * 1.03, base[1] + (tip[1] - base[1]) * 1.03))
    shape = _blend(shape, _line(c, (0.20, 0.26), (0.54, -0.10), 0.09), 0.08)
    c.paint(shape, tone, 0.17, 0.08)
    for nail in nails:
        c.paint(_ellipse(c, *nail, (0.036, 0.046)), (0.93, 0.72, 0.65), 0.03, 0.2)


PRODUCTS: dict[str, Callable[[Canvas], None]] = {
    "mug_teal": lambda c: _mug(c, (0.10, 0.50, 0.52), (0.90, 0.84, 0.72), False),
    "mug_striped": lambda c: _mug(c, (0.90, 0.62, 0.16), (0.97, 0.93, 0.86), True),
    "bottle": _bottle,
    "watch": _watch,
    "beads": _beads,
    "ring": _ring,
    "bag": _bag,
    "hand": _hand,
}
STANDING = {"mug_teal", "mug_striped", "bottle", "bag"}  # as against lying flat, seen from above


def draw_sprite(name: str, size: int, light: tuple[float, float, float] = (-0.5, -0.65, 0.75)) -> Array:
    """Sprite `name` (see PRODUCTS), float32 (size, size, 4): RGB premultiplied by alpha, 0-1."""
    canvas = Canvas(size, light)
    PRODUCTS[name](canvas)
    return canvas.sprite()
