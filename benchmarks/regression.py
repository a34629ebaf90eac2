"""The benchmark as a guard: headline figures against a stored baseline, each with the margin that is noise.

    python benchmarks/regression.py OUT/bench.json [--write]

compares a run with benchmarks/baseline.json, or makes that file from it. The baseline is of resources/demo with two
swaps per clip (`--swaps 2`): with one, the colour hangs on single pairs of the eight. One machine repeats all figures
exactly; the margins are for others, whose processors round differently.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvtt.io.files import read_json, write_json

BASELINE = Path(__file__).parent / "baseline.json"
# Figures that are guarded, by stage, and the change of each that is noise.
MARGINS: dict[str, dict[str, float]] = {
    "shots": {"hard_f1": 0.001, "gradual_f1": 0.001},
    "segmentation": {"j": 0.01, "accepted": 0.001, "j_accepted": 0.01, "qa_auroc": 0.05},
    "background": {"psnr_inside": 0.3, "ssim_inside": 0.01, "shadow_residue": 0.02, "psnr_outside": 0.3},
    "products": {"iou": 0.01, "base band": 0.01, "accepted": 0.001},
    "tracks": {"aj": 0.02, "delta": 0.02, "oa": 0.02},
    "insertion": {
        "psnr_inside": 0.2,
        "ssim_inside": 0.01,
        "position": 0.01,
        "scale": 0.02,
        "colour": 0.3,
        "shadow": 0.05,
    },
    "scoring": {"spearman quality_score": 0.05, "filter_precision": 0.05, "kept [true_swap]": 0.001},
}


def headline(bench: Mapping[str, Any]) -> dict[str, float | None]:
    """Value of every row of a bench.json by its name, `stage/backend/mode/metric`."""
    return {name_of(row): row["value"] for row in bench["summary"]}


def name_of(row: Mapping[str, Any]) -> str:
    """Name of a row of the summary."""
    return "/".join(str(row[key]) for key in ("stage", "backend", "mode", "metric"))


def compare(bench: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[str]:
    """What got worse, in words; empty when nothing did.

    `bench` is the content of bench.json; `baseline` maps the name of a figure to `value`, `better` ('higher' or
    'lower') and `margin`, the change that is noise. A figure of the baseline that is not there is worse, too.
    """
    found = headline(bench)
    problems = []
    for name, kept in baseline.items():
        value = found.get(name)
        if value is None:
            problems.append(f"{name}: not measured, the baseline has {kept['value']:.4g}")
            continue
        sign = 1 if kept["better"] == "higher" else -1
        if sign * (value - kept["value"]) < -kept["margin"]:
            problems.append(f"{name}: {value:.4g}, the baseline is {kept['value']:.4g} (noise {kept['margin']:.2g})")
    return problems


def make_baseline(bench: Mapping[str, Any], margins: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """A baseline from a bench.json: the figures named in `margins`; KeyError for one that was not measured."""
    rows = {name_of(row): row for row in bench["summary"] if row["value"] is not None}
    return {
        name: {"value": round(rows[name]["value"], 6), "better": rows[name]["better"], "margin": margin}
        for name, margin in margins.items()
    }


def margins_of(bench: Mapping[str, Any]) -> dict[str, float]:
    """Margins by the name of the figure, for all guarded figures of a run but those of a baseline method."""
    return {
        name_of(row): MARGINS[row["stage"]][row["metric"]]
        for row in bench["summary"]
        if row["metric"] in MARGINS[row["stage"]] and row["value"] is not None and ":" not in row["backend"]
    }


def main() -> int:
    """Compare or write, as the command line says."""
    bench = read_json(Path(sys.argv[1]))
    if "--write" in sys.argv[2:]:
        write_json(BASELINE, make_baseline(bench, margins_of(bench)))
        return 0
    problems = compare(bench, read_json(BASELINE))
    print(*problems or ["nothing fell"], sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
