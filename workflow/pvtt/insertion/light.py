"""Light of the scene: exposure over time, cast and range of tones, and the shadow that the product throws.

All of it depends on the clip only. Colour is matched mildly, by gains in linear light towards the scene's illuminant
and brightness (after Reinhard et al., Color transfer between images, 2001, but never towards the source product's own
colours). The shadow is a non-negative mix of blurred and shifted copies of the product's outline, fitted to the ratio
of source and background outside the product; with a new outline, it is the new product's shadow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.optimize import nnls

from pvtt.colour import luminance, to_linear, white_point
from pvtt.geometry import dilated
from pvtt.insertion.cutout import Cutout

Array = np.ndarray

_SHORT_SIDE = 120
_BLURS = (0.04, 0.1, 0.25)
_DIRECTIONS = [(0.0, 0.0)] + [(float(np.cos(a)), float(np.sin(a))) for a in np.arange(8) * np.pi / 4]
# Copies of the outline: blur and shift, both as multiples of the square root of its area.
COPIES = [(blur, 1.2 * blur * dx, 1.2 * blur * dy) for blur in _BLURS for dx, dy in _DIRECTIONS]
_DARKEST = 0.9


@dataclass(frozen=True)
class Light:
    """Light of a clip, in linear values.

    `exposure` (n,) is relative to the brightest frame, `white` (3,) the cast at luminance 1, `black` and `bright` the
    range of tones, `product` the source product's mean luminance or None, `shadow` (27,) the weights of `COPIES`.
    """

    exposure: Array
    white: Array
    black: float
    bright: float
    product: float | None
    shadow: Array


def measure_light(
    source: Iterable[Array], background: Iterable[Array], masks: Array, default_shadow: float, samples: int = 12
) -> Light:
    """Measure a clip's light from its frames, uint8 (h, w, 3) RGB, with and without product; `masks` bool (n, h, w).

    A clip without a product gets a soft contact shadow of strength `default_shadow`.
    """
    sampled = set(np.linspace(0, len(masks) - 1, min(samples, len(masks))).round().astype(int).tolist())
    exposure, fits, scenes, products, darkest = [0.0], [], [], [], []
    last: Array | None = None
    for index, (frame, plain) in enumerate(zip(source, background, strict=True)):
        bare = _reduced(plain)
        level = np.log(luminance(bare) + 1e-3)
        if last is not None:
            exposure.append(exposure[-1] + float(np.median(level - last)))
        last = level
        if index not in sampled:
            continue
        scenes.append(bare)
        darkest.append(float(np.percentile(luminance(_reduced(frame)), 0.5)))
        covered = cv2.resize(masks[index].astype(np.float32), level.shape[::-1], interpolation=cv2.INTER_AREA)
        if covered.max() > 0.5:
            light = _reduced(frame)
            products.append(float(np.exp(np.log(luminance(light) + 0.01)[covered > 0.5].mean())))
            fits.append(_shadow_equations(light, bare, covered))
    scene = np.concatenate([image.reshape(-1, 3) for image in scenes])
    tones = luminance(scene)
    return Light(
        np.exp(np.array(exposure) - max(exposure)),
        white_point(scene),
        float(np.median(darkest)),
        float(np.percentile(tones, 98)),
        float(np.exp(np.mean(np.log(products)))) if products else None,
        _fit_shadow(fits, default_shadow),
    )


def _reduced(frame: Array) -> Array:
    scale = min(1.0, _SHORT_SIDE / min(frame.shape[:2]))
    size = (round(frame.shape[1] * scale), round(frame.shape[0] * scale))
    return to_linear(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))


# ---------------------------------------------------------------- shadow


def shadow_copies(alpha: Array, length: float) -> Array:
    """The outline's blurred and shifted copies, float32 (27, h, w), for an outline of `length` (root of its area)."""
    height, width = alpha.shape
    copies = []
    blurred: dict[float, Array] = {}
    for blur, dx, dy in COPIES:
        if blur not in blurred:
            blurred[blur] = cv2.GaussianBlur(alpha, (0, 0), max(0.3, blur * length), borderType=cv2.BORDER_CONSTANT)
        move = np.array([[1, 0, dx * length], [0, 1, dy * length]], np.float64)
        copies.append(cv2.warpAffine(blurred[blur], move, (width, height), flags=cv2.INTER_LINEAR))
    return np.stack(copies)


