"""Calibration of pair verdicts from what people answered, or from a rendered world's true swaps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.io.files import atomic_path, file_digest, read_json
from pvtt.io.progress import progress
from pvtt.io.video import read_masks, read_video
from pvtt.metrics import coarse_ssim
from pvtt.records.calibration import Calibration
from pvtt.records.layout import Layout
from pvtt.records.media import Clip
from pvtt.records.results import Score
from pvtt.records.review import ReviewAnswer
from pvtt.records.tables import PlannedPair, read_rows
from pvtt.reporting.review.answers import AnswerFile, standing
from pvtt.stages.verdicts import DIRECTIONS, ClipState, read_clip_states
from pvtt.stages.verdicts.directions import pair_measures
from pvtt.stages.verdicts.fitting import FitError, fit_calibration

# Measure -> +1 where more is better, -1 where less is. Those that a pair's records lack count as absent.
BETTER: dict[str, int] = {
    "mask_score": 1,
    "plate_plate_share": 1,
    "plate_flicker": -1,
    "plate_seam": -1,
    "plate_coverage": -1,
    "identity_median": 1,
    "identity_p10": 1,
    "swap": 1,
    "changed": 1,
    "background_psnr": 1,
    "excess_inside": -1,
    "excess_own_inside": -1,
    "flicker_inside": -1,
    "jitter": -1,
    "box_drift": -1,
    "residue": -1,
    "residue_colour": -1,
    "rim": -1,
    "tearing": -1,
    "support": -1,
    "hand_covered": -1,
    "changed_outside": -1,
    "away_size": -1,
    "away_motion": -1,
}
SMALL_ERROR = 0.65  # 1 - coarse SSIM to the true swap, up to which a result counts as good; as in `make bench`


@dataclass(frozen=True)
class Judged:
    """A pair with what is known of it: its measures, and whether it is good, by direction."""

    pair_id: str
    group: str
    measures: dict[str, Any]
    good: dict[str, bool]


def calibrate(judged: Iterable[Judged], precision: float, **about: Any) -> tuple[dict[str, Calibration], list[str]]:
    """A calibration for each direction that has enough judged pairs.

    Parameters
    ----------
    judged : iterable of Judged
    precision : float, 0 to 1
        Wanted share of good ones among the kept, on source videos that were left out.
    about
        Other fields of the calibrations, see `fit_calibration`.

    Returns
    -------
    dict
        Direction to calibration.
    list of str
        Why a direction has none.
    """
    found, missing, items = {}, [], list(judged)
    for direction in DIRECTIONS:
        known = [item for item in items if direction in item.good]
        try:
            if not known:
                raise FitError("nothing was judged")
            found[direction] = fit_calibration(
                direction,
                [item.measures for item in known],
                [item.good[direction] for item in known],
                [item.group for item in known],
                BETTER,
                precision,
                **about,
            )
        except FitError as error:
            missing.append(f"{direction}: {error}")
    return found, missing


def origin(results: Path, judged: int, world: Path | None) -> dict[str, Any]:
    """What a calibration says about where it comes from: `good`, `backend`, `versions`, `data`."""
    _, score, _ = next(iter(_scored(results)))
    made, answers = score.provenance, _answers(results)
    true = f"error to the true swap at most {SMALL_ERROR}"
    return {
        "good": " or ".join(["kept by the raters"] * (answers is not None) + [true] * (world is not None)),
        "backend": made.backend,
        "versions": {"scoring": made.measured_by},
        "data": {"judged": judged, "answers": file_digest(answers) if answers else None},
    }


def draw_reliability(found: Mapping[str, Calibration], path: Path) -> None:
    """Draw how often items are good (y) for which a probability is predicted (x), on left-out source videos."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(4.5, 4.5))
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", linewidth=1)
    for direction, calibration in found.items():
        bins = np.array(calibration.validation.reliability)
        axes.plot(bins[:, 0], bins[:, 1], marker="o", label=f"{direction} ({calibration.validation.items})")
    axes.set(xlabel="predicted probability", ylabel="share of good ones", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(title="direction (items)", frameon=False)
    figure.tight_layout()
    with atomic_path(path) as aside:
        figure.savefig(aside, dpi=120)
    pyplot.close(figure)


def judged_by_people(results: Path) -> tuple[list[Judged], list[str]]:
    """Pairs with the verdicts of `RESULTS/review/answers.jsonl`; a tie of raters is no verdict.

    Returns
    -------
    list of Judged
    list of str
        Notes on answers that could not be used.
    """
    answers, notes = AnswerFile(Layout(results).review_answers, ReviewAnswer).read()
    said: dict[str, dict[str, list[bool]]] = {}
    for answer in standing(answers):
        name = answer.pair_id or answer.clip_id
        for direction, verdict in answer.verdicts.items():
            said.setdefault(name, {}).setdefault(direction, []).append(verdict.verdict == "keep")
    judged = []
    for pair, score, clip in _scored(results):
        votes = said.get(pair.pair_id, {}) | said.get(pair.clip_id, {})
        good = {name: bool(np.mean(keeps) > 0.5) for name, keeps in votes.items() if np.mean(keeps) != 0.5}
        if good:
            judged.append(Judged(pair.pair_id, pair.source_id, pair_measures(score, clip), good))
    return judged, notes


def judged_by_truth(results: Path, world: Path) -> list[Judged]:
    """Pairs of a rendered world whose true swap is known, judged by their distance to it."""
    known = read_json(world / "truth" / "world.json")["clips"]
    judged = []
    for pair, score, clip in progress(list(_scored(results)), "true errors"):
        about = known.get(pair.clip_id)
        if about is not None and pair.target_id in (about.get("swaps") or []):
            error = true_error(results, world, pair, about["start_frame"])
            good = dict.fromkeys(("forward", "reverse"), error <= SMALL_ERROR)
            judged.append(Judged(pair.pair_id, pair.source_id, pair_measures(score, clip), good))
    return judged


def true_error(results: Path, world: Path, pair: Any, start: int) -> float:
    """1 less the mean coarse SSIM of a result to the true swap, inside the union of both masks.

    Parameters
    ----------
    results, world : Path
    pair : row of the plan
    start : int
        First frame of the true clip in the source video; the run may have cut it elsewhere.
    """
    files = Layout(results)
    made, cut = files.pair_of(pair._asdict()), Clip.read(files.clip(pair.clip_id).record)
    swap = world / "truth" / "clips" / pair.clip_id / "swaps" / pair.target_id
    true, true_mask = read_video(swap.with_suffix(".mp4")), np.asarray(read_masks(swap.with_suffix(".mkv")).any(0))
    result, mask = read_video(made.video), np.asarray(read_masks(made.mask).any(0))
    first = max(start, cut.source.start_frame)
    ours, theirs = first - cut.source.start_frame, first - start
    values = []
    for a, b, c, d in zip(result[ours:], mask[ours:], true[theirs:], true_mask[theirs:], strict=False):
        if (b | d).sum() >= 64:
            values.append(coarse_ssim(a, c, b | d))
    return 1 - float(np.mean(values)) if values else 1.0


def _scored(results: Path) -> Iterable[tuple[Any, Score, ClipState]]:
    """Planned pairs that were scored, with the state of their clips."""
    files, states = Layout(results), read_clip_states(results)
    for pair in read_rows(PlannedPair, files.pairs).query("status == 'planned'").itertuples():
        score = Score.read_if_there(files.pair_of(pair._asdict()).score)
        if score is not None and score.status == "scored":
            yield pair, score, states[pair.pair_id]


def _answers(results: Path) -> Path | None:
    path = Layout(results).review_answers
    return path if path.is_file() else None
