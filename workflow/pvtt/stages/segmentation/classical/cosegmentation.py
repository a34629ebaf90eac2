"""Find the product: co-segmentation of a few frames of a clip, then choice of the object.

Frames spread over the clip are labelled together with one colour model of product and ground (co-segmentation, Rother
et al., CVPR 2006), started from saliency (`saliency.py`) and, when there are product photos, from their colours and
their place (`place.py`). Skin that comes in over the frame's border is ground. Of the regions found, the product's are
chosen (`regions.py`) and labelled once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pvtt.imaging.morphology import ring
from pvtt.imaging.resize import reduced
from pvtt.stages.segmentation import color_histograms
from pvtt.stages.segmentation.base import SHORT_SIDE
from pvtt.stages.segmentation.classical.feature_matching import PhotoMatcher
from pvtt.stages.segmentation.classical.frame_features import (
    FrameFeatures,
    Region,
    connected_regions,
    score_regions,
    select_regions,
)
from pvtt.stages.segmentation.classical.pixel_labeling import (
    GuidedFilter,
    largest_components,
    mean_field,
    remove_small_objects,
)
from pvtt.stages.segmentation.classical.saliency import estimate_saliency
from pvtt.stages.segmentation.classical.shadow_edges import DEEP_SHADOW_SHARE, closed_contours, shadow_tolerant_log_odds
from pvtt.stages.segmentation.concavity_filling import HullPrior, estimate_hull_prior, fill_concavities

Array = np.ndarray

_MAX_SKIN_AREA = 0.4  # of the frame
_MIN_REFERENCE_SHARE = 0.5  # share of a skin-coloured region's colours that the photos show, for it to be the product's
_MIN_SALIENCY, _MAX_CLOSED_AREA = 0.2, 0.6  # of a closed part: mean saliency, share of the frame
_HIGH_SALIENCY, _MAX_BACKGROUND_OVERLAP = 0.5, 0.6  # mean saliency; overlap with the ground's colours
_BACKGROUND_SALIENCY = 0.15  # saliency below it
_MIN_AREA = 0.0008  # of the frame; below it colour statistics carry no evidence


@dataclass(frozen=True)
class InitialDetections:
    """The product as found in the sampled frames."""

    numbers: list[int]
    masks: list[Array]
    scores: list[float]
    foreground: Array
    background: Array
    ambiguity: float
    likeness: float | None
    skin_share: float
    n_matched: int
    bins_per_frame: list[Array]
    target_histogram: Array  # colours of the product as found and as photographed
    hull_prior: HullPrior | None  # of the product in its photos

    def color_contrast(self, k: int, mask: Array) -> float:
        """How much more a mask, bool (h, w), of the k-th sampled frame has the product's colours than its surroundings.

        -1 to 1; -1 for an empty mask.
        """
        if not mask.any():
            return -1.0
        inside, around = (color_histograms.histogram(self.bins_per_frame[k], region) for region in (mask, ring(mask)))
        return color_histograms.bhattacharyya(inside, self.target_histogram) - color_histograms.bhattacharyya(
            around, self.target_histogram
        )

    @property
    def best(self) -> int:
        """Place in `numbers` of the frame where the product is seen best."""
        return int(np.argmax(self.scores))


def extract_features(
    number: int, frame: Array, matcher: PhotoMatcher | None, overlay_mask: Array, hull_prior: HullPrior | None
) -> FrameFeatures:
    """Evidence of one frame (uint8 (h, w, 3) RGB); `overlay_masks`: where an overlay lies, bool at the reduced size."""
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
            image, _outer_tenth(saliency.shape) & (saliency < _BACKGROUND_SALIENCY) & ~distractors
        )
        closed_regions = _salient_parts(closed_regions, saliency, bins)
    return FrameFeatures(
        number, image, bins, saliency, background, distractors, location_prior, closed_regions, soft_regions, guide
    )


def _outer_tenth(shape: tuple[int, ...]) -> Array:
    """The outer tenth of a frame, bool (h, w)."""
    height, width = shape
    outer = np.ones(shape, bool)
    outer[height // 10 : -(height // 10), width // 10 : -(width // 10)] = False
    return outer


def _salient_parts(closed_regions: Array, saliency: Array, bins: Array) -> Array:
    """Connected parts of what is closed off that stand out, bool (h, w).

    The veins of a marble or a horizon close off parts of the ground: these are large, or little salient and of the
    colours (`bins` from `color_histograms.bin_indices`) of the rest.
    """
    count, labels = cv2.connectedComponents(closed_regions.astype(np.uint8), connectivity=4)
    areas = np.bincount(labels.ravel(), minlength=count)
    means = np.bincount(labels.ravel(), saliency.ravel(), count) / np.maximum(areas, 1)
    kept = (means > _MIN_SALIENCY) & (areas < _MAX_CLOSED_AREA * labels.size)
    kept[0] = False
    rest = color_histograms.histogram(bins, ~closed_regions)
    for k in np.flatnonzero(kept & (means < _HIGH_SALIENCY)):
        kept[k] = (
            color_histograms.bhattacharyya(color_histograms.histogram(bins, labels == k), rest)
            < _MAX_BACKGROUND_OVERLAP
        )
    return kept[labels]


def _location_log_odds(corners: Array, shape: tuple[int, int]) -> Array:
    """Log-odds of place: nought inside the quadrilateral grown by a tenth, falling to -4 outside."""
    centre = corners.mean(0)
    grown = centre + 1.1 * (corners - centre)
    inside = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(inside, np.rint(grown).astype(np.int32), 1)
    distance = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    return np.where(inside > 0, 1.0, -np.minimum(distance / 2, 4)).astype(np.float32)


def foreign_skin(image: Array, color_likelihood: Array | None) -> Array:
    """Skin-coloured regions that are not the product's, bool (h, w).

    Those connected to the frame's border, as hands and arms come in from outside, and with photos also those whose
    colours these do not show, and those that touch something unlike the photos which comes in from outside: a sleeve.
    What fills much of the frame is a ground of wood, of which the product may be a part. `color_likelihood` is
    `color_histograms.color_likelihood`, None without photos.
    """
    skin = cv2.blur(color_histograms.skin_probability(image), (3, 3)) > 0.5
    count, labels = cv2.connectedComponents(skin.astype(np.uint8), connectivity=4)
    if count <= 1:
        return np.zeros(skin.shape, bool)
    areas = np.bincount(labels.ravel(), minlength=count)
    distractors = _at_border(labels, count)
    if color_likelihood is not None:
        likelihood = color_likelihood[color_histograms.bin_indices(image)[..., 0]]
        distractors |= np.bincount(labels.ravel(), likelihood.ravel(), count) < _MIN_REFERENCE_SHARE * areas
        distractors[
            np.unique(labels[cv2.dilate(_sleeve_mask(image, likelihood, skin), np.ones((5, 5), np.uint8)) > 0])
        ] = True
    distractors &= areas < _MAX_SKIN_AREA * labels.size
    distractors[0] = False
    return distractors[labels]


def _sleeve_mask(image: Array, likelihood: Array, skin: Array) -> Array:
    """What edges close off from the ground, is unlike the photos and touches the border, uint8 (h, w)."""
    closed_regions, _ = closed_contours(image, _outer_tenth(skin.shape))
    unlike_photos = closed_regions & (cv2.blur(likelihood, (3, 3)) < _MIN_REFERENCE_SHARE) & ~skin
    count, labels = cv2.connectedComponents(unlike_photos.astype(np.uint8), connectivity=4)
    from_border = _at_border(labels, count)
    from_border[0] = False
    return from_border[labels].astype(np.uint8)


def _at_border(labels: Array, count: int) -> Array:
    """Which of `count` labelled components touch the frame's border with at least 4 px, bool (count,)."""
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.bincount(edge, minlength=count) >= 4


