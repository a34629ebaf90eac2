"""Where a single frame has an object: robust background detection.

Zhu, Liang, Wei and Sun, "Saliency optimization from robust background detection", CVPR 2014: superpixels that reach
far along the frame's border for their size are ground (boundary connectivity), contrast to probable ground is saliency,
and a quadratic cost fuses both and smooths.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import spsolve
from skimage.segmentation import slic

Array = np.ndarray

_SEGMENTS = 400


def estimate_saliency(image: Array) -> tuple[Array, Array]:
    """Saliency and ground probability of a uint8 (h, w, 3) RGB image, both float32 (h, w) in [0, 1].

    Meant for images of about 240 pixels on the short side; takes about half a second there.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    labels = slic(lab, _SEGMENTS, compactness=4, start_label=0, convert2lab=False, channel_axis=-1)
    count = int(labels.max()) + 1
    colours = _means(labels, lab, count)
    places = _means(labels, np.dstack(np.meshgrid(*(np.linspace(0, 1, s) for s in labels.shape), indexing="ij")), count)
    edges = _neighbours(labels)
    difference = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    ground = _ground_probability(labels, difference, edges, count)
    near = np.exp(-((places[:, None] - places[None]) ** 2).sum(2) / (2 * 0.4**2))
    contrast = (difference * near * ground[None]).sum(1)
    contrast = contrast / max(contrast.max(), 1e-6)
    values = _optimise(contrast, ground, difference, edges)
    return values[labels].astype(np.float32), ground[labels].astype(np.float32)


def _means(labels: Array, values: Array, count: int) -> Array:
    size = np.bincount(labels.ravel(), minlength=count)
    sums = [np.bincount(labels.ravel(), values[..., c].ravel(), count) for c in range(values.shape[2])]
    return np.stack(sums, 1) / np.maximum(size, 1)[:, None]


def _neighbours(labels: Array) -> Array:
    """Pairs of touching superpixels, int (m, 2), first < second."""
    pairs = [
        np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()], 1),
        np.stack([labels[:-1].ravel(), labels[1:].ravel()], 1),
    ]
    both = np.concatenate(pairs)
    both = np.sort(both[both[:, 0] != both[:, 1]], axis=1)
    return np.unique(both, axis=0)


def _ground_probability(labels: Array, difference: Array, edges: Array, count: int) -> Array:
    """Boundary connectivity (eq. 2-5 of the paper) as probability of ground per superpixel."""
    border = np.zeros(count, bool)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        border[np.unique(side)] = True
    ids = np.flatnonzero(border)
    # Border superpixels are joined to each other, so that a ground cut in two by the object is one.
    joined = np.array([(a, b) for k, a in enumerate(ids) for b in ids[k + 1 :]]).reshape(-1, 2)
    links = np.unique(np.concatenate([edges, joined]), axis=0)
    cost = np.maximum(difference[links[:, 0], links[:, 1]] - _least_step(difference, edges, count), 1e-6)
    graph = csr_matrix((cost, (links[:, 0], links[:, 1])), (count, count))
    distance = dijkstra(graph, directed=False)
    reach = np.exp(-(distance**2) / (2 * 10.0**2))
    length = reach[:, border].sum(1)
    connectivity = length / np.sqrt(reach.sum(1))
    return 1 - np.exp(-(connectivity**2) / 2)


def _least_step(difference: Array, edges: Array, count: int) -> float:
    """Typical smallest difference to a neighbour: noise that must not add up along a path."""
    least = np.full(count, np.inf)
    np.minimum.at(least, edges[:, 0], difference[edges[:, 0], edges[:, 1]])
    np.minimum.at(least, edges[:, 1], difference[edges[:, 0], edges[:, 1]])
    finite = least[np.isfinite(least)]
    return float(finite.mean()) if len(finite) else 0.0


def _optimise(contrast: Array, ground: Array, difference: Array, edges: Array) -> Array:
    count = len(contrast)
    weight = np.exp(-(difference[edges[:, 0], edges[:, 1]] ** 2) / (2 * 10.0**2)) + 0.1
    rows, columns = np.concatenate([edges[:, 0], edges[:, 1]]), np.concatenate([edges[:, 1], edges[:, 0]])
    smooth = coo_matrix((np.concatenate([weight, weight]), (rows, columns)), (count, count)).tocsr()
    laplacian = diags(np.asarray(smooth.sum(1)).ravel()) - smooth
    system = laplacian + diags(contrast + 5 * ground + 1e-6)
    values = spsolve(system.tocsc(), contrast)
    values -= values.min()
    return values / max(values.max(), 1e-6)
