"""Soft shadows on the ground by averaged projections.

An object's surface points are projected on the plane z = 0 along many directions of the key light's disc and of the
sky; the share of directions that are blocked is the shadow (Heckbert and Herf, Simulating Soft Shadows with Graphics
Hardware, 1997). No ray is traced, so a frame costs milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Array = np.ndarray

GRID_PX = 176
GRID_SIDE = 4.4  # units of the ground that a shadow map covers
_KEY_RAYS = 16
_SKY_RAYS = 16


@dataclass(frozen=True)
class ShadowMap:
    """Shares of the key light and of the sky that are blocked, float32 (GRID_PX, GRID_PX), 0-1, around `centre`."""

    key: Array
    sky: Array
    centre: tuple[float, float]

    def grid_to_ground(self) -> Array:
        """Matrix 3x3 from grid pixels (x, y) to ground coordinates."""
        step = GRID_SIDE / GRID_PX
        half = GRID_SIDE / 2
        return np.array(
            [[step, 0, self.centre[0] - half + step / 2], [0, step, self.centre[1] - half + step / 2], [0, 0, 1]]
        )


def ground_shadow(points: Array, direction: Array, centre: tuple[float, float], softness: float = 0.16) -> ShadowMap:
    """Shadow of surface points float (n, 3), z >= 0, under a key light of the unit `direction` (towards the light).

    `softness` is the radius of the light's disc, in units at distance 1.
    """
    key = _blocked(points, _disc(np.asarray(direction, float), softness), centre)
    sky = _blocked(points, _hemisphere(), centre)
    return ShadowMap(key, sky, centre)


def _disc(direction: Array, radius: float) -> Array:
    """Directions over a disc around `direction`, by a sunflower pattern, (k, 3)."""
    side = np.cross(direction, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    up = np.cross(side, direction)
    k = np.arange(_KEY_RAYS)
    r, phi = radius * np.sqrt((k + 0.5) / _KEY_RAYS), k * 2.399963
    return direction + (r * np.cos(phi))[:, None] * side + (r * np.sin(phi))[:, None] * up


def _hemisphere() -> Array:
    """Cosine-distributed directions of the upper hemisphere, (k, 3)."""
    k = np.arange(_SKY_RAYS)
    r, phi = np.sqrt((k + 0.5) / _SKY_RAYS) * 0.93, k * 2.399963
    return np.stack([r * np.cos(phi), r * np.sin(phi), np.sqrt(1 - r * r)], axis=1)


def _blocked(points: Array, directions: Array, centre: tuple[float, float]) -> Array:
    total = np.zeros((GRID_PX, GRID_PX), np.float32)
    kernel = np.ones((3, 3), np.uint8)
    scale = np.float32(GRID_PX / GRID_SIDE)
    x, y = ((points[:, k] - centre[k]).astype(np.float32) * scale + np.float32(GRID_PX / 2) for k in (0, 1))
    z = points[:, 2].astype(np.float32) * scale
    hit = np.empty(GRID_PX * GRID_PX, np.uint8)
    for slope_x, slope_y in (directions[:, :2] / directions[:, 2:]).astype(np.float32):
        # What falls off the map lands on its outermost cells, which are cleared.
        column = np.clip(x - z * slope_x, 0, GRID_PX - 1).astype(np.int32)
        row = np.clip(y - z * slope_y, 0, GRID_PX - 1).astype(np.int32)
        hit[:] = 0
        hit[row * GRID_PX + column] = 1
        total += cv2.morphologyEx(hit.reshape(GRID_PX, GRID_PX), cv2.MORPH_CLOSE, kernel)
    total[[0, -1]] = 0
    total[:, [0, -1]] = 0
    return cv2.GaussianBlur(total / len(directions), (0, 0), 1.2)


def surface_points(vertices: Array, faces: Array, count: int, rng: np.random.Generator) -> Array:
    """Points spread over a triangle mesh by area: vertices (v, 3), faces int (f, 3) -> float64 (count, 3)."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    chosen = rng.choice(len(faces), count, p=area / area.sum())
    u, v = rng.random((2, count, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    return a[chosen] + u * (b - a)[chosen] + v * (c - a)[chosen]
