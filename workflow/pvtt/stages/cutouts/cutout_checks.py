"""Checks whether a cut-out shows a product, for every backend, and the measures they use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pvtt.config.stages.products import ProductsSettings
from pvtt.imaging.morphology import components

_SMALL_PART = 0.01  # of the product's area; smaller parts are not counted


def alpha_measures(alpha: np.ndarray) -> dict[str, float]:
    """Measures of an alpha.

    Parameters
    ----------
    alpha : uint8 (h, w)
        128 and more is product.

    Returns
    -------
    dict of float
        `area`: share of the photo; `border_contact`: share of the photo's border; `main_part`: share of the largest
        component in the area; `parts`: number of components of at least 1 % of the area; `softness`: share of
        half-transparent pixels among the visible ones. Shares are in [0, 1].
    """
    mask = alpha >= 128
    rim = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    areas = components(mask, 8).areas[1:]
    total = int(areas.sum())
    visible = int((alpha > 8).sum())
    soft = int(((alpha > 8) & (alpha < 247)).sum())
    return {
        "area": round(float(mask.mean()), 5),
        "border_contact": round(float(rim.mean()), 4),
        "main_part": round(float(areas.max() / total), 4) if total else 0.0,
        "parts": int((areas >= _SMALL_PART * total).sum()) if total else 0,
        "softness": round(soft / visible, 4) if visible else 0.0,
    }


def reason_against(measures: Mapping[str, float], settings: ProductsSettings) -> str:
    """Why a cut-out with these measures is rejected, with the number and its limit; empty if it is accepted."""
    covers = f"the cut-out covers {measures['area']:.2%} of the photo"
    if measures["area"] < settings.min_area:
        return f"no product found: {covers} (min_area {settings.min_area:.2%})"
    if measures["area"] > settings.max_area:
        return f"no background found: {covers} (max_area {settings.max_area:.0%})"
    if measures["border_contact"] > settings.max_border_contact:
        return (
            f"the product is cut off: the cut-out touches {measures['border_contact']:.0%} of the photo's border "
            f"(max_border_contact {settings.max_border_contact:.0%})"
        )
    if measures["parts"] > settings.max_parts:
        return f"fragments: the cut-out has {measures['parts']} separate parts (max_parts {settings.max_parts})"
    if measures["main_part"] < settings.min_main_part:
        return (
            f"fragments: the largest part is {measures['main_part']:.0%} of the cut-out "
            f"(min_main_part {settings.min_main_part:.0%})"
        )
    return ""
