"""Whether a network's output shows a product, before it is made into an alpha."""

from __future__ import annotations

import numpy as np

from pvtt.config.stages.products import NetworkLimits
from pvtt.io.arrays import AnyArray
from pvtt.stages.cutouts.base import NoCutOutError

_FLAT = 1e-3  # range of probabilities below which the output is constant
_SOME, _SURE = 8 / 255, 247 / 255  # probabilities: above the first there is something, from the second it is product


def network_measures(chance: AnyArray, backend: str, limits: NetworkLimits) -> dict[str, float]:
    """Measure a network's output and refuse a photo in which it saw no clear product.

    Parameters
    ----------
    chance : float (h, w), 0 to 1
        Probability that a pixel belongs to the product, as the network gives it: not stretched to the full range.
    backend : str
        Name of the backend, the key of its settings.
    limits : NetworkLimits

    Returns
    -------
    dict of float
        `peak`, `lowest`: largest and smallest probability; `uncertain`: see `uncertain_share`.

    Raises
    ------
    NoCutOutError
    """
    if not np.isfinite(chance).all():
        raise NoCutOutError(f"no product found: {backend} gave values that are no numbers")
    low, peak, uncertain = float(chance.min()), float(chance.max()), uncertain_share(chance)
    measures = {"lowest": round(low, 4), "peak": round(peak, 4), "uncertain": round(uncertain, 4)}
    if peak < limits.min_peak:
        raise NoCutOutError(
            f"no product found: no pixel's probability is above {peak:.2f} ({backend}.min_peak {limits.min_peak:.2f})",
            measures,
        )
    if peak - low < _FLAT:
        raise NoCutOutError(f"no background found: {backend} gives every pixel {peak:.2f}", measures)
    if uncertain > limits.max_uncertain:
        raise NoCutOutError(
            f"no clear product: {uncertain:.0%} of what was found is uncertain ({backend}.max_uncertain "
            f"{limits.max_uncertain:.0%})",
            measures,
        )
    return measures


def uncertain_share(chance: AnyArray) -> float:
    """Share of the pixels with some probability that have neither a low nor a high one.

    Parameters
    ----------
    chance : float (h, w), 0 to 1
        Probability that a pixel belongs to the product.

    Returns
    -------
    float, 0 to 1
        A network that sees a product clearly leaves only its contour uncertain; a ghost is uncertain everywhere.
    """
    some = chance > _SOME
    return float((some & (chance < _SURE)).sum() / some.sum()) if some.any() else 0.0
