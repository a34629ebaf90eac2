"""Features of sampled frames, and the selection of the product among their regions.

A good candidate is salient, persists over the frames, is not cut by the frame border, lies in the middle, and is
similar to the photos. Parts of its colours belong to it, and nearby parts of other colours that the photos show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from pvtt.imaging import color_histograms
from pvtt.imaging.guided_filter import GuidedFilter
from pvtt.imaging.morphology import border_contact, components
from pvtt.imaging.resize import reduced
from pvtt.stages.segmentation.base import SHORT_SIDE
from pvtt.stages.segmentation.classical.feature_matching import PhotoMatcher
from pvtt.stages.segmentation.classical.saliency import estimate_saliency
from pvtt.stages.segmentation.classical.shadow_edges import closed_contours
from pvtt.stages.segmentation.classical.skin import foreign_skin, outer_tenth
from pvtt.stages.segmentation.concavity_filling import HullPrior

Array = np.ndarray

_MIN_SALIENCY, _MAX_CLOSED_AREA = 0.2, 0.6  # of a closed part: mean saliency, share of the frame
_HIGH_SALIENCY, _MAX_BACKGROUND_OVERLAP = 0.5, 0.6  # mean saliency; Bhattacharyya overlap with the background's colours
_BACKGROUND_SALIENCY = 0.15  # below it, a pixel near the border is likely background
_MAX_GAP, _MAX_GAP_REFERENCE = 0.15, 0.8  # of the main region's extent: to parts of its colours, of photo colours
_MIN_REFERENCE_SHARE = 0.7  # of a neighbouring region's colours: those that the photos show, for it to be a part
_MIN_RELATIVE_SCORE = 0.4  # of the best region's score, for a part that lies apart
MIN_AREA = 0.0008  # of the frame; in smaller regions colour statistics carry no evidence


@dataclass
class FrameFeatures:
    """Features of one sampled frame at reduced size; maps are (h, w).

    number: frame number. image: uint8 RGB. bins: `color_histograms.bin_indices`. saliency, background: float32 in [0,
    1]. location_prior: log-odds of the matched photo's location. probability: of the product, filled by
    co-segmentation.
    """

    number: int
    image: Array
    bins: Array
    saliency: Array
    background: Array
    distractors: Array  # skin from outside, overlays
    location_prior: Array | None
    closed_regions: Array  # regions that edges separate from the background
    soft_regions: Array  # their parts behind soft edges only, such as shadows
    guide: GuidedFilter
    probability: Array = field(default_factory=lambda: np.zeros(0))


@dataclass
class Region:
    """A connected region of one frame: a candidate for the product. `colours` is its histogram."""

    frame: int
    mask: Array
    colours: Array
    score: float
    reference_share: float = 0.0  # share of its colours that the photos show


def connected_regions(number: int, frame: FrameFeatures) -> list[Region]:
    """Connected regions of the labelled product in the `number`-th sampled frame, largest first, at most twelve."""
    mask = frame.probability > 0.5
    parts = components(mask, 8)
    labels = parts.labels
    large = [k for k in range(1, len(parts)) if parts.areas[k] >= MIN_AREA * mask.size]
    large = sorted(large, key=lambda k: -parts.areas[k])[:12]
    return [Region(number, labels == k, color_histograms.histogram(frame.bins, labels == k), 0.0) for k in large]


def score_regions(regions: Sequence[Region], features: Sequence[FrameFeatures], reference: Array | None) -> None:
    """Score regions by saliency, size, position, colour and persistence over the frames.

    Parameters
    ----------
    regions : list of Region
        Changed in place: `score`, at least 0, and with photos `reference_share`.
    features : list of FrameFeatures
        Of all sampled frames; `Region.frame` is an index in it.
    reference : float64 (32784,) or None
        Histogram of the photos; None without photos.
    """
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
    """Mean over the frames of the best agreement in colour and area with one of their regions."""
    best = np.zeros(count)
    area = region.mask.sum()
    for other in regions:
        ratio = other.mask.sum() / area
        same_color = color_histograms.bhattacharyya(region.colours, other.colours) * min(1.0, 2 * min(ratio, 1 / ratio))
        best[other.frame] = max(best[other.frame], same_color)
    return float(best.mean())


def select_regions(regions: Sequence[Region], count: int, single: bool) -> tuple[list[list[Region]], float]:
    """Select the product's regions in `count` frames.

    In each frame, the best region with the product's colours is taken. Other regions with these colours are added if
    they are close to it or, unless the photos show a `single` object, of nearly the same score; a single object may be
    split by what is in front of it. Nearby regions of other colours that the photos show are added, too.

    Returns
    -------
    The regions per frame, and the best rival's score relative to the product's.
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
    """Whether a region lies within `reach` of the best one, relative to that one's extent."""
    rows, columns = np.flatnonzero(best.any(1)), np.flatnonzero(best.any(0))
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    distance = cv2.distanceTransform(1 - best.astype(np.uint8), cv2.DIST_L2, 5)
    return bool(distance[mask].min() <= reach * extent)


