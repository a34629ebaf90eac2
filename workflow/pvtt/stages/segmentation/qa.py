"""Quality of masks without truth: measures. `pvtt.stages.verdicts` judges them.

Measures look at the masks and the frames alone, whatever backend made them: how much of the clip is covered, how the
area jumps, how well a mask carried by optical flow meets its neighbour's (both directions), whether mask and
surroundings differ in colour, whether the contour lies on edges, how far the mask is cut by the frame's border, how it
flickers. Evidence of the backend (`Segmentation.evidence`) joins them by name. After the intrinsic measures of Erdem,
Sankur and Tekalp, "Performance measures for video object segmentation and tracking", IEEE Trans. Image Processing 2004.
"""

from __future__ import annotations

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

VERSION = "1"  # raise it when a measure changes: clips are then masked and measured again
_SHORT_SIDE = 240  # px: frames and masks are reduced to it for all measures but `thinness`
_LEAST_PIXELS = 12  # px of the reduced frame; with fewer the product does not count as visible


@dataclass(frozen=True)
class MaskMeasures:
    """Measures of a clip's masks, JSON-ready. `status`: measured; empty (an empty scene); failed, with its `reason`."""

    status: str
    reason: str
    measures: dict[str, Any]


def measure_masks(frames: Array, segmentation: Segmentation) -> MaskMeasures:
    """Measure masks on frames, uint8 (n, h, w, 3) RGB; the backend's evidence joins the measures by name."""
    masks = segmentation.masks
    if masks.shape[0] == 0 or not masks.any():
        return MaskMeasures("failed", f"no product found: {segmentation.note or 'all masks are empty'}", {})
    measures = measure(frames, masks) | {k: float(v) for k, v in segmentation.evidence.items()}
    measures["confidence"] = float(segmentation.confidence[masks.any((0, 2, 3))].mean())
    return MaskMeasures("measured", "", measures)


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
