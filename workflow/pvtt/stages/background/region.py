"""Where a clip changes when its product goes: the product's mask, grown, and the shadow that it throws."""

from __future__ import annotations

import numpy as np

from pvtt.config.stages.background import BackgroundSettings
from pvtt.imaging.geometry import dilated
from pvtt.io.video_reader import Frames
from pvtt.stages.background.base import RemovalError
from pvtt.stages.background.shadow import Shadow, measure_shadow

Array = np.ndarray

# Shares of the light that a shadow must take: to be seen at all, and to be worth painting anew.
FAINTEST, CLEAR = 0.008, 0.02
_LEAST_GROWTH = 6  # px: smallest growth of a mask


def growth(grow_px: int, shape: tuple[int, ...]) -> int:
    """Pixels by which a mask of `shape` (h, w) is grown: `grow_px` is meant for a short side of 720."""
    return min(grow_px, max(_LEAST_GROWTH, round(grow_px * min(shape) / 720)))


def measure_region(
    frames: Frames, masks: Array, settings: BackgroundSettings, least: float = CLEAR
) -> tuple[Array, Array, Shadow]:
    """The product's grown masks, these with its shadow (both bool (n, h, w)), and the shadow.

    `masks` is bool (n, h, w); the shadow counts where it takes more than `least` of the light. RemovalError when the
    product covers more than `max_coverage` of a frame.
    """
    cover, grown = np.empty_like(masks), np.empty_like(masks)
    shadow = measure_shadow(frames, masks, settings.shadow_extent)
    for index, mask in enumerate(masks):
        cover[index] = dilated(mask, growth(settings.grow_px, mask.shape))
        grown[index] = cover[index] | shadow.zone(index, least)
    _check_coverage(cover, settings.max_coverage)
    return cover, grown, shadow


def _check_coverage(grown: Array, limit: float) -> None:
    shares = grown.mean(axis=(1, 2))
    worst = int(shares.argmax())
    if shares[worst] > limit:
        raise RemovalError(
            f"the product and its shadow cover {shares[worst]:.0%} of frame {worst}, more than max_coverage {limit:.0%}"
        )
