"""Where the product of a photo probably is: robust background detection on superpixels.

Zhu, Liang, Wei & Sun, "Saliency Optimization from Robust Background Detection", CVPR 2014: a region that touches the
photo's border much for its size is ground; the contrast to such regions, near in space, is saliency. Superpixels are
SLIC's (Achanta et al. 2012).
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from skimage.segmentation import slic

from pvtt.stages.cutouts.background_model import to_lab

_WORK_PX = 320
_REGIONS = 350
_SPREAD_COLOUR = 10.0
_SPREAD_SPACE = 0.25


def saliency_map(image: np.ndarray) -> np.ndarray:
    """Saliency, float32 (h, w) 0..1, of an uint8 (h, w, 3) RGB photo."""
    height, width = image.shape[:2]
    scale = min(1.0, _WORK_PX / max(height, width))
    small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    lab = to_lab(cv2.GaussianBlur(small, (0, 0), 1.0))
    labels = slic(lab, _REGIONS, compactness=12, convert2lab=False, start_label=0, channel_axis=-1)
    regions, labels = np.unique(labels, return_inverse=True)
    labels = labels.reshape(small.shape[:2])
    counts = np.bincount(labels.ravel(), minlength=len(regions)).astype(float)
    colours = _means(labels, counts, lab)
    y, x = np.mgrid[0 : 1 : small.shape[0] * 1j, 0 : 1 : small.shape[1] * 1j]
    places = _means(labels, counts, np.stack([x, y], 2))
    values = _region_saliency(labels, counts, colours, places)
    low, high = np.quantile(values, [0.02, 0.98])
    values = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    return cv2.resize(values[labels].astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def _region_saliency(labels: np.ndarray, counts: np.ndarray, colours: np.ndarray, places: np.ndarray) -> np.ndarray:
    edge = np.zeros(len(counts), bool)
    for line in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        edge[line] = True
    geodesic = dijkstra(_graph(labels, colours, edge), directed=False)
    similarity = np.exp(-(geodesic**2) / (2 * _SPREAD_COLOUR**2))
    area = similarity.sum(1)
    connectivity = (similarity * edge).sum(1) / np.sqrt(area)
    background = 1 - np.exp(-(connectivity**2) / 2)
    contrast = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    near = np.exp(-(distance**2) / (2 * _SPREAD_SPACE**2)) * counts[None]
    weighted = (contrast * near * background[None]).sum(1) / (near * background[None] + 1e-9).sum(1)
    return np.asarray(weighted * (1 - background))


def _graph(labels: np.ndarray, colours: np.ndarray, edge: np.ndarray) -> coo_array:
    """Neighbouring regions, and the border's regions among themselves, weighted by their colour difference."""
    pairs = [
        np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()]),
        np.stack([labels[:-1].ravel(), labels[1:].ravel()]),
    ]
    rim = np.flatnonzero(edge)
    pairs.append(np.stack([a.ravel() for a in np.meshgrid(rim, rim)]))
    links = np.unique(np.sort(np.concatenate(pairs, 1), 0), axis=1)
    links = links[:, links[0] != links[1]]
    weights = np.linalg.norm(colours[links[0]] - colours[links[1]], axis=1)
    weights = np.maximum(weights - 3.0, 1e-3)
    return coo_array((weights, (links[0], links[1])), shape=(len(colours), len(colours))).tocsr()


def _means(labels: np.ndarray, counts: np.ndarray, values: np.ndarray) -> np.ndarray:
    flat = labels.ravel()
    sums = [np.bincount(flat, values[..., c].ravel(), len(counts)) for c in range(values.shape[2])]
    return np.stack(sums, 1) / counts[:, None]
