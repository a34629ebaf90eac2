"""Verdicts on canaries: whether the verdict on a result is right where the right one is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pandas as pd

from pvtt.records.canaries import Canaries, Canary, CanaryVerdict, CanaryVerdicts, expected_verdict
from pvtt.records.results import Score


def judge_canaries(canaries: Iterable[Canaries], judge: Callable[[Iterable[Score]], pd.DataFrame]) -> CanaryVerdicts:
    """Judge every canary as the pairs are judged.

    Parameters
    ----------
    canaries : iterable of Canaries
    judge : callable
        Makes the rows of `filtered.parquet` of scores, as `judge_pairs` does under the run's settings.

    Returns
    -------
    CanaryVerdicts
        A canary that was not made or not scored has no verdict, which is neither right nor wrong.
    """
    return CanaryVerdicts(canaries=[_verdict(canary, judge) for record in canaries for canary in record.canaries])


def _verdict(canary: Canary, judge: Callable[[Iterable[Score]], pd.DataFrame]) -> CanaryVerdict:
    expected, score = expected_verdict(canary.kind), canary.score
    kept, quality, right = None, None, None
    if score is None or score.status != "scored":
        reasons = [canary.reason or (f"{score.status}: {score.reason}" if score else "not made")]
    else:
        [row] = judge([score]).to_dict("records")
        kept, reasons = bool(row["kept"]), [reason for reason in row["reasons"].split(";") if reason]
        quality = None if pd.isna(row["quality_score"]) else float(row["quality_score"])
        right = None if expected == "none" else kept == (expected == "kept")
    return CanaryVerdict(
        kind=canary.kind,
        clip_id=canary.clip_id,
        pair_id=canary.pair_id,
        expected=expected,
        kept=kept,
        quality_score=quality,
        reasons=reasons,
        right=right,
    )
