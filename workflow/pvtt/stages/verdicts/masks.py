"""Verdicts on the masks of clips, from their measures and the settings `verdicts.masks`.

Each measure with a limit gives a mark: 0 at `reject`, 1 at `good`, linear between. One measure beyond its `reject`
rejects the clip. The score of a clip is the geometric mean of its marks; a score under `min_score` rejects it too.

A calibration, where there is one for the backend and the measures of a clip, takes the place of the score and of all
limits but those that it names: the clip is accepted when its probability of good masks reaches the threshold.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pvtt.config.stages.verdicts import MaskVerdictSettings
from pvtt.records.calibration import Calibration
from pvtt.records.results import MaskVerdict, MeasuredMasks
from pvtt.stages.verdicts.calibrated import fits, probability, weakest

_LOG = logging.getLogger(__name__)

# Measure -> what it is, in the words of a reason. Its limits are the settings of the same name.
WORDS: dict[str, str] = {
    "visible_share": "share of the frames that show the product",
    "mean_area": "mean area of the mask, share of the frame",
    "largest_area": "largest area of the mask, share of the frame",
    "area_jump_share": "share of the steps that change the area by over 20 %",
    "neighbour_iou": "IoU of neighbouring masks carried by flow, 10th percentile",
    "flicker": "pixels that flicker, share of the area",
    "border_contact": "share of the contour on the frame's border",
    "side_to_side": "share of the frames that a part crosses from left to right, as a horizon does",
    "separability": "difference in colour from the surroundings",
    "edge_support": "strength of the edges under the contour",
    "raggedness": "contour length relative to that of the smoothed mask",
    "thinness": "contour length relative to the area (what one pixel of error costs)",
    "confidence": "mean confidence of the backend",
    "agreement": "IoU of independent detections with the carried masks, median",
    "ambiguity": "score of the best rival relative to the product's",
    "ambiguity_unseen": "score of the best rival relative to the product's, with no photo to tell",
    "skin_share": "share of the mask that is skin-coloured, with no photo to tell it from a hand",
    "open_form_fill": "share of its convex hull that a product of open form fills",
    "missing_colour": "share of the photos' colours that the mask does not show",
    "shape_gap": "share of its convex hull that it fills, compared with the photos: difference",
    "likeness": "likeness in colour to the product's photos",
}
# Measures without a limit, which calibrations read.
UNLIMITED: dict[str, str] = {
    "second_opinion": "IoU of the mask with what a salient object network sees there",
    "hands": "share of the frames with a hand at the product",
}


@dataclass(frozen=True)
class Limit:
    """Limits of one measure, in its unit: `reject` gives the mark 0, `good` the mark 1; the two differ."""

    words: str
    reject: float
    good: float

    def mark(self, value: float) -> float:
        """Mark of a value: at most 1, negative beyond `reject`."""
        return min(1.0, (value - self.reject) / (self.good - self.reject))

    def explain(self, value: float) -> str:
        """The measure with its value and its limit, in words."""
        side = "least" if self.good > self.reject else "most"
        return f"{self.words} is {value:.3g} (at {side} {self.reject:g})"


def judge_masks(
    records: Iterable[MeasuredMasks],
    settings: MaskVerdictSettings | Mapping[str, Any],
    calibration: Calibration | None = None,
) -> list[MaskVerdict]:
    """Judge clips by their records of mask_measures.json.

    Parameters
    ----------
    records : iterable of MeasuredMasks
    settings : MaskVerdictSettings or mapping
        The settings `verdicts.masks`.
    calibration : Calibration or None
        Judges the clips that it fits.

    Returns
    -------
    list of MaskVerdict
        In the order of the records.
    """
    chosen, judged = MaskVerdictSettings.of(settings), []
    others: set[str] = set()
    for record in records:
        judged.append(judge_mask(record, chosen, calibration))
        made = f"{record.provenance.version}, {record.provenance.measured_by}"
        if calibration and judged[-1].judged_by == calibration.name and not _same_versions(calibration, made):
            others.add(made)
    if calibration and others:
        learnt = calibration.versions["segmentation"]
        _LOG.warning(
            "the calibration %s was learnt from masks of %s, not of %s: its precision is not known for these; "
            "learn it anew, or set verdicts.masks.calibration to none",
            *(calibration.name, learnt, " and ".join(sorted(others))),
        )
    return judged


def judge_mask(
    record: MeasuredMasks,
    settings: MaskVerdictSettings | Mapping[str, Any],
    calibration: Calibration | None = None,
) -> MaskVerdict:
    """Judge one clip by its record of mask_measures.json."""
    basis = "limits"
    if record.status != "measured":
        reason, score = ("", 1.0) if record.status == "empty" else (record.reason, 0.0)
    elif calibration is not None and fits(calibration, record.provenance.backend, record.measures):
        basis = calibration.name
        reason, score = judge_probability(record.measures, settings, calibration)
    else:
        reason, score = judge_measures(record.measures, settings)
    status: Literal["accepted", "rejected"] = "rejected" if reason else "accepted"
    return MaskVerdict(clip_id=record.clip_id, status=status, reason=reason, score=score, judged_by=basis)


def _same_versions(calibration: Calibration, made: str) -> bool:
    """Whether masks were made and measured by the versions that a calibration knows; further measures do not matter."""
    return set(calibration.versions["segmentation"].split(", ")) <= set(made.split(", "))


def judge_probability(
    measures: Mapping[str, Any], settings: MaskVerdictSettings | Mapping[str, Any], calibration: Calibration
) -> tuple[str, float]:
    """Judge measures by a calibration and by the limits that it leaves in force.

    Returns
    -------
    reason : str
        Why they are rejected; empty when they are accepted.
    probability : float
        That the masks are good, 0 to 1.
    """
    chosen = MaskVerdictSettings.of(settings)
    limits = {name: _limit(chosen, name) for name in calibration.limits if name in measures}
    broken = [limit.explain(measures[name]) for name, limit in limits.items() if limit.mark(measures[name]) < 0]
    chance = round(probability(calibration, measures), 4)
    if not broken and chance < calibration.threshold:
        words = WORDS | UNLIMITED
        blamed = [
            f"{words.get(name, name)} is {measures[name]:.3g}"
            for name in weakest(calibration, measures)
            if name in measures
        ]
        least = f"probability of good masks {chance:.2f} (at least {calibration.threshold:.2f})"
        broken = [f"{least}, weakest: {', '.join(blamed)}" if blamed else least]
    return "; ".join(broken), chance


def judge_measures(measures: Mapping[str, Any], settings: MaskVerdictSettings | Mapping[str, Any]) -> tuple[str, float]:
    """Judge measures by their limits; those without a limit do not count.

    Returns
    -------
    reason : str
        Why they are rejected; empty when they are accepted.
    score : float
        0 to 1.
    """
    chosen = MaskVerdictSettings.of(settings)
    limits = {name: _limit(chosen, name) for name in WORDS}
    marks = {name: limits[name].mark(value) for name, value in measures.items() if name in limits}
    broken = [limits[name].explain(measures[name]) for name, mark in marks.items() if mark < 0]
    logs = [np.log(max(mark, chosen.min_mark)) for mark in marks.values()]
    score = round(float(np.exp(np.mean(logs))), 4)
    least = chosen.min_score
    if not broken and score < least:
        weakest = min(marks, key=lambda name: marks[name])
        broken = [f"score {score:.2f} (limit {least:.2f}), weakest: {limits[weakest].explain(measures[weakest])}"]
    return "; ".join(broken), score


def _limit(settings: MaskVerdictSettings, name: str) -> Limit:
    given = getattr(settings, name)
    return Limit(WORDS[name], given.reject, given.good)
