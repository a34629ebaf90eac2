"""Openings of a product that a network fills: rings, straps and handles on a plain ground."""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.morphology import components, flood
from pvtt.stages.cutouts.background_model import fit_background

_MIN_SHARE = 0.004  # of the mask's area; a smaller region of the ground's colour is a highlight
# CIE76 differences to the ground: an opening's core has exactly its colour, its rim may be a little darker. Both grow
# with the noise. Tuned on 42 rendered photos, cream jars on pale ground among them, which stay whole.
_CORE, _CORE_NOISE, _RIM, _RIM_NOISE = 1.2, 1.5, 7.5, 7.5


def open_to_ground(image: np.ndarray, mask: np.ndarray, min_uniformity: float) -> np.ndarray:
    """Take out of a mask what shows the photo's ground.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB
    mask : bool (h, w)
    min_uniformity : float in [0, 1]
        Least share of the photo's border that fits one smooth ground; below it the mask is kept.

    Returns
    -------
    bool (h, w)
    """
    background = fit_background(image)
    if not background.is_plain(min_uniformity):
        return mask
    core = mask & (background.distance <= max(_CORE, _CORE_NOISE * background.noise))
    core = cv2.morphologyEx(core.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(bool)
    parts = components(core, 4)
    large = parts.areas >= _MIN_SHARE * mask.sum()
    large[0] = False
    seeds = large[parts.labels]
    rim = mask & (background.distance <= max(_RIM, _RIM_NOISE * background.noise))
    return np.asarray(mask & ~flood(rim | seeds, seeds, 4))
