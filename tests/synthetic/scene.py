"""Shots of the small product world: ground, soft shadow, product, a hand in front, light change and grain.

The camera may pan over a ground larger than the view, so that what the product hides in one frame is seen in another.
Every frame comes with its truth: the visible product's mask and the same frame without product and shadow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.records.ids import stable_hash
from synthetic.sprites import STANDING, draw_sprite
from world.textures import ground

Array = np.ndarray
_WHITE_LIGHTS = ((-0.5, -0.65, 0.75), (0.55, -0.55, 0.8), (-0.1, -0.8, 0.7))


@dataclass(frozen=True)
class Pose:
    """Where the product stands in the view: centre as fractions of width and height, scale, angle in degrees."""

    x: float
    y: float
    scale: float = 1.0
    angle: float = 0.0


@dataclass(frozen=True)
class Shot:
    """One shot. `side` is the sprite's side over the frame's height, `pan` the camera's way in pixels (x, y)."""

    n_frames: int
    ground: str
    product: str | None = None
    side: float = 0.6
    start: Pose = Pose(0.5, 0.5)
    end: Pose = Pose(0.5, 0.5)
    pan: tuple[float, float] = (0.0, 0.0)
    hand: tuple[int, int] | None = None
    light_change: float = 0.03
    grain: float = 1.5


@dataclass(frozen=True)
class Drawn:
    """A frame with its truth: `frame` and `background` uint8 (h, w, 3) RGB, `mask` bool (h, w), `hand` visible."""

    frame: Array
    background: Array
    mask: Array
    hand: bool


def draw_shot(shot: Shot, width: int, height: int, name: str, seed: int) -> Iterator[Drawn]:
    """Draw a shot frame by frame; `name` and `seed` make its ground and grain."""
    rng = np.random.default_rng(stable_hash("shot", name, seed))
    margin = [int(abs(way)) + 8 for way in shot.pan]
    floor = ground(shot.ground, rng, height + 2 * margin[1], width + 2 * margin[0])
    largest = max(shot.start.scale, shot.end.scale)
    sprite = draw_sprite(shot.product, round(shot.side * height * largest)) if shot.product else None
    standing = shot.ground == "studio" and shot.product in STANDING
    hand = draw_sprite("hand", round(0.9 * height)) if shot.hand else None
    for index in range(shot.n_frames):
        share = index / max(1, shot.n_frames - 1)
        ease = share * share * (3 - 2 * share)
        corner = (margin[0] + (ease - 0.5) * shot.pan[0], margin[1] + (ease - 0.5) * shot.pan[1])
        bare = _view(floor, corner, width, height)
        image, alpha = bare, np.zeros((height, width, 1), np.float32)
        if sprite is not None and shot.product:
            placing = _placing(sprite.shape[0], _pose(shot, ease), shot.side * height, width, height)
            image = bare * (1 - _shadow(sprite, placing, standing, width, height))
            layer = cv2.warpAffine(sprite, placing, (width, height), flags=cv2.INTER_LINEAR)
            image, alpha = layer[..., :3] + image * (1 - layer[..., 3:]), layer[..., 3:]
        shown = False
        if hand is not None and shot.hand and shot.hand[0] <= index < shot.hand[1]:
            front = _hand_layer(hand, (index - shot.hand[0]) / (shot.hand[1] - shot.hand[0] - 1), width, height)
            bare, image = (front[..., :3] + under * (1 - front[..., 3:]) for under in (bare, image))
            alpha, shown = alpha * (1 - front[..., 3:]), bool(front[..., 3].max() > 0.5)
        light = 1 + shot.light_change * np.sin(2 * np.pi * share)
        grain = rng.normal(0, shot.grain, (height, width, 1)).astype(np.float32)
        yield Drawn(_bytes(image * light, grain), _bytes(bare * light, 0), alpha[..., 0] > 0.5, shown)


