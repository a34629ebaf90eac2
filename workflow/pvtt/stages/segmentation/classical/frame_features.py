"""Regions of sampled frames as candidates for the product, and the choice among them.

A candidate is salient, lasts over the frames, is not cut by the border, lies in the middle, and is like the photos.
What belongs to the chosen one: parts of its colours, and close by those of other colours that the photos show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from pvtt.imaging.morphology import border_contact
from pvtt.stages.segmentation import color_histograms
from pvtt.stages.segmentation.classical.pixel_labeling import GuidedFilter

Array = np.ndarray

_MAX_GAP, _MAX_GAP_REFERENCE = (
    0.15,
    0.8,
)  # reach of parts of the product's colours, and of other colours that photos show
_MIN_REFERENCE_SHARE = 0.7  # share of a neighbouring region's colours that photos show, for it to be a part
_MIN_RELATIVE_SCORE = 0.4  # of the best region's, for a part that lies apart
_MIN_AREA = 0.0008  # of the frame; below it colour statistics carry no evidence


@dataclass
class FrameFeatures:
    """One sampled frame at reduced size and what is known of it; maps are (h, w)."""

    number: int
    image: Array
    bins: Array
    saliency: Array
    background: Array
    distractors: Array  # skin from outside, overlays
    location_prior: Array | None
    closed_regions: Array  # what edges close off from the ground
    soft_regions: Array  # what of it only soft edges do, as shadows
    guide: GuidedFilter
    probability: Array = field(default_factory=lambda: np.zeros(0))


@dataclass
class Region:
    """A connected region of one view: a candidate for the product."""

    frame: int
    mask: Array
    colours: Array
    score: float
    reference_share: float = 0.0  # share of its colours that the photos show


def connected_regions(number: int, frame: FrameFeatures) -> list[Region]:
    """Connected regions of what was found in a view (the `number`-th), large ones first; at most twelve."""
    mask = frame.probability > 0.5
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] >= _MIN_AREA * mask.size]
    large = sorted(large, key=lambda k: -stats[k, cv2.CC_STAT_AREA])[:12]
    return [Region(number, labels == k, color_histograms.histogram(frame.bins, labels == k), 0.0) for k in large]


def score_regions(regions: Sequence[Region], features: Sequence[FrameFeatures], reference: Array | None) -> None:
    """Fill the scores of regions; `reference` are the photos' colours."""
    for region in regions:
        frame = features[region.frame]
        height, width = region.mask.shape
        rows, columns = np.nonzero(region.mask)
        off_centre = ((columns.mean() / width - 0.5) ** 2 + (rows.mean() / height - 0.5) ** 2) / 0.35**2
        evidence = (
            frame.saliency if frame.location_prior is None else np.maximum(frame.saliency, frame.location_prior > 0)
        )
        value = evidence[region.mask].mean() * np.sqrt(len(rows) / region.mask.size) * np.exp(-0.5 * off_centre)
        value *= (1 - border_contact(region.mask)) ** 2 * (1 - 0.9 * frame.distractors[region.mask].mean())
        if reference is not None:
            value *= color_histograms.bhattacharyya(region.colours, reference)
            region.reference_share = color_histograms.reference_share(region.colours, reference)
        region.score = float(value)
    persistence = [_persistence(region, regions, len(features)) for region in regions]
    for region, persistence_factor in zip(regions, persistence, strict=True):
        region.score *= persistence_factor


def _persistence(region: Region, regions: Sequence[Region], count: int) -> float:
    """Mean over the views of the best agreement in colour and area with one of their regions."""
    best = np.zeros(count)
    area = region.mask.sum()
    for other in regions:
        ratio = other.mask.sum() / area
        same_color = color_histograms.bhattacharyya(region.colours, other.colours) * min(1.0, 2 * min(ratio, 1 / ratio))
        best[other.frame] = max(best[other.frame], same_color)
    return float(best.mean())


def select_regions(regions: Sequence[Region], count: int, single: bool) -> tuple[list[list[Region]], float]:
    """Regions of the product per view, and the best rival's score relative to the product's.

    A view's best region of the product's colours is taken and, of the others, those close to it or, unless the photos
    show a `single` object, nearly as good; a single object may be cut in two by what is before it. What is close and
    has other colours that the photos show is taken, too.
    """
    if not regions:
        return [], 0.0
    main = max(regions, key=lambda region: region.score)
    same_color = [color_histograms.bhattacharyya(region.colours, main.colours) >= 0.5 for region in regions]
    rival = max((r.score for r, same in zip(regions, same_color, strict=True) if not same), default=0.0)
    selected: list[list[Region]] = [[] for _ in range(count)]
    for same, region in sorted(zip(same_color, regions, strict=True), key=lambda pair: (not pair[0], -pair[1].score)):
        taken = selected[region.frame]
        if not taken:
            belongs = same
        elif _is_near(region.mask, taken[0].mask, _MAX_GAP if same else _MAX_GAP_REFERENCE):
            belongs = same or (
                region.reference_share >= _MIN_REFERENCE_SHARE and region.score >= _MIN_RELATIVE_SCORE * taken[0].score
            )
        else:
            belongs = same and region.score >= _MIN_RELATIVE_SCORE * taken[0].score
            if single and not (belongs and _is_near(region.mask, taken[0].mask, _MAX_GAP_REFERENCE)):
                belongs = same and _fits_extent(np.any([r.mask for r in [*taken, region]], axis=0), main.mask)
        if belongs:
            taken.append(region)
    return selected, rival / max(main.score, 1e-9)


def _fits_extent(mask: Array, whole: Array) -> bool:
    """Whether a mask is not clearly wider or higher than another."""
    return all(np.ptp(np.flatnonzero(mask.any(a))) <= 1.25 * np.ptp(np.flatnonzero(whole.any(a))) + 1 for a in (0, 1))


def _is_near(mask: Array, best: Array, reach: float) -> bool:
    """Whether a region lies within `reach` of the best one, as a share of that one's extent."""
    rows, columns = np.flatnonzero(best.any(1)), np.flatnonzero(best.any(0))
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    distance = cv2.distanceTransform(1 - best.astype(np.uint8), cv2.DIST_L2, 5)
    return bool(distance[mask].min() <= reach * extent)
