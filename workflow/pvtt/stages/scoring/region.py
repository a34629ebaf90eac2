"""What people see first: leftovers of the old product, a halo round the new one, torn outlines, wrong size or footing.

Each measure looks at its own region: what the source product covered and the new one does not, the rim of the new one,
the hands in front. Colours are compared by Lab histograms (`pvtt.imaging.color_histograms`) at a short side of 240 px.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from pvtt.imaging import color_histograms
from pvtt.imaging.colour import to_lab
from pvtt.imaging.geometry import dilated
from pvtt.imaging.morphology import convex_hull, ring
from pvtt.imaging.resize import at_size, reduced
from pvtt.metrics import mask_iou

Frame = NDArray[np.uint8]
Mask = NDArray[np.bool_]

VERSION = "1"  # raise it when a measure changes
_SIDE = 240  # px, short side at which colours and rims are compared
_GROW_PX = 3  # px at that size: soft edge of the masks, and how far leftovers of a mask's misses are looked for
_REACH_PX = 8  # px at that size: how far from the source's mask its leftovers are looked for
_NEAR_PX, _FAR_PX = 3, 9  # px at that size: outer ends of the rim and of what it is compared with
_LEAST = 24  # pixels of a region, for a measure to say something
_LIKELY = 1.0  # log-likelihood ratio from which a pixel has the source product's colours
_SAME = 12  # grey levels, 0-255: a pixel that differs less from the source was not replaced
_SKIN = 0.5  # probability from which a pixel is skin
_OUTLINE_SIDE = 64  # px, side of the square to which outlines are scaled before they are compared

REGION_MEASURES = (
    "residue",
    "residue_colour",
    "rim",
    "tearing",
    "support",
    "size_ratio",
    "hand_covered",
    "changed_outside",
)


def region_measures(
    samples: Sequence[Mapping[str, NDArray[np.generic]]], source_masks: Mask, insert_masks: Mask
) -> dict[str, float | None]:
    """Measures of the regions of a pair.

    Parameters
    ----------
    samples
        Frames, each with `source` and `result`, uint8 (h, w, 3) RGB, and `source_mask` and `insert_mask`, bool (h, w).
    source_masks, insert_masks : bool (n, h, w)
        Of all frames.

    Returns
    -------
    dict
        None where there was nothing to measure.

        - `residue`: pixels that still show the source's product, relative to its area; mean.
        - `residue_colour`: the same, for pixels that have the source product's colours, more than its surroundings do.
        - `rim`: CIE76 difference of the result's first pixels outside the new product to those further out, beyond the
          source's own round its product; median. A halo or a pale plate is high.
        - `tearing`: 1 less the 10th percentile of the IoU of the new product's outline with that of the frame before,
          both scaled to one box.
        - `support`: distance of the new product's foot from the old one's, relative to the old one's height; median.
        - `size_ratio`: binary logarithm of the area of the new product over the old one's; median.
        - `hand_covered`: share of the skin in front of the old product that the new one covers; mean.
        - `changed_outside`: share of the frame that changed visibly away from both products; mean.
    """
    rows = [_sample_measures(sample) for sample in samples]
    measures: dict[str, float | None] = {}
    for name in ("residue", "residue_colour", "hand_covered", "changed_outside"):
        measures[name] = _average(rows, name)
    rims = [row["rim"] for row in rows if "rim" in row]
    measures["rim"] = max(0.0, float(np.median(rims))) if rims else None
    measures["tearing"] = tearing(insert_masks)
    return measures | _placement(source_masks, insert_masks)


def tearing(masks: Mask) -> float | None:
    """How much an outline changes its form from frame to frame, 0 to 1; None when it is seen in one frame at most.

    Parameters
    ----------
    masks : bool (n, h, w)
    """
    outlines: list[Mask | None] = [_outline(mask) for mask in masks]
    pairs = [(a, b) for a, b in pairwise(outlines) if a is not None and b is not None]
    return 1 - float(np.percentile([mask_iou(a, b) for a, b in pairs], 10)) if pairs else None


def _outline(mask: Mask) -> Mask | None:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    window = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    return np.asarray(cv2.resize(window, (_OUTLINE_SIDE, _OUTLINE_SIDE), interpolation=cv2.INTER_AREA) >= 0.5)


def _sample_measures(sample: Mapping[str, NDArray[np.generic]]) -> dict[str, float]:
    source, result = (np.asarray(reduced(sample[name], _SIDE), np.uint8) for name in ("source", "result"))
    old, new = (at_size(np.asarray(sample[name], bool), source.shape[:2]) for name in ("source_mask", "insert_mask"))
    changed = np.abs(source.astype(np.int16) - result).max(2) > _SAME
    either = dilated(old | new, _REACH_PX)
    row: dict[str, float] = {"changed_outside": float((changed & ~either).mean())}
    if old.sum() >= _LEAST:
        row |= _residue(source, result, old, new, changed)
        row |= _hands(source, old, new)
    rim = _rim(result, new)
    if rim is not None:
        before = _rim(source, old) if old.sum() >= _LEAST else 0.0
        row["rim"] = rim - (before or 0.0)
    return row


def _residue(source: Frame, result: Frame, old: Mask, new: Mask, changed: Mask) -> dict[str, float]:
    """Leftovers where the source product was and the new one is not, relative to the source product's area."""
    left = dilated(old, _REACH_PX) & ~dilated(new, _GROW_PX)
    around = ring(old, _REACH_PX, 3 * _REACH_PX) & ~new
    if around.sum() < _LEAST:
        return {}
    core = np.asarray(cv2.erode(old.astype(np.uint8), np.ones((3, 3), np.uint8)), bool)
    bins = color_histograms.bin_indices(source)
    foreground = color_histograms.histogram(bins, core if core.sum() >= _LEAST else old)
    ratio = color_histograms.log_ratio(foreground, color_histograms.histogram(bins, around))
    likely = color_histograms.pixel_log_odds(ratio, color_histograms.bin_indices(result)) > _LIKELY
    usual = float(likely[around].mean())
    coloured = max(0.0, float((likely & left).sum()) - usual * float(left.sum()))
    kept = float((likely & left & ~changed).sum())
    return {"residue": kept / float(old.sum()), "residue_colour": coloured / float(old.sum())}