def draw_photo(product: str, index: int, size: int, seed: int) -> Array:
    """Photo `index` (from 1) of a product on white, uint8 (size, size, 3) RGB, turned and lit a little differently."""
    rng = np.random.default_rng(stable_hash("photo", product, index, seed))
    sprite = draw_sprite(product, round(size * 0.8), _WHITE_LIGHTS[(index - 1) % len(_WHITE_LIGHTS)])
    angle = 0.0 if index == 1 else float(rng.uniform(-12, 12))
    placing = _placing(sprite.shape[0], Pose(0.5, 0.5, 1, angle), size * 0.8, size, size)
    white = np.full((size, size, 3), 0.985, np.float32)
    image = white * (1 - 0.55 * _shadow(sprite, placing, product in STANDING, size, size))
    layer = cv2.warpAffine(sprite, placing, (size, size), flags=cv2.INTER_LINEAR)
    return _bytes(layer[..., :3] + image * (1 - layer[..., 3:]), 0)


def mask_box(mask: Array) -> list[int] | None:
    """Box [x0, y0, x1, y1] of a bool mask in pixels, x1 and y1 exclusive; None when nothing is set."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def _pose(shot: Shot, share: float) -> Pose:
    first, last = shot.start, shot.end
    return Pose(
        first.x + share * (last.x - first.x),
        first.y + share * (last.y - first.y),
        first.scale + share * (last.scale - first.scale),
        first.angle + share * (last.angle - first.angle),
    )


def _placing(sprite_side: int, pose: Pose, side: float, width: int, height: int) -> Array:
    matrix = cv2.getRotationMatrix2D((sprite_side / 2, sprite_side / 2), pose.angle, pose.scale * side / sprite_side)
    matrix[:, 2] += (pose.x * width - sprite_side / 2, pose.y * height - sprite_side / 2)
    return matrix


def _shadow(sprite: Array, placing: Array, standing: bool, width: int, height: int) -> Array:
    """Share of light that the product takes from the ground, float32 (h, w, 1) in 0-1."""
    side = sprite.shape[0]
    reach = side * float(np.hypot(placing[0, 0], placing[1, 0]))
    full = np.vstack([placing, (0, 0, 1)])
    if standing:
        foot = float(np.flatnonzero(sprite[..., 3].max(1) > 0.5)[-1])
        lean = np.array(((1, -0.42, 0.42 * foot), (0, 0.20, 0.80 * foot - 0.010 * side), (0, 0, 1)))
        layers = [(full @ lean, 0.030, 0.42), (full @ lean, 0.010, 0.22)]
    else:
        layers = [(_moved(full, 0.05 * reach), 0.045, 0.38), (_moved(full, 0.018 * reach), 0.012, 0.30)]
    light = np.ones((height, width), np.float32)
    for matrix, blur, strength in layers:
        cover = cv2.warpAffine(sprite[..., 3], matrix[:2], (width, height), flags=cv2.INTER_LINEAR)
        light *= 1 - strength * cv2.GaussianBlur(cover, (0, 0), max(0.8, blur * reach))
    return 1 - light[..., None]


def _moved(matrix: Array, way: float) -> Array:
    moved = matrix.copy()
    moved[:2, 2] += way
    return moved


def _hand_layer(hand: Array, share: float, width: int, height: int) -> Array:
    """A hand that reaches in from below, passes over the middle and leaves to the right."""
    rise = np.sin(np.pi * min(1.0, share * 1.02))
    pose = Pose(0.30 + 0.42 * share, 1.42 - 0.66 * rise, 1.0, -14 + 28 * share)
    return cv2.warpAffine(hand, _placing(hand.shape[0], pose, hand.shape[0], width, height), (width, height))


def _view(floor: Array, corner: tuple[float, float], width: int, height: int) -> Array:
    shift = np.array(((1, 0, -corner[0]), (0, 1, -corner[1])), np.float64)
    flags = cv2.INTER_NEAREST if all(float(c).is_integer() for c in corner) else cv2.INTER_CUBIC
    return cv2.warpAffine(floor, shift, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)


def _bytes(image: Array, grain: Array | float) -> Array:
    return np.clip(np.rint(image * 255 + grain), 0, 255).astype(np.uint8)
