"""Propagate the product's mask from frame to frame.

The mask is warped by optical flow and every frame is labelled anew in a band around the warped contour, with colour
models of product and surroundings that adapt slowly. This is the scheme of Video SnapCut (Bai et al., "Video SnapCut:
robust video object cutout using localized classifiers", SIGGRAPH 2009), with one adaptive model instead of local
windows. Skin that enters over the frame border is background, so hands in front of the product are cut out of the mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from pvtt.imaging import color_histograms
from pvtt.imaging.guided_filter import GuidedFilter
from pvtt.imaging.morphology import largest_components, remove_small_objects_and_holes, signed_distance
from pvtt.imaging.resize import reduced, resize_nearest
from pvtt.stages.segmentation.classical.pixel_labeling import mean_field
from pvtt.stages.segmentation.classical.shadow_edges import closed_contours, shadow_tolerant_log_odds
from pvtt.stages.segmentation.classical.skin import foreign_skin
from pvtt.stages.segmentation.concavity_filling import HullPrior, fill_concavities
from pvtt.stages.segmentation.motion import Flow, warp

Array = np.ndarray

_CONTOUR_BAND_PX = 4.0  # px at the working size, per unit of log-odds across the warped contour
_ENCLOSED_LOG_ODDS = 4.0  # upper limit of the location log-odds inside closed contours
_SURROUNDINGS_PX = 40  # px around the mask whose colours are its surroundings
_SURROUNDINGS_DECAY_PX = 10.0  # px over which their weight falls by a factor e
_SKIN_SHARE = 0.1  # weight of skin in the histogram of the surroundings
_MIN_COLOR_SPAN = 12.0  # CIE76 difference between product and surroundings from which a mixed pixel can be resolved
_ADAPTATION_RATE = 0.08  # per frame: weight of the frame's colours in the recent foreground model


@dataclass
class ColorModels:
    """Histograms, float64 (32784,): `foreground` at the key frame, `recent` foreground, `background` of the whole
    scene.

    hull_prior: shape and colours in the photos; None without photos.
    """

    foreground: Array
    recent: Array
    background: Array
    hull_prior: HullPrior | None = None

    @property
    def is_solid(self) -> bool:
        """Whether everything inside closed contours is the product: its photos show no large openings."""
        return self.hull_prior is not None and self.hull_prior.is_solid

    def log_odds(self, bins: Array, image: Array, local: Array, mask: Array) -> Array:
        """Log-odds of the product per pixel.

        Parameters
        ----------
        bins : int32 (h, w, 2)
            `color_histograms.bin_indices(image)`.
        image : uint8 (h, w, 3) RGB
        local : float64 (32784,)
            Histogram of the surroundings.
        mask : bool (h, w)
            Approximate mask.

        Returns
        -------
        float32 (h, w)
        """
        background = 0.3 * self.background + 0.7 * local
        return shadow_tolerant_log_odds(bins, image, 0.6 * self.foreground + 0.4 * self.recent, background, mask)


def segment_key_frame(frame: Array, detected: Array, initial: ColorModels) -> tuple[Array, ColorModels]:
    """Segment the key frame from a mask at reduced size.

    Parameters
    ----------
    frame : uint8 (h, w, 3) RGB
    detected : bool, at a reduced size
    initial : ColorModels
        Models of the detected product.

    Returns
    -------
    Mask bool (h, w), and the models with the key frame's foreground.
    """
    size = (frame.shape[1], frame.shape[0])
    coarse = cv2.resize(detected.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
    step = frame.shape[0] / detected.shape[0]
    distance = signed_distance(coarse)
    location_prior = np.clip(distance / (2.5 * step), -5, 1)
    if initial.is_solid:
        location_prior = np.where(
            enclosed_mask(frame, coarse),
            np.clip(distance / (2.5 * step), location_prior, _ENCLOSED_LOG_ODDS),
            location_prior,
        )
    bins, guide, skin = color_histograms.bin_indices(frame), GuidedFilter(frame), _distractor_skin(frame, initial)
    mask, foreground = coarse, initial.foreground
    for _ in range(3):
        models = replace(initial, foreground=foreground, recent=foreground)
        color_log_odds = models.log_odds(bins, frame, _surroundings_histogram(bins, mask, skin), mask)
        probability = mean_field(color_log_odds + location_prior - 2 * skin * (location_prior < 1), guide)
        mask = fill_concavities(largest_components(_remove_specks(probability > 0.5)), frame, initial.hull_prior)
        if not mask.any():
            mask = coarse
        foreground = 0.3 * foreground + 0.7 * color_histograms.histogram(bins, mask)
    return mask, replace(initial, foreground=foreground, recent=foreground)


def enclosed_mask(frame: Array, expected: Array) -> Array:
    """The part of an expected mask that edges separate from the background around it.

    Parameters
    ----------
    frame : uint8 (h, w, 3) RGB
    expected : bool (h, w)

    Returns
    -------
    bool (h, w), a subset of `expected`
        Computed at a short side of at most 240 px.
    """
    small = reduced(frame, 240)
    inside = resize_nearest(expected, small.shape[:2])
    closed, _ = closed_contours(small, cv2.dilate(inside.astype(np.uint8), np.ones((13, 13), np.uint8)) == 0)
    return np.asarray(resize_nearest(closed, frame.shape[:2]) & expected)


class MaskPropagator:
    """Propagates a mask from frame to frame, starting at a frame whose mask is given."""

    def __init__(self, frame: Array, mask: Array, models: ColorModels) -> None:
        """Start at `frame`, uint8 (h, w, 3) RGB, with `mask`, bool (h, w); the recent foreground is the key frame's."""
        self._flow = Flow()
        self.models = replace(models, recent=models.foreground)
        self.frame, self.mask = frame, mask

    def step(self, frame: Array, overlay_mask: Array) -> tuple[Array, float]:
        """Propagate the mask to a neighbouring frame.

        Parameters
        ----------
        frame : uint8 (h, w, 3) RGB, of the size of the frame before.
        overlay_mask : bool, any size, True where a graphic overlay lies.

        Returns
        -------
        Mask, bool (h, w), and its stability score, 0 to 1.
        """
        warped = warp(self.mask.astype(np.float32), self._flow(frame, self.frame))
        self.mask, confidence = _propagate_step(frame, warped, self.models, overlay_mask)
        self.frame = frame
        return self.mask, confidence


