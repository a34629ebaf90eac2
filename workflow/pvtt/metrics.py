"""Measures of agreement, one implementation each, for the stages, the tests and the benchmarks.

PSNR over a region masks both images and divides by the pixels of the region, not by those of the frame: a measure that
blanks one image only, or averages over the frame, says nothing about the region.
"""

from __future__ import annotations

import numpy as np

PSNR_CAP_DB = 100.0


def psnr(a: np.ndarray, b: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio in dB (peak 255) of two uint8 arrays of one shape, capped at 100.0 (equal arrays).

    Arrays are images (h, w), (h, w, 3) or videos (n, h, w, 3). `mask` is bool, of the arrays' shape with or without
    the channel axis; only its pixels count, all channels together. ValueError for unequal shapes or an empty mask.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise ValueError(f"PSNR needs arrays of one shape, not {a.shape} and {b.shape}")
    if mask is not None:
        mask = np.asarray(mask, bool)
        if mask.shape not in (a.shape, a.shape[:-1]):
            raise ValueError(f"PSNR: a mask of shape {mask.shape} does not fit arrays of shape {a.shape}")
        a, b = a[mask], b[mask]
    if a.size == 0:
        raise ValueError("PSNR of no pixels: the mask is empty")
    # Integers keep the sum exact; squares of 8-bit differences need 17 bits.
    difference = a.astype(np.int32) - b.astype(np.int32)
    error = float(np.sum(difference * difference, dtype=np.int64)) / difference.size
    return PSNR_CAP_DB if error == 0 else min(PSNR_CAP_DB, 10 * float(np.log10(255.0**2 / error)))


def mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two bool masks of one shape, 0 to 1; two empty masks agree fully (1.0)."""
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    if a.shape != b.shape:
        raise ValueError(f"IoU needs masks of one shape, not {a.shape} and {b.shape}")
    union = int(np.count_nonzero(a | b))
    return 1.0 if union == 0 else int(np.count_nonzero(a & b)) / union
