"""Scoring and filter: do the scores rank results as the true error does, and does the filter keep the good ones?

The true error of a result is 1 - coarse SSIM (`pvtt.metrics.coarse_ssim`) against the true swap inside the union of
both masks: form, place and colour, not the last pixel of a texture. It is "small" up to `SMALL_ERROR`, near where the
masks' IoU passes one half. The AUROC says how well a score separates small from large errors, whatever the limits are.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.config.settings import stage_defaults
from pvtt.metrics import auroc, precision_recall, spearman
from pvtt.records.calibration import Calibration
from pvtt.records.layout import ClipFiles, PairFiles
from pvtt.records.media import Clip
from pvtt.records.results import Background, MaskVerdict, Score
from pvtt.reporting.calibration import SMALL_ERROR
from pvtt.stages.scoring import score_pair
from pvtt.stages.verdicts import ClipState, judge_pair, pair_calibrations, read_calibration
from pvtt.stages.verdicts.directions import judge_directions, pair_measures
from stages.common import Options, Outcome, backend_name, cutout_paths, mask_verdict

CONTROLS = ("true_swap", "unchanged")  # see `controls`


def measure_pair(options: Options, clip_dir: Path, pair_dir: Path, insertion: Outcome) -> Outcome:
    """Score one result of insertion; its outcome carries the true error and the filter's decision."""
    settings = options.settings("scoring")[0]
    target = insertion.facts["target_id"]
    source = insertion.facts["clip_id"].rsplit("_s", 1)[0]
    score_pair(clip_dir, pair_dir, cutout_paths(options, target), cutout_paths(options, source), settings)
    record = Score.read(PairFiles(pair_dir).score)
    verdict = judge_pair(record, stage_defaults("verdicts", options.config)["pairs"])
    clip = _clip_state(options, clip_dir)
    directions = judge_directions(record, verdict.failed, clip, _calibrations(options))
    similarity = insertion.figures["ssim_coarse"]
    facts: dict[str, Any] = {"insertion": insertion.backend, "status": record.status, "reasons": verdict.reasons}
    facts |= {"kept": verdict.kept, "true_error": None if similarity is None else 1 - similarity}
    facts |= {f"kept_{name}": one.kept for name, one in directions.items()}
    facts |= {f"p_good_{name}": one.p_good for name, one in directions.items()}
    facts["version"] = record.provenance.measured_by
    facts["measures"] = pair_measures(record, clip)
    facts["scores"] = {"quality_score": verdict.quality_score} | record.scores.model_dump() | record.measures
    figures: dict[str, float | None] = {"s_per_pair": record.provenance.seconds}
    figures["residue"] = record.measures.get("residue")
    if insertion.backend not in CONTROLS:
        figures["kept"] = float(verdict.kept)
    name, mode = backend_name("scoring", settings), insertion.mode
    return Outcome("scoring", name, mode, f"{insertion.item}/{insertion.backend}", figures, facts)


def pooled(outcomes: Iterable[Outcome]) -> dict[str, tuple[float | None, int]]:
    """Correlations with the true error, and precision and recall of the filter, with the number of results.

    `spearman <score>` is signed so that +1 is a score that falls exactly as the true error rises; figures that are
    errors themselves come out negative.
    """
    every = [o for o in outcomes if o.facts["status"] == "scored"]
    chosen = [o for o in every if o.facts["insertion"] not in CONTROLS and o.facts["true_error"] is not None]
    if not chosen:
        return {}
    errors = np.array([o.facts["true_error"] for o in chosen])
    good = errors <= SMALL_ERROR
    precision, recall = precision_recall([o.facts["kept"] for o in chosen], good)
    figures: dict[str, tuple[float | None, int]] = {
        "filter_precision": (precision, int(sum(o.facts["kept"] for o in chosen))),
        "filter_recall": (recall, int(good.sum())),
    }
    figures |= _by_direction(chosen, good)
    for name in sorted({name for o in chosen for name in o.facts["scores"]}):
        values = [o.facts["scores"].get(name) for o in chosen]
        known = np.array([value is not None for value in values])
        if known.sum() < 3:
            continue
        measured = np.array([value for value in values if value is not None], float)
        figures[f"spearman {name}"] = spearman(measured, -errors[known]), int(known.sum())
        if name in ("quality_score", "identity", "temporal"):
            figures[f"auroc {name}"] = auroc(measured, good[known]), int(known.sum())
    return figures | _controls(every)


def _by_direction(chosen: list[Outcome], good: np.ndarray) -> dict[str, tuple[float | None, int]]:
    """Precision and recall of the verdicts, and the AUROC of the probabilities where there are any."""
    figures: dict[str, tuple[float | None, int]] = {}
    for direction in ("forward", "reverse"):
        kept = [o.facts[f"kept_{direction}"] for o in chosen]
        precision, recall = precision_recall(kept, good)
        figures[f"verdict precision [{direction}]"] = precision, int(sum(kept))
        figures[f"verdict recall [{direction}]"] = recall, int(good.sum())
        chances = [o.facts[f"p_good_{direction}"] for o in chosen]
        if all(chance is not None for chance in chances):
            figures[f"auroc p_good [{direction}]"] = auroc(chances, good), len(chosen)
    return figures


def _clip_state(options: Options, clip_dir: Path) -> ClipState:
    """State of a clip's folder; masks that were not measured are true ones."""
    files = ClipFiles(clip_dir)
    if files.mask_measures.is_file():
        masks = mask_verdict(options, clip_dir)
    else:
        masks = MaskVerdict(clip_id=Clip.read(files.record).clip_id, status="accepted", reason="", score=1.0)
    return ClipState(False, masks, Background.read_if_there(files.background_record), True)


def _calibrations(options: Options) -> dict[str, Calibration]:
    settings = {stage: stage_defaults(stage, options.config) for stage in ("verdicts", "insertion")}
    found = {name: read_calibration(chosen) for name, chosen in pair_calibrations(settings).items()}
    return {name: calibration for name, calibration in found.items() if calibration}


def _controls(outcomes: list[Outcome]) -> dict[str, tuple[float | None, int]]:
    """Share kept of the true swaps and of the unchanged sources, and how far the quality score tells them apart."""
    of = {name: [o for o in outcomes if o.facts["insertion"] == name] for name in CONTROLS}
    if not all(of.values()):
        return {}
    shares = {f"kept [{name}]": (float(np.mean([o.facts["kept"] for o in of[name]])), len(of[name])) for name in of}
    both = [o for name in CONTROLS for o in of[name] if o.facts["scores"]["quality_score"] is not None]
    real = [o.facts["insertion"] == CONTROLS[0] for o in both]
    return shares | {"auroc [controls]": (auroc([o.facts["scores"]["quality_score"] for o in both], real), len(both))}
