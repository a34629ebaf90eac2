"""Comparison of masks with a second opinion, which replaces them where it matches the product's photos better.

Both are compared with each photo by colour (Bhattacharyya coefficient of Lab histograms) and by form (solidity: share
of the convex hull that is filled). The network's must match better in the mean, and no photo may speak clearly against
them: where a cut-out shows a pouch with the product, the network sees the pouch in the video, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pvtt.imaging import color_histograms
from pvtt.imaging.resize import at_size, reduced
from pvtt.metrics import mask_iou
from pvtt.stages.segmentation.base import SHORT_SIDE, Segmentation, evenly
from pvtt.stages.segmentation.concavity_filling import HullPrior, estimate_hull_prior
from pvtt.stages.segmentation.motion import Flow, warp
from pvtt.stages.segmentation.photo_evidence import missing_colour, open_form_fill, shape_gap
from pvtt.stages.segmentation.second_opinion import SecondOpinion, touched_parts

Frames = NDArray[np.uint8]
Masks = NDArray[np.bool_]

_STEP = 4  # frames between two at which the network is asked; those between take the maps along the optical flow
_LEAST_OVERLAP = 0.6  # IoU with the masks below which the network sees something else; tuned on rendered worlds
_ENOUGH = 0.95  # IoU with the masks from which a replacement would gain nothing
_EVIDENCE_FRAMES = 9  # frames on which evidence is measured anew, as many as the backends sample
_CLEARLY = 0.05  # of the match: a photo that the network's masks match worse by more speaks against them


def compare(
    frames: Frames, found: Segmentation, references: Sequence[Frames], prompt: str, opinion: SecondOpinion
) -> tuple[Segmentation, dict[str, float]]:
    """Ask for a second opinion on masks, and take its masks where they match the photos better.

    Parameters
    ----------
    frames : uint8 (n, h, w, 3) RGB
    found : Segmentation
        With at least one set pixel.
    references : uint8 (h, w, 4) RGBA
        Cut-outs of the product's photos; without any, the masks stay.
    prompt : str
        Words for the product.
    opinion : SecondOpinion
        Loaded. Its setting `refine` says whether masks may be replaced.

    Returns
    -------
    Segmentation
        The same, or another one with the same objects and confidence.
    dict
        `second_opinion`: mean IoU over a few frames of the masks as found and the network's parts there. `photo_match`:
        the better likeness to the photos, at most 1. `refined`: 1 where the masks were replaced, else 0.
    """
    union: Masks = np.asarray(found.masks.any(0))
    shown = np.flatnonzero(union.any((1, 2)))
    numbers = evenly(shown, opinion.settings.second_opinion_frames)
    seen = {int(k): opinion.parts(frames[k], union[k]) for k in numbers}
    overlap = float(np.mean([mask_iou(union[k], seen[k] > 0.5) for k in seen]))
    measures = {"second_opinion": round(overlap, 4)}
    prior = estimate_hull_prior(references)
    if prior is None:
        return found, measures
    own = photo_matches([(frames[k], union[k]) for k in seen], references, prior)
    other = photo_matches([(frames[k], seen[k] > 0.5) for k in seen], references, prior)
    better = opinion.settings.refine and _LEAST_OVERLAP <= overlap < _ENOUGH and _matches_better(other, own)
    measures |= {"photo_match": round(float(np.mean(other if better else own)), 4), "refined": float(better)}
    if not better:
        return found, measures
    masks = _assigned(found.masks, _followed(frames, union, shown, seen, opinion))
    return replace(found, masks=masks, evidence=_evidence(frames, found, masks, references, prompt, prior)), measures


def _matches_better(other: NDArray[np.float64], own: NDArray[np.float64]) -> bool:
    """Whether matches per photo are better in the mean, and for no photo clearly worse."""
    return bool(other.mean() > own.mean() and (other - own).min() >= -_CLEARLY)


def photo_matches(
    masked_frames: Sequence[tuple[Frames, Masks]], references: Sequence[Frames], prior: HullPrior
) -> NDArray[np.float64]:
    """Likeness of masked pixels and of the masks' form to each photo of a product.

    Parameters
    ----------
    masked_frames : pairs of uint8 (h, w, 3) RGB and bool (h, w)
    references : uint8 (h, w, 4) RGBA
        Cut-outs; those with too few opaque pixels are left out.
    prior : HullPrior
        Of all photos: their solidities differ with the view.

    Returns
    -------
    float64 (n_photos,)
        Bhattacharyya coefficient of the colours, less the distance of the solidity to the range of all photos; -1
        where no mask has a pixel.
    """
    colours, solidities = [], []
    for frame, mask in masked_frames:
        small = reduced(frame, SHORT_SIDE)
        inside = at_size(mask, small.shape[:2])
        if inside.any():
            colours.append(color_histograms.histogram(color_histograms.bin_indices(small), inside))
            solidities.append(color_histograms.solidity(inside))
    photos = [color_histograms.reference_histogram([cutout]) for cutout in references]
    known = [photo for photo in photos if photo is not None]
    if not colours:
        return np.full(len(known), -1.0)
    mean, gap = np.mean(colours, axis=0), prior.gap(float(np.median(solidities)))
    return np.array([color_histograms.bhattacharyya(mean, photo) - gap for photo in known])


def _followed(
    frames: Frames, union: Masks, shown: NDArray[np.intp], seen: dict[int, NDArray[np.float32]], opinion: SecondOpinion
) -> Masks:
    """The network's masks in all frames that have one, bool (n, h, w)."""
    keys = sorted({*evenly(shown, max(2, -(-len(shown) // _STEP) + 1)).tolist(), *seen})
    maps = {k: seen[k] if k in seen else opinion.parts(frames[k], union[k]) for k in keys}
    flow, result = Flow(), np.zeros_like(union)
    for number in shown.tolist():
        before, after = max(k for k in keys if k <= number), min(k for k in keys if k >= number)
        near = [maps[k] if k == number else warp(maps[k], flow(frames[number], frames[k])) for k in (before, after)]
        weight = (number - before) / max(1, after - before)
        chance = (1 - weight) * near[0] + weight * near[1]
        result[number] = touched_parts(union[number], chance > 0.5)
    return result


def _assigned(objects: Masks, union: Masks) -> Masks:
    """Give every pixel of `union` (n, h, w) to the nearest of the objects (k, n, h, w) in its frame."""
    if len(objects) == 1:
        return union[None]
    result = np.zeros_like(objects)
    for number, pixels in enumerate(union):
        planes = [(~objects[k, number]).astype(np.uint8) for k in range(len(objects))]
        far = [cv2.distanceTransform(p, cv2.DIST_L2, 3) if not p.all() else np.full(p.shape, np.inf) for p in planes]
        nearest = np.argmin(far, axis=0)
        for k in range(len(objects)):
            result[k, number] = pixels & (nearest == k)
    return result


def _evidence(
    frames: Frames, found: Segmentation, masks: Masks, references: Sequence[Frames], prompt: str, prior: HullPrior
) -> dict[str, float]:
    """The backend's evidence, with what depends on the masks' colours and form measured anew."""
    union: Masks = np.asarray(masks.any(0))
    shown = np.flatnonzero(union.any((1, 2)))
    numbers = evenly(shown, _EVIDENCE_FRAMES)
    chosen = [union[k] for k in numbers]
    anew = {
        "missing_colour": missing_colour([(frames[k], union[k]) for k in numbers], references),
        "open_form_fill": open_form_fill(chosen, prompt),
        "shape_gap": shape_gap(chosen, prior),
    }
    return found.evidence | {name: value for name, value in anew.items() if value is not None}