def _propagate_step(frame: Array, warped: Array, models: ColorModels, overlay_mask: Array) -> tuple[Array, float]:
    expected = warped > 0.5
    result = np.zeros(expected.shape, bool)
    if expected.sum() < 12:
        return result, 0.0
    window = _window(expected)
    image, inside = np.ascontiguousarray(frame[window]), expected[window]
    bins = color_histograms.bin_indices(image)
    overlay = resize_nearest(overlay_mask, frame.shape[:2])[window]
    distractors = _skin_distractors(bins, _distractor_skin(frame, models)[window], inside, models) | overlay
    distance = signed_distance(inside)
    location_prior = np.clip(distance / _CONTOUR_BAND_PX, -8, 1.5)
    if models.is_solid:
        location_prior = np.where(
            enclosed_mask(frame, expected)[window],
            np.clip(distance / _CONTOUR_BAND_PX, location_prior, _ENCLOSED_LOG_ODDS),
            location_prior,
        )
    color_log_odds = models.log_odds(bins, image, _surroundings_histogram(bins, inside, distractors), inside)
    probability = mean_field(color_log_odds + location_prior - 1.5 * distractors - 6 * overlay, GuidedFilter(image))
    result[window] = _remove_specks(probability > 0.5)
    result = fill_concavities(result, frame, models.hull_prior)
    mask = result[window]
    confident = mask & (probability > 0.9) & (color_log_odds > -1)
    if confident.sum() >= 50:
        models.recent = (1 - _ADAPTATION_RATE) * models.recent + _ADAPTATION_RATE * color_histograms.histogram(
            bins, confident
        )
    return result, stability_score(probability)


def stability_score(probability: Array) -> float:
    """Area of the confident part of a probability map over the area of its possible part.

    Compares thresholds at log-odds of +-2. A mask that changes little with its threshold is well defined.

    Parameters
    ----------
    probability : float (h, w) in [0, 1]

    Returns
    -------
    float in [0, 1]
        0 if no pixel is possible.

    References
    ----------
    Kirillov et al., "Segment anything", ICCV 2023.
    """
    possible = (probability > 0.12).sum()
    return float((probability > 0.88).sum() / possible) if possible else 0.0


def _surroundings_histogram(bins: Array, mask: Array, skin: Array) -> Array:
    distance = cv2.distanceTransform(1 - mask.astype(np.uint8), cv2.DIST_L2, 5)
    # Near pixels weigh most: they share the product's edges, so that texture there does not pull the contour outwards.
    weights = np.where((distance > 1.5) & (distance <= _SURROUNDINGS_PX), np.exp(-distance / _SURROUNDINGS_DECAY_PX), 0)
    local = color_histograms.histogram(bins, weights)
    if not skin.any():
        return local
    return (1 - _SKIN_SHARE) * local + _SKIN_SHARE * color_histograms.histogram(bins, skin & ~mask)


