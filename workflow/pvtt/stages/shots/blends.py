"""Dissolves and fades, also between moving shots: windows of frames scored as linear blends of their two ends.

In a dissolve or fade, frame = (1 - a) A + a B with `a` rising from 0 to 1 (Lienhart, "Comparison of automatic shot
boundary detection algorithms", SPIE 1999). Two properties are measured in every window of 2 * reach + 1 frames, at its
middle and half way to both ends:

- The picture, shrunk so far that moves within the shots hardly matter, is that blend: what no blend explains is small,
  and all parts of the picture have the same `a`.
- The energy of the gradients is what two unrelated pictures give, (1 - a)^2 |A|^2 + a^2 |B|^2 (Alattar, "Detecting and
  compressing dissolve regions in video sequences", ISCAS 1993). It does not depend on motion: a move keeps the energy
  (it lies higher), motion blur loses more of it (lower).

Both make one linear score. Its weights were fitted by logistic regression to edits of product videos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

Array = np.ndarray

REACHES = (2, 3, 4, 5, 6, 8, 10, 12, 14, 17, 20, 24, 32, 40, 48)  # frames from a window's middle to its ends
MEASURES = ("residual", "misfit", "side misfit", "lost", "kept", "off", "dip", "mean dip", "agreeing")
WEIGHTS = np.array([0.95, -0.49, -0.13, -33.3, -1.56, 6.19, 5.43, 17.8, 3.73])  # of MEASURES; logistic regression
BIAS = -6.32  # log-odds; logistic regression
_PICTURE_SIZE, _BLOCKS = (32, 24), 4  # px (width, height) of the small pictures; blocks per side
_GRADIENT_SIZE = (64, 48)  # px (width, height) at which gradients are taken
_MIN_DISTANCE = 8.0  # RMS gray levels between a window's ends; less is no transition
_MAX_STEP_RATIO = 0.6  # largest step between neighbouring frames over the distance of the ends; more is a hard cut
_MAX_SHARED_STRUCTURE = 0.5  # correlation of the ends' gradients; more is the same scene
_FADED_ENERGY_RATIO = 0.08  # gradient energy of one end over the other's; less is a fade
_NOISE_ENERGY = 20.0  # squared gray levels per px; added to gradient energies
_MIN_LOG_ENERGY = -0.7  # log ratio of the gradient energy to that of the blend; less is motion blur
_MIN_AGREEING = 0.05  # weighted share of blocks with the same blend factor
_MAX_MISFIT = 0.2  # share of the difference that no blend explains


class FrameProducts:
    """Frames of a video as small pictures and their gradients, with the inner products of frames a lag apart."""

    def __init__(self, thumbs: Sequence[Array]) -> None:
        """Take uint8 (h, w, 3) RGB thumbnails in order."""
        self.count = len(thumbs)
        small = [cv2.resize(thumb, _PICTURE_SIZE, interpolation=cv2.INTER_AREA) for thumb in thumbs]
        self.colours = np.stack(small).astype(np.float32)
        self._gradients = np.stack([_gradient(thumb) for thumb in thumbs])
        self._products: dict[tuple[str, int], Array] = {}
        self.steps = np.zeros(self.count)
        self.steps[1:] = np.sqrt(np.mean(np.diff(self.colours, axis=0) ** 2, axis=(1, 2, 3)))

    def blocks(self, lag: int) -> Array:
        """Mean products of the pictures of frames i and i + lag in every block, float (n - lag, blocks)."""
        return self._product("colours", lag, self.colours, _block_means)

    def gradients(self, lag: int) -> Array:
        """Mean products of the gradients of frames i and i + lag, float (n - lag,)."""
        return self._product("gradients", lag, self._gradients, lambda p: p.reshape(len(p), -1).mean(1))

    def _product(self, name: str, lag: int, values: Array, reduce: Callable[[Array], Array]) -> Array:
        if (name, lag) not in self._products:
            self._products[name, lag] = reduce(values[: self.count - lag] * values[lag:])
        return self._products[name, lag]


class BlendWindows:
    """All windows of one reach: `centres`, `distances` of their ends (RMS grey levels), `measures`, `possible`."""

    def __init__(self, pictures: FrameProducts, reach: int) -> None:
        self.reach = reach
        self._pictures, self._count = pictures, pictures.count - 2 * reach
        self.centres = np.arange(reach, reach + self._count)
        before, after = self._ends(pictures.blocks(0))
        self._between = pictures.blocks(2 * reach)
        self._apart = np.maximum(before + after - 2 * self._between, 1e-3)
        self.distances = np.sqrt(self._apart.mean(1))
        first, last = self._ends(pictures.gradients(0))
        same = pictures.gradients(2 * reach) / np.sqrt(first * last + 1)
        self.faded = np.minimum(first, last) < _FADED_ENERGY_RATIO * np.maximum(first, last)
        half = max(1, reach // 2)
        points = [self._point(offset) for offset in (reach - half, reach, reach + half)]
        self.measures = _measures(points)
        share0, share, share2 = (point[0] for point in points)
        rising = (share0 < share - 0.08) & (share2 > share + 0.08) & (share > 0.25) & (share < 0.75)
        detailed = np.min([point[4] for point in points], axis=0) > _MIN_LOG_ENERGY
        coherent = (self.measures[:, 8] >= _MIN_AGREEING) | (self.measures[:, 1] < _MAX_MISFIT)
        unlike = (same < _MAX_SHARED_STRUCTURE) | self.faded
        steps = np.lib.stride_tricks.sliding_window_view(pictures.steps[1:], 2 * reach).max(1)
        smooth = steps < _MAX_STEP_RATIO * self.distances
        self.possible = rising & detailed & coherent & unlike & smooth & (self.distances > _MIN_DISTANCE)

    def scores(self) -> Array:
        """How much each window looks like a transition, above 0 more than not; -inf where it cannot be one."""
        return np.where(self.possible, self.measures @ WEIGHTS + BIAS, -np.inf)

    def _ends(self, values: Array) -> tuple[Array, Array]:
        return values[: self._count], values[2 * self.reach :]

    def _point(self, offset: int) -> tuple[Array, ...]:
        """The frame `offset` after the first: share of B, residual, misfit, agreeing blocks, energies."""
        rest, count = 2 * self.reach - offset, self._count
        own = self._pictures.blocks(0)
        frame, (before, after) = own[offset : offset + count], self._ends(own)
        to_before = self._pictures.blocks(offset)[:count]
        to_after = self._pictures.blocks(rest)[offset : offset + count]
        moved, left = frame + before - 2 * to_before, frame + after - 2 * to_after
        along, apart = to_after - to_before - self._between + before, self._apart
        share = along.sum(1) / apart.sum(1)
        residual = np.maximum(moved.sum(1) - share**2 * apart.sum(1), 1e-3)
        nearest = np.maximum(np.minimum(moved.sum(1), left.sum(1)), 1e-3)
        near = np.maximum(np.minimum(share, 1 - share), 0.05)[:, None]
        misses = moved - 2 * share[:, None] * along + share[:, None] ** 2 * apart
        weight = np.maximum(apart - 30, 1e-6)
        agreeing = (weight * (misses < 0.3 * near**2 * apart + 4)).sum(1) / weight.sum(1)
        energies = self._pictures.gradients(0)
        first, last = self._ends(energies)
        a = np.clip(share, 0, 1)
        blend = (1 - a) ** 2 * first + a**2 * last + 2 * a * (1 - a) * self._pictures.gradients(2 * self.reach)
        level = np.log(energies[offset : offset + count] + _NOISE_ENERGY)
        to_blend = level - np.log(np.maximum(blend, 0) + _NOISE_ENERGY)
        to_mean = level - np.log((1 - a) * first + a * last + _NOISE_ENERGY)
        misfit = residual / (near[:, 0] ** 2 * apart.sum(1))
        return share, residual / nearest, misfit, agreeing, to_blend, to_mean


def _measures(points: Sequence[tuple[Array, ...]]) -> Array:
    """The numbers that are weighed, float (windows, len(MEASURES)), from three points of each window."""
    (_, _, misfit0, _, energy0, dip0), middle, (_, _, misfit2, _, energy2, dip2) = points
    _, residual, misfit, agreeing, energy, dip = middle
    columns = [
        np.clip(np.log(residual), -3, 0),
        np.clip(np.log(misfit), -3, 2),
        np.clip(np.log(misfit0) + np.log(misfit2), -4, 5),
        np.clip(energy, -1, 0) ** 2,
        np.clip(energy, 0, 1),
        np.clip((np.abs(energy0) + np.abs(energy) + np.abs(energy2)) / 3, 0, 1),
        np.clip(-dip, 0, 1),
        np.clip(-(dip0 + dip + dip2) / 3, 0, 1),
        agreeing,
    ]
    return np.stack(columns, axis=1)


def _gradient(thumb: Array) -> Array:
    luma = cv2.resize(cv2.cvtColor(thumb, cv2.COLOR_RGB2GRAY), _GRADIENT_SIZE, interpolation=cv2.INTER_AREA)
    luma = luma.astype(np.float32)
    return np.stack([cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)])


def _block_means(products: Array) -> Array:
    (width, height), blocks = _PICTURE_SIZE, _BLOCKS
    shape = (len(products), blocks, height // blocks, blocks, width // blocks, 3)
    return np.asarray(products.reshape(shape).mean(axis=(2, 4, 5)).reshape(len(products), -1))