def _shadow_equations(light: Array, bare: Array, covered: Array) -> tuple[Array, Array]:
    """Rows (m, 27) and deficits (m,) of light beside the product in one frame."""
    length = float(np.sqrt(covered.sum()))
    mask = covered > 0.02
    beside = dilated(mask, max(3, round(0.7 * length))) & ~dilated(mask, 2)
    rows = shadow_copies(covered, length)[:, beside].T
    deficit = 1 - luminance(light)[beside] / np.maximum(luminance(bare)[beside], 0.01)
    usable = (luminance(bare)[beside] > 0.02) & (np.abs(deficit) < 0.8)
    step = max(1, int(usable.sum()) // 600)
    return rows[usable][::step], deficit[usable][::step]


def _fit_shadow(fits: list[tuple[Array, Array]], default: float) -> Array:
    """Non-negative weights of the copies; without a product, a contact shadow below."""
    weights = np.zeros(len(COPIES))
    if not fits:
        # Towards y: the light comes from above in nearly every product shot.
        weights[COPIES.index(next(c for c in COPIES if c[0] == _BLURS[1] and c[2] > 1.19 * c[0]))] = default
        return weights
    rows, deficit = np.concatenate([f[0] for f in fits]), np.concatenate([f[1] for f in fits])
    if len(rows) < len(COPIES):
        return weights
    scale = np.sqrt(len(rows)) * 0.02
    ridge = np.concatenate([rows, scale * np.eye(len(COPIES))])
    weights = nnls(ridge, np.concatenate([deficit, np.zeros(len(COPIES))]))[0]
    # What is no shadow, such as the rest of a product, is explained badly by its copies and counts for less.
    explained = 1 - float(((deficit - rows @ weights) ** 2).sum()) / max(float((deficit**2).sum()), 1e-9)
    return weights * max(0.0, explained) * min(1.0, _DARKEST / max(float(weights.sum()), 1e-6))


def shade(alpha: Array, weights: Array, length: float) -> Array:
    """Share of the light that the shadow of `alpha` (float32 (h, w)) leaves, float32 (h, w) in 0.1-1."""
    if not weights.any():
        return np.ones_like(alpha)
    scale = min(1.0, 24 / max(length, 1.0))
    size = (max(1, round(alpha.shape[1] * scale)), max(1, round(alpha.shape[0] * scale)))
    small = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) if scale < 1 else alpha
    used = np.flatnonzero(weights)
    total = np.tensordot(weights[used].astype(np.float32), shadow_copies(small, length * scale)[used], 1)
    total = np.clip(total, 0, _DARKEST)
    total[total < 0.004] = 0
    return 1 - cv2.resize(total, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)


# ---------------------------------------------------------------- colour


def matched(cutout: Cutout, light: Light, strength: float) -> Cutout:
    """The cut-out under the scene's light at its brightest; `strength` 0 leaves its colours, 1 matches fully."""
    if strength <= 0:
        return cutout
    own = float(np.exp(np.log(luminance(cutout.colours) + 0.01).mean()))
    stops = 0.5 * np.log2(max(light.bright, 0.05) / 0.9)
    if light.product is not None:
        stops += 0.3 * np.clip(np.log2(light.product / own), -1.5, 1.5)
    cast = np.clip(light.white, 0.7, 1.3) ** 0.5
    gain = (cast * 2.0 ** np.clip(stops, -1.5, 0.7)) ** strength
    black = strength * min(light.black, 0.1)
    layer = cutout.layer.copy()
    alpha = layer[..., 3:]
    brightest = float(np.percentile(cutout.colours * gain, 99.5))
    gain = gain / max(1.0, brightest)
    layer[..., :3] = np.clip(black * light.white * alpha + (1 - black) * layer[..., :3] * gain, 0, alpha)
    return Cutout(layer)
