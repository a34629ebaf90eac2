"""Quality of masks without truth: measures, their limits, and a verdict in words.

Measures look at the masks and the frames alone, whatever backend made them: how much of the clip is covered, how the
area jumps, how well a mask carried by optical flow meets its neighbour's (both directions), whether mask and
surroundings differ in colour, whether the contour lies on edges, how far the mask is cut by the frame's border, how it
flickers. Evidence of the backend (`Segmentation.evidence`) joins them by name. Each measure becomes a mark, 0 at its
limit and 1 where it is good; one measure beyond its limit rejects the clip, the score is the marks' geometric mean.
After the intrinsic measures of Erdem, Sankur and Tekalp, "Performance measures for video object segmentation and
tracking", IEEE Trans. Image Processing 2004.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from pvtt.imaging.morphology import border_contact, ring
from pvtt.imaging.resize import reduced
from pvtt.stages.segmentation import color_histograms
from pvtt.stages.segmentation.base import Segmentation
from pvtt.stages.segmentation.motion import Flow, warp

Array = np.ndarray

VERSION = "1"  # raise it when a measure or a limit changes: clips are then masked and judged again
_SHORT_SIDE = 240
_LEAST_PIXELS = 12  # of the reduced frame, for the product to count as visible


@dataclass(frozen=True)
class Limit:
    """Where a measure becomes unacceptable (mark 0) and where it is good (mark 1)."""

    words: str
    reject: float
    good: float

    def mark(self, value: float) -> float:
        """Mark in [0, 1]; negative beyond the limit."""
        return min(1.0, (value - self.reject) / (self.good - self.reject))


LIMITS: dict[str, Limit] = {
    "visible_share": Limit("share of the frames that show the product", 0.5, 0.75),
    "mean_area": Limit("mean area of the mask, share of the frame", 0.0008, 0.004),
    "largest_area": Limit("largest area of the mask, share of the frame", 0.75, 0.6),
    "area_jump_share": Limit("share of the steps that change the area by over 20 %", 0.10, 0.0),
    "neighbour_iou": Limit("IoU of neighbouring masks carried by flow, 10th percentile", 0.6, 0.85),
    "flicker": Limit("pixels that flicker, share of the area", 0.12, 0.02),
    "border_contact": Limit("share of the contour on the frame's border", 0.35, 0.15),
    "side_to_side": Limit("share of the frames that a part crosses from left to right, as a horizon does", 0.5, 0.1),
    "separability": Limit("difference in colour from the surroundings", 0.4, 0.75),
    "edge_support": Limit("strength of the edges under the contour", 0.35, 0.7),
    "raggedness": Limit("contour length relative to that of the smoothed mask", 1.3, 1.1),
    "thinness": Limit("contour length relative to the area (what one pixel of error costs)", 0.25, 0.1),
    "confidence": Limit("mean confidence of the backend", 0.75, 0.92),
    "agreement": Limit("IoU of independent detections with the carried masks, median", 0.6, 0.9),
    "ambiguity": Limit("score of the best rival relative to the product's", 0.5, 0.1),
    "ambiguity_unseen": Limit("score of the best rival relative to the product's, with no photo to tell", 0.25, 0.05),
    "skin_share": Limit("share of the mask that is skin-coloured, with no photo to tell it from a hand", 0.4, 0.2),
    "open_form_fill": Limit("share of its convex hull that a product of open form fills", 0.7, 0.55),
    "missing_colour": Limit("share of the photos' colours that the mask does not show", 0.45, 0.25),
    "shape_gap": Limit("share of its convex hull that it fills, compared with the photos: difference", 0.16, 0.05),
    "likeness": Limit("likeness in colour to the product's photos", 0.4, 0.65),
}


@dataclass(frozen=True)
class Verdict:
    """Outcome of the QA; `measures` are JSON-ready."""

    status: str
    reason: str
    score: float
    measures: dict[str, Any]


def judge(frames: Array, segmentation: Segmentation, least_score: float = 0.0) -> Verdict:
    """Judge masks against frames, uint8 (n, h, w, 3) RGB. `least_score` in [0, 1] is asked of the whole."""
    masks = segmentation.masks
    if masks.shape[0] == 0 or not masks.any():
        return Verdict("rejected", f"no product found: {segmentation.note or 'all masks are empty'}", 0.0, {})
    measures = measure(frames, masks) | {k: float(v) for k, v in segmentation.evidence.items()}
    measures["confidence"] = float(segmentation.confidence[masks.any((0, 2, 3))].mean())
    return verdict(measures, least_score)


def verdict(measures: Mapping[str, float], least_score: float = 0.0) -> Verdict:
    """Apply the limits to measures; names without a limit are recorded only."""
    rounded = {name: round(float(value), 4) for name, value in measures.items()}
    marks = {name: LIMITS[name].mark(value) for name, value in measures.items() if name in LIMITS}
    broken = [_explain(name, measures[name]) for name, mark in marks.items() if mark < 0]
    score = round(float(np.exp(np.mean([np.log(max(mark, 0.01)) for mark in marks.values()]))), 4)
    if not broken and score < least_score:
        weakest = min(marks, key=lambda name: marks[name])
        broken = [f"score {score:.2f} (limit {least_score:.2f}), weakest: {_explain(weakest, measures[weakest])}"]
    return Verdict("rejected" if broken else "accepted", "; ".join(broken), score, rounded)


def _explain(name: str, value: float) -> str:
    limit = LIMITS[name]
    side = "least" if limit.good > limit.reject else "most"
    return f"{limit.words} is {value:.3g} (at {side} {limit.reject:g})"


def measure(frames: Array, masks: Array) -> dict[str, float]:
    """Measures of masks bool (k, n, h, w) on frames uint8 (n, h, w, 3), made at a short side of 240 px."""
    union = [reduced_mask(np.any(masks[:, number], axis=0), _SHORT_SIDE) for number in range(len(frames))]
    small = [reduced(frame, _SHORT_SIDE) for frame in frames]
    areas = np.array([mask.sum() for mask in union], float)
    shown = np.flatnonzero(areas >= _LEAST_PIXELS)
    measures = {
        "visible_share": len(shown) / len(frames),
        "mean_area": float(areas[shown].mean() / union[0].size) if len(shown) else 0.0,
        "largest_area": float(areas.max() / union[0].size),
        "area_jump_share": _jumps(areas),
    }
    if len(shown):
        measures |= _over_time(small, union, shown) | _of_stills(small, union, shown)
        measures["thinness"] = _thinness(masks, shown)
    return measures


def _thinness(masks: Array, shown: Array) -> float:
    chosen: list[Array] = [np.any(masks[:, number], axis=0) for number in _spread(shown)]
    return float(np.mean([_length(mask) / mask.sum() for mask in chosen]))


def _spread(numbers: Array, most: int = 24) -> Array:
    """At most `most` of the numbers, evenly."""
    return numbers[np.unique(np.linspace(0, len(numbers) - 1, min(len(numbers), most)).round().astype(int))]


def reduced_mask(mask: Array, short_side: int) -> Array:
    """Bool mask at a reduced size: a pixel is set where half of its area is."""
    scale = short_side / min(mask.shape)
    if scale >= 1:
        return mask
    return cv2.resize(mask.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) >= 0.5


def _jumps(areas: Array) -> float:
    if len(areas) < 2:
        return 0.0
    larger = np.maximum(np.maximum(areas[1:], areas[:-1]), _LEAST_PIXELS)
    return float((np.abs(np.diff(areas)) > 0.2 * larger).mean())


def _over_time(frames: list[Array], masks: list[Array], shown: Array) -> dict[str, float]:
    """IoU of each mask with its neighbour's carried by flow, and the share that comes or goes for one frame."""
    flow, visible = Flow(), set(shown.tolist())
    ious, flicker = [], []
    for number in range(1, len(frames)):
        if not {number - 1, number} <= visible:
            continue
        here, before = masks[number], masks[number - 1]
        pairs = [(here, before, flow(frames[number], frames[number - 1]))]
        pairs.append((before, here, flow(frames[number - 1], frames[number])))
        carried = [warp(other.astype(np.float32), moved) > 0.5 for _, other, moved in pairs]
        ious.append(min(_iou(own, other) for (own, _, _), other in zip(pairs, carried, strict=True)))
        changed = here ^ carried[0]
        core = cv2.erode(changed.astype(np.uint8), np.ones((3, 3), np.uint8))
        flicker.append(core.sum() / max(1, here.sum()))
    if not ious:
        return {}
    return {"neighbour_iou": float(np.percentile(ious, 10)), "flicker": float(np.percentile(flicker, 90))}