def _window(mask: Array) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = max(0, rows[0] - _SURROUNDINGS_PX), max(0, columns[0] - _SURROUNDINGS_PX)
    return slice(top, rows[-1] + _SURROUNDINGS_PX + 1), slice(left, columns[-1] + _SURROUNDINGS_PX + 1)


def _distractor_skin(frame: Array, models: ColorModels) -> Array:
    color_likelihood = None if models.hull_prior is None else models.hull_prior.color_likelihood
    return resize_nearest(foreign_skin(reduced(frame, 240), color_likelihood), frame.shape[:2])


def _skin_distractors(bins: Array, skin: Array, expected: Array, models: ColorModels) -> Array:
    """Skin outside the expected mask, and inside it where the product, which may be skin-coloured, explains it
    worse.
    """
    outside = skin & ~expected
    if outside.sum() < 20:
        return np.asarray(outside)
    color_log_odds = color_histograms.log_ratio(models.foreground, color_histograms.histogram(bins, outside))
    return np.asarray(skin & (outside | (color_log_odds[bins[..., 0]] < -2)))


def _remove_specks(mask: Array) -> Array:
    return remove_small_objects_and_holes(mask, max(8.0, 0.01 * mask.sum()))


def refine(frame: Array, mask: Array, models: ColorModels) -> Array:
    """Resize a mask to a frame and fit its contour to the frame's edges.

    Parameters
    ----------
    frame : uint8 (h, w, 3) RGB
    mask : bool, any size
    models : ColorModels

    Returns
    -------
    bool (h, w)
    """
    if not mask.any():
        return resize_nearest(mask, frame.shape[:2])
    return unmix_contour(frame, _at_frame_size(frame, mask, models))


def _at_frame_size(frame: Array, mask: Array, models: ColorModels) -> Array:
    if mask.shape == frame.shape[:2]:
        return mask
    if mask.shape[0] > frame.shape[0]:
        return np.asarray(cv2.resize(mask.astype(np.float32), frame.shape[1::-1], interpolation=cv2.INTER_AREA) > 0.5)
    soft = cv2.resize(mask.astype(np.float32), frame.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    result = soft > 0.5
    window = _window(result)
    image, inside = np.ascontiguousarray(frame[window]), result[window]
    bins = color_histograms.bin_indices(image)
    step = frame.shape[0] / mask.shape[0]
    location_prior = np.clip(signed_distance(inside) / step, -6, 6)
    color_log_odds = models.log_odds(bins, image, color_histograms.histogram(bins, ~inside), inside)
    result[window] = mean_field(location_prior + 0.5 * color_log_odds, GuidedFilter(image)) > 0.5
    return np.asarray(result)


def unmix_contour(frame: Array, mask: Array) -> Array:
    """Move the contour of a mask to where a pixel is half product and half surroundings.

    Pixels within 1.5 px of the contour are mixtures of two colours (Smith and Blinn, "Blue screen matting", SIGGRAPH
    1996): the mean of the nearby surroundings, and the mean of the nearby mask, weighted by its difference to the
    surroundings. Where both colours are similar the contour stays.

    Parameters
    ----------
    frame : uint8 (h, w, 3) RGB
    mask : bool (h, w)

    Returns
    -------
    bool (h, w)
    """
    window = _window(mask)
    lab = cv2.cvtColor(frame[window].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    inside = mask[window]
    outward = cv2.distanceTransform(1 - inside.astype(np.uint8), cv2.DIST_L2, 5)
    inward = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    surroundings = ((outward > 2) & (outward <= _SURROUNDINGS_DECAY_PX)).astype(np.float32)
    background_color, weight = _local_mean(lab, surroundings, 2 * int(_SURROUNDINGS_DECAY_PX) + 5)
    foreground_color, front_weight = _local_mean(lab, inside * ((lab - background_color) ** 2).sum(2), 9)
    span = foreground_color - background_color
    length = (span**2).sum(2)
    alpha = ((lab - background_color) * span).sum(2) / np.maximum(length, 1)
    is_mixed = (
        (outward <= 1.5) & (inward <= 1.5) & (length > _MIN_COLOR_SPAN**2) & (weight > 1e-3) & (front_weight > 1e-3)
    )
    result = mask.copy()
    result[window] = np.where(is_mixed, alpha > 0.5, inside)
    return result


def _local_mean(values: Array, weights: Array, side: int) -> tuple[Array, Array]:
    """Weighted mean of values (h, w, 3) in a window of `side` px, and the mean weight (h, w)."""
    total = cv2.blur(weights.astype(np.float32), (side, side))
    return cv2.blur(values * weights[..., None], (side, side)) / np.maximum(total, 1e-6)[..., None], total
