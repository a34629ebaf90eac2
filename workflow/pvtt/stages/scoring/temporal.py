"""Steadiness in time, measured against the source: warping error, motion, flicker, drift of the box.

Optical flow is DIS (Kroeger et al., ECCV 2016) of the *source*; it warps the result's next frame onto the current one,
and what is left over is the warping error (Lai et al., ECCV 2018), over pixels whose forward and backward flow agree
(Sundaram, Brox & Keutzer 2010). A product of another form cannot follow the source's flow everywhere, so inside the
product the error under the result's own flow counts as much. Such errors are lowest for a frozen video, so they are
read together with the motion ratio: flow of the result's product over flow of the source's. It must be near 1; frozen
(below) and jittering (above) both lose. Trembling too small for the ratio is seen in the path of the mask's centroid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

VERSION = "2"  # raise it when a figure of this module changes
_STILL_PX = 0.15  # px per frame: motion of a still scene, added to both sides of a ratio
_MIN_PIXELS = 24  # smallest number of pixels of a measure
_FLOW_STEPS = 64  # of stored flow in a pixel; int16 then holds 512 px, more than a reduced frame moves


@dataclass(frozen=True)
class Motion:
    """Motion between two neighbouring frames of the source.

    `quantised`: forward flow (x, y), int16 (h, w, 2) in 1/64 px; `valid`: bool (h, w), where the backward flow agrees.
    """

    quantised: np.ndarray
    valid: np.ndarray

    @property
    def forward(self) -> np.ndarray:
        """Forward flow, float32 (h, w, 2), in px."""
        return self.quantised * np.float32(1 / _FLOW_STEPS)


@dataclass(frozen=True)
class Step:
    """Two neighbouring frames of both videos at reduced size.

    `source` and `result`: pairs of uint8 (h, w, 3) RGB; `source_mask`: bool (h, w), of the first frame; `insert_masks`:
    pair of bool (h, w). `motion` is the source's, computed from `source` where it is None.
    """

    source: tuple[np.ndarray, np.ndarray]
    result: tuple[np.ndarray, np.ndarray]
    source_mask: np.ndarray
    insert_masks: tuple[np.ndarray, np.ndarray]
    motion: Motion | None = None


def temporal_measures(steps: Sequence[Step]) -> dict[str, float | None]:
    """Figures over all steps; None where there was nothing to measure.

    `warping_error_inside`, `warping_error_outside`: of the result, mean squared error in grey levels squared;
    `source_warping_error_*`: the source's on the same pixels; `excess_*`: by how much the result's error over its own
    contrast is above the source's, and `excess_own_inside` the same under the result's own flow; `valid_*`: share of
    pixels that count; `motion_ratio`: of the product, `motion_ratio_outside`: of the rest; `flicker_*`: root mean
    square change of brightness, in grey levels, that the source does not have (inside: along the result's own flow).
    """
    if not steps:
        return {}
    flow = _dis()
    rows = [_step_measures(flow, step) for step in steps]
    measures: dict[str, float | None] = {}
    for part in ("inside", "outside"):
        measures[f"warping_error_{part}"] = _mean(rows, f"error_{part}")
        measures[f"source_warping_error_{part}"] = _mean(rows, f"source_error_{part}")
        measures[f"excess_{part}"] = _mean(rows, f"excess_{part}")
        measures[f"valid_{part}"] = _mean(rows, f"valid_{part}")
        shift = "shift_own_inside" if part == "inside" else "shift_outside"
        shifts = [row[shift] for row in rows if shift in row]
        measures[f"flicker_{part}"] = float(np.sqrt(np.mean(np.square(shifts)))) if shifts else None
        result, source = _mean(rows, f"motion_{part}"), _mean(rows, f"source_motion_{part}")
        known = result is not None and source is not None
        if part == "inside":
            measures["excess_own_inside"] = _mean(rows, "excess_own_inside")
        ratio = (result + _STILL_PX) / (source + _STILL_PX) if known else None  # type: ignore[operator]
        measures["motion_ratio" if part == "inside" else "motion_ratio_outside"] = ratio
    return measures


def source_motion(frames: tuple[np.ndarray, np.ndarray]) -> Motion:
    """Motion from the first to the second of two frames.

    Parameters
    ----------
    frames : pair of uint8 (h, w, 3) RGB

    Returns
    -------
    Motion

    References
    ----------
    Kroeger et al., ECCV 2016, for the flow.
    Sundaram, Brox and Keutzer, 2010, for the agreement of forward and backward flow.
    """
    flow = _dis()
    first, second = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)
    forward, backward = flow.calc(first, second, None), flow.calc(second, first, None)
    limits = np.iinfo(np.int16)
    quantised = np.clip(np.rint(forward * _FLOW_STEPS), limits.min, limits.max).astype(np.int16)
    return Motion(quantised, _consistent(forward, backward))


def _dis() -> cv2.DISOpticalFlow:
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def box_drift(source_boxes: Sequence[list[float] | None], insert_boxes: Sequence[list[float] | None]) -> float | None:
    """Wander of the inserted box's centre against the source's: root mean square, relative to the source's diagonal.

    Boxes are [x0, y0, x1, y1] or None per frame. None when fewer than two frames have both.
    """
    both = [(a, b) for a, b in zip(source_boxes, insert_boxes, strict=True) if a is not None and b is not None]
    if len(both) < 2:
        return None
    a, b = (np.array([pair[i] for pair in both], float) for i in (0, 1))
    offset = (b[:, :2] + b[:, 2:] - a[:, :2] - a[:, 2:]) / 2
    diagonal = np.median(np.hypot(a[:, 2] - a[:, 0], a[:, 3] - a[:, 1]))
    return float(np.sqrt(np.mean(np.sum((offset - np.median(offset, axis=0)) ** 2, axis=1))) / max(1.0, diagonal))


def jitter(source_masks: Sequence[np.ndarray], insert_masks: Sequence[np.ndarray]) -> float | None:
    """Tremble of the inserted mask's centroid beyond the source's: root mean square of the second difference.

    Parameters
    ----------
    source_masks, insert_masks : sequence of bool (h, w)
        Masks per frame. A source that is nowhere visible counts as still.

    Returns
    -------
    float or None
        Relative to the square root of the inserted area, at least 0. None when the inserted product is nowhere visible
        in three frames on end.
    """
    inserted, size = _centroid_jerk(insert_masks)
    if inserted is None:
        return None
    return max(0.0, inserted - (_centroid_jerk(source_masks)[0] or 0.0)) / max(1.0, size)


def _centroid_jerk(masks: Sequence[np.ndarray]) -> tuple[float | None, float]:
    """Root mean square of the centroid's second difference in pixels, and the typical size in pixels."""
    centres = np.full((len(masks), 2), np.nan)
    areas = []
    for index, mask in enumerate(masks):
        moments = cv2.moments(mask.astype(np.uint8), binaryImage=True)
        if moments["m00"]:
            centres[index] = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
            areas.append(moments["m00"])
    steps = np.linalg.norm(np.diff(centres, 2, axis=0), axis=1) if len(masks) > 2 else np.zeros(0)
    steps = steps[np.isfinite(steps)]
    return (float(np.sqrt(np.mean(steps**2))) if len(steps) else None), float(
        np.sqrt(np.median(areas))
    ) if areas else 0.0


def temporal_score(measures: Mapping[str, float | None]) -> float | None:
    """Score 0..1: product of what warping, motion and flicker leave; 1 when the result is as steady as its source.

    None when nothing was measured inside the inserted product.
    """
    inside = measures.get("excess_inside")
    if inside is None:
        return None
    own = measures.get("excess_own_inside")
    own = inside if own is None else own
    score = float(np.sqrt(_decay(inside, 0.25, 1.5) * _decay(own, 0.1, 1.5)))
    for name, scale, power in (
        ("excess_outside", 0.1, 1.0),
        ("flicker_inside", 6.0, 2.0),
        ("flicker_outside", 4.0, 2.0),
        ("jitter", 0.02, 2.0),
    ):
        value = measures.get(name)
        score *= 1.0 if value is None else _decay(value, scale, power)
    for name in ("motion_ratio", "motion_ratio_outside"):
        value = measures.get(name)
        score *= 1.0 if value is None else motion_gate(value)
    return float(np.clip(score, 0, 1))


def motion_gate(ratio: float, low: float = 0.6, high: float = 1.7) -> float:
    """1 for a motion ratio from `low` to `high`; falls on both sides, to a half at 1.6 times beyond."""
    beyond = max(np.log(low / max(ratio, 1e-6)), np.log(max(ratio, 1e-6) / high), 0.0)
    return float(0.5 ** ((beyond / np.log(1.6)) ** 2))


def _decay(value: float, scale: float, power: float = 1.0) -> float:
    return float(1 / (1 + (max(0.0, value) / scale) ** power))


def _mean(rows: Sequence[Mapping[str, float]], name: str) -> float | None:
    values = [row[name] for row in rows if name in row]
    return float(np.mean(values)) if values else None


def _step_measures(flow: cv2.DISOpticalFlow, step: Step) -> dict[str, float]:
    motion = step.motion or source_motion(step.source)
    forward, valid = motion.forward, motion.valid
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in step.result]
    moved = flow.calc(grey[0], grey[1], None)
    warped_source, warped_result = _warp(step.source[1], forward), _warp(step.result[1], forward)
    product = step.insert_masks[0] & (_warp(step.insert_masks[1].astype(np.uint8), forward) > 0)
    either = (step.source_mask | step.insert_masks[0] | step.insert_masks[1]).astype(np.uint8)
    rest = cv2.dilate(either, np.ones((9, 9), np.uint8)) == 0
    row: dict[str, float] = {}
    own_product = step.insert_masks[0] & (_warp(step.insert_masks[1].astype(np.uint8), moved) > 0)
    own_pair = warped_source, _warp(step.result[1], moved)
    by_own = _part_measures(step, "inside", _core(own_product), np.ones_like(valid), own_pair)
    if "excess_inside" in by_own:
        row |= {"excess_own_inside": by_own["excess_inside"], "shift_own_inside": by_own["shift_inside"]}
    for part, region, own, moving in (
        ("inside", _core(product), step.insert_masks[0], step.source_mask),
        ("outside", rest, rest, rest),
    ):
        row |= _part_measures(step, part, region, valid, (warped_source, warped_result))
        if moving.sum() >= _MIN_PIXELS and own.sum() >= _MIN_PIXELS:
            row[f"motion_{part}"] = _mean_length(moved, own)
            row[f"source_motion_{part}"] = _mean_length(forward, moving)
    return row


