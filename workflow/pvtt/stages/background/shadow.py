"""The shadow on the ground around the product, as the share of light that it leaves.

Ground without its shadow is never seen around a still product, so shadow and ground are found together: the light of
the ground is a smooth surface, what the product's outline can throw (`pvtt.imaging.shadow`) takes from it, and one mix
serves the whole clip, as the lamps do. Only pixels of the ground's own tint count (a shadow keeps the chromaticity
nearly: Horprasert, Harwood and Davis, ICCV workshop 1999); its texture, hands and things beside are outliers of the
fit. The ground is then lit again by dividing its light by that share, which keeps its texture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.imaging.colour import luminance, to_linear, to_srgb
from pvtt.imaging.geometry import box_of, dilated
from pvtt.imaging.shadow import N_COPIES, fit_weights, quadratic, shade, shadow_copies
from pvtt.stages.background.inpaint import membrane

Array = np.ndarray

_SHORT_SIDE = 120  # px: short side at which the shadow is fitted
_FRAMES = 8  # frames used for the fit
_PIXELS = 4000  # pixels per frame used for the fit
_REACH = 2.2  # distance from the product, relative to its size, within which its shadow is looked for
_TINT = 0.035  # chromaticity difference to the floor at the foot, above which a pixel is not floor
_LEAST_EXPLAINED = 0.03  # smallest share of the variation of the light that a shadow must explain


@dataclass(frozen=True)
class Shadow:
    """The shadow of a clip: float32 outlines (n, h', w'), reduced, and the weights of their copies.

    `rest` float16 (n, h', w') is the density of what the mix does not follow, on even ground. The shadow fades out at
    `extent` outlines' sizes from the product; `explained` is the share of the ground's unevenness that it accounts for,
    `size` the frame's (width, height).
    """

    outlines: Array
    weights: Array
    rest: Array
    extent: float
    explained: float
    size: tuple[int, int]

    def shade(self, index: int) -> Array:
        """Share of the light that is left in frame `index`, float32 (h', w'), reduced as the outlines."""
        outline = self.outlines[index]
        if self.extent <= 0 or not (outline >= 0.5).any():
            return np.ones_like(outline)
        rest = self.rest[max(0, index - 2) : index + 3].mean(0, dtype=np.float32)
        taken = 1 - np.maximum(shade(outline, self.weights) * np.exp(-rest), 0.1)
        distance = cv2.distanceTransform((outline < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
        fading = np.clip(2 - 2 * distance / (self.extent * float(np.sqrt(outline.sum()))), 0, 1)
        left: Array = 1 - taken * fading
        return left

    def zone(self, index: int, least: float) -> Array:
        """Where the shadow takes more than `least` of the light, bool (h, w)."""
        taken: Array = cv2.resize(1 - self.shade(index), self.size, interpolation=cv2.INTER_LINEAR)
        return taken > least

    def lit(self, frame: Array, index: int) -> Array:
        """The frame, uint8 (h, w, 3) RGB, with the light that the shadow takes given back."""
        left = self.shade(index)
        box = box_of(left < 0.995)
        if box is None:
            return frame
        full = cv2.resize(left, self.size, interpolation=cv2.INTER_LINEAR)
        rows, columns = (np.flatnonzero((full < 0.995).any(axis)) for axis in (1, 0))
        if len(rows) == 0:
            return frame
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        result = frame.copy()
        result[part] = to_srgb(to_linear(frame[part]) / full[part][..., None])
        return result


def measure_shadow(frames: Callable[[], Iterator[Array]], masks: Array, extent: float) -> Shadow:
    """Shadow of the product of a clip: `frames()` gives uint8 (h, w, 3) RGB, `masks` bool (n, h, w).

    It fades out at `extent` times the square root of the mask's area; 0 switches it off.
    """
    height, width = masks.shape[1:]
    scale = min(1.0, _SHORT_SIDE / min(height, width))
    size = (round(width * scale), round(height * scale))
    outlines = np.stack([cv2.resize(m.astype(np.float32), size, interpolation=cv2.INTER_AREA) for m in masks])
    areas = outlines.sum((1, 2))
    shown = np.flatnonzero(areas > max(8.0, 0.3 * float(areas.max())))
    places = np.linspace(0, len(shown) - 1, min(len(shown), _FRAMES)).round().astype(int)
    chosen = set(shown[places].tolist())
    fits, small = [], []
    for index, frame in enumerate(frames()):
        small.append(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
        if index in chosen:
            fits.append(_equations(to_linear(small[-1]), outlines[index]))
    fits = [fit for fit in fits if fit is not None]
    rest = np.zeros(outlines.shape, np.float16)
    if not fits or extent <= 0:
        return Shadow(outlines, np.zeros(N_COPIES), rest, extent, 0.0, (width, height))
    copies, logs, surfaces = (list(part) for part in zip(*fits, strict=True))
    weights, explained = fit_weights(copies, logs, surfaces)
    if explained < _LEAST_EXPLAINED:
        weights = np.zeros(N_COPIES)
    # Only where the mix has shown that there is a shadow, more is looked for.
    trust = float(np.clip((explained - _LEAST_EXPLAINED) / 0.07, 0, 1))
    for index in shown.tolist() if trust else ():
        rest[index] = trust * _rest(to_linear(small[index]), outlines[index], weights)
    return Shadow(outlines, weights, rest, extent, explained, (width, height))


def _rest(light: Array, outline: Array, weights: Array) -> Array:
    """Density (h, w) that the mix leaves near the product, trusted as far as the ground further out is even."""
    around, size = _ground(light, outline), float(np.sqrt(outline.sum()))
    distance = cv2.distanceTransform((outline < 0.5).astype(np.uint8), cv2.DIST_L2, 5) / size
    far = around & (distance > 0.7)
    if far.sum() < 100 or around.sum() < 200:
        return np.zeros_like(outline)
    left = np.log(np.maximum(luminance(light), 1e-3)) - np.log(shade(outline, weights))
    rows, columns = np.mgrid[: outline.shape[0], : outline.shape[1]]
    basis = quadratic(np.stack([columns / outline.shape[1], rows / outline.shape[0]], 2).reshape(-1, 2) - 0.5)
    trust = (around * (0.05 + np.clip(distance, 0, 1))).ravel()
    for _ in range(3):
        root = np.sqrt(trust[trust > 0])
        found = np.linalg.lstsq(basis[trust > 0] * root[:, None], left.ravel()[trust > 0] * root, rcond=None)[0]
        error = left - (basis @ found).reshape(left.shape)
        scale = 3 * 1.48 * float(np.median(np.abs(error[far]))) + 0.003
        trust = (around * (0.05 + np.clip(distance, 0, 1)) / (1 + (error / scale) ** 2)).ravel()
    weight = _soft(around.astype(np.float32))
    smooth = _soft(np.where(around, error, 0).astype(np.float32)) / np.maximum(weight, 0.05)
    noise = 1.48 * float(np.median(np.abs(smooth[far])))
    kept = np.maximum(-smooth, 0) ** 2 / (smooth**2 + (3 * noise) ** 2 + 1e-9)
    near = np.clip(1.6 - 2 * distance, 0, 1) * (weight > 0.1)
    shadow: Array = np.clip(-smooth * kept * near, 0, 0.7).astype(np.float32)
    return shadow


def _soft(image: Array) -> Array:
    soft: Array = cv2.GaussianBlur(image, (0, 0), 1.2)
    return soft


def _equations(light: Array, outline: Array) -> tuple[Array, Array, Array] | None:
    """Copies (m, N_COPIES), log light (m,) and free surfaces (m, 6) of the ground beside the product in one frame."""
    around = _ground(light, outline)
    if np.count_nonzero(around) < 200:
        return None
    rows, columns = np.nonzero(around)
    step = max(1, len(rows) // _PIXELS)
    rows, columns = rows[::step], columns[::step]
    logs = np.log(luminance(light)[rows, columns].astype(np.float64))
    place = np.stack([columns / outline.shape[1], rows / outline.shape[0]], 1) - 0.5
    return shadow_copies(outline)[:, rows, columns].T.astype(np.float64), logs, quadratic(place)


def equalize(image: Array, known: Array, doubtful: Array, blur: float = 3.0, most: float = 0.5) -> Array:
    """`image` (uint8 (h, w, 3) RGB) whose `doubtful` part has the brightness that the `known` ground around suggests.

    What is left of a shadow, or taken twice, changes slowly; the ground's own texture does too, so the correction is
    weighed by how much of what it finds the texture does not explain (Wiener). Detail under `blur` pixels stays.
    """
    if not doubtful.any():
        return image
    log = np.log(luminance(to_linear(image)) + 0.01)
    clean = known & ~doubtful
    # Each side of the border has a mean of its own, or half of the step would stay.
    low = np.where(doubtful, _mean(log, doubtful, blur), _mean(log, clean, blur))
    wide = _mean(log, clean, 4 * blur)
    change = membrane(low, clean) - low
    ring = clean & dilated(doubtful, round(8 * blur))
    if ring.sum() < 100:
        return image
    texture = (1.48 * float(np.median(np.abs((low - wide)[ring])))) ** 2
    found = (1.48 * float(np.median(np.abs(change[doubtful])))) ** 2
    gain = max(0.0, 1 - texture / max(found, 1e-9)) * np.clip(2 - 2 * np.abs(change) / most, 0, 1)
    part = doubtful & (gain > 0)
    result = image.copy()
    result[part] = to_srgb(to_linear(image[part]) * np.exp(gain * change)[part][:, None])
    return result


def _mean(values: Array, known: Array, blur: float) -> Array:
    weight = cv2.GaussianBlur(known.astype(np.float32), (0, 0), blur)
    total: Array = cv2.GaussianBlur(np.where(known, values, 0).astype(np.float32), (0, 0), blur)
    mean: Array = total / np.maximum(weight, 1e-3)
    return mean


def _ground(light: Array, outline: Array) -> Array:
    """Pixels around the product that have the tint of the ground about its foot, bool (h, w)."""
    mask = outline > 0.02
    box = box_of(outline > 0.5)
    if box is None:
        return np.zeros_like(mask)
    x0, y0, x1, y1 = box
    size = float(np.sqrt(outline.sum()))
    around: Array = dilated(mask, max(4, round(_REACH * size))) & ~dilated(mask, 1)
    # Higher than the outline laid back on the ground reaches there is no shadow, but often another surface.
    around[: max(0, round(y1 - 0.7 * (y1 - y0) - 0.35 * (x1 - x0)))] = False
    level = luminance(light)
    around &= (level > 0.01) & (light.max(2) < 0.97)
    tint = light / np.maximum(light.sum(2, keepdims=True), 1e-3)
    foot = around & dilated(mask, max(4, round(0.6 * size)))
    foot[: round(y1 - 0.25 * (y1 - y0))] = False
    if foot.sum() < 20:
        return np.zeros_like(mask)
    usual = np.median(tint[foot], 0)
    spread = 1.48 * np.median(np.abs(tint[foot] - usual), 0)
    around &= (np.abs(tint - usual) < _TINT + 2 * spread).all(2)
    ratio = level / max(float(np.median(level[foot])), 1e-3)
    around &= (ratio > 0.12) & (ratio < 3)
    return around
