"""GrabCut seeded by saliency, and the confidence in its result."""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.colour import to_lab
from pvtt.imaging.morphology import components
from pvtt.stages.cutouts.background_model import border_mask
from pvtt.stages.cutouts.mask_cleaning import main_components

_GRABCUT_ITERATIONS = 4  # of GrabCut from each seed


def grabcut(image: np.ndarray, saliency: np.ndarray, level: float) -> np.ndarray:
    """GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004) seeded by saliency.

    Parameters
    ----------
    image : uint8 (h, w, 3), RGB
    saliency : float (h, w) in [0, 1]
    level : float
        Saliency above which a pixel is probably foreground.

    Returns
    -------
    bool (h, w)
    """
    seed = np.where(saliency > level, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seed[saliency > max(0.85, (1 + 2 * level) / 3)] = cv2.GC_FGD
    seed[border_mask(*seed.shape) & (saliency < 0.5)] = cv2.GC_BGD
    if not (seed & 1).any():
        return np.zeros(seed.shape, bool)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image[..., ::-1].copy(), seed, None, *models, _GRABCUT_ITERATIONS, cv2.GC_INIT_WITH_MASK)
    mask = main_components((seed & 1).astype(bool))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(bool))


def confidence_measures(image: np.ndarray, saliency: np.ndarray, masks: list[np.ndarray]) -> dict[str, float]:
    """Measures in [0, 1] that are near 1 for a good cut-out; their product is the confidence.

    `stability`: IoU of the masks from both seeds; `separation`: 1 - Bhattacharyya coefficient of the colours inside and
    outside, near the product or in the whole photo, whichever is lower; `main_part`: share of the largest component;
    `contrast`: mean saliency, 1 from 0.6; `edge_support`: share of the contour on edges of the photo; `free_border`: 1
    minus ten times the covered share of the photo's border.

    Parameters
    ----------
    image : uint8 (h, w, 3), RGB
    saliency : float (h, w) in [0, 1]
    masks : list of bool (h, w)
        The masks from both seeds.
    """
    intersection, union = masks[0] & masks[1], masks[0] | masks[1]
    if intersection.sum() < 16:
        return {"stability": 0.0}
    window = np.ones((max(3, min(intersection.shape) // 6) | 1,) * 2, np.uint8)
    ring = cv2.dilate(intersection.astype(np.uint8), window).astype(bool) & ~intersection
    inside = _colour_histogram(image, intersection)
    overlap = max(float(np.sqrt(inside * _colour_histogram(image, region)).sum()) for region in (ring, ~intersection))
    areas = components(intersection, 8).areas[1:]
    rim = np.concatenate([intersection[0], intersection[-1], intersection[:, 0], intersection[:, -1]])
    return {
        "stability": float(intersection.sum() / union.sum()),
        "separation": 1 - overlap,
        "main_part": float(areas.max() / areas.sum()),
        "contrast": min(1.0, float(saliency[intersection].mean()) / 0.6),
        "edge_support": _edge_support(image, intersection),
        "free_border": float(np.clip(1 - 10 * rim.mean(), 0, 1)),
    }


def _colour_histogram(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Lab histogram, 8 x 32 x 32 cells, summing to 1, of the pixels in `mask`."""
    cells = ((to_lab(image)[mask] + [0, 128, 128]) / [12.5, 8, 8]).astype(int).clip(0, [7, 31, 31])
    counts = np.bincount((cells[:, 0] * 32 + cells[:, 1]) * 32 + cells[:, 2], minlength=8192)
    return np.asarray(counts / max(1, counts.sum()))


def _edge_support(image: np.ndarray, mask: np.ndarray) -> float:
    lab = cv2.GaussianBlur(to_lab(image), (0, 0), 1.0)
    slopes = [cv2.Sobel(lab, cv2.CV_32F, *order) / 8 for order in ((1, 0), (0, 1))]
    step = cv2.dilate(np.sqrt(sum((slope**2).sum(2) for slope in slopes)), np.ones((3, 3), np.uint8))
    outline = mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    return float(np.clip(step[outline] / 5.0, 0, 1).mean())
