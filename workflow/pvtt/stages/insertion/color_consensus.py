"""What colours a product has, as its photos say together.

Every photo is lit in its own way and shows its own side, and a clip shows yet others: the middle of several photos is
nearer to what a clip will show than any one of them. A photo is drawn to that middle by a gain per channel in linear
light, a mean in the logarithm. What differs much from the photo is another colour of the product or a detail of it
rather than another light, so the weight of each falls with its difference (a Gaussian of `_ALIKE`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pvtt.imaging.colour import to_linear
from pvtt.stages.insertion.layer import Cutout

Array = np.ndarray

_ALIKE = 0.7
_DARKEST = 1e-3
_LEAST_PIXELS = 16


def consensus_color_gain(cutout: Array, others: Sequence[Array]) -> Array:
    """Gain (3,) of linear RGB that draws a cut-out's colours to the middle of its own and the others'.

    All are uint8 (h, w, 4) RGBA, not premultiplied, of any size; those with nothing opaque do not count. Without
    others it is (1, 1, 1).
    """
    own = _level(cutout)
    if own is None:
        return np.ones(3)
    levels = [level for other in others if (level := _level(other)) is not None]
    differences = np.stack([np.zeros(3), *(level - own for level in levels)])
    weights = np.exp(-((np.abs(differences).max(1) / _ALIKE) ** 2) / 2)
    return np.exp(weights @ differences / weights.sum())


def apply_color_gain(cutout: Cutout, gain: Array) -> Cutout:
    """The cut-out with a `gain` (3,) on its linear RGB; what would be brighter than white is white."""
    layer = cutout.layer.copy()
    layer[..., :3] = np.clip(layer[..., :3] * gain, 0, layer[..., 3:])
    return Cutout(layer)


def _level(rgba: Array) -> Array | None:
    """Logarithm (3,) of the opaque pixels' linear RGB: a mean of square roots, which highlights move little."""
    colours = to_linear(rgba[..., :3][rgba[..., 3] > 127])
    if len(colours) < _LEAST_PIXELS:
        return None
    return np.log(np.sqrt(colours).mean(0, dtype=np.float64) ** 2 + _DARKEST)