def _rim(image: Frame, mask: Mask) -> float | None:
    """Median CIE76 difference of the pixels just outside a mask to the mean of those further out in each direction."""
    near, far = ring(mask, 1, _NEAR_PX), ring(mask, _NEAR_PX + 2, _FAR_PX)
    if near.sum() < _LEAST or far.sum() < _LEAST:
        return None
    lab = to_lab(image)
    weight = cv2.blur(far.astype(np.float32), (2 * _FAR_PX + 1,) * 2)
    beside = cv2.blur(lab * far[..., None], (2 * _FAR_PX + 1,) * 2) / np.maximum(weight, 1e-6)[..., None]
    known = near & (weight > 0)
    return float(np.median(np.linalg.norm(lab - beside, axis=2)[known])) if known.sum() >= _LEAST else None


def _hands(source: Frame, old: Mask, new: Mask) -> dict[str, float]:
    """Share of the skin inside the source product's hull, which is in front of it, that the new product covers."""
    skin = color_histograms.skin_probability(source) > _SKIN
    front = skin & convex_hull(old) & ~old
    return {"hand_covered": float((front & new).sum() / front.sum())} if front.sum() >= _LEAST else {}


def _placement(source_masks: Mask, insert_masks: Mask) -> dict[str, float | None]:
    """Foot and size of the new product relative to the old one's."""
    feet, sizes = [], []
    for old, new in zip(source_masks, insert_masks, strict=True):
        if old.any() and new.any():
            rows, other = np.flatnonzero(old.any(1)), np.flatnonzero(new.any(1))
            feet.append(abs(int(rows[-1]) - int(other[-1])) / (rows[-1] - rows[0] + 1))
            sizes.append(float(np.log2(new.sum() / old.sum())))
    if not feet:
        return {"support": None, "size_ratio": None}
    return {"support": float(np.median(feet)), "size_ratio": float(np.median(sizes))}


def _average(rows: Sequence[Mapping[str, float]], name: str) -> float | None:
    values = [row[name] for row in rows if name in row]
    return float(np.mean(values)) if values else None
