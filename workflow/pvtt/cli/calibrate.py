"""`pvtt calibrate`: learn from judged pairs how far the verdicts of a run can be trusted."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pvtt.records.calibration import Calibration

_HEAD = ("direction", "judged", "good", "kept", "precision", "95 %", "recall", "AUROC", "precision of better half")


def add_command(groups: Any) -> None:
    """Add the command to an argument parser."""
    text = "learn from review answers, or from a rendered world, which pairs are good; verdicts can then use it"
    command = groups.add_parser("calibrate", help=text, description=text)
    command.add_argument("results", type=Path, metavar="RESULTS", help="results folder of a finished run")
    command.add_argument("--truth", type=Path, metavar="WORLD", help="folder of the rendered world that the run read")
    command.add_argument(
        "--precision", type=float, default=0.9, help="wanted share of good ones among the kept (default 0.9)"
    )
    command.add_argument("--out", type=Path, help="folder of the calibrations (default: RESULTS/calibration)")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvtt.reporting import calibration as source

    if not 0 < options.precision <= 1:
        raise ValueError("--precision is above 0 and at most 1")
    judged, notes = source.judged_by_people(options.results)
    if options.truth:
        judged += source.judged_by_truth(options.results, options.truth)
    if not judged:
        raise ValueError(f"{options.results}: no pair was judged; judge some with `pvtt review {options.results}`")
    about = source.origin(options.results, len(judged), options.truth)
    found, missing = source.calibrate(judged, options.precision, **about)
    for note in [*notes, *missing]:
        print(f"note: {note}")
    out = options.out or options.results / "calibration"
    for direction, calibration in found.items():
        calibration.write(out / f"{direction}.json")
    if not found:
        return 1
    source.draw_reliability(found, out / "reliability.png")
    print(_table(found))
    print(f'calibrations: {out}; use them: --config \'verdicts={{"pairs": {{"calibration": "{out}"}}}}\'')
    return 0


def _table(found: dict[str, Calibration]) -> str:
    from tabulate import tabulate

    rows = []
    for direction, calibration in found.items():
        worth = calibration.validation
        interval = worth.precision_interval
        between = f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else "-"
        counts = (worth.items, worth.good, worth.kept)
        rows.append(
            (direction, *counts, worth.precision, between, worth.recall, worth.auroc, worth.precision_of_better_half)
        )
    return str(tabulate(rows, _HEAD, floatfmt=".2f", missingval="-"))
