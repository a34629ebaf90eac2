"""Skin-coloured regions that do not belong to the product, such as hands and arms with their sleeves."""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging import color_histograms
from pvtt.imaging.morphology import Components, components
from pvtt.stages.segmentation.classical.shadow_edges import closed_contours

Array = np.ndarray

_MAX_SKIN_AREA = 0.4  # of the frame; a larger skin-coloured region is a wooden background
_MIN_REFERENCE_SHARE = 0.5  # of a skin-coloured region: colours that the photos show, for it to be the product's


def foreign_skin(image: Array, color_likelihood: Array | None) -> Array:
    """Skin-coloured regions that are not the product's.

    These are regions that touch the frame border, as hands and arms do. With photos, also regions whose colours the
    photos do not show, and regions that touch a sleeve: something unlike the photos that enters over the border. A
    region that fills much of the frame is a wooden background, of which the product may be a part.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB
    color_likelihood : float64 (32768,) or None
        Of the photos' colours, see `color_histograms.color_likelihood`; None without photos.

    Returns
    -------
    bool (h, w)
    """
    skin = cv2.blur(color_histograms.skin_probability(image), (3, 3)) > 0.5
    parts = components(skin, 4)
    if len(parts) <= 1:
        return np.zeros(skin.shape, bool)
    labels, areas = parts.labels, parts.areas
    distractors = _at_border(parts)
    if color_likelihood is not None:
        likelihood = color_likelihood[color_histograms.bin_indices(image)[..., 0]]
        distractors |= np.bincount(labels.ravel(), likelihood.ravel(), len(parts)) < _MIN_REFERENCE_SHARE * areas
        distractors[
            np.unique(labels[cv2.dilate(_sleeve_mask(image, likelihood, skin), np.ones((5, 5), np.uint8)) > 0])
        ] = True
    distractors &= areas < _MAX_SKIN_AREA * labels.size
    return parts.select(distractors)


def _sleeve_mask(image: Array, likelihood: Array, skin: Array) -> Array:
    """Closed regions that are unlike the photos and touch the frame border, uint8 (h, w)."""
    closed_regions, _ = closed_contours(image, outer_tenth(skin.shape))
    unlike_photos = closed_regions & (cv2.blur(likelihood, (3, 3)) < _MIN_REFERENCE_SHARE) & ~skin
    parts = components(unlike_photos, 4)
    return parts.select(_at_border(parts)).astype(np.uint8)


def _at_border(parts: Components) -> Array:
    """Which components touch the frame border with at least 4 px, bool (count,)."""
    labels = parts.labels
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.bincount(edge, minlength=len(parts)) >= 4


def outer_tenth(shape: tuple[int, ...]) -> Array:
    """The outer tenth of a frame, bool (h, w)."""
    height, width = shape
    outer = np.ones(shape, bool)
    outer[height // 10 : -(height // 10), width // 10 : -(width // 10)] = False
    return outer
