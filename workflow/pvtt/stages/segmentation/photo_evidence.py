"""Measures shared by the backends: how well the masks of a clip agree with the product photos and the prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from pvtt.imaging import color_histograms
from pvtt.imaging.resize import at_size, reduced
from pvtt.stages.segmentation.base import SHORT_SIDE
from pvtt.stages.segmentation.concavity_filling import HullPrior

Array = np.ndarray

# Products of these names are open forms: they fill little of their convex hull, unlike the box or card they lie on.
_OPEN_FORM = re.compile(r"\b(necklaces?|bracelets?|chains?|anklets?)\b", re.IGNORECASE)


def sample_numbers(count: int, wanted: int) -> list[int]:
    """Up to `wanted` frame numbers, evenly spread over `count` frames and away from both ends."""
    wanted = min(count, wanted)
    return [int((k + 0.5) * count / wanted) for k in range(wanted)]


def missing_colour(masked_frames: Sequence[tuple[Array, Array]], references: Sequence[Array]) -> float | None:
    """Share of the photos' colours that the masks do not show: a part of the product that the masks leave out.

    Parameters
    ----------
    masked_frames : pairs of uint8 (h, w, 3) RGB and bool (h, w)
        Frames with their masks.
    references : uint8 (h, w, 4) RGBA
        Cut-outs of the product's photos.

    Returns
    -------
    Share in [0, 1]; None without opaque photos or without a mask.
    """
    reference = color_histograms.reference_histogram(references)
    histograms = []
    for frame, mask in masked_frames:
        small = reduced(frame, SHORT_SIDE)
        inside = at_size(mask, small.shape[:2])
        if inside.any():
            histograms.append(color_histograms.histogram(color_histograms.bin_indices(small), inside))
    return (
        None
        if reference is None or not histograms
        else 1 - color_histograms.reference_share(reference, np.mean(histograms, axis=0))
    )


def open_form_fill(masks: Sequence[Array], prompt: str) -> float | None:
    """Median solidity of the masks of a product whose name says that it is an open form.

    Parameters
    ----------
    masks : bool (h, w)
    prompt : str
        Words for the product.

    Returns
    -------
    Solidity in [0, 1]; None if no word names an open form such as a necklace, or without masks.
    """
    if not _OPEN_FORM.search(prompt) or not masks:
        return None
    return float(np.median([color_histograms.solidity(mask) for mask in masks]))


def shape_gap(masks: Sequence[Array], hull_prior: HullPrior | None) -> float | None:
    """Distance of the masks' median solidity to the range of solidities in the product's photos.

    Parameters
    ----------
    masks : bool (h, w)
    hull_prior : HullPrior or None

    Returns
    -------
    Difference in [0, 1], 0 inside the range; None without photos or masks.
    """
    if hull_prior is None or not masks:
        return None
    return hull_prior.gap(float(np.median([color_histograms.solidity(mask) for mask in masks])))
