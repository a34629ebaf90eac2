"""Saliency of a product photo by robust background detection.

Zhu, Liang, Wei and Sun, "Saliency optimization from robust background detection", CVPR 2014, without its last step:
saliency is the contrast to nearby background, averaged over area. Superpixels are SLIC's (Achanta et al., "SLIC
superpixels compared to state-of-the-art superpixel methods", PAMI 2012).
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.colour import to_lab
from pvtt.imaging.resize import fit_long_side
from pvtt.imaging.saliency import (
    background_probability,
    border_regions,
    geodesic_similarity,
    join_border,
    region_means,
    touching_regions,
)

_WORK_PX = 320  # px, long side at which superpixels are computed
_SEGMENTS = 350  # superpixels of SLIC
_COMPACTNESS = 12  # of SLIC; weight of space against colour (CIE Lab)
_BLUR_PX = 1.0  # sigma of the smoothing before SLIC
_SPACE_SIGMA = 0.25  # of the photo's sides: how near background must be to count as contrast
_NOISE_STEP, _MIN_COST = 3.0, 1e-3  # CIE Lab; noise taken off each step of a path, smallest step
_LOW, _HIGH = 0.02, 0.98  # quantiles of saliency that are mapped to 0 and 1


def saliency_map(image: np.ndarray) -> np.ndarray:
    """Saliency of a photo.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB

    Returns
    -------
    float32 (h, w) in [0, 1]

    References
    ----------
    Zhu, Liang, Wei and Sun, "Saliency optimization from robust background detection", CVPR 2014.
    Achanta et al., "SLIC superpixels compared to state-of-the-art superpixel methods", PAMI 2012.
    """
    from skimage.segmentation import slic

    height, width = image.shape[:2]
    small = fit_long_side(image, _WORK_PX)
    lab = to_lab(cv2.GaussianBlur(small, (0, 0), _BLUR_PX))
    labels = slic(lab, _SEGMENTS, compactness=_COMPACTNESS, convert2lab=False, start_label=0, channel_axis=-1)
    regions, labels = np.unique(labels, return_inverse=True)
    labels = labels.reshape(small.shape[:2])
    colours = region_means(labels, lab, len(regions))
    y, x = np.mgrid[0 : 1 : small.shape[0] * 1j, 0 : 1 : small.shape[1] * 1j]
    values = _region_saliency(labels, colours, region_means(labels, np.stack([x, y], 2), len(regions)))
    low, high = np.quantile(values, [_LOW, _HIGH])
    values = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    enlarged = cv2.resize(values[labels].astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged)


def _region_saliency(labels: np.ndarray, colours: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Saliency per superpixel, float64 (count,), from mean Lab colours (count, 3) and centres (count, 2) in [0, 1]."""
    count = len(colours)
    border = border_regions(labels, count)
    links = join_border(touching_regions(labels), border)
    steps = np.linalg.norm(colours[links[:, 0]] - colours[links[:, 1]], axis=1)
    similarity = geodesic_similarity(links, np.maximum(steps - _NOISE_STEP, _MIN_COST), count)
    background = background_probability((similarity * border).sum(1), similarity.sum(1))
    contrast = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    areas = np.bincount(labels.ravel(), minlength=count).astype(float)
    near = np.exp(-(distance**2) / (2 * _SPACE_SIGMA**2)) * areas[None]
    weighted = (contrast * near * background[None]).sum(1) / (near * background[None] + 1e-9).sum(1)
    return np.asarray(weighted * (1 - background))
