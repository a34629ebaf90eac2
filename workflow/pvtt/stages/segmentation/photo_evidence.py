"""Evidence that backends share: what the masks of a clip say beside the photos and the product's words."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from pvtt.imaging.resize import at_size, reduced
from pvtt.stages.segmentation import color_histograms
from pvtt.stages.segmentation.base import SHORT_SIDE
from pvtt.stages.segmentation.concavity_filling import Solidity

Array = np.ndarray

# Products of these names are open forms: they fill little of their convex hull, unlike the box or card they lie on.
_OPEN_FORM = re.compile(r"\b(necklaces?|bracelets?|chains?|anklets?)\b", re.IGNORECASE)


def sample_numbers(count: int, wanted: int) -> list[int]:
    """Up to `wanted` frame numbers spread evenly over `count` frames, off the very ends when there are enough."""
    wanted = min(count, wanted)
    return [int((k + 0.5) * count / wanted) for k in range(wanted)]


def missing_colour(masked: Sequence[tuple[Array, Array]], references: Sequence[Array]) -> float | None:
    """Share, 0 to 1, of the photos' colours that the masks do not show: a part of the product that they leave out.

    `masked` are frames uint8 (h, w, 3) RGB with masks bool (h, w); `references` RGBA cut-outs. None without either.
    """
    known = color_histograms.reference_histogram(references)
    models = []
    for frame, mask in masked:
        small = reduced(frame, SHORT_SIDE)
        inside = at_size(mask, small.shape[:2])
        if inside.any():
            models.append(color_histograms.histogram(color_histograms.features(small), inside))
    return None if known is None or not models else 1 - color_histograms.known_share(known, np.mean(models, axis=0))


def open_form_fill(masks: Sequence[Array], prompt: str) -> float | None:
    """Median share of its hull that a mask, bool (h, w), fills, 0 to 1; None where no word names an open form."""
    if not _OPEN_FORM.search(prompt) or not masks:
        return None
    return float(np.median([color_histograms.hull_fill(mask) for mask in masks]))


def shape_gap(masks: Sequence[Array], solidity: Solidity | None) -> float | None:
    """How far the share of its hull that a product fills is from what it fills in its photos, 0 to 1; None without any.

    The median over masks, bool (h, w), is compared with the least and the largest share of the photos.
    """
    if solidity is None or not masks:
        return None
    return solidity.gap(float(np.median([color_histograms.hull_fill(mask) for mask in masks])))