def cosegment(
    frames: Sequence[tuple[int, Array]], references: Sequence[Array], overlay_masks: Sequence[Array]
) -> InitialDetections | None:
    """Find the product in sampled frames (number, uint8 (h, w, 3) RGB); None when nothing stands out.

    Parameters
    ----------
    frames : (frame number, uint8 (h, w, 3) RGB) of each sampled frame.
    references : product cut-outs, uint8 (h, w, 4) RGBA; may be empty.
    overlay_masks : bool (h, w) per sampled frame at a short side of `SHORT_SIDE` px, True where a graphic overlay lies.

    Returns
    -------
    Masks bool (h, w) at a short side of `SHORT_SIDE` px with their scores and colour models.

    References
    ----------
    Rother et al., "Cosegmentation of image pairs by histogram matching", CVPR 2006.
    """
    matcher = PhotoMatcher(references) if references else None
    hull_prior = estimate_hull_prior(references)
    features = [
        extract_features(n, frame, matcher, overlay_mask, hull_prior)
        for (n, frame), overlay_mask in zip(frames, overlay_masks, strict=True)
    ]
    reference = color_histograms.reference_histogram(references)
    joint_labeling(features, reference, rounds=4)
    regions = [region for k in range(len(features)) for region in connected_regions(k, features[k])]
    score_regions(regions, features, reference)
    selected, ambiguity = select_regions(regions, len(features), color_histograms.is_single_part(references))
    if not selected:
        return None
    return _refine(features, selected, ambiguity, reference, hull_prior)


