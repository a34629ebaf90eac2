"""Robust background detection on superpixels: the steps that the saliency maps of clips and of photos share.

Zhu, Liang, Wei and Sun, "Saliency optimization from robust background detection", CVPR 2014. A superpixel whose
geodesic neighbourhood touches the image border much for its size is background (boundary connectivity). Both stages
use these steps with parameters of their own and turn them into saliency by formulas of their own.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray

COLOR_SIGMA = 10.0  # CIE Lab colour difference; sigma_clr of the paper


def region_means(labels: Array, values: Array, count: int) -> Array:
    """Mean of `values`, (h, w, c), in each of `count` superpixels of `labels`, int (h, w); float64 (count, c)."""
    size = np.bincount(labels.ravel(), minlength=count)
    sums = [np.bincount(labels.ravel(), values[..., c].ravel(), count) for c in range(values.shape[2])]
    return np.asarray(np.stack(sums, 1) / np.maximum(size, 1)[:, None])


def border_regions(labels: Array, count: int) -> Array:
    """Which superpixels touch the image border, bool (count,)."""
    border = np.zeros(count, bool)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        border[side] = True
    return border


def touching_regions(labels: Array) -> Array:
    """Pairs of touching superpixels, int (m, 2), first < second, in ascending order."""
    pairs = [
        np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()], 1),
        np.stack([labels[:-1].ravel(), labels[1:].ravel()], 1),
    ]
    both = np.concatenate(pairs)
    both = np.sort(both[both[:, 0] != both[:, 1]], axis=1)
    return np.unique(both, axis=0)


def join_border(touching: Array, border: Array) -> Array:
    """Pairs of `touching_regions` and all pairs of border superpixels, int (m, 2).

    The border is joined so that a background that the object cuts in two is one region.
    """
    ids = np.flatnonzero(border)
    first, second = np.triu_indices(len(ids), 1)
    return np.unique(np.concatenate([touching, np.stack([ids[first], ids[second]], 1)]), axis=0)


def geodesic_similarity(links: Array, costs: Array, count: int) -> Array:
    """Similarity exp(-d^2 / 2 sigma^2) of superpixels by their geodesic colour distance d (eq. 2 to 4).

    Parameters
    ----------
    links : int (m, 2)
        Pairs of superpixels that a path may use.
    costs : float64 (m,)
        Colour difference along each link, > 0.
    count : int
        Number of superpixels.

    Returns
    -------
    float64 (count, count) in [0, 1]
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import dijkstra

    graph = csr_matrix((costs, (links[:, 0], links[:, 1])), (count, count))
    distance = dijkstra(graph, directed=False)
    return np.asarray(np.exp(-(distance**2) / (2 * COLOR_SIGMA**2)))


def background_probability(border_length: Array, area: Array) -> Array:
    """Probability of background, float64 (count,) in [0, 1], from border length and area in superpixels (eq. 5, 6)."""
    connectivity = border_length / np.sqrt(area)
    return np.asarray(1 - np.exp(-(connectivity**2) / 2))
