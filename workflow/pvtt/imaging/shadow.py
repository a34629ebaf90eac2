"""The shadow that a product throws on the ground, as a mix of what its outline can throw.

Where light is blocked adds up in optical density: the ground with shadow is the ground times exp(-density), and the
density is a non-negative mix of copies of the outline (`shadow_copies`): soft blots about its foot, for the sky that it
hides, and the outline laid over on the ground to one side or the other, for the key light. Weights found on one outline
throw the shadow of another. They are fitted to pictures with and without the shadow, or, where the bare ground is not
known, together with a smooth surface for the ground's own light.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Array = np.ndarray

# Blots: blur as a multiple of the outline's size, and how far it is moved down by that blur.
_BLOTS = [(0.03, 0.5), (0.07, 0.4), (0.14, 0.3), (0.14, -0.5), (0.25, 0.0), (0.4, 0.0)]
# Laid over: sideways and upwards on the picture per height, and the blur.
_SIDES = (-1.1, -0.8, -0.5, -0.25, 0.0, 0.25, 0.5, 0.8, 1.1)
_CAST = [(side, up, blur) for side in _SIDES for up, blur in ((0.08, 0.05), (0.25, 0.09))]
# Blots of the whole outline, for what lies flat or is cut off.
_HALOS = [(0.04, 0.3), (0.1, 0.3), (0.2, 0.0)]
N_COPIES = len(_BLOTS) + len(_HALOS) + len(_CAST)
_FOOT = 0.45
_SINK = 0.06
_DENSEST = 2.3
_RIDGE = 0.002
_MOST_BLOTS, _MOST_CAST = 2.5, 1.3


def outline_size(alpha: Array) -> float:
    """Size of an outline, float32 (h, w) 0-1, in pixels: the root of its area, at least 1."""
    return float(np.sqrt(max(float(alpha.sum()), 1.0)))


def shadow_copies(alpha: Array, chosen: Sequence[int] = range(N_COPIES)) -> Array:
    """What an outline (float32 (h, w) 0-1) can throw: float32 (k, h, w) densities of about 0-1, k `chosen` copies."""
    height, width = alpha.shape
    rows = np.flatnonzero(alpha.max(1) > 0.5)
    if len(rows) == 0:
        return np.zeros((len(chosen), height, width), np.float32)
    size, bottom = outline_size(alpha), float(rows[-1] + 1)
    level = np.clip(1 - (bottom - np.arange(height, dtype=np.float32)) / (_FOOT * size), 0, 1)
    foot = alpha * np.minimum(1, 2 * level)[:, None]
    ground = bottom - _SINK * size
    copies = []
    for index in chosen:
        if index < len(_BLOTS) + len(_HALOS):
            blur, down = (_BLOTS + _HALOS)[index]
            move = np.array([[1, 0, 0], [0, 1, down * blur * size]], np.float64)
            moved = cv2.warpAffine(foot if index < len(_BLOTS) else alpha, move, (width, height))
        else:
            # A point of the outline, h above the ground line, goes to h * side beside and h * up above it.
            side, up, blur = _CAST[index - len(_BLOTS) - len(_HALOS)]
            lay = np.array([[1, -side, side * ground], [0, up, ground * (1 - up)]], np.float64)
            moved = cv2.warpAffine(alpha, lay, (width, height), flags=cv2.INTER_AREA)
        copies.append(_soft(moved, blur * size))
    return np.stack(copies)


def _soft(image: Array, blur: float) -> Array:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(0.4, blur), borderType=cv2.BORDER_CONSTANT))


def shade(alpha: Array, weights: Array) -> Array:
    """Share of the light that the shadow of an outline leaves, float32 (h, w) in 0.1-1; weights (N_COPIES,)."""
    used = np.flatnonzero(weights)
    if len(used) == 0:
        return np.ones(alpha.shape, np.float32)
    density = np.tensordot(np.asarray(weights, np.float32)[used], shadow_copies(alpha, used.tolist()), 1)
    return np.exp(-np.minimum(density, _DENSEST))


def solid(weights: Array) -> Array:
    """Weights (N_COPIES,) for another outline that stands: no larger than what a solid one can take of the light.

    A thin outline's copies are faint, so its weights grow, and would blacken the ground under a solid product. What a
    lying product throws all around goes to the foot of a standing one.
    """
    standing, blots = np.array(weights, float), len(_BLOTS) + len(_HALOS)
    standing[: len(_HALOS)] += standing[len(_BLOTS) : blots]
    standing[len(_BLOTS) : blots] = 0
    parts = [(standing[:blots], _MOST_BLOTS), (standing[blots:], _MOST_CAST)]
    return np.concatenate([part * min(1.0, most / max(float(part.sum()), 1e-9)) for part, most in parts])


def contact_weights(strength: float) -> Array:
    """Weights (N_COPIES,) of a soft contact shadow that takes about `strength` (0-1) of the light at the foot."""
    weights = np.zeros(N_COPIES)
    weights[_BLOTS.index((0.14, 0.3))] = -np.log(1 - min(strength, 0.95))
    return weights


def quadratic(xy: Array) -> Array:
    """Quadratic surfaces at points (m, 2): float64 (m, 6)."""
    x, y = np.asarray(xy, np.float64).T
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], 1)


def fit_weights(
    copies: Sequence[Array], logs: Sequence[Array], surfaces: Sequence[Array | None], rounds: int = 5
) -> tuple[Array, float]:
    """Weights (N_COPIES,) of the copies, and the share of the light's variation that they explain (0-1).

    One entry per frame: `copies` (m, N_COPIES), `logs` (m,) log of the light (relative to the bare ground's where that
    is known), `surfaces` (m, k) free terms of the ground's own light or None. Outliers lose weight (Cauchy).
    """
    from scipy.optimize import nnls  # slow to import, and most that read a shadow fit none

    trust = [np.ones(len(log)) for log in logs]
    weights, explained = np.zeros(N_COPIES), 0.0
    for _ in range(rounds):
        rows, values, before = [], [], 0.0
        for copy, log, surface, sure in zip(copies, logs, surfaces, trust, strict=True):
            root = np.sqrt(sure)
            free = None if surface is None else np.linalg.qr(surface * root[:, None])[0]
            row, value = (_without(v * (root[:, None] if v.ndim == 2 else root), free) for v in (copy, log))
            rows.append(row)
            values.append(value)
            before += float(value @ value)
        a, b = np.concatenate(rows), np.concatenate(values)
        gram = a.T @ a + _RIDGE**2 * len(a) * np.eye(N_COPIES)
        # The non-negative least squares of the normal equations' root: as small as there are copies.
        root = np.linalg.cholesky(gram)
        weights = nnls(root.T, np.linalg.solve(root, -(a.T @ b)))[0]
        left = [
            _left(copy @ weights + log, surface, sure)
            for copy, log, surface, sure in zip(copies, logs, surfaces, trust, strict=True)
        ]
        scale = 2 * 1.48 * float(np.median(np.abs(np.concatenate(left)))) + 0.01
        trust = [1 / (1 + (one / scale) ** 2) for one in left]
        explained = 1 - float(((b + a @ weights) ** 2).sum()) / max(before, 1e-12)
    return weights, max(0.0, explained)


def _without(values: Array, free: Array | None) -> Array:
    return values if free is None else values - free @ (free.T @ values)


def _left(values: Array, surface: Array | None, sure: Array) -> Array:
    """What a surface, fitted with weights, leaves of values."""
    if surface is None:
        return values
    root = np.sqrt(sure)
    found = np.linalg.lstsq(surface * root[:, None], values * root, rcond=None)[0]
    return np.asarray(values - surface @ found)