def joint_labeling(features: Sequence[FrameFeatures], reference: Array | None, rounds: int) -> None:
    """Fill `probability` (probability of the product) of all views, estimating one colour model for all of them."""
    priors = [_prior(frame, reference) for frame in features]
    weights = [_first_weights(frame, reference) for frame in features]
    for _ in range(rounds):
        foreground, background = _models(features, weights, reference)
        light = color_histograms.log_ratio(foreground, color_histograms.add_shadows(background))
        deep = color_histograms.log_ratio(
            foreground, color_histograms.add_shadows(background, DEEP_SHADOW_SHARE, color_histograms.DEEP)
        )
        odds = [
            np.where(
                v.soft_regions,
                color_histograms.pixel_log_odds(np.minimum(light, deep), v.bins),
                color_histograms.pixel_log_odds(light, v.bins),
            )
            + prior
            for v, prior in zip(features, priors, strict=True)
        ]
        weights = [mean_field(plane, frame.guide) for plane, frame in zip(odds, features, strict=True)]
    for frame, weight in zip(features, weights, strict=True):
        frame.probability = weight


def _prior(frame: FrameFeatures, reference: Array | None) -> Array:
    prior = np.clip(np.log((frame.saliency + 0.03) / (1.03 - frame.saliency)), -3, 3) - 0.5
    prior = prior if reference is None else 0.5 * prior
    color_likelihood = 1.0 if reference is None else color_histograms.color_likelihood(reference)[frame.bins[..., 0]]
    prior = prior + np.where(frame.closed_regions, 3 * color_likelihood, -1.0 if frame.closed_regions.any() else 0.0)
    prior = prior - 3 * frame.distractors
    return prior if frame.location_prior is None else 0.3 * prior + frame.location_prior


def _first_weights(frame: FrameFeatures, reference: Array | None) -> Array:
    start = np.maximum(frame.saliency, 0.6 * frame.closed_regions) * (1 - 0.9 * frame.distractors)
    if reference is not None:
        # Against what competes with the product for attention, not against the ground that saliency excludes already.
        scene_histogram = color_histograms.histogram(
            frame.bins,
            0.1 + frame.saliency if frame.location_prior is None else frame.location_prior > 0,
        )
        ratio = color_histograms.log_ratio(
            color_histograms.blend_reference(scene_histogram, reference, 1.0), scene_histogram
        )
        likelihood = color_histograms.pixel_log_odds(ratio, frame.bins)
        start = (0.25 + start) / 1.25 / (1 + np.exp(-1.5 * likelihood))
    return start if frame.location_prior is None else start * (frame.location_prior > 0)


