"""Shop photos of a product: several angles on paper, on a gradient or on a table top, with their true alpha."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from world.products import Product
from world.render import Camera, Lights, Renderer
from world.shadows import ground_shadow, surface_points
from world.textures import ground

Array = np.ndarray
FOV = 24.0
AZIMUTHS = (0, 38, -42, 158, -75, 18, 100, -20)
ELEVATIONS = (13, 26, 20, 30, 14, 48, 24, 36)
PAPERS = ((0.93, 0.80, 0.78), (0.76, 0.85, 0.90), (0.83, 0.88, 0.77), (0.94, 0.87, 0.68), (0.62, 0.66, 0.72))
TABLES = ("wood", "cloth")


def draw_photo(product: Product, index: int, size: int, seed: int) -> tuple[Array, Array]:
    """Photo number `index` (from 1, the main view) of a product: RGB and the product's true alpha.

    Both uint8, (size, size, 3) sRGB and (size, size). The main view is from the front on white or pale grey; the others
    turn round the product, on white, coloured paper, a gradient, and every fourth on wood or cloth.
    """
    rng = np.random.default_rng([seed, index, *product.product_id.encode()])
    kind = "white" if index == 1 else ("white", "paper", "gradient", "table")[(index - 2) % 4]
    camera = _camera(product, index, rng)
    side = rng.choice([-1.0, 1.0])
    lights = Lights((side * rng.uniform(0.4, 0.7), -rng.uniform(0.3, 0.7), 1.1), 0.72, 0.42)
    layer = _renderer(size).layer(product.parts, np.eye(4), camera, lights)
    picture = _ground(kind, camera, size, rng) * _light(product, camera, lights, size)[..., None]
    picture = layer.rgb + (1 - layer.alpha[..., None]) * picture
    picture = np.clip(picture * rng.uniform(0.95, 1.03), 0, 1) ** (1 / 2.2) * 255
    picture += rng.normal(0, 0.7, picture.shape)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8), np.round(layer.alpha * 255).astype(np.uint8)


@cache
def _renderer(size: int) -> Renderer:
    return Renderer(size, size)


def _camera(product: Product, index: int, rng: np.random.Generator) -> Camera:
    """A camera that sees the whole product at about two thirds of the picture's side."""
    points = np.concatenate([np.asarray(part.mesh.points, float) for part in product.parts])
    low, high = points.min(0), points.max(0)
    place = (index - 1) % len(AZIMUTHS)
    azimuth = np.radians(AZIMUTHS[place] + rng.uniform(-5, 5))
    lying = 20 if high[2] < 0.35 * np.ptp(points[:, :2], axis=0).max() else 0
    elevation = np.radians(min(70, ELEVATIONS[place] + lying + rng.uniform(-3, 3)))
    if index > 1 and (index - 2) % 4 == 3:
        elevation = max(elevation, np.radians(28))  # no horizon of the table in the picture
    away = np.array([np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)])
    target, distance = (low + high) / 2, 4.0
    share = rng.uniform(0.62, 0.78) if index == 1 else rng.uniform(0.62, 0.88)
    for _ in range(4):  # the distance at which the product takes up that share of the picture
        xy, _ = Camera(tuple(target + distance * away), tuple(target), FOV).project(points, 100, 100)
        distance *= np.abs(xy - 49.5).max() / 50 / share
    return Camera(tuple(target + distance * away), tuple(target), FOV)


def _light(product: Product, camera: Camera, lights: Lights, size: int) -> Array:
    """Share of the light that reaches the ground at each pixel, float32 (size, size), 0-1."""
    points = np.concatenate(
        [
            surface_points(
                np.asarray(part.mesh.points, float),
                part.mesh.faces.reshape(-1, 4)[:, 1:],
                5000,
                np.random.default_rng(0),
            )
            for part in product.parts
        ]
    )
    shadow = ground_shadow(points, lights.unit(), (0.0, 0.0), softness=0.28)
    key, sky = lights.intensity * lights.unit()[2], lights.ambient
    blocked = (key * shadow.key + sky * shadow.sky) / (key + sky)
    to_picture = camera.ground_homography(size, size) @ shadow.grid_to_ground()
    finer = cv2.resize(blocked, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    half = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    return 1 - np.clip(cv2.warpPerspective(finer, to_picture @ half, (size, size), flags=cv2.INTER_LINEAR), 0, 1)


def _ground(kind: str, camera: Camera, size: int, rng: np.random.Generator) -> Array:
    """The ground without the product, float32 (size, size, 3), linear light."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    if kind == "white":
        colour = np.full(3, rng.choice([0.99, 0.96, 0.91]))
        shade = 1 - 0.05 * y
    elif kind == "paper":
        colour = np.array(PAPERS[rng.integers(len(PAPERS))])
        shade = 1 - 0.10 * ((x - 0.5) ** 2 + (y - 0.4) ** 2)
    elif kind == "gradient":
        colour = 0.88 + 0.05 * rng.uniform(-1, 1, 3)
        shade = 1.06 - 0.34 * (1 - y) - 0.1 * np.abs(x - rng.uniform(0.3, 0.7))
    else:
        return _table(camera, size, rng)
    return (np.clip(colour * shade[..., None], 0, 1) ** 2.2).astype(np.float32)


def _table(camera: Camera, size: int, rng: np.random.Generator) -> Array:
    """A wooden or cloth table top in perspective, float32 (size, size, 3), linear light."""
    units, pixels = 8.0, 3 * size
    top = ground(TABLES[rng.integers(len(TABLES))], rng, pixels, pixels)
    step = units / pixels
    to_ground = np.array([[step, 0, -units / 2], [0, -step, units / 2], [0, 0, 1]])
    matrix = camera.ground_homography(size, size) @ to_ground
    seen = cv2.warpPerspective(top, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.clip(seen, 0, 1) ** np.float32(2.2)
