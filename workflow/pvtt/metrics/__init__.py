"""Metrics with a reference, one implementation each for stages, tests and benchmarks.

`images`: image quality. `masks`: masks and alpha mattes. `video`: flicker and shadows. `transitions`: shot boundaries.
`points`: point tracks. `ranking`: rankings and selections.
"""

from pvtt.metrics.images import PSNR_CAP_DB, coarse_ssim, colour_error, gmsd, psnr, ssim
from pvtt.metrics.masks import (
    alpha_error,
    base_band,
    boundary_f,
    mask_iou,
    position_error,
    presence_accuracy,
    scale_error,
)
from pvtt.metrics.points import tapvid
from pvtt.metrics.ranking import auroc, precision_recall, selective, spearman
from pvtt.metrics.transitions import Detections, match_cuts, match_gradual
from pvtt.metrics.video import flicker, shadow_error, shadow_residue

__all__ = [
    "PSNR_CAP_DB",
    "Detections",
    "alpha_error",
    "auroc",
    "base_band",
    "boundary_f",
    "coarse_ssim",
    "colour_error",
    "flicker",
    "gmsd",
    "mask_iou",
    "match_cuts",
    "match_gradual",
    "position_error",
    "precision_recall",
    "presence_accuracy",
    "psnr",
    "scale_error",
    "selective",
    "shadow_error",
    "shadow_residue",
    "spearman",
    "ssim",
    "tapvid",
]