def _models(
    features: Sequence[FrameFeatures],
    weights: Sequence[Array],
    reference: Array | None,
    likelihood: Array | None = None,
) -> tuple[Array, Array]:
    """Colours of product and ground over all views; views whose product is unlike `likelihood` count less."""
    histograms = [color_histograms.histogram(v.bins, w) for v, w in zip(features, weights, strict=True)]
    weights_by_frame = (
        None
        if likelihood is None
        else [color_histograms.bhattacharyya(histogram, likelihood) ** 4 + 1e-6 for histogram in histograms]
    )
    foreground = np.average(histograms, axis=0, weights=weights_by_frame)
    background = np.mean(
        [color_histograms.histogram(v.bins, 1 - w) for v, w in zip(features, weights, strict=True)], axis=0
    )
    return color_histograms.blend_reference(foreground, reference, 0.6), background


def _refine(
    features: Sequence[FrameFeatures],
    selected: Sequence[Sequence[Region]],
    ambiguity: float,
    reference: Array | None,
    hull_prior: HullPrior | None,
) -> InitialDetections:
    """Label again with models of the chosen regions alone; everything else has become ground."""
    weights = []
    for frame, regions in zip(features, selected, strict=True):
        mask = np.any([region.mask for region in regions], axis=0) if regions else np.zeros(frame.saliency.shape, bool)
        weights.append(mask.astype(np.float32))
    masks = [weight > 0.5 for weight in weights]
    likelihood = reference
    if likelihood is None:
        likelihood = max(
            (region for regions in selected for region in regions), key=lambda region: region.score
        ).colours
    for _ in range(2):
        foreground, background = _models(features, [m.astype(np.float32) for m in masks], reference, likelihood)
        masks = []
        for frame, weight in zip(features, weights, strict=True):
            near = np.maximum(cv2.dilate(weight, np.ones((9, 9), np.uint8)), 1e-3 * _convex_hull(weight > 0.5))
            location_prior = np.where(near > 0, 0.5 * _prior(frame, reference) + 0.5 * weight, -6)
            least = 0.3 * _MIN_AREA * weight.size
            odds = shadow_tolerant_log_odds(frame.bins, frame.image, foreground, background, near > 0) + location_prior
            mask = largest_components(remove_small_objects(mean_field(odds, frame.guide) > 0.5, least))
            masks.append(fill_concavities(mask, frame.image, hull_prior))
    foreground, background = _models(features, [m.astype(np.float32) for m in masks], None, likelihood)
    scores = []
    for frame, regions, mask in zip(features, selected, masks, strict=True):
        separability = 1 - color_histograms.bhattacharyya(
            color_histograms.histogram(frame.bins, mask),
            color_histograms.histogram(frame.bins, ring(mask)),
        )
        scores.append(
            sum(region.score for region in regions) * separability * (2 if frame.location_prior is not None else 1)
        )
    likeness = None if reference is None else color_histograms.bhattacharyya(foreground, reference)
    n_matched = sum(frame.location_prior is not None for frame in features)
    skin = _skin_share(features, masks)
    bins_per_frame = [frame.bins for frame in features]
    numbers = [frame.number for frame in features]
    target_histogram = color_histograms.blend_reference(foreground, reference, 0.6)
    detections = InitialDetections(
        numbers,
        masks,
        scores,
        foreground,
        background,
        ambiguity,
        likeness,
        skin,
        n_matched,
        bins_per_frame,
        target_histogram,
        hull_prior,
    )
    return replace(
        detections,
        scores=[score * max(detections.color_contrast(k, masks[k]), 0) for k, score in enumerate(scores)],
    )


def _convex_hull(mask: Array) -> Array:
    """Convex hull of a mask, bool: what lies between the parts of a product may belong to it."""
    hull = np.zeros(mask.shape, np.uint8)
    places = cv2.findNonZero(mask.astype(np.uint8))
    if places is not None:
        cv2.fillConvexPoly(hull, cv2.convexHull(places), 1)
    return hull > 0


def _skin_share(features: Sequence[FrameFeatures], masks: Sequence[Array]) -> float:
    shares = [
        (color_histograms.skin_probability(v.image)[m] > 0.5).mean()
        for v, m in zip(features, masks, strict=True)
        if m.any()
    ]
    return float(np.median(shares)) if shares else 0.0
