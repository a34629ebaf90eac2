"""Quality measures of masks without ground truth. `pvtt.stages.verdicts` judges them.

The measures need only masks and frames, whatever backend made them: the covered share of the clip, jumps of the area,
the agreement of a mask with its neighbour's mask warped by optical flow (both directions), the colour difference of
mask and surroundings, edges under the contour, truncation by the frame border, flicker. The backend's evidence
(`Segmentation.evidence`) joins them by name. After the intrinsic measures of Erdem, Sankur and Tekalp, "Performance
measures for video object segmentation and tracking", IEEE Trans. Image Processing 2004.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from pvtt.imaging import color_histograms
from pvtt.imaging.morphology import border_contact, components, ring
from pvtt.imaging.resize import reduced
from pvtt.metrics import mask_iou
from pvtt.stages.segmentation.base import Segmentation, evenly
from pvtt.stages.segmentation.motion import Flow, warp

Array = np.ndarray

VERSION = "1"  # raise it when a measure changes: clips are then masked and measured again
_SHORT_SIDE = 240  # px: frames and masks are reduced to it for all measures but `thinness`
_MIN_PIXELS = 12  # px of the reduced frame; with fewer the product does not count as visible


@dataclass(frozen=True)
class MaskMeasures:
    """Measures of a clip's masks, JSON-ready. `status`: measured; empty (an empty scene); failed, with its `reason`."""

    status: Literal["measured", "empty", "failed"]
    reason: str
    measures: dict[str, Any]


def measure_masks(frames: Array, segmentation: Segmentation) -> MaskMeasures:
    """Measure a clip's masks; the backend's evidence joins the measures by name.

    Parameters
    ----------
    frames : uint8 (n, h, w, 3) RGB
    segmentation : Segmentation
        Masks at the size of the frames.

    Returns
    -------
    MaskMeasures
        `failed` with the reason if all masks are empty, else `measured`.
    """
    masks = segmentation.masks
    if masks.shape[0] == 0 or not masks.any():
        return MaskMeasures("failed", f"no product found: {segmentation.note or 'all masks are empty'}", {})
    measures = measure(frames, masks) | {k: float(v) for k, v in segmentation.evidence.items()}
    measures["confidence"] = float(segmentation.confidence[masks.any((0, 2, 3))].mean())
    return MaskMeasures("measured", "", measures)


def measure(frames: Array, masks: Array) -> dict[str, float]:
    """Measures of masks at a short side of 240 px.

    Parameters
    ----------
    frames : uint8 (n, h, w, 3) RGB
    masks : bool (k, n, h, w)
    """
    union = [reduced_mask(np.any(masks[:, number], axis=0), _SHORT_SIDE) for number in range(len(frames))]
    small = [reduced(frame, _SHORT_SIDE) for frame in frames]
    areas = np.array([mask.sum() for mask in union], float)
    visible = np.flatnonzero(areas >= _MIN_PIXELS)
    measures = {
        "visible_share": len(visible) / len(frames),
        "mean_area": float(areas[visible].mean() / union[0].size) if len(visible) else 0.0,
        "largest_area": float(areas.max() / union[0].size),
        "area_jump_share": _jump_share(areas),
    }
    if len(visible):
        measures |= _temporal_measures(small, union, visible) | _mean_frame_measures(small, union, visible)
        measures["thinness"] = _thinness(masks, visible)
    return measures


def _thinness(masks: Array, visible: Array) -> float:
    sampled: list[Array] = [np.any(masks[:, number], axis=0) for number in evenly(visible)]
    return float(np.mean([_contour_length(mask) / mask.sum() for mask in sampled]))


def reduced_mask(mask: Array, short_side: int) -> Array:
    """Reduce a mask: a pixel is set if at least half of its area is.

    Parameters
    ----------
    mask : bool (h, w)
    short_side : int
        Short side of the result in px.

    Returns
    -------
    bool (h', w')
        The mask itself if its short side is not longer than `short_side`.
    """
    scale = short_side / min(mask.shape)
    if scale >= 1:
        return mask
    share = cv2.resize(mask.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(share >= 0.5)


def _jump_share(areas: Array) -> float:
    if len(areas) < 2:
        return 0.0
    larger = np.maximum(np.maximum(areas[1:], areas[:-1]), _MIN_PIXELS)
    return float((np.abs(np.diff(areas)) > 0.2 * larger).mean())


def _temporal_measures(frames: list[Array], masks: list[Array], visible: Array) -> dict[str, float]:
    """IoU of each mask with its warped neighbour, and the share of the mask that appears or vanishes for one frame."""
    flow, visible_set = Flow(), set(visible.tolist())
    ious, flicker = [], []
    for number in range(1, len(frames)):
        if not {number - 1, number} <= visible_set:
            continue
        current, previous = masks[number], masks[number - 1]
        pairs = [(current, previous, flow(frames[number], frames[number - 1]))]
        pairs.append((previous, current, flow(frames[number - 1], frames[number])))
        warped = [warp(other.astype(np.float32), moved) > 0.5 for _, other, moved in pairs]
        ious.append(min(mask_iou(own, other) for (own, _, _), other in zip(pairs, warped, strict=True)))
        changed = current ^ warped[0]
        wide_changes = cv2.erode(changed.astype(np.uint8), np.ones((3, 3), np.uint8))
        flicker.append(wide_changes.sum() / max(1, current.sum()))
    if not ious:
        return {}
    return {"neighbour_iou": float(np.percentile(ious, 10)), "flicker": float(np.percentile(flicker, 90))}


def _mean_frame_measures(frames: list[Array], masks: list[Array], visible: Array) -> dict[str, float]:
    rows = [_frame_measures(frames[number], masks[number]) for number in evenly(visible)]
    names = ("border_contact", "side_to_side", "separability", "edge_support", "raggedness")
    return {name: float(np.mean(values)) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def _frame_measures(frame: Array, mask: Array) -> tuple[float, float, float, float, float]:
    bins = color_histograms.bin_indices(frame)
    surroundings = ring(mask, 2, 12)
    separability = 1 - color_histograms.bhattacharyya(
        color_histograms.histogram(bins, mask), color_histograms.histogram(bins, surroundings)
    )
    return border_contact(mask), _side_to_side(mask), separability, _edge_support(frame, mask), _raggedness(mask)


def _side_to_side(mask: Array) -> float:
    """1 if one component touches both the left and the right border, else 0: land or a table rather than a product."""
    labels = components(mask, 8).labels
    return float(bool((set(labels[:, 0]) & set(labels[:, -1])) - {0}))


def _edge_support(frame: Array, mask: Array) -> float:
    """Share of the contour within a pixel of a gradient above the 70th percentile of the surroundings' gradients."""
    lab = cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_RGB2LAB), (3, 3), 0).astype(np.float32)
    strength = np.hypot(cv2.Sobel(lab, cv2.CV_32F, 1, 0), cv2.Sobel(lab, cv2.CV_32F, 0, 1)).max(2)
    contour = mask & (cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    near = cv2.dilate(strength, np.ones((3, 3), np.uint8))
    wide = cv2.dilate(mask.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    min_strength = max(8.0, float(np.percentile(strength[wide], 70)))
    return float((near[contour] > min_strength).mean()) if contour.any() else 0.0


def _raggedness(mask: Array) -> float:
    smooth = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 2) > 0.5
    return _contour_length(mask) / max(1.0, _contour_length(smooth)) if smooth.any() else 1.0


def _contour_length(mask: Array) -> float:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return float(sum(cv2.arcLength(contour, True) for contour in contours))