def _iou(first: Array, second: Array) -> float:
    union = (first | second).sum()
    return float((first & second).sum() / union) if union else 1.0


def _of_stills(frames: list[Array], masks: list[Array], shown: Array) -> dict[str, float]:
    rows = [_still(frames[number], masks[number]) for number in _spread(shown)]
    names = ("border_contact", "side_to_side", "separability", "edge_support", "raggedness")
    return {name: float(np.mean(values)) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def _still(frame: Array, mask: Array) -> tuple[float, float, float, float, float]:
    index = color_histograms.bin_indices(frame)
    around = ring(mask, 2, 12)
    apart = 1 - color_histograms.bhattacharyya(
        color_histograms.histogram(index, mask), color_histograms.histogram(index, around)
    )
    return border_contact(mask), _side_to_side(mask), apart, _edge_support(frame, mask), _raggedness(mask)


def _side_to_side(mask: Array) -> float:
    """1 where one part touches the left and the right border, else 0: land or a table rather than a product."""
    labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1]
    return float(bool((set(labels[:, 0]) & set(labels[:, -1])) - {0}))


def _edge_support(frame: Array, mask: Array) -> float:
    """Share of the contour within a pixel of a gradient above the 70th percentile of the surroundings' gradients."""
    lab = cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_RGB2LAB), (3, 3), 0).astype(np.float32)
    strength = np.hypot(cv2.Sobel(lab, cv2.CV_32F, 1, 0), cv2.Sobel(lab, cv2.CV_32F, 0, 1)).max(2)
    contour = mask & (cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    near = cv2.dilate(strength, np.ones((3, 3), np.uint8))
    wide = cv2.dilate(mask.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    least = max(8.0, float(np.percentile(strength[wide], 70)))
    return float((near[contour] > least).mean()) if contour.any() else 0.0


def _raggedness(mask: Array) -> float:
    smooth = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 2) > 0.5
    return _length(mask) / max(1.0, _length(smooth)) if smooth.any() else 1.0


def _length(mask: Array) -> float:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return float(sum(cv2.arcLength(contour, True) for contour in contours))
