"""Metrics of a video against its ground truth: flicker and shadows."""

from __future__ import annotations

import numpy as np

from pvtt.imaging.colour import luminance, to_linear
from pvtt.io.arrays import BoolArray, UInt8Array

_LEAST_CONTRAST = 0.002  # mean linear luminance (0-1); a fainter shadow is not distinguishable from coding noise


def flicker(result: UInt8Array, truth: UInt8Array, region: BoolArray) -> float | None:
    """Mean absolute change of the error (result - truth) from frame to frame inside a region.

    Motion of the truth and a constant error do not count.

    Parameters
    ----------
    result, truth : uint8 (n, h, w, 3), RGB
    region : bool (n, h, w)
        A pixel counts if it is in the region in both frames.

    Returns
    -------
    float or None
        Grey levels; None if no pixel counts.
    """
    total, count, before = 0.0, 0, None
    for index in range(len(result)):
        error = result[index].astype(np.int16) - truth[index]
        if before is not None:
            common = region[index] & region[index - 1]
            total += float(np.abs(error[common] - before[common]).sum())
            count += 3 * int(common.sum())
        before = error
    return total / count if count else None


def shadow_residue(result: UInt8Array, truth: UInt8Array, source: UInt8Array, region: BoolArray) -> float | None:
    """Remaining share of a shadow after removal: sum(truth - result) / sum(truth - source) in linear luminance.

    Parameters
    ----------
    result : uint8 (n, h, w, 3), RGB
    truth : uint8 (n, h, w, 3), RGB
        The scene without the shadow.
    source : uint8 (n, h, w, 3), RGB
        The scene with the shadow.
    region : bool (n, h, w)
        The shadow outside the product.

    Returns
    -------
    float or None
        0: removed (or too bright, which the PSNR measures), 1: unchanged, above 1: darker than before. None if the
        shadow is too faint to measure.
    """
    left, contrast, count = 0.0, 0.0, 0
    for index in np.flatnonzero(region.any((1, 2))):
        where = region[index]
        plain = luminance(to_linear(truth[index][where]))
        left += float((plain - luminance(to_linear(result[index][where]))).sum(dtype=np.float64))
        contrast += float((plain - luminance(to_linear(source[index][where]))).sum(dtype=np.float64))
        count += int(where.sum())
    if not count or contrast / count < _LEAST_CONTRAST:
        return None
    return max(0.0, left / contrast)


def shadow_error(result: UInt8Array, truth: UInt8Array, bare: UInt8Array, region: BoolArray) -> float | None:
    """Error of a rendered shadow: mean|result - truth| / mean(bare - truth) in linear luminance.

    Parameters
    ----------
    result : uint8 (n, h, w, 3), RGB
    truth : uint8 (n, h, w, 3), RGB
        The scene with the true shadow.
    bare : uint8 (n, h, w, 3), RGB
        The scene without the shadow.
    region : bool (n, h, w)
        The true shadow.

    Returns
    -------
    float or None
        0: exact, 1: about as wrong as no shadow. None if the shadow is too faint to measure.
    """
    wrong, contrast, count = 0.0, 0.0, 0
    for index in np.flatnonzero(region.any((1, 2))):
        where = region[index]
        shaded = luminance(to_linear(truth[index][where]))
        wrong += float(np.abs(luminance(to_linear(result[index][where])) - shaded).sum(dtype=np.float64))
        contrast += float((luminance(to_linear(bare[index][where])) - shaded).sum(dtype=np.float64))
        count += int(where.sum())
    if not count or contrast / count < _LEAST_CONTRAST:
        return None
    return wrong / contrast
