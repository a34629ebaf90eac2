"""The background of a studio photo: a smooth colour surface fitted to the photo's border.

A second-degree polynomial per Lab channel is fitted to the border pixels by iteratively re-weighted least squares with
Tukey's biweight (Beaton and Tukey, "The fitting of power series, meaning polynomials", Technometrics 1974), so that a
product or a prop at the border does not bend it. It models white sweeps, vignettes and light fall-off. A border that
does not follow it is no uniform background.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pvtt.imaging.colour import to_lab

_BORDER_SHARE = 0.03  # of the short side: width of the border that shows the background
_MAX_NOISE = 2.5  # CIE76 difference, robust standard deviation of the border about the fitted surface
_INLIER_DELTA_E = 6.0  # CIE76 difference up to which a border pixel follows the fitted surface


@dataclass(frozen=True)
class BackgroundFit:
    """A fitted background.

    lab: float32 (h, w, 3), the background in CIE Lab. distance: float32 (h, w), CIE76 difference of each pixel to it.
    noise: robust standard deviation of the border about it, CIE76. uniformity: share of border pixels that follow it.
    """

    lab: np.ndarray
    distance: np.ndarray
    noise: float
    uniformity: float

    def is_plain(self, min_uniformity: float) -> bool:
        """Whether the photo has a plain ground: a border that follows the surface, with little noise about it."""
        return self.uniformity >= min_uniformity and self.noise <= _MAX_NOISE


def border_mask(height: int, width: int) -> np.ndarray:
    """Border of an image, bool (height, width): 3 % of the short side wide, at least 2 px."""
    depth = max(2, round(_BORDER_SHARE * min(height, width)))
    mask = np.ones((height, width), bool)
    mask[depth:-depth, depth:-depth] = False
    return mask


def fit_background(image: np.ndarray) -> BackgroundFit:
    """Fit the background of a photo to the photo's border.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB

    Returns
    -------
    BackgroundFit

    References
    ----------
    Beaton and Tukey, "The fitting of power series, meaning polynomials", Technometrics 1974.
    """
    height, width = image.shape[:2]
    lab = to_lab(image)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    border = border_mask(height, width)
    step = max(1, int(border.sum()) // 20_000)
    basis = _basis(x[border][::step], y[border][::step])
    samples = lab[border][::step]
    coefficients, weights = _robust_fit(basis, samples)
    used = samples[weights > 0] if (weights > 0).any() else samples
    low, high = used.min(0) - 2, used.max(0) + 2
    surface = (_basis(x.ravel(), y.ravel()) @ coefficients).reshape(height, width, 3)
    surface = np.clip(surface, low, high).astype(np.float32)
    distance = np.linalg.norm(lab - surface, axis=2)
    residual = distance[border]
    inliers = residual < _INLIER_DELTA_E
    noise = float(np.sqrt(np.mean(residual[inliers] ** 2))) if inliers.any() else _INLIER_DELTA_E
    return BackgroundFit(surface, distance, noise, float(inliers.mean()))


def _basis(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)


def _robust_fit(basis: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tukey's biweight from the constant surface of the median to the quadratic one; coefficients and weights."""
    coefficients = np.zeros((basis.shape[1], 3), np.float32)
    coefficients[0] = _mode(samples)
    weights = np.ones(len(samples))
    for terms, cut in ((1, 25.0), (3, 20.0), (3, 15.0), (6, 12.0), (6, 9.0), (6, 9.0)):
        residual = np.linalg.norm(samples - basis @ coefficients, axis=1)
        weights = np.clip(1 - (residual / cut) ** 2, 0, None) ** 2
        if (weights > 0).mean() < 0.3:
            break
        root = np.sqrt(weights)[:, None]
        ridge = 1e-3 * len(samples) * np.diag([0.0] + [1.0] * (terms - 1))
        part = basis[:, :terms] * root
        coefficients = np.zeros_like(coefficients)
        coefficients[:terms] = np.linalg.solve(part.T @ part + ridge, part.T @ (samples * root))
    return coefficients, weights


def _mode(samples: np.ndarray) -> np.ndarray:
    """The most frequent colour: mean of the fullest cell of a coarse Lab grid and of its neighbours."""
    cells = np.floor(samples / 8).astype(np.int64)
    keys, counts = np.unique(cells, axis=0, return_counts=True)
    near = (np.abs(cells - keys[counts.argmax()]) <= 1).all(axis=1)
    return np.asarray(samples[near].mean(axis=0))
