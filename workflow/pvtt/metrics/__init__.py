"""Measures of agreement, one implementation each, for the stages, the tests and the benchmarks.

`images` compares pixels, `masks` regions and alphas, `video` what changes in time and shadows, `transitions` shot
boundaries, `points` key-point tracks, `ranking` how well one figure tells of another.
"""

from pvtt.metrics.images import PSNR_CAP_DB, coarse_ssim, colour_error, gmsd, psnr, ssim
from pvtt.metrics.masks import alpha_error, boundary_f, mask_iou, position_error, presence_accuracy, scale_error
from pvtt.metrics.points import tapvid
from pvtt.metrics.ranking import auroc, precision_recall, selective, spearman
from pvtt.metrics.transitions import Detections, match_cuts, match_gradual
from pvtt.metrics.video import flicker, shadow_error, shadow_residue

__all__ = [
    "PSNR_CAP_DB",
    "Detections",
    "alpha_error",
    "auroc",
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
