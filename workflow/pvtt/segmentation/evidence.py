"""Evidence that backends share: what the masks of a clip say beside the photos and the product's words."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from pvtt.segmentation import appearance
from pvtt.segmentation.carrying import at_size
from pvtt.segmentation.discovery import SHORT_SIDE, reduced
from pvtt.segmentation.whole import Solidity

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
    known = appearance.reference_histogram(references)
    models = []
    for frame, mask in masked:
        small = reduced(frame, SHORT_SIDE)
        inside = at_size(mask, small.shape[:2])
        if inside.any():
            models.append(appearance.histogram(appearance.features(small), inside))
    return None if known is None or not models else 1 - appearance.known_share(known, np.mean(models, axis=0))


def open_form_fill(masks: Sequence[Array], prompt: str) -> float | None:
    """Median share of its hull that a mask, bool (h, w), fills, 0 to 1; None where no word names an open form."""
    if not _OPEN_FORM.search(prompt) or not masks:
        return None
    return float(np.median([appearance.hull_fill(mask) for mask in masks]))


def shape_gap(masks: Sequence[Array], solidity: Solidity | None) -> float | None:
    """How far the share of its hull that a product fills is from what it fills in its photos, 0 to 1; None without any.

    The median over masks, bool (h, w), is compared with the least and the largest share of the photos.
    """
    if solidity is None or not masks:
        return None
    return solidity.gap(float(np.median([appearance.hull_fill(mask) for mask in masks])))
