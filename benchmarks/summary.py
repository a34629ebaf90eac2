"""From outcomes to one table: a row per stage, backend, mode and figure, with its spread over items."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from stages import scoring, segmentation, shots
from stages.common import Outcome

STAGES = ("shots", "segmentation", "background", "products", "tracks", "insertion", "scoring")
MODES = ("isolated", "chained", "feed")
_POOLED = {"shots": shots.pooled, "segmentation": segmentation.pooled, "scoring": scoring.pooled}
# What is better, and digits; `a [b]` and `a b` are looked up as `a`. What is not listed is better when larger.
_LOWER = {
    "alpha_mae",
    "base band",
    "colour",
    "failed",
    "flicker",
    "gmsd_inside",
    "kept [unchanged]",
    "position",
    "residue",
    "s_per_frame",
    "s_per_pair",
    "scale",
    "seconds",
    "shadow",
    "shadow_residue",
    "times_decoding",
}
_MEANING = {
    "accepted": "share accepted",
    "aj": "average Jaccard (TAP-Vid)",
    "alpha_mae": "alpha, mean absolute error",
    "auroc": "AUROC for a small true error",
    "base band": "base band",  # of the cut-outs: what is not product at their foot
    "colour": "colour error (CIEDE2000)",
    "delta": "points within 1-16 px of 256 (TAP-Vid)",
    "empty_rejected": "clips without product rejected",
    "f": "boundary F (DAVIS)",
    "failed": "share failed",
    "filter_precision": "filter: kept that have a small true error",
    "filter_recall": "filter: small true errors that are kept",
    "flicker": "flicker inside, grey levels",
    "frames_per_s": "frames per second",
    "gmsd_inside": "GMSD inside the hole",
    "gradual_f1": "gradual transitions, F1",
    "gradual_precision": "gradual transitions, precision",
    "gradual_recall": "gradual transitions, recall",
    "gradual_video_f1": "gradual transitions, F1 per video",
    "hard_f1": "hard cuts, F1",
    "hard_precision": "hard cuts, precision",
    "hard_recall": "hard cuts, recall",
    "hard_video_f1": "hard cuts, F1 per video",
    "iou": "IoU with the truth",
    "j": "region J (DAVIS)",
    "j_accepted": "J of accepted clips",
    "j_accepted_worst": "J of the worst accepted clip",
    "jf": "J&F (DAVIS)",
    "kept": "share kept by the filter",
    "kept [true_swap]": "true swaps kept by the filter",
    "kept [unchanged]": "unchanged sources kept by the filter",
    "auroc [controls]": "AUROC of the quality score, true swap or unchanged",
    "oa": "occlusion accuracy (TAP-Vid)",
    "position": "position error, of the box's diagonal",
    "presence": "presence accuracy",
    "psnr_inside": "PSNR inside, dB",
    "psnr_outside": "PSNR outside, dB",
    "qa_auroc": "AUROC of the QA score for J > 0.8",
    "s_per_frame": "seconds per frame",
    "s_per_pair": "seconds per pair",
    "residue": "residue",
    "scale": "scale error",
    "seconds": "seconds",
    "shadow": "shadow error, of its contrast",
    "shadow_residue": "shadow left, of its contrast",
    "spearman": "Spearman correlation with truth",
    "ssim_coarse": "coarse SSIM inside",
    "ssim_inside": "SSIM inside",
    "times_decoding": "time over plain decoding",
    **{
        name: name
        for direction in ("forward", "reverse")
        for name in (
            f"verdict precision [{direction}]",
            f"verdict recall [{direction}]",
            f"auroc p_good [{direction}]",
        )
    },
}


def direction(metric: str) -> str:
    """'lower' or 'higher', whichever is better."""
    return "lower" if metric in _LOWER or metric.partition(" ")[0] in _LOWER else "higher"


def meaning(metric: str) -> str:
    """A figure's name in words."""
    if metric in _MEANING:
        return _MEANING[metric]
    head, _, rest = metric.partition(" ")
    return f"{_MEANING.get(head, head)}{': ' + rest.strip('[]') if rest else ''}"


def summarise(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Rows of the table: stage, backend, mode, metric, value, n, better, and p10, p90, std where it is a mean."""
    groups: dict[tuple[str, str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.mode in MODES:
            groups[outcome.stage, outcome.mode, outcome.backend].append(outcome)
    order = sorted(groups, key=lambda key: (STAGES.index(key[0]), MODES.index(key[1])))
    return [row for key in order for row in _rows(key, groups[key])]


def _rows(key: tuple[str, str, str], outcomes: list[Outcome]) -> list[dict[str, Any]]:
    stage, mode, backend = key
    head = {"stage": stage, "backend": backend, "mode": mode}
    figures = list(dict.fromkeys(name for outcome in outcomes for name in outcome.figures))
    rows = [head | {"metric": name} | _spread([o.figures.get(name) for o in outcomes]) for name in figures]
    pooled = _POOLED[stage](outcomes) if stage in _POOLED else {}
    rows += [head | {"metric": name, "value": value, "n": n} for name, (value, n) in pooled.items()]
    return [row | {"better": direction(row["metric"])} for row in rows if row["n"]]


def _spread(values: Sequence[float | None]) -> dict[str, Any]:
    known = np.array([value for value in values if value is not None], float)
    if not len(known):
        return {"value": None, "n": 0}
    low, high = np.percentile(known, (10, 90))
    spread = {"std": float(known.std()), "p10": float(low), "p90": float(high)}
    return {"value": float(known.mean()), "n": len(known)} | spread


def markdown(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The rows as one Markdown table."""
    lines = ["| stage | backend | inputs | figure | value | 10-90 % of items | n |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        arrow = "↓" if row["better"] == "lower" else "↑"
        spread = f"{_text(row['p10'])} to {_text(row['p90'])}" if "p10" in row else ""
        cells = row["stage"], row["backend"], _inputs(row["mode"]), f"{meaning(row['metric'])} {arrow}"
        lines.append(f"| {' | '.join(cells)} | {_text(row['value'])} | {spread} | {row['n']} |")
    return lines


def _inputs(mode: str) -> str:
    return {"isolated": "true", "chained": "our own", "feed": "real feed"}[mode]


def _text(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
