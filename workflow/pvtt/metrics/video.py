"""Measures of a video against its truth in time, and of what is left of a shadow."""

from __future__ import annotations

import numpy as np

from pvtt.imaging.colour import luminance, to_linear

Array = np.ndarray

_LEAST_CONTRAST = 0.002  # mean linear luminance; a fainter shadow cannot be told from coding noise


def flicker(result: Array, truth: Array, region: Array) -> float | None:
    """Mean absolute change from frame to frame of (result - truth) inside a region, in grey levels.

    `result`, `truth` uint8 (n, h, w, 3) RGB, `region` bool (n, h, w); a pixel counts where both frames of a step have
    it. What moves in the truth does not count, an error that stands still neither. None when no step has a pixel.
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


def shadow_residue(result: Array, truth: Array, source: Array, region: Array) -> float | None:
    """What is left of a shadow, relative to its own contrast: 0 is gone, 1 untouched, above 1 darker than before.

    Sum over the region of (truth - result) over the sum of (truth - source), in linear luminance, not below 0: a place
    that became too bright is no shadow, it counts in the PSNR. Videos uint8 (n, h, w, 3) RGB: `truth` is the scene
    without the shadow, `source` with it; `region` bool (n, h, w) is where the shadow falls, outside the product. None
    where the shadow is too faint to measure.
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


def shadow_error(result: Array, truth: Array, bare: Array, region: Array) -> float | None:
    """Error of a drawn shadow relative to the true one's contrast: 0 is exact, 1 about as wrong as none at all.

    Mean over the region of |result - truth| over the mean of (bare - truth), in linear luminance. Videos uint8
    (n, h, w, 3) RGB: `truth` has the true shadow, `bare` none; `region` bool (n, h, w) is where it falls. None where
    the shadow is too faint to measure.
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
