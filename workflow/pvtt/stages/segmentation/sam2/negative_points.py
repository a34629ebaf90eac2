"""Negative point prompts in holes of the product: the inside of a ring, a bracelet or a mug's handle."""

from __future__ import annotations

import re

import cv2
import numpy as np

from pvtt.imaging import color_histograms
from pvtt.imaging.morphology import components
from pvtt.imaging.resize import reduced
from pvtt.stages.segmentation.sam2.cropped_video import Box

Array = np.ndarray

# Forms whose middle is open; the regular expression reads a product's words.
_RING_SHAPES = re.compile(r"\b(rings?|bracelets?|bangles?|hoops?|necklaces?|chains?|anklets?|wreaths?|frames?)\b")
_MIN_AREA_SHARE = 0.004  # of the box's area; smaller holes are noise of the mask
_MIN_BACKGROUND_SHARE = 0.6  # of a hole's pixels: colours of the background
_CENTER_RADIUS = 0.06  # of the box's shorter side: disc whose colours are compared with the background
_CROP_SIDE_PX = 320  # px of the shorter side of the examined crop
MAX_POINTS = 4  # negative points per box


def negative_prompts(image: Array, mask: Array, box: Box, words: str) -> list[tuple[float, float]]:
    """Points inside the product's holes, for a segmenter's negative prompts.

    A hole is a hole of the mask, or the filled centre of the box if `words` name a ring-like shape. Either must have
    the colours of the background around the box.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB
    mask : bool (h, w)
        First mask of the product.
    box : (x0, y0, x1, y1) in px
        Box around the product.
    words : str

    Returns
    -------
    Up to four points (x, y) in px, those of the largest holes first.
    """
    height, width = mask.shape
    pad = 0.15 * max(box[2] - box[0], box[3] - box[1])
    left, top = max(0, int(box[0] - pad)), max(0, int(box[1] - pad))
    right, bottom = min(width, int(np.ceil(box[2] + pad))), min(height, int(np.ceil(box[3] + pad)))
    if right - left < 8 or bottom - top < 8:
        return []
    crop = reduced(image[top:bottom, left:right], _CROP_SIDE_PX)
    scale = np.array([(right - left) / crop.shape[1], (bottom - top) / crop.shape[0]])
    origin = np.array([left, top])
    box_in_crop = (np.array([box[:2], box[2:]]) - origin) / scale
    solid = cv2.resize(mask[top:bottom, left:right].astype(np.uint8), crop.shape[1::-1], interpolation=cv2.INTER_AREA)
    points = (np.array(_find_points(crop, solid > 0, box_in_crop, words)).reshape(-1, 2) + 0.5) * scale + origin
    return [(float(x), float(y)) for x, y in points]


def _find_points(crop: Array, solid: Array, box_in_crop: Array, words: str) -> list[tuple[int, int]]:
    bins = color_histograms.bin_indices(crop)
    outside = np.ones(solid.shape, bool)
    (x0, y0), (x1, y1) = np.clip(np.rint(box_in_crop).astype(int), 0, [solid.shape[1], solid.shape[0]])
    outside[y0:y1, x0:x1] = False
    outside &= ~solid
    if outside.sum() < 16:
        return []
    background = color_histograms.histogram(bins, outside)
    holes = [(hole, deepest) for hole, deepest in _holes(solid, (x1 - x0) * (y1 - y0))]
    points = [deepest for hole, deepest in holes if _is_background(bins, hole, background)]
    centre = int((x0 + x1) / 2), int((y0 + y1) / 2)
    if _RING_SHAPES.search(words) and solid[centre[1], centre[0]]:
        radius = max(2, int(_CENTER_RADIUS * min(x1 - x0, y1 - y0)))
        disc = cv2.circle(np.zeros(solid.shape, np.uint8), centre, radius, 1, -1) > 0
        if _is_background(bins, disc, background):
            points.append(centre)
    return points[:MAX_POINTS]


def _is_background(bins: Array, part: Array, background: Array) -> bool:
    return color_histograms.reference_share(color_histograms.histogram(bins, part), background) >= _MIN_BACKGROUND_SHARE


def _holes(solid: Array, box_area: float) -> list[tuple[Array, tuple[int, int]]]:
    """Holes of a mask, largest first, each with the point (x, y) farthest from its contour."""
    parts = components(~solid, 4)
    labels = parts.labels
    border = set(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]).tolist())
    found = []
    for number in range(1, len(parts)):
        area = int(parts.areas[number])
        hole = labels == number
        if number in border or solid[hole].any() or area < _MIN_AREA_SHARE * box_area:
            continue
        depth = cv2.distanceTransform(np.pad(hole.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        found.append((area, hole, (int(x), int(y))))
    return [(hole, place) for _, hole, place in sorted(found, key=lambda one: -one[0])]
