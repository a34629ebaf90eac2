"""Verdicts: limits and weights applied to stored measures, so that a changed one costs no measurement.

`masks` judges the masks of clips, `pairs` the scored pairs. Both read records and settings only.
"""

from __future__ import annotations

from pvtt.stages.verdicts.masks import judge_mask, judge_masks
from pvtt.stages.verdicts.pairs import FailureRateError, check_failure_rate, judge_pair, judge_pairs

__all__ = ["FailureRateError", "check_failure_rate", "judge_mask", "judge_masks", "judge_pair", "judge_pairs"]
