"""Scoring: what can be measured of a pair, and a score only over what was measured.

Identity and swap (`identity.py`), steadiness in time (`temporal.py`), leftovers, halos and footing (`region.py`),
fidelity of the background. `lighting` and
`overall` are a vision-language judge's (`judging.py`); without one, or where it gave no answer, they are null.
`pvtt.stages.verdicts` weights the scores and judges the pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pvtt.backends.lifecycle import WorkError, load_model
from pvtt.config.stages.scoring import ScoringSettings
from pvtt.io.video import MediaError
from pvtt.models import devices
from pvtt.records import results
from pvtt.records.layout import ClipFiles, PairFiles
from pvtt.records.provenance import Stopwatch, provenance
from pvtt.stages.scoring.base import Crop
from pvtt.stages.scoring.components import identity_backends, judge_backend, title_for_judge, used_backends, version
from pvtt.stages.scoring.contact_sheets import judge_contact_sheets
from pvtt.stages.scoring.identity import cut_out_crops, identity_measures
from pvtt.stages.scoring.judging import judge_measures, judge_pair, judge_scores
from pvtt.stages.scoring.pair_loader import InvalidPairError, PairFrames, load_pair
from pvtt.stages.scoring.region import region_measures
from pvtt.stages.scoring.temporal import box_drift, temporal_measures, temporal_score

__all__ = [
    "InvalidPairError",
    "score_pair",
    "title_for_judge",
    "used_backends",
    "version",
]


def score_pair(
    clip_dir: Path,
    pair_dir: Path,
    target_cutouts: Sequence[Path],
    source_cutouts: Sequence[Path],
    settings: Mapping[str, Any],
    device: str | None = None,
    title: str = "",
) -> None:
    """Measure one pair and write `pair_dir/score.json`; a judge's raw answers stand beside it, in judge.json.

    Reads video.mp4, masks.mkv and, where it is there, source_flow.npz of the clip; insert.mp4, insert_mask.mkv and
    insert.json of the pair; and RGBA cut-outs of both products (empty files are passed over). Status `scored`; `failed`
    when the insertion failed, with its reason; `invalid` when the files do not belong together, with what differs.
    `title` is the target's, for a judge that is told it.
    """
    watch = Stopwatch()
    backends = identity_backends(settings)
    clip, pair = ClipFiles(clip_dir), PairFiles(pair_dir)
    insert = results.Insertion.read(pair.record)
    record: dict[str, Any] = {
        "pair_id": insert.pair_id,
        "status": "failed",
        "reason": insert.reason,
        "scores": dict.fromkeys(results.SCORES),
        "measures": {},
    }
    if insert.status == "done":
        cutouts = (target_cutouts, source_cutouts)
        device = device or devices.selected_device()
        record |= _score(backends, clip_dir, pair_dir, insert, cutouts, settings, device, title)
    inputs = {f"clip_{path.name}": path for path in (clip.video, clip.masks, clip.flow)}
    inputs |= {path.name: path for path in (pair.video, pair.mask)}
    inputs |= {f"target_{k}": path for k, path in enumerate(target_cutouts, 1)}
    inputs |= {f"source_{k}": path for k, path in enumerate(source_cutouts, 1)}
    needs = [model for part in used_backends(settings) for model in part.needs]
    origin = provenance(backends[0], settings, inputs, watch, further=needs, measured_by=version(settings))
    results.Score.of(record | {"provenance": origin}).write(pair.score)


def _score(
    backends: Sequence[Any],
    clip_dir: Path,
    pair_dir: Path,
    insert: results.Insertion,
    cutouts: tuple[Sequence[Path], Sequence[Path]],
    settings: Mapping[str, Any],
    device: str,
    title: str,
) -> dict[str, Any]:
    """The record's fields of a pair whose insertion was done."""
    try:
        pair = load_pair(clip_dir, pair_dir, ScoringSettings.of(settings))
        target, source = (cut_out_crops(paths) for paths in cutouts)
        if not target:
            raise InvalidPairError("no accepted cut-out of the target to compare with")
    except (InvalidPairError, MediaError) as error:
        return {"status": "invalid", "reason": str(error)}
    try:
        measures = _measure(backends, pair, insert, target, source, device)
        judged = _judge(pair, target, settings, device, title, PairFiles(pair_dir).judge)
    except WorkError as error:
        return {"status": "failed", "reason": str(error)}
    scores = dict.fromkeys(results.SCORES) | {
        "identity": measures["identity_median"],
        "temporal": _rounded(temporal_score(measures)),
    }
    if judged:
        scores |= judge_scores(judged)
        measures |= judge_measures(judged)
    # A judge that could not be reached is asked by a later run: the store does not keep what lacks its answers.
    answered = not judged or judged["asked"] + judged["found"] == len(judged["requests"])
    return (
        ({"judge": judged} if judged else {})
        | ({} if answered else {"keep": False})
        | {
            "status": "scored",
            "reason": "",
            "scores": scores,
            "measures": measures,
        }
    )


def _measure(
    backends: Sequence[Any],
    pair: PairFrames,
    insert: results.Insertion,
    target: list[Crop],
    source: list[Crop],
    device: str,
) -> dict[str, float | None]:
    """Identity by every backend, those after the first under their names, then what needs no backend."""
    measures: dict[str, float | None] = {}
    for backend in backends:
        with load_model(backend, device) as ready:
            found = identity_measures(ready, pair.samples, target, source)
        if measures:
            found.pop("changed")
            found = {f"{name}_{backend.name}": value for name, value in found.items()}
        measures |= found
    measures |= {"background_psnr": pair.background_psnr, "jitter": pair.jitter}
    measures |= temporal_measures(pair.steps)
    measures |= region_measures(pair.samples, pair.source_masks, pair.insert_masks)
    boxes = insert.boxes
    drift = box_drift(pair.source_boxes, boxes) if len(boxes) == len(pair.source_boxes) else None
    measures |= {"box_drift": drift}
    return {name: _rounded(value) for name, value in measures.items()}


def _judge(
    pair: PairFrames, target: list[Crop], settings: Mapping[str, Any], device: str, title: str, store: Path
) -> dict[str, Any] | None:
    """The judge's record, see `judge_pair`; None without a judge."""
    judge = judge_backend(settings)
    if judge is None:
        return None
    how = ScoringSettings.of(settings).judging
    pictures = judge_contact_sheets(pair.samples, target, how.frames, how.frame_side_px, how.photos)
    with load_model(judge, device) as ready:
        return judge_pair(ready, pictures, title_for_judge(settings, title), how, store)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 5)
