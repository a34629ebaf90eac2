"""Identity without weights: colour, outline, gradients and texture of two masked crops.

- Colour: Lab histograms, chroma and lightness separately; lightness relative to its median, so that exposure has little
  effect (Swain and Ballard, Color indexing, IJCV 1991; Hellinger distance).
- Outline and gradients: masks and histograms of oriented gradients (Dalal and Triggs, CVPR 2005) of crops normalised
  for area and centre; best over in-plane rotations.
- Texture: uniform local binary patterns at two scales (Ojala et al., PAMI 2002).

A logistic curve maps the weighted sum to 0-1. Its two constants were set on product cut-outs: each against itself under
relighting, scaling, rotation and blur, and against the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.backends.base import Embedded
from pvtt.config.stages.scoring import ScoringSettings
from pvtt.stages.scoring.base import Crop

_SIDE = 64  # px: side of a normalised crop
_ROTATIONS = tuple(range(0, 360, 15))  # degrees
_CELL, _BINS = 8, 9  # px: side of a gradient histogram's cell; orientation bins over 180 degrees
# Weights of the five similarities; they sum to 1.
_WEIGHTS = {"chroma": 0.25, "lightness": 0.15, "outline": 0.15, "gradients": 0.4, "texture": 0.05}
_CENTRE, _SLOPE = 0.52, 9.0  # of the logistic curve: weighted sum (0-1) at half height; steepness


@dataclass(frozen=True)
class Features:
    """Features of one crop.

    `chroma` (24, 24), `lightness` (25,) and `texture` (20,) are histograms, each with the sum 1; `masks` bool
    (24, 64, 64) and `gradients` float (24, 1152), of unit length, are per rotation.
    """

    chroma: np.ndarray
    lightness: np.ndarray
    texture: np.ndarray
    masks: np.ndarray
    gradients: np.ndarray


class Backend(Embedded[ScoringSettings]):
    """Classical features; see the module."""

    settings_type = ScoringSettings
    name = "classical"
    version = "1"

    def embed(self, crops: Sequence[Crop]) -> list[Features]:
        """Features of each crop; a crop needs at least one pixel of product."""
        return [_features(crop) for crop in crops]

    def similarity(self, a: Features, b: Features) -> float:
        """Similarity, 0 to 1; symmetric except for the sampling of rotations."""
        value = sum(_WEIGHTS[name] * part for name, part in likeness_parts(a, b).items())
        top = 1 / (1 + np.exp(-_SLOPE * (1 - _CENTRE)))
        return float(np.clip(1 / (1 + np.exp(-_SLOPE * (value - _CENTRE))) / top, 0, 1))


def likeness_parts(a: Features, b: Features) -> dict[str, float]:
    """The five similarities, each 0 to 1, before they are combined."""
    both = (a.masks[0] & b.masks).sum((1, 2)) / np.maximum(1, (a.masks[0] | b.masks).sum((1, 2)))
    gradients = b.gradients @ a.gradients[0]
    best = int(np.argmax(both + gradients))
    return {
        "chroma": _overlap(a.chroma, b.chroma),
        "lightness": _overlap(a.lightness, b.lightness),
        "outline": float(both[best]),
        "gradients": float(np.clip(gradients[best], 0, 1)),
        "texture": _overlap(a.texture, b.texture),
    }


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """1 - Hellinger distance of two histograms."""
    return 1 - float(np.sqrt(max(0.0, 1 - np.sqrt(a * b).sum())))


def _features(crop: Crop) -> Features:
    lab = cv2.cvtColor(crop.image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    inside = lab[crop.mask]
    grey, mask = _normalised(crop, lab[..., 0])
    turned = [_rotated(grey, mask, angle) for angle in _ROTATIONS]
    return Features(
        _chroma_histogram(inside),
        _lightness_histogram(inside[:, 0]),
        _texture_histogram(grey, mask > 0.5),
        np.stack([m > 0.5 for _, m in turned]),
        np.stack([_gradient_descriptor(g, m) for g, m in turned]),
    )


def _chroma_histogram(lab: np.ndarray) -> np.ndarray:
    """Smoothed histogram (24, 24) of a and b, for Lab pixels (n, 3)."""
    cells = np.clip((lab[:, 1:] + 96) / 8, 0, 23).astype(int)
    counts = np.bincount(cells[:, 0] * 24 + cells[:, 1], minlength=576).reshape(24, 24).astype(np.float32)
    smooth = cv2.GaussianBlur(counts, (0, 0), 0.8)
    histogram: np.ndarray = smooth / smooth.sum()
    return histogram


def _lightness_histogram(lightness: np.ndarray) -> np.ndarray:
    """Smoothed histogram (25,) of the lightness (0-100), shifted by half of its median's distance from 50."""
    median = float(np.median(lightness))
    counts = np.histogram(np.clip(lightness - 0.5 * (median - 50), 0, 100), 25, (0, 100))[0].astype(np.float32)
    smooth = cv2.GaussianBlur(counts[None], (0, 0), 1.2)[0]
    histogram: np.ndarray = smooth / smooth.sum()
    return histogram


