"""Find the product by co-segmentation of a few frames.

Frames spread over the clip are labelled jointly with one colour model of product and background (Rother et al.,
"Cosegmentation of image pairs by histogram matching", CVPR 2006). The start is saliency (`saliency.py`) and, with
product photos, their colours and their matched location (`feature_matching.py`). Skin that enters over the frame
border is background. The product's regions are selected (`frame_features.py`) and labelled once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pvtt.imaging import color_histograms
from pvtt.imaging.morphology import (
    convex_hull,
    largest_components,
    remove_small_objects_and_holes,
    ring,
)
from pvtt.stages.segmentation.classical.feature_matching import PhotoMatcher
from pvtt.stages.segmentation.classical.frame_features import (
    MIN_AREA,
    FrameFeatures,
    Region,
    connected_regions,
    extract_features,
    score_regions,
    select_regions,
)
from pvtt.stages.segmentation.classical.pixel_labeling import mean_field
from pvtt.stages.segmentation.classical.shadow_edges import DEEP_SHADOW_SHARE, shadow_tolerant_log_odds
from pvtt.stages.segmentation.concavity_filling import HullPrior, estimate_hull_prior, fill_concavities

Array = np.ndarray


@dataclass(frozen=True)
class InitialDetections:
    """The product as detected in the sampled frames.

    numbers: frame numbers. masks: bool (h, w) per sampled frame. scores: how well each frame shows the product.
    foreground, background: histograms, float64 (32784,). ambiguity: score of the best rival over the product's.
    likeness: colour similarity to the photos, None without photos. skin_share: of the masks. n_matched: frames in which
    a photo was matched. bins_per_frame: `bin_indices` of each frame.
    """

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
        """Colour similarity of a mask to the product, minus that of the mask's surroundings.

        Parameters
        ----------
        k : int
            Index in `numbers` of the sampled frame.
        mask : bool (h, w)
            At the size of `masks`.

        Returns
        -------
        float in [-1, 1]
            -1 for an empty mask.
        """
        if not mask.any():
            return -1.0
        inside, around = (color_histograms.histogram(self.bins_per_frame[k], region) for region in (mask, ring(mask)))
        return color_histograms.bhattacharyya(inside, self.target_histogram) - color_histograms.bhattacharyya(
            around, self.target_histogram
        )

    @property
    def best(self) -> int:
        """Index in `numbers` of the frame that shows the product best."""
        return int(np.argmax(self.scores))


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
    """Fill `probability` of all frames with one colour model, estimated from all of them.

    Parameters
    ----------
    features : list of FrameFeatures
        Changed in place: `probability` is set to float (h, w) in [0, 1].
    reference : float64 (32784,) or None
        Histogram of the photos; None without photos.
    rounds : int
        Iterations.
    """
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
    return np.asarray(prior if frame.location_prior is None else 0.3 * prior + frame.location_prior)


def _first_weights(frame: FrameFeatures, reference: Array | None) -> Array:
    start = np.maximum(frame.saliency, 0.6 * frame.closed_regions) * (1 - 0.9 * frame.distractors)
    if reference is not None:
        # Against what competes for attention, not against the background that saliency excludes already.
        scene_histogram = color_histograms.histogram(
            frame.bins,
            0.1 + frame.saliency if frame.location_prior is None else frame.location_prior > 0,
        )
        ratio = color_histograms.log_ratio(
            color_histograms.blend_reference(scene_histogram, reference, 1.0), scene_histogram
        )
        likelihood = color_histograms.pixel_log_odds(ratio, frame.bins)
        start = (0.25 + start) / 1.25 / (1 + np.exp(-1.5 * likelihood))
    return np.asarray(start if frame.location_prior is None else start * (frame.location_prior > 0))


def _models(
    features: Sequence[FrameFeatures],
    weights: Sequence[Array],
    reference: Array | None,
    likelihood: Array | None = None,
) -> tuple[Array, Array]:
    """Foreground and background histograms over all frames; frames unlike `likelihood` (a histogram) have lower
    weights.
    """
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
    """Label again with models of the selected regions alone; everything else has become background."""
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
            near = np.maximum(cv2.dilate(weight, np.ones((9, 9), np.uint8)), 1e-3 * convex_hull(weight > 0.5))
            location_prior = np.where(near > 0, 0.5 * _prior(frame, reference) + 0.5 * weight, -6)
            least = 0.3 * MIN_AREA * weight.size
            odds = shadow_tolerant_log_odds(frame.bins, frame.image, foreground, background, near > 0) + location_prior
            mask = largest_components(remove_small_objects_and_holes(mean_field(odds, frame.guide) > 0.5, least))
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


def _skin_share(features: Sequence[FrameFeatures], masks: Sequence[Array]) -> float:
    shares = [
        (color_histograms.skin_probability(v.image)[m] > 0.5).mean()
        for v, m in zip(features, masks, strict=True)
        if m.any()
    ]
    return float(np.median(shares)) if shares else 0.0
