"""Colour consensus: the mean colour of a product over its photos.

Every photo has its own light and shows its own side. The mean of several photos is nearer to what a clip shows than any
single photo. A photo is corrected towards that mean by one gain per channel, computed as a mean of logarithms in linear
light. A photo that differs strongly shows another colour variant or a detail, not another light, so the weight of each
photo falls with its difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pvtt.imaging.colour import to_linear
from pvtt.stages.insertion.layer import Cutout

Array = np.ndarray

_SIGMA = 0.7  # natural logarithm of linear light: standard deviation of the Gaussian weight of a photo's difference
_DARKEST = 1e-3  # linear light, 0-1: added before the logarithm
_MIN_PIXELS = 16  # opaque pixels that a photo needs to count


def consensus_color_gain(cutout: Array, others: Sequence[Array]) -> Array:
    """Gain that corrects a cut-out's colour towards the mean of all cut-outs of the product.

    Parameters
    ----------
    cutout : uint8 (h, w, 4), RGBA, not premultiplied
    others : sequence of the same, of any size
        Those without opaque pixels do not count.

    Returns
    -------
    float64 (3,)
        Factors of linear R, G, B; (1, 1, 1) without others.
    """
    own = _level(cutout)
    if own is None:
        return np.ones(3)
    levels = [level for other in others if (level := _level(other)) is not None]
    differences = np.stack([np.zeros(3), *(level - own for level in levels)])
    weights = np.exp(-((np.abs(differences).max(1) / _SIGMA) ** 2) / 2)
    gain: Array = np.exp(weights @ differences / weights.sum())
    return gain


def apply_color_gain(cutout: Cutout, gain: Array) -> Cutout:
    """Multiply the colours of a cut-out by a gain.

    Parameters
    ----------
    cutout : Cutout
    gain : float (3,)
        Factors of linear R, G, B.

    Returns
    -------
    Cutout
        Clipped at white; alpha stays.
    """
    layer = cutout.layer.copy()
    layer[..., :3] = np.clip(layer[..., :3] * gain, 0, layer[..., 3:])
    return Cutout(layer)


def _level(rgba: Array) -> Array | None:
    """Natural logarithm (3,) of the mean linear RGB of the opaque pixels; None when there are too few.

    The mean is taken of square roots, so that highlights have little weight.
    """
    colours = to_linear(rgba[..., :3][rgba[..., 3] > 127])
    if len(colours) < _MIN_PIXELS:
        return None
    level: Array = np.log(np.sqrt(colours).mean(0, dtype=np.float64) ** 2 + _DARKEST)
    return level