def _normalised(crop: Crop, lightness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lightness (0-100) and mask (0-1), float32 (64, 64), centred and scaled to one area; long products are cut."""
    y, x = np.nonzero(crop.mask)
    centre = (float(x.mean()), float(y.mean()))
    spread = float(np.sqrt(x.var() + y.var())) + 0.5
    scale = 0.3 * _SIDE / spread
    matrix = np.array([[scale, 0, _SIDE / 2 - scale * centre[0]], [0, scale, _SIDE / 2 - scale * centre[1]]])
    if scale < 1:
        sigma = 0.4 / scale
        lightness = cv2.GaussianBlur(lightness, (0, 0), sigma)
    median = float(np.median(lightness[crop.mask]))
    grey = cv2.warpAffine(lightness.astype(np.float32), matrix, (_SIDE, _SIDE), borderValue=median)
    mask = cv2.warpAffine(crop.mask.astype(np.float32), matrix, (_SIDE, _SIDE))
    return median + (grey - median) * mask, mask


def _rotated(grey: np.ndarray, mask: np.ndarray, degrees: int) -> tuple[np.ndarray, np.ndarray]:
    if degrees == 0:
        return grey, mask
    matrix = cv2.getRotationMatrix2D(((_SIDE - 1) / 2, (_SIDE - 1) / 2), degrees, 1)
    turned = cv2.warpAffine(grey, matrix, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE)
    return turned, cv2.warpAffine(mask, matrix, (_SIDE, _SIDE))


def _gradient_descriptor(grey: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Unit vector: histograms of oriented gradients of the product's inside and of its outline."""
    return np.concatenate([0.7 * _hog(grey), 0.714 * _hog(100 * cv2.GaussianBlur(mask, (0, 0), 1.0))])


def _hog(image: np.ndarray) -> np.ndarray:
    dx, dy = cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)
    strength = np.sqrt(np.hypot(dx, dy))
    angle = np.mod(np.arctan2(dy, dx), np.pi) / np.pi * _BINS
    low = np.floor(angle).astype(int) % _BINS
    part = angle - np.floor(angle)
    row, column = np.indices(image.shape) // _CELL
    cell = (row * (_SIDE // _CELL) + column) * _BINS
    size = (_SIDE // _CELL) ** 2 * _BINS
    counts = np.bincount((cell + low).ravel(), (strength * (1 - part)).ravel(), size)
    counts += np.bincount((cell + (low + 1) % _BINS).ravel(), (strength * part).ravel(), size)
    return counts / max(1e-6, float(np.linalg.norm(counts)))


def _texture_histogram(grey: np.ndarray, mask: np.ndarray) -> np.ndarray:
    from skimage.feature import local_binary_pattern

    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    inner = inner if inner.any() else mask
    values = np.clip(grey * 2.55, 0, 255).astype(np.uint8)
    parts = []
    for points, radius in ((8, 1), (8, 2)):
        codes = local_binary_pattern(values, points, radius, method="uniform")[inner].astype(int)
        parts.append(np.bincount(codes, minlength=points + 2) + 0.5)
    joined = np.concatenate(parts)
    histogram: np.ndarray = joined / joined.sum()
    return histogram
