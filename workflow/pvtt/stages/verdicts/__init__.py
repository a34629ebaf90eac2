"""Verdicts: limits and weights applied to stored measures, so that a changed one costs no measurement.

`masks` judges the masks of clips, `pairs` the scored pairs, `canaries` results whose right verdict is known. All read
records and settings only. A calibration (`calibrated`, learnt by `fitting`) makes a probability of measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvtt.stages.verdicts.calibrated import NoCalibrationError, chosen_calibration, read_calibration
from pvtt.stages.verdicts.canaries import judge_canaries
from pvtt.stages.verdicts.directions import DIRECTIONS, ClipState, read_clip_states
from pvtt.stages.verdicts.masks import judge_mask, judge_masks
from pvtt.stages.verdicts.pairs import FailureRateError, check_failure_rate, judge_pair, judge_pairs

__all__ = [
    "DIRECTIONS",
    "ClipState",
    "FailureRateError",
    "check_failure_rate",
    "judge_canaries",
    "judge_mask",
    "judge_masks",
    "judge_pair",
    "judge_pairs",
    "masks_calibration",
    "pair_calibrations",
    "read_calibration",
    "read_clip_states",
]


def masks_calibration(settings: Mapping[str, Any]) -> dict[str, str]:
    """The calibration that judges the masks under resolved settings of a run, see `chosen_calibration`."""
    return chosen_calibration(
        settings["verdicts"]["masks"]["calibration"], f"masks-{settings['segmentation']['backend']}"
    )


def pair_calibrations(settings: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The calibrations that judge the pairs under resolved settings of a run, by direction.

    The setting `verdicts.pairs.calibration` is `none`, `shipped` (those of the insertion backend), or a folder with a
    file `<direction>.json` for each direction that it judges.
    """
    setting = settings["verdicts"]["pairs"]["calibration"]
    found = {}
    for direction in DIRECTIONS:
        own = setting if setting in ("none", "shipped") else f"{setting}/{direction}.json"
        if own == setting or Path(own).is_file():
            found[direction] = chosen_calibration(own, f"pairs-{settings['insertion']['backend']}-{direction}")
    if setting not in ("none", "shipped") and not found:
        raise NoCalibrationError(f"verdicts.pairs.calibration: {setting} has none of {', '.join(DIRECTIONS)}.json")
    return {direction: chosen for direction, chosen in found.items() if chosen}
