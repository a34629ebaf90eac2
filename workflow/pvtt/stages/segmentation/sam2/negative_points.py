"""Openings of a product through which its ground is seen: the inside of a ring, a bracelet, a mug's handle."""

from __future__ import annotations

import re

import cv2
import numpy as np

from pvtt.imaging.resize import reduced
from pvtt.stages.segmentation import color_histograms
from pvtt.stages.segmentation.sam2.cropped_video import Box

Array = np.ndarray

# Forms whose middle is open; the regular expression reads a product's words.
_HOOPS = re.compile(r"\b(rings?|bracelets?|bangles?|hoops?|necklaces?|chains?|anklets?|wreaths?|frames?)\b")
_LEAST_AREA = 0.004  # of the box: smaller holes are noise of the mask
_GROUND = 0.6  # share of an opening's colours that are the ground's
_CENTRE = 0.06  # radius of the centre that is looked at, of the box's shorter side
_SIDE = 320  # px of the shorter side of what is looked at
_MOST = 4


def opening_points(image: Array, mask: Array, box: Box, words: str) -> list[tuple[float, float]]:
    """Points (x, y) in px inside openings of a product: where a segmenter is told that the product is not.

    image: uint8 (h, w, 3) RGB. mask: bool (h, w), the product as found so far. box: around the product. An opening is a
    hole of the mask, or the filled centre of the box when `words` name a form like a ring; in either case of colours of
    the ground around the box. At most four, the largest holes first.
    """
    height, width = mask.shape
    pad = 0.15 * max(box[2] - box[0], box[3] - box[1])
    left, top = max(0, int(box[0] - pad)), max(0, int(box[1] - pad))
    right, bottom = min(width, int(np.ceil(box[2] + pad))), min(height, int(np.ceil(box[3] + pad)))
    if right - left < 8 or bottom - top < 8:
        return []
    crop = reduced(image[top:bottom, left:right], _SIDE)
    scale = np.array([(right - left) / crop.shape[1], (bottom - top) / crop.shape[0]])
    here = np.array([left, top])
    inner = (np.array([box[:2], box[2:]]) - here) / scale
    solid = cv2.resize(mask[top:bottom, left:right].astype(np.uint8), crop.shape[1::-1], interpolation=cv2.INTER_AREA)
    places = (np.array(_places(crop, solid > 0, inner, words)).reshape(-1, 2) + 0.5) * scale + here
    return [(float(x), float(y)) for x, y in places]


def _places(crop: Array, solid: Array, inner: Array, words: str) -> list[tuple[int, int]]:
    bins = color_histograms.features(crop)
    outside = np.ones(solid.shape, bool)
    (x0, y0), (x1, y1) = np.clip(np.rint(inner).astype(int), 0, [solid.shape[1], solid.shape[0]])
    outside[y0:y1, x0:x1] = False
    outside &= ~solid
    if outside.sum() < 16:
        return []
    ground = color_histograms.histogram(bins, outside)
    shape = [(hole, deepest) for hole, deepest in _holes(solid, (x1 - x0) * (y1 - y0))]
    places = [deepest for hole, deepest in shape if _is_ground(bins, hole, ground)]
    centre = int((x0 + x1) / 2), int((y0 + y1) / 2)
    if _HOOPS.search(words) and solid[centre[1], centre[0]]:
        radius = max(2, int(_CENTRE * min(x1 - x0, y1 - y0)))
        disc = cv2.circle(np.zeros(solid.shape, np.uint8), centre, radius, 1, -1) > 0
        if _is_ground(bins, disc, ground):
            places.append(centre)
    return places[:_MOST]


def _is_ground(bins: Array, part: Array, ground: Array) -> bool:
    return color_histograms.known_share(color_histograms.histogram(bins, part), ground) >= _GROUND


def _holes(solid: Array, box_area: float) -> list[tuple[Array, tuple[int, int]]]:
    """Enclosed holes of a mask, largest first, each with its deepest place (x, y)."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~solid).astype(np.uint8), connectivity=4)
    border = set(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]).tolist())
    found = []
    for number in range(1, count):
        area = int(stats[number, cv2.CC_STAT_AREA])
        hole = labels == number
        if number in border or solid[hole].any() or area < _LEAST_AREA * box_area:
            continue
        depth = cv2.distanceTransform(np.pad(hole.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        found.append((area, hole, (int(x), int(y))))
    return [(hole, place) for _, hole, place in sorted(found, key=lambda one: -one[0])]
