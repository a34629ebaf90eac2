"""Shadow of a product on the floor, as a non-negative combination of basis shadows of its outline.

Light attenuation adds up in optical density: floor with shadow = floor * exp(-density). The density is a non-negative
combination of basis shadows (`shadow_copies`): blurred copies of the foot of the outline, for occluded ambient light,
and copies of the outline sheared onto the floor to either side, for the key light. Weights that were fitted with one
outline cast the shadow of another. They are fitted to images with and without the shadow, or, if the floor without
shadow is unknown, together with a smooth surface for its light.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pvtt.io.arrays import AnyArray, Float32Array, Float64Array

# Contact shadows of the foot: (blur relative to the size of the outline, shift downwards relative to the blur).
_BLOTS = [(0.03, 0.5), (0.07, 0.4), (0.14, 0.3), (0.14, -0.5), (0.25, 0.0), (0.4, 0.0)]
# Cast shadows: shear to the side per height; with (shift upwards per height, blur relative to the size).
_SIDES = (-1.1, -0.8, -0.5, -0.25, 0.0, 0.25, 0.5, 0.8, 1.1)
_CAST = [(side, up, blur) for side in _SIDES for up, blur in ((0.08, 0.05), (0.25, 0.09))]
# Contact shadows of the whole outline, for products that lie flat or are cropped: (blur, shift) as above.
_HALOS = [(0.04, 0.3), (0.1, 0.3), (0.2, 0.0)]
N_COPIES = len(_BLOTS) + len(_HALOS) + len(_CAST)
_FOOT = 0.45  # height of the foot, relative to the size of the outline
_SINK = 0.06  # height of the ground line above the lower edge of the outline, relative to its size
_DENSEST = 2.3  # largest optical density; exp(-2.3) = 0.1 of the light is left
_RIDGE = 0.002  # ridge regularisation of the weights (optical density per pixel)
# Largest sums of the weights of contact and of cast shadows when they are used for another product (optical density).
_MOST_BLOTS, _MOST_CAST = 2.5, 1.3


def outline_size(alpha: AnyArray) -> float:
    """Size of an outline: the square root of its area.

    Parameters
    ----------
    alpha : float32 (h, w) in [0, 1]

    Returns
    -------
    float
        px, at least 1.
    """
    return float(np.sqrt(max(float(alpha.sum()), 1.0)))


def shadow_copies(alpha: AnyArray, chosen: Sequence[int] = range(N_COPIES)) -> Float32Array:
    """Basis shadows of an outline.

    Parameters
    ----------
    alpha : float32 (h, w) in [0, 1]
        The outline.
    chosen : sequence of int
        Indices of the basis shadows, 0 to N_COPIES - 1.

    Returns
    -------
    float32 (k, h, w)
        Optical densities of about 0 to 1.
    """
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
            # A point of the outline at height h above the ground line moves to (h * side, h * up) from its foot.
            side, up, blur = _CAST[index - len(_BLOTS) - len(_HALOS)]
            lay = np.array([[1, -side, side * ground], [0, up, ground * (1 - up)]], np.float64)
            moved = cv2.warpAffine(alpha, lay, (width, height), flags=cv2.INTER_AREA)
        copies.append(_blur(moved, blur * size))
    return np.stack(copies)


def _blur(image: Float32Array, blur: float) -> Float32Array:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(0.4, blur), borderType=cv2.BORDER_CONSTANT))


def shade(alpha: AnyArray, weights: AnyArray) -> Float32Array:
    """Transmittance of the shadow of an outline.

    Parameters
    ----------
    alpha : float32 (h, w) in [0, 1]
        The outline.
    weights : float (N_COPIES,)
        Weights of the basis shadows, at least 0.

    Returns
    -------
    float32 (h, w) in [0.1, 1]
        Share of the light that is left.
    """
    used = np.flatnonzero(weights)
    if len(used) == 0:
        return np.ones(alpha.shape, np.float32)
    density = np.tensordot(np.asarray(weights, np.float32)[used], shadow_copies(alpha, used.tolist()), 1)
    return np.asarray(np.exp(-np.minimum(density, _DENSEST)))


def solid(weights: AnyArray) -> Float64Array:
    """Limit weights that were fitted with one product for use with another, upright product.

    The basis shadows of a thin outline are faint, so its weights are large and would be too dark for a solid product.
    The weights of contact shadows of the whole outline move to those of the foot.

    Parameters
    ----------
    weights : float (N_COPIES,)

    Returns
    -------
    float64 (N_COPIES,)
    """
    standing, blots = np.array(weights, float), len(_BLOTS) + len(_HALOS)
    standing[: len(_HALOS)] += standing[len(_BLOTS) : blots]
    standing[len(_BLOTS) : blots] = 0
    parts = [(standing[:blots], _MOST_BLOTS), (standing[blots:], _MOST_CAST)]
    return np.concatenate([part * min(1.0, most / max(float(part.sum()), 1e-9)) for part, most in parts])


def contact_weights(strength: float) -> Float64Array:
    """Weights, float64 (N_COPIES,), of a soft contact shadow that absorbs about `strength` (0-1) of the light."""
    weights = np.zeros(N_COPIES)
    weights[_BLOTS.index((0.14, 0.3))] = -np.log(1 - min(strength, 0.95))
    return weights


def quadratic(xy: AnyArray) -> Float64Array:
    """Basis of quadratic surfaces at points.

    Parameters
    ----------
    xy : float (m, 2)

    Returns
    -------
    float64 (m, 6)
        1, x, y, x^2, xy, y^2.
    """
    x, y = np.asarray(xy, np.float64).T
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], 1)


def fit_weights(
    copies: Sequence[AnyArray], logs: Sequence[AnyArray], surfaces: Sequence[AnyArray | None], rounds: int = 5
) -> tuple[Float64Array, float]:
    """Fit weights of the basis shadows by non-negative least squares, reweighted for outliers (Cauchy).

    Parameters
    ----------
    copies : sequence of float (m, N_COPIES)
        Basis shadows at the pixels of each frame.
    logs : sequence of float (m,)
        Logarithm of the light, relative to the floor without shadow if that is known.
    surfaces : sequence of float (m, k) or None
        Free terms for the light of the floor.
    rounds : int
        Iterations of the reweighting.

    Returns
    -------
    weights : float64 (N_COPIES,)
    explained : float in [0, 1]
        Share of the variation of the light that the shadow explains.
    """
    from scipy.optimize import nnls  # slow to import; most users of this module do not fit

    trust = [np.ones(len(log)) for log in logs]
    weights, explained = np.zeros(N_COPIES), 0.0
    for _ in range(rounds):
        rows, values, before = [], [], 0.0
        for copy, log, surface, weight in zip(copies, logs, surfaces, trust, strict=True):
            root = np.sqrt(weight)
            free = None if surface is None else np.linalg.qr(surface * root[:, None])[0]
            row, value = (_without(v * (root[:, None] if v.ndim == 2 else root), free) for v in (copy, log))
            rows.append(row)
            values.append(value)
            before += float(value @ value)
        a, b = np.concatenate(rows), np.concatenate(values)
        gram = a.T @ a + _RIDGE**2 * len(a) * np.eye(N_COPIES)
        # Least squares with the Cholesky factor of the normal equations: only N_COPIES rows.
        root = np.linalg.cholesky(gram)
        weights = nnls(root.T, np.linalg.solve(root, -(a.T @ b)))[0]
        residuals = [
            _residual(copy @ weights + log, surface, weight)
            for copy, log, surface, weight in zip(copies, logs, surfaces, trust, strict=True)
        ]
        scale = 2 * 1.48 * float(np.median(np.abs(np.concatenate(residuals)))) + 0.01
        trust = [1 / (1 + (one / scale) ** 2) for one in residuals]
        explained = 1 - float(((b + a @ weights) ** 2).sum()) / max(before, 1e-12)
    return weights, max(0.0, explained)


def _without(values: Float64Array, free: Float64Array | None) -> Float64Array:
    return values if free is None else values - free @ (free.T @ values)


def _residual(values: Float64Array, surface: AnyArray | None, trust: Float64Array) -> Float64Array:
    """Residual of values after a weighted fit of a surface."""
    if surface is None:
        return values
    root = np.sqrt(trust)
    found = np.linalg.lstsq(surface * root[:, None], values * root, rcond=None)[0]
    return np.asarray(values - surface @ found)
