"""Movement over a shot: of the camera, the product, a hand-like shape and the light, as functions of time 0-1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

CAMERAS = ("still", "pan", "zoom", "orbit", "handheld")
PRODUCT_MOTIONS = ("still", "turntable", "slide", "carried", "enters", "leaves")
HANDS = ("none", "passes", "carries")
LIGHTS = ("steady", "dims", "warms", "sweeps")


def ease(t: float) -> float:
    """Smooth step from 0 to 1."""
    t = min(1.0, max(0.0, t))
    return t * t * (3 - 2 * t)


@dataclass(frozen=True)
class CameraPath:
    """Where the camera stands: angles in degrees, distance in units, and how one of the CAMERAS moves it."""

    kind: str
    azimuth: float
    elevation: float
    distance: float
    height: float
    amount: float
    seed: int
    fov_y: float = 28.0

    def at(self, t: float) -> tuple[Array, Array]:
        """Position and target at time `t`, float64 (3,) each."""
        azimuth, elevation, distance = self.azimuth, self.elevation, self.distance
        target = np.array([0.0, 0.0, self.height])
        along = ease(t) - 0.5
        if self.kind == "pan":
            target[0] += self.amount * along * distance * 0.22
        elif self.kind == "zoom":
            distance *= 1 - self.amount * 0.24 * along
        elif self.kind == "orbit":
            azimuth += self.amount * along * 26
        elif self.kind == "handheld":
            sway = _sway(t, self.seed)
            azimuth += self.amount * 1.5 * sway[0]
            elevation += self.amount * 1.0 * sway[1]
            target += self.amount * distance * 0.006 * sway[2:5]
        a, e = np.radians(azimuth), np.radians(elevation)
        offset = np.array([np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)])
        # A pan moves the camera with its target: the whole scene passes by.
        return target + distance * offset, target


def _sway(t: float, seed: int) -> Array:
    """Five slow random curves of about unit size, as of a hand that holds a camera."""
    rng = np.random.default_rng((seed, 77))
    phase, rate = rng.random((2, 5, 3))
    waves = np.sin(2 * np.pi * (phase + t * (0.6 + 2.4 * rate)))
    return waves.mean(1)


@dataclass(frozen=True)
class ProductPath:
    """How the product stands: place on the ground, size in units, turn in degrees, and one of PRODUCT_MOTIONS."""

    kind: str
    size: float
    turn: float
    amount: float
    place: tuple[float, float] = (0.0, 0.0)

    def at(self, t: float) -> Array:
        """Matrix 4x4 from the product's own coordinates to the world at time `t`."""
        x, y, z, turn, tilt = *self.place, 0.0, self.turn, 0.0
        if self.kind == "turntable":
            turn += self.amount * 70 * (t - 0.5)
        elif self.kind == "slide":
            x += self.amount * 0.7 * self.size * (ease(t) - 0.5)
            turn += self.amount * 14 * (ease(t) - 0.5)
        elif self.kind == "carried":
            lift = ease(t / 0.3) * ease((1.05 - t) / 0.3)
            z += 0.28 * self.size * lift
            x += self.amount * 0.8 * self.size * (ease(t) - 0.5)
            tilt = self.amount * 10 * lift * np.sin(2 * np.pi * t)
            turn += self.amount * 16 * (ease(t) - 0.5)
        elif self.kind == "enters":
            x += self.amount * 4.2 * (1 - ease((t - 0.06) / 0.42))
        elif self.kind == "leaves":
            x += self.amount * 4.2 * ease((t - 0.55) / 0.42)
        return _place(x, y, z) @ _turn_z(turn) @ _tilt_y(tilt) @ np.diag([self.size, self.size, self.size, 1.0])


@dataclass(frozen=True)
class HandPath:
    """A hand-like shape: it `passes` in front of the product and back, or `carries` it; `side` is 1 (right) or -1."""

    kind: str
    size: float
    side: float
    reach: float

    def at(self, t: float, product: Array) -> Array | None:
        """Matrix 4x4 of the hand (fingers along -x at side 1, wrist outwards), None while it is away."""
        if self.kind == "passes":
            there = ease((t - 0.14) / 0.3) * ease((0.9 - t) / 0.3)
            if there == 0:
                return None
            place = _place(self.side * (2.7 - (2.7 + 0.4 * self.size) * there), -0.62 * self.size, 0.42 * self.size)
        elif self.kind == "carries":
            away = 3.2 * (1 - ease(t / 0.16)) + 3.2 * ease((t - 0.86) / 0.14)
            centre = product[:3, 3] + product[:3, :3] @ np.array([0, 0, 0.5])
            offset = np.array([self.side * (self.reach + away), -0.10 * self.size, 0.02 * self.size])
            place = _place(*(centre + offset))
        else:
            return None
        # Turned, not mirrored: a mirror would turn the surfaces inside out.
        turn = _turn_z(0 if self.side > 0 else 180)
        return place @ turn @ np.diag([self.size, self.size, self.size, 1.0])


@dataclass(frozen=True)
class LightPath:
    """How the light changes: one of LIGHTS; `amount` is the share of the change."""

    kind: str
    amount: float

    def gain(self, t: float) -> Array:
        """Factor of linear light per channel, float32 (3,), RGB."""
        level = 1 - self.amount * ease(t) if self.kind == "dims" else 1.0
        warmth = self.amount * 0.5 * ease(t) if self.kind == "warms" else 0.0
        return np.array([level * (1 + warmth), level, level * (1 - warmth)], np.float32)

    def sweep(self, t: float, width: int, height: int) -> Array | None:
        """A band of light that crosses the frame, float32 (height, width, 1) factor, or None."""
        if self.kind != "sweeps":
            return None
        x = (
            np.linspace(0, 1, width, dtype=np.float32)[None]
            + 0.25 * np.linspace(0, 1, height, dtype=np.float32)[:, None]
        )
        band = np.exp(-(((x - (1.9 * t - 0.3)) / 0.16) ** 2))
        return (1 + self.amount * 1.1 * band)[..., None].astype(np.float32)


def _place(x: float, y: float, z: float) -> Array:
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix


def _turn_z(degrees: float) -> Array:
    a = np.radians(degrees)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    return matrix


def _tilt_y(degrees: float) -> Array:
    a = np.radians(degrees)
    matrix = np.eye(4)
    matrix[0, 0], matrix[0, 2], matrix[2, 0], matrix[2, 2] = np.cos(a), np.sin(a), -np.sin(a), np.cos(a)
    return matrix
