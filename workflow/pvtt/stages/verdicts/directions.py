"""Verdicts per direction of training: what a pair, or its clip alone, is good for.

| direction | input -> target | what it needs |
|---|---|---|
| forward | source with A -> result with B | the result passes every limit, or its probability passes |
| reverse | result with B -> the real source with A | as forward, but B may be poor; a cut-out of A |
| insert | background + cut-out of A -> the real source | good masks, a background, a cut-out of A |
| remove | the real source -> background | good masks, a background |

The target of `reverse` and `insert` is real video, so that a poor product B costs them nothing. A scene without a
product is good for `forward` alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvtt.records.calibration import Calibration
from pvtt.records.layout import Layout
from pvtt.records.mask_verdicts import read_mask_verdicts
from pvtt.records.media import Clip, CutOut
from pvtt.records.results import Background, MaskVerdict, Score
from pvtt.records.tables import PlannedPair, read_rows
from pvtt.stages.verdicts.calibrated import fits, probability

DIRECTIONS = ("forward", "reverse", "insert", "remove")
# Limits that a result may fail and still be the input of `reverse`: they are about B's likeness to its photo.
ABOUT_LIKENESS = frozenset({"min_quality", "min_identity"})


@dataclass(frozen=True)
class ClipState:
    """What the records of a clip say that the directions of its pairs need.

    empty: the scene has no product of its own. cut_out: a photo of its product was cut out.
    """

    empty: bool
    masks: MaskVerdict
    background: Background | None
    cut_out: bool

    @property
    def measures(self) -> dict[str, Any]:
        """Measures of the clip as a calibration reads them: `mask_score`, and the background's as `plate_<name>`."""
        found: dict[str, Any] = {} if self.empty else {"mask_score": self.masks.score}
        plate = self.background.measures if self.background else {}
        return found | {f"plate_{name}": value for name, value in plate.items()}


def read_clip_states(results: Path) -> dict[str, ClipState]:
    """The state of the clip of every planned pair of a run, by pair_id."""
    files, masks = Layout(results), read_mask_verdicts(results)
    pairs = read_rows(PlannedPair, files.pairs).query("status == 'planned'")
    cut_out = {
        product: any(CutOut.read(path).status == "accepted" for path in files.cutouts(product).glob("*.json"))
        for product in pairs.source_id.unique()
    }
    states = {}
    for clip, product in pairs[["clip_id", "source_id"]].drop_duplicates().itertuples(index=False):
        folder = files.clip(clip)
        background = Background.read_if_there(folder.background_record)
        states[clip] = ClipState(Clip.read(folder.record).empty, masks[clip], background, cut_out[product])
    return {pair: states[clip] for pair, clip in zip(pairs.pair_id, pairs.clip_id, strict=True)}


@dataclass(frozen=True)
class DirectionVerdict:
    """Whether a direction is kept, and the probability that it is good; None without a calibration."""

    kept: bool
    p_good: float | None


def pair_measures(score: Score, clip: ClipState) -> dict[str, Any]:
    """Measures of a pair and of its clip, as a calibration reads them.

    `away_size` and `away_motion` are the distances of the size and of the motion ratio from 1, in powers of two.
    """
    found = clip.measures | score.measures
    size, motion = score.measures.get("size_ratio"), score.measures.get("motion_ratio")
    if isinstance(size, int | float):
        found["away_size"] = abs(size)
    if isinstance(motion, int | float) and motion > 0:
        found["away_motion"] = abs(math.log2(motion))
    return found


def judge_directions(
    score: Score,
    failed: frozenset[str],
    clip: ClipState,
    calibrations: Mapping[str, Calibration],
) -> dict[str, DirectionVerdict]:
    """Judge a pair in every direction.

    Parameters
    ----------
    score : Score
    failed : frozenset of str
        Settings whose limit the pair fails; `status` where it was not scored.
    clip : ClipState
        Of the pair's clip.
    calibrations : mapping of str to Calibration
        By direction. One that fits takes the place of the limits of the result; what the clip needs stays.

    Returns
    -------
    dict
        Direction to verdict.
    """
    measures = pair_measures(score, clip)
    scored, real = score.status == "scored", not clip.empty and clip.masks.status == "accepted"
    plate = real and clip.background is not None and clip.background.status == "done"
    able = {
        "forward": scored,
        "reverse": scored and real and clip.cut_out,
        "insert": plate and clip.cut_out,
        "remove": plate,
    }
    by_limits = {
        "forward": not failed,
        "reverse": failed <= ABOUT_LIKENESS,
        "insert": True,
        "remove": True,
    }
    verdicts = {}
    for direction in DIRECTIONS:
        calibration, good, chance = calibrations.get(direction), by_limits[direction], None
        if calibration and able[direction] and fits(calibration, score.provenance.backend, measures):
            chance = round(probability(calibration, measures), 4)
            good = chance >= calibration.threshold
        verdicts[direction] = DirectionVerdict(able[direction] and good, chance)
    return verdicts