def extract_features(
    number: int, frame: Array, matcher: PhotoMatcher | None, overlay_mask: Array, hull_prior: HullPrior | None
) -> FrameFeatures:
    """Features of one frame at a short side of `SHORT_SIDE` px.

    Parameters
    ----------
    number : int
        Frame number.
    frame : uint8 (h, w, 3) RGB
    matcher : PhotoMatcher or None
    overlay_mask : bool (h, w), at the reduced size
    hull_prior : HullPrior or None
    """
    image = reduced(frame, SHORT_SIDE)
    saliency, background = estimate_saliency(image)
    corners = None
    if matcher is not None:
        larger = reduced(frame, 2 * SHORT_SIDE)
        corners = matcher.match(larger)
        corners = None if corners is None else corners * (image.shape[0] / larger.shape[0])
    location_prior = None if corners is None else _location_log_odds(corners, image.shape[:2])
    distractors = foreign_skin(image, None if hull_prior is None else hull_prior.color_likelihood) | overlay_mask
    bins, guide = color_histograms.bin_indices(image), GuidedFilter(image)
    closed_regions = soft_regions = np.zeros(overlay_mask.shape, bool)
    if hull_prior is not None and hull_prior.is_solid:
        closed_regions, soft_regions = closed_contours(
            image, outer_tenth(saliency.shape) & (saliency < _BACKGROUND_SALIENCY) & ~distractors
        )
        closed_regions = _salient_parts(closed_regions, saliency, bins)
    return FrameFeatures(
        number, image, bins, saliency, background, distractors, location_prior, closed_regions, soft_regions, guide
    )


def _salient_parts(closed_regions: Array, saliency: Array, bins: Array) -> Array:
    """Components of closed regions that stand out, bool (h, w).

    The veins of marble or a horizon also close off parts of the background. Such parts are large, or of low saliency
    and of the colours (`bins` from `color_histograms.bin_indices`) of the rest.
    """
    parts = components(closed_regions, 4)
    labels, areas = parts.labels, parts.areas
    means = np.bincount(labels.ravel(), saliency.ravel(), len(parts)) / np.maximum(areas, 1)
    kept = (means > _MIN_SALIENCY) & (areas < _MAX_CLOSED_AREA * labels.size)
    kept[0] = False
    rest = color_histograms.histogram(bins, ~closed_regions)
    for k in np.flatnonzero(kept & (means < _HIGH_SALIENCY)):
        kept[k] = (
            color_histograms.bhattacharyya(color_histograms.histogram(bins, labels == k), rest)
            < _MAX_BACKGROUND_OVERLAP
        )
    return parts.select(kept)


def _location_log_odds(corners: Array, shape: tuple[int, int]) -> Array:
    """Log-odds of the location: 1 inside the quadrilateral enlarged by a tenth, falling to -4 outside; float32 (h,
    w).
    """
    centre = corners.mean(0)
    grown = centre + 1.1 * (corners - centre)
    inside = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(inside, np.rint(grown).astype(np.int32), 1)
    distance = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    return np.where(inside > 0, 1.0, -np.minimum(distance / 2, 4)).astype(np.float32)
