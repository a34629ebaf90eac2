"""Identity: is the result similar to the target product, and no longer to the source product?

Crops of the result, inside the inserted mask, are compared with the target's cut-outs and with the source product (its
crops from the source video and its own cut-outs). The similarity to a product is the maximum over its references.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.io.images import read_rgba
from pvtt.stages.scoring.base import Crop, IdentityBackend

IDENTITY_MEASURES = ("identity_median", "identity_p10", "source_likeness", "swap", "changed")
_GREY = 128  # grey level, 0-255, outside the product
_MIN_PIXELS = 48  # pixels of product that a crop needs
_MAX_SIDE = 320  # px: larger crops are subsampled
_VISIBLE_CHANGE = 12  # grey levels, 0-255: change of a channel that counts as visible


def tight_crop(image: np.ndarray, mask: np.ndarray) -> Crop | None:
    """Crop a frame to the box of a mask.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB
    mask : bool (h, w)
        The product.

    Returns
    -------
    Crop or None
        Subsampled by a whole step if it is large. None below 48 px of product, or if subsampling leaves none.
    """
    if int(mask.sum()) < _MIN_PIXELS:
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    step = max(1, max(np.ptp(rows), np.ptp(columns)) // _MAX_SIDE)
    inside = mask[window][::step, ::step]
    pixels = np.where(inside[..., None], image[window][::step, ::step], _GREY).astype(np.uint8)
    return Crop(pixels, np.ascontiguousarray(inside)) if inside.any() else None


def cut_out_crops(paths: Sequence[Path]) -> list[Crop]:
    """Crops of cut-outs (RGBA PNG files); empty files, of rejected photos, are skipped."""
    crops = []
    for path in paths:
        if Path(path).stat().st_size:
            rgba = read_rgba(path)
            crop = tight_crop(rgba[..., :3], rgba[..., 3] > 127)
            crops += [crop] if crop else []
    return crops


def identity_measures(
    backend: IdentityBackend,
    frames: Sequence[Mapping[str, np.ndarray]],
    target: Sequence[Crop],
    source: Sequence[Crop],
) -> dict[str, float | None]:
    """Identity measures over sampled frames.

    Parameters
    ----------
    backend
        Extracts and compares features.
    frames
        Each has `source` and `result`, uint8 (h, w, 3), RGB, and `source_mask` and `insert_mask`, bool (h, w).
    target, source
        Crops of the cut-outs of the two products.

    Returns
    -------
    dict
        All 0-1 except `swap` (-1 to 1); None where an input is missing.

        - `identity_median`, `identity_p10`: similarity of the result to the target; median and 10th percentile.
        - `source_likeness`: similarity of the result to the source; median.
        - `swap`: similarity to the target minus similarity to the source; median.
        - `changed`: share of the inserted pixels that differ from the source by more than 12 grey levels in some
          channel; median.
        - `identity_cosine_median`, `identity_cosine_p10`: cosines to the target, for backends that have them.
    """
    shown = [(crop, frame) for frame in frames if (crop := tight_crop(frame["result"], frame["insert_mask"]))]
    if not shown or not target:
        return dict.fromkeys(IDENTITY_MEASURES)
    replaced = [crop for _, frame in shown if (crop := tight_crop(frame["source"], frame["source_mask"]))]
    results = backend.embed([crop for crop, _ in shown])
    targets, sources = backend.embed(target), backend.embed([*replaced, *source])
    to_target = np.array([_best(backend, feature, targets) for feature in results])
    changed = [_changed(frame) for _, frame in shown]
    measures: dict[str, float | None] = {
        "identity_median": float(np.median(to_target)),
        "identity_p10": float(np.quantile(to_target, 0.1)),
        "source_likeness": None,
        "swap": None,
        "changed": float(np.median(changed)),
    }
    if hasattr(backend, "cosine"):
        cosines = [max(backend.cosine(feature, reference) for reference in targets) for feature in results]
        measures["identity_cosine_median"] = float(np.median(cosines))
        measures["identity_cosine_p10"] = float(np.quantile(cosines, 0.1))
    if sources:
        to_source = np.array([_best(backend, feature, sources) for feature in results])
        measures |= {
            "source_likeness": float(np.median(to_source)),
            "swap": float(np.median(to_target - to_source)),
        }
    return measures


def _best(backend: IdentityBackend, feature: Any, references: Sequence[Any]) -> float:
    return max(backend.similarity(feature, reference) for reference in references)


def _changed(frame: Mapping[str, np.ndarray]) -> float:
    mask = frame["insert_mask"]
    difference = np.abs(frame["result"][mask].astype(np.int16) - frame["source"][mask]).max(axis=1)
    return float((difference > _VISIBLE_CHANGE).mean())
