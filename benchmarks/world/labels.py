"""Printed and woven textures of products: labels with invented words, watch dials, patterns, grain; uint8 RGB, sRGB."""

from __future__ import annotations

import cv2
import numpy as np

Array = np.ndarray
Colour = tuple[int, int, int]


def plain(height: int, width: int, colour: Colour) -> Array:
    """A sheet (height, width, 3) of one colour."""
    return np.full((height, width, 3), colour, np.uint8)


def write(image: Array, text: str, y: float, size: float, ink: Colour, font: int = cv2.FONT_HERSHEY_TRIPLEX) -> None:
    """Write a centred line into the image; `y` middle and `size` cap height are shares of the image's height."""
    height, width = image.shape[:2]
    scale = size * height / 22
    thick = max(1, round(scale * 1.6))
    (w, h), _ = cv2.getTextSize(text, font, scale, thick)
    if w > 0.92 * width:
        scale, thick = scale * 0.92 * width / w, max(1, round(scale * 1.6 * 0.92 * width / w))
        (w, h), _ = cv2.getTextSize(text, font, scale, thick)
    cv2.putText(image, text, ((width - w) // 2, round(y * height + h / 2)), font, scale, ink, thick, cv2.LINE_AA)


def label(
    lines: list[tuple[str, float, float]],
    ground: Colour,
    ink: Colour,
    shape: tuple[int, int] = (512, 512),
    border: bool = True,
    band: Colour | None = None,
) -> Array:
    """A label (h, w, 3): lines of (text, y, size), a thin border, and a band of another colour across its foot."""
    image = plain(*shape, ground)
    h, w = shape
    if band is not None:
        image[round(0.8 * h) :] = band
    if border:
        cv2.rectangle(image, (w // 24, h // 24), (w - w // 24, h - h // 24), ink, max(2, h // 128), cv2.LINE_AA)
    for text, y, size in lines:
        write(image, text, y, size, ink)
    return image


def noise(shape: tuple[int, int], sigma: tuple[float, float], seed: int) -> Array:
    """Smooth noise float32 (h, w) of mean 0 and spread 1 that tiles; `sigma` (x, y) of its blur in pixels."""
    field = np.random.default_rng(seed).normal(0, 1, shape)
    fall = [np.exp(-2 * (np.pi * np.fft.fftfreq(n) * s) ** 2) for n, s in zip(shape, sigma[::-1], strict=True)]
    field = np.fft.ifft2(np.fft.fft2(field) * np.outer(*fall)).real
    return ((field - field.mean()) / field.std()).astype(np.float32)


def shaded(colour: Colour, field: Array, strength: float) -> Array:
    """A colour made lighter and darker by a field (h, w), `strength` per unit, uint8 (h, w, 3)."""
    return np.clip(np.array(colour, np.float32) * (1 + strength * field[..., None]), 0, 255).astype(np.uint8)


def wood(colour: Colour, seed: int, shape: tuple[int, int] = (512, 512)) -> Array:
    """Wood with its grain along x."""
    grain = noise(shape, (60, 3), seed) + 0.4 * noise(shape, (20, 0.8), seed + 1)
    rings = np.sin(6 * grain + np.linspace(0, 40, shape[0], dtype=np.float32)[:, None])
    return shaded(colour, 0.6 * grain + 0.6 * rings, 0.08)


def leather(colour: Colour, seed: int, shape: tuple[int, int] = (512, 512)) -> Array:
    """Leather: fine cells and slow clouds."""
    return shaded(colour, noise(shape, (2, 2), seed) + 0.7 * noise(shape, (30, 30), seed + 1), 0.04)


def weave(colour: Colour, seed: int, threads: int = 64, shape: tuple[int, int] = (512, 512)) -> Array:
    """Cloth of crossing threads."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32) * (threads * np.pi / shape[0])
    over = np.where((np.floor(x / np.pi) + np.floor(y / np.pi)) % 2 == 0, np.abs(np.sin(x)), np.abs(np.sin(y)))
    return shaded(colour, over - over.mean() + 0.3 * noise(shape, (4, 4), seed), 0.22)


def stripes(
    colours: list[Colour], shape: tuple[int, int] = (512, 512), repeat: int = 1, upright: bool = False
) -> Array:
    """Stripes of the colours, lying or upright, `repeat` times."""
    length = shape[1] if upright else shape[0]
    index = (np.arange(length) * len(colours) * repeat // length) % len(colours)
    line = np.array(colours, np.uint8)[index]
    return np.repeat(line[None] if upright else line[:, None], shape[0] if upright else shape[1], 0 if upright else 1)


def dial(ground: Colour, ink: Colour, size: int = 512) -> Array:
    """A watch's dial with twelve marks and four numerals, without hands."""
    image = plain(size, size, ground)
    middle = size / 2
    for minute in range(60):
        angle = np.radians(6 * minute)
        way = np.array([np.sin(angle), -np.cos(angle)])
        inner, thick = (0.36, 7) if minute % 5 == 0 else (0.41, 2)
        a, b = middle + way * size * inner, middle + way * size * 0.44
        cv2.line(image, tuple(map(int, a)), tuple(map(int, b)), ink, thick, cv2.LINE_AA)
    for hour in (12, 3, 6, 9):
        way = np.array([np.sin(np.radians(30 * hour)), -np.cos(np.radians(30 * hour))])
        (w, h), _ = cv2.getTextSize(str(hour), cv2.FONT_HERSHEY_TRIPLEX, 1.7, 3)
        place = middle + way * size * 0.28 + np.array([-w / 2, h / 2])
        cv2.putText(image, str(hour), tuple(map(int, place)), cv2.FONT_HERSHEY_TRIPLEX, 1.7, ink, 3, cv2.LINE_AA)
    write(image, "No. 7", 0.36, 0.035, ink)
    return image
