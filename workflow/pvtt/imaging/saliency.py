"""Robust background detection on superpixels: the steps that the saliency maps of clips and of photos share.

Zhu, Liang, Wei and Sun, "Saliency optimization from robust background detection", CVPR 2014. A superpixel whose
geodesic neighbourhood touches the image border much for its size is background (boundary connectivity). Both stages
use these steps with parameters of their own and turn them into saliency by formulas of their own.
"""

from __future__ import annotations

import numpy as np

from pvtt.io.arrays import AnyArray, BoolArray, Float64Array

COLOR_SIGMA = 10.0  # CIE Lab colour difference; sigma_clr of the paper


def region_means(labels: AnyArray, values: AnyArray, count: int) -> Float64Array:
    """Mean of an image in each superpixel.

    Parameters
    ----------
    labels : int (h, w)
        Superpixel of each pixel, 0 to count - 1.
    values : float (h, w, c)
    count : int
        Number of superpixels.

    Returns
    -------
    float64 (count, c)
    """
    size = np.bincount(labels.ravel(), minlength=count)
    sums = [np.bincount(labels.ravel(), values[..., c].ravel(), count) for c in range(values.shape[2])]
    return np.asarray(np.stack(sums, 1) / np.maximum(size, 1)[:, None])


def border_regions(labels: AnyArray, count: int) -> BoolArray:
    """Find the superpixels that touch the image border.

    Parameters
    ----------
    labels : int (h, w)
        Superpixel of each pixel, 0 to count - 1.
    count : int
        Number of superpixels.

    Returns
    -------
    bool (count,)
    """
    border = np.zeros(count, bool)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        border[side] = True
    return border


def touching_regions(labels: AnyArray) -> AnyArray:
    """Find the pairs of superpixels that touch (4-connected).

    Parameters
    ----------
    labels : int (h, w)
        Superpixel of each pixel.

    Returns
    -------
    int (m, 2)
        Pairs with first < second, in ascending order.
    """
    pairs = [
        np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()], 1),
        np.stack([labels[:-1].ravel(), labels[1:].ravel()], 1),
    ]
    both = np.concatenate(pairs)
    both = np.sort(both[both[:, 0] != both[:, 1]], axis=1)
    return np.unique(both, axis=0)


def join_border(touching: AnyArray, border: BoolArray) -> AnyArray:
    """Add all pairs of border superpixels, so that a background that the object divides is one region.

    Parameters
    ----------
    touching : int (k, 2)
        From `touching_regions`.
    border : bool (count,)
        From `border_regions`.

    Returns
    -------
    int (m, 2)
        In ascending order.
    """
    ids = np.flatnonzero(border)
    first, second = np.triu_indices(len(ids), 1)
    return np.unique(np.concatenate([touching, np.stack([ids[first], ids[second]], 1)]), axis=0)


def geodesic_similarity(links: AnyArray, costs: AnyArray, count: int) -> Float64Array:
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


def background_probability(border_length: AnyArray, area: AnyArray) -> Float64Array:
    """Probability that each superpixel is background, from its boundary connectivity (eq. 5, 6).

    Parameters
    ----------
    border_length, area : float64 (count,)
        Length at the image border and area of the geodesic neighbourhood, in superpixels.

    Returns
    -------
    float64 (count,) in [0, 1]
    """
    connectivity = border_length / np.sqrt(area)
    return np.asarray(1 - np.exp(-(connectivity**2) / 2))
