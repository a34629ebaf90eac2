"""Saliency of a single frame by robust background detection.

Zhu, Liang, Wei and Sun, "Saliency optimization from robust background detection", CVPR 2014: superpixels with a high
boundary connectivity are background, contrast to the probable background is a first saliency, and a quadratic cost
fuses and smooths both.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve

from pvtt.imaging.saliency import (
    COLOR_SIGMA,
    background_probability,
    border_regions,
    geodesic_similarity,
    join_border,
    region_means,
    touching_regions,
)

Array = np.ndarray

_SEGMENTS = 400  # superpixels of SLIC
_COMPACTNESS = 4  # of SLIC; weight of space against colour (CIE Lab)
_SPACE_SIGMA = 0.4  # of the frame's sides: how near probable background must be to count as contrast
_MIN_COST = 1e-6  # CIE Lab; smallest colour difference along a path
_MIN_SMOOTHNESS = 0.1  # weight between superpixels of any colours; mu of the paper
_BACKGROUND_WEIGHT = 5  # of the background term; w_bg of the paper


def estimate_saliency(image: Array) -> tuple[Array, Array]:
    """Saliency and background probability of a frame.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB
        Meant for about 240 px on the short side; takes about half a second there.

    Returns
    -------
    saliency, background : float32 (h, w) in [0, 1]
    """
    from skimage.segmentation import slic

    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    labels = slic(lab, _SEGMENTS, compactness=_COMPACTNESS, start_label=0, convert2lab=False, channel_axis=-1)
    count = int(labels.max()) + 1
    colours = region_means(labels, lab, count)
    grid = np.dstack(np.meshgrid(*(np.linspace(0, 1, s) for s in labels.shape), indexing="ij"))
    places = region_means(labels, grid, count)
    edges = touching_regions(labels)
    difference = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    background = _background(labels, difference, edges, count)
    near = np.exp(-((places[:, None] - places[None]) ** 2).sum(2) / (2 * _SPACE_SIGMA**2))
    contrast = (difference * near * background[None]).sum(1)
    contrast = contrast / max(contrast.max(), 1e-6)
    values = _optimise(contrast, background, difference, edges)
    return values[labels].astype(np.float32), background[labels].astype(np.float32)


def _background(labels: Array, difference: Array, edges: Array, count: int) -> Array:
    border = border_regions(labels, count)
    links = join_border(edges, border)
    costs = np.maximum(difference[links[:, 0], links[:, 1]] - _noise_step(difference, edges, count), _MIN_COST)
    similarity = geodesic_similarity(links, costs, count)
    return background_probability(similarity[:, border].sum(1), similarity.sum(1))


def _noise_step(difference: Array, edges: Array, count: int) -> float:
    """Mean smallest difference to a neighbour (CIE Lab): noise that must not add up along a path."""
    least = np.full(count, np.inf)
    np.minimum.at(least, edges[:, 0], difference[edges[:, 0], edges[:, 1]])
    np.minimum.at(least, edges[:, 1], difference[edges[:, 0], edges[:, 1]])
    finite = least[np.isfinite(least)]
    return float(finite.mean()) if len(finite) else 0.0


def _optimise(contrast: Array, background: Array, difference: Array, edges: Array) -> Array:
    """Saliency per superpixel that minimises the paper's quadratic cost (eq. 9), scaled to [0, 1]."""
    count = len(contrast)
    weight = np.exp(-(difference[edges[:, 0], edges[:, 1]] ** 2) / (2 * COLOR_SIGMA**2)) + _MIN_SMOOTHNESS
    rows, columns = np.concatenate([edges[:, 0], edges[:, 1]]), np.concatenate([edges[:, 1], edges[:, 0]])
    smooth = coo_matrix((np.concatenate([weight, weight]), (rows, columns)), (count, count)).tocsr()
    laplacian = diags(np.asarray(smooth.sum(1)).ravel()) - smooth
    system = laplacian + diags(contrast + _BACKGROUND_WEIGHT * background + 1e-6)
    values = spsolve(system.tocsc(), contrast)
    values -= values.min()
    return np.asarray(values / max(values.max(), 1e-6))