def _core(mask: np.ndarray) -> np.ndarray:
    """`mask` without its edge pixels, which mix in the ground; as it is where nothing would be left."""
    core = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    return core if core.sum() >= _MIN_PIXELS else mask


def _part_measures(
    step: Step, part: str, region: np.ndarray, valid: np.ndarray, warped: tuple[np.ndarray, np.ndarray]
) -> dict[str, float]:
    if region.sum() < _MIN_PIXELS:
        return {}
    row = {f"valid_{part}": float(valid[region].mean())}
    where = region & valid
    if where.sum() < _MIN_PIXELS:
        return row
    # OpenCV sums 8-bit values under a mask exactly, without a copy of the pixels.
    chosen, pixels = where.view(np.uint8), int(where.sum())
    frames = (step.source[0], step.result[0])
    errors = [
        cv2.norm(frame, after, cv2.NORM_L2SQR, mask=chosen) / (3 * pixels)
        for frame, after in zip(frames, warped, strict=True)
    ]
    shifts = [
        float(np.mean(cv2.mean(frame, chosen)[:3]) - np.mean(cv2.mean(after, chosen)[:3]))
        for frame, after in zip(frames, warped, strict=True)
    ]
    some = np.flatnonzero(where)[::4]
    contrast = [float(frame.reshape(-1, 3)[some].astype(np.float32).var(axis=0).mean()) + 100 for frame in frames]
    return row | {
        f"error_{part}": errors[1],
        f"source_error_{part}": errors[0],
        f"excess_{part}": max(0.0, errors[1] / contrast[1] - errors[0] / contrast[0]),
        f"shift_{part}": shifts[1] - shifts[0],
    }


def _mean_length(flow: np.ndarray, where: np.ndarray) -> float:
    """Mean length of the flow, float32 (h, w, 2) in px, over the pixels `where`, bool (h, w)."""
    return float(cv2.mean(cv2.magnitude(*cv2.split(flow)), where.view(np.uint8))[0])


def _consistent(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Pixels, bool (h, w), where the flow there and back returns: neither occluded nor out of the frame."""
    back = _warp(backward, forward)
    gap = ((forward + back) ** 2).sum(2)
    size = (forward**2).sum(2) + (back**2).sum(2)
    height, width = gap.shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    end_x, end_y = x + forward[..., 0], y + forward[..., 1]
    within = (end_x >= 0) & (end_y >= 0) & (end_x <= width - 1) & (end_y <= height - 1)
    return np.asarray((gap <= 0.01 * size + 0.5) & within)


def _warp(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """`image` sampled at each pixel's place plus its flow."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = x + flow[..., 0], y + flow[..., 1]
    warped: np.ndarray = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped
