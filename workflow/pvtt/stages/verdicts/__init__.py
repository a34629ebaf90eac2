"""Verdicts: limits and weights applied to stored measures, so that a changed one costs no measurement.

`masks` judges the masks of clips, `pairs` the scored pairs, `canaries` results whose right verdict is known. All read
records and settings only. A calibration (`calibrated`, learnt by `fitting`) makes a probability of measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvtt.stages.verdicts.calibrated import chosen_calibration, read_calibration
from pvtt.stages.verdicts.canaries import judge_canaries
from pvtt.stages.verdicts.masks import judge_mask, judge_masks
from pvtt.stages.verdicts.pairs import FailureRateError, check_failure_rate, judge_pair, judge_pairs

__all__ = [
    "FailureRateError",
    "check_failure_rate",
    "judge_canaries",
    "judge_mask",
    "judge_masks",
    "judge_pair",
    "judge_pairs",
    "masks_calibration",
    "read_calibration",
]


def masks_calibration(settings: Mapping[str, Any]) -> dict[str, str]:
    """The calibration that judges the masks under resolved settings of a run, see `chosen_calibration`."""
    return chosen_calibration(
        settings["verdicts"]["masks"]["calibration"], f"masks-{settings['segmentation']['backend']}"
    )
