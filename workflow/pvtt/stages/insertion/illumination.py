"""Light of the scene: exposure over time, cast, and the shadow that the product throws.

All of it depends on the clip only. Colour is matched mildly, by gains in linear light towards the scene's illuminant
(after Reinhard et al., Color transfer between images, 2001), never towards the source product's own colours, and never
towards those of a coloured ground. Brightness is the photos': a dark scene is rather one of dark things. The shadow is
a mix of what the product's outline can throw (`pvtt.imaging.shadow`), fitted to the ratio of source and background
beside it; of a new outline it is the new one's shadow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.imaging.colour import luminance, to_linear, white_point
from pvtt.imaging.geometry import dilated
from pvtt.imaging.shadow import N_COPIES, contact_weights, fit_weights, shade, shadow_copies, solid
from pvtt.stages.insertion.layer import Cutout

Array = np.ndarray

_SHORT_SIDE = 120  # px: short side at which the light is measured
_SHADOW_PX = 40  # px: size of the outline at which its shadow is rendered
_REACH = 1.6  # distance from the product, relative to its size, within which its shadow is looked for
_LEAST_EXPLAINED = 0.1  # smallest share of the variation of the light that a shadow must explain
_NEUTRAL = 0.15  # deviation of the white point from neutral at which the colour cast has the exponent 1/e


@dataclass(frozen=True)
class Light:
    """Light of a clip, in linear values.

    `exposure` (n, 3) is relative to the brightest frame, per channel, `white` (3,) the cast at luminance 1, `shadow`
    (N_COPIES,) the weights of what the outline throws.
    """

    exposure: Array
    white: Array
    shadow: Array


def measure_light(
    source: Iterable[Array], background: Iterable[Array], masks: Array, default_shadow: float, samples: int = 12
) -> Light:
    """Measure a clip's light from its frames.

    Parameters
    ----------
    source, background : iterable of n uint8 (h, w, 3) RGB
        Frames with and without the product.
    masks : bool (n, h, w)
        Masks of the product.
    default_shadow : float in [0, 1]
        Share of the light that a soft contact shadow absorbs in a clip without a product.
    samples : int
        Largest number of frames for the cast and the shadow; the exposure is measured in all frames.

    Returns
    -------
    Light
    """
    areas = masks.sum((1, 2))
    # Where little of the product is in sight, its shadow is not told by its outline.
    shown = np.flatnonzero(areas >= max(1, 0.5 * float(areas.max())))
    chosen = shown if len(shown) else np.arange(len(masks))
    sampled = set(chosen[np.linspace(0, len(chosen) - 1, min(samples, len(chosen))).round().astype(int)].tolist())
    exposure, fits, scenes = [np.zeros(3)], [], []
    last: Array | None = None
    for index, (frame, plain) in enumerate(zip(source, background, strict=True)):
        bare = _reduced(plain)
        level = np.log(bare + 1e-2)
        if last is not None:
            exposure.append(exposure[-1] + np.median(level - last, (0, 1)))
        last = level
        if index not in sampled:
            continue
        scenes.append(bare)
        light = _reduced(frame)
        covered = cv2.resize(masks[index].astype(np.float32), level.shape[1::-1], interpolation=cv2.INTER_AREA)
        if covered.max() > 0.5:
            fits.append(_shadow_equations(light, bare, covered))
    scene = np.concatenate([image.reshape(-1, 3) for image in scenes])
    levels = np.array(exposure)
    return Light(
        np.exp(levels - levels[levels.sum(1).argmax()]),
        white_point(scene),
        _fit_shadow(fits, default_shadow),
    )


def _reduced(frame: Array) -> Array:
    scale = min(1.0, _SHORT_SIDE / min(frame.shape[:2]))
    size = (round(frame.shape[1] * scale), round(frame.shape[0] * scale))
    return to_linear(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))


# ---------------------------------------------------------------- shadow


def _shadow_equations(light: Array, bare: Array, covered: Array) -> tuple[Array, Array]:
    """Copies (m, N_COPIES) and log ratios (m,) of the light beside the product in one frame."""
    mask = covered > 0.02
    beside = dilated(mask, max(3, round(_REACH * float(np.sqrt(covered.sum()))))) & ~dilated(mask, 1)
    ratio = luminance(light) / np.maximum(luminance(bare), 1e-3)
    usable = beside & (luminance(bare) > 0.02) & (ratio > 0.15) & (ratio < 1.5)
    rows, columns = np.nonzero(usable)
    step = max(1, len(rows) // 2000)
    rows, columns = rows[::step], columns[::step]
    copies = shadow_copies(covered)[:, rows, columns].T
    return copies.astype(np.float64), np.log(ratio[rows, columns].astype(np.float64))


def _fit_shadow(fits: list[tuple[Array, Array]], default: float) -> Array:
    """Weights of the copies; without a product, a contact shadow."""
    if not fits:
        return contact_weights(default)
    if sum(len(logs) for _, logs in fits) < N_COPIES:
        return np.zeros(N_COPIES)
    copies, logs = (list(part) for part in zip(*fits, strict=True))
    weights, explained = fit_weights(copies, logs, [None] * len(logs))
    # What is no shadow, such as the rest of a product, is explained badly by its copies.
    return solid(weights) if explained > _LEAST_EXPLAINED else np.zeros(N_COPIES)


def shaded(alpha: Array, weights: Array) -> Array:
    """Share of the light that a shadow leaves.

    Parameters
    ----------
    alpha : float32 (h, w) in [0, 1]
        Outline of the product.
    weights : float (N_COPIES,)
        Weights of the basis shadows, at least 0.

    Returns
    -------
    float32 (h, w) in [0.1, 1]
    """
    scale = min(1.0, _SHADOW_PX / max(float(np.sqrt(alpha.sum())), 1.0))
    size = (max(1, round(alpha.shape[1] * scale)), max(1, round(alpha.shape[0] * scale)))
    left = shade(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) if scale < 1 else alpha, weights)
    left = np.where(left > 0.996, 1, left).astype(np.float32)
    full: Array = cv2.resize(left, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return full


# ---------------------------------------------------------------- colour


def match_illumination(cutout: Cutout, light: Light, strength: float) -> Cutout:
    """The cut-out under the scene's light at its brightest; `strength` 0 leaves its colours, 1 matches fully.

    A coloured scene is as likely one of coloured things as one in such a light: a strong cast is not the light's.
    """
    if strength <= 0:
        return cutout
    cast = light.white ** (np.exp(-((np.abs(light.white - 1).max() / _NEUTRAL) ** 2)))
    gain = cast**strength
    layer = cutout.layer.copy()
    alpha = layer[..., 3:]
    brightest = float(np.percentile(cutout.colours * gain, 99.5))
    gain = gain / max(1.0, brightest)
    layer[..., :3] = np.clip(layer[..., :3] * gain, 0, alpha)
    return Cutout(layer)
