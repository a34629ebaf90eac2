"""Procedural grounds: cloth, wood, marble, slate, a studio sweep and a landscape, by octaves of value noise.

All return float32 (height, width, 3) RGB in 0-1. One unit of detail is about a pixel of the drawn video.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Array = np.ndarray


def noise(rng: np.random.Generator, height: int, width: int, cell: tuple[float, float], octaves: int = 4) -> Array:
    """Fractal value noise, float32 (height, width) in 0-1; `cell` is the coarsest cell (y, x) in pixels."""
    total = np.zeros((height, width), np.float32)
    weight = 0.0
    for octave in range(octaves):
        rows = max(2, round(height / cell[0] * 2**octave) + 2)
        columns = max(2, round(width / cell[1] * 2**octave) + 2)
        grid = rng.random((min(rows, height), min(columns, width)), np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * 0.5**octave
        weight += 0.5**octave
    return np.clip(total / weight, 0, 1)


def _mix(low: tuple[float, ...], high: tuple[float, ...], share: Array) -> Array:
    share = np.clip(share, 0, 1)[..., None]
    return (np.array(low, np.float32) * (1 - share) + np.array(high, np.float32) * share).astype(np.float32)


def _wood(rng: np.random.Generator, height: int, width: int) -> Array:
    grain = noise(rng, height, width, (26, 420), 5)
    fibres = noise(rng, height, width, (2.5, 120), 2)
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (grain * 7 + np.linspace(0, 1.5, height, dtype=np.float32)[:, None]))
    image = _mix((0.50, 0.34, 0.21), (0.72, 0.54, 0.36), 0.62 * rings + 0.38 * fibres)
    plank = 118
    for top in range(rng.integers(30, plank), height, plank):
        image[top - 1 : top + 1] *= 0.6
        image[top + 1 :] *= 1 + (rng.random() - 0.5) * 0.14
    return np.clip(image, 0, 0.95)


def _marble(rng: np.random.Generator, height: int, width: int) -> Array:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    turbulence = noise(rng, height, width, (190, 190), 6)
    veins = np.abs(np.sin((x * 0.9 + y * 0.55) / 95 + turbulence * 5.5))
    cloud = noise(rng, height, width, (120, 120), 4)
    image = _mix((0.80, 0.81, 0.83), (0.93, 0.925, 0.915), cloud * 1.3 - 0.15)
    return image * (1 - 0.26 * np.exp(-veins * 11)[..., None])


def _cloth(rng: np.random.Generator, height: int, width: int) -> Array:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    threads = 0.5 + 0.25 * np.sin(x * 1.15) * np.sin(y * 0.35) + 0.25 * np.sin(y * 1.15) * np.sin(x * 0.35)
    folds = noise(rng, height, width, (150, 260), 3)
    fibre = noise(rng, height, width, (3, 3), 1)
    share = 0.30 * threads + 0.62 * folds + 0.16 * fibre
    return _mix((0.60, 0.58, 0.54), (0.90, 0.87, 0.81), share)


def _slate(rng: np.random.Generator, height: int, width: int) -> Array:
    stone = noise(rng, height, width, (70, 140), 6)
    chips = noise(rng, height, width, (6, 9), 2)
    return _mix((0.15, 0.17, 0.19), (0.34, 0.37, 0.40), 0.75 * stone + 0.35 * chips - 0.1)


def _studio(rng: np.random.Generator, height: int, width: int) -> Array:
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    sweep = 1 / (1 + np.exp(-(y - 0.56) * 16))
    light = np.exp(-((x + 0.15) ** 2) * 0.7 - (y - 0.42) ** 2 * 1.1)
    image = _mix((0.64, 0.70, 0.75), (0.80, 0.83, 0.85), np.broadcast_to(sweep, (height, width)))
    return image * (0.80 + 0.26 * light)[..., None] + (noise(rng, height, width, (90, 90), 2)[..., None] - 0.5) * 0.012


def _landscape(rng: np.random.Generator, height: int, width: int) -> Array:
    y = np.mgrid[:height, :width][0].astype(np.float32)
    clouds = noise(rng, height, width, (70, 220), 5)
    image = _mix((0.42, 0.62, 0.86), (0.93, 0.88, 0.82), y / height * 1.25)
    image += (np.clip(clouds - 0.52, 0, 1) * 1.5 * (1 - y / height))[..., None]
    for layer, (base, tone) in enumerate(((0.58, 0.62), (0.70, 0.46), (0.82, 0.32))):
        ridge = noise(rng, 4, width, (4, 200 / (layer + 1)), 5)[1]
        edge = np.clip(y - (base - 0.26 * (ridge - 0.5)[None]) * height, 0, 1)[..., None]
        hill = (
            np.array((0.55, 0.74, 0.62), np.float32)
            * tone
            * (0.82 + 0.36 * noise(rng, height, width, (9, 14), 3))[..., None]
        )
        image = image * (1 - edge) + hill * edge
    return np.clip(image, 0, 1)


GROUNDS: dict[str, Callable[[np.random.Generator, int, int], Array]] = {
    "wood": _wood,
    "marble": _marble,
    "cloth": _cloth,
    "slate": _slate,
    "studio": _studio,
    "landscape": _landscape,
}


def ground(name: str, rng: np.random.Generator, height: int, width: int) -> Array:
    """Ground `name` (see GROUNDS), float32 (height, width, 3) RGB in 0-1."""
    return GROUNDS[name](rng, height, width)
