"""The commands `pvtt compare` and `pvtt fork`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pvtt.reporting.compare.forking import STAGES, fork


def add_commands(groups: Any) -> None:
    """Add both commands to an argument parser; their functions import what they need when they run."""
    text = "compare runs with different backends or settings side by side"
    command = groups.add_parser("compare", help=text, description=text)
    command.add_argument(
        "results", nargs="+", type=Path, metavar="RESULTS", help="results folders; the first is the reference"
    )
    command.add_argument("--out", type=Path, required=True, help="folder for index.html, compare.json and compare.tsv")
    command.add_argument("--limit", type=int, default=30, help="items with players on the page (default 30)")
    command.add_argument("--price-per-hour", type=float, help="price of an hour of a job")
    command.add_argument("--preview-side-px", type=int, default=240, help="short side of the videos on the page")
    command.set_defaults(run=_compare)
    text = "start a new results folder with the results of another run before a stage, as hard links"
    for name, shown in (("fork", {"help": text}), ("share", {})):  # share: the former name, not listed in the help
        command = groups.add_parser(name, description=text, **shown)
        command.add_argument("results", type=Path, metavar="RESULTS", help="results folder of a run")
        command.add_argument("out", type=Path, metavar="NEW", help="new results folder")
        command.add_argument("--stage", choices=STAGES, required=True, help="first stage that will run again")
        command.set_defaults(run=_fork, name=name)


def _compare(options: argparse.Namespace) -> int:
    from pvtt.reporting.compare import compare
    from pvtt.reporting.compare.page import write_comparison

    if any(options.out.resolve() == folder.resolve() for folder in options.results):
        raise ValueError(f"{options.out} is one of the runs; name another folder for the page")
    comparison = compare(options.results, options.price_per_hour)
    write_comparison(comparison, options.out, options.limit, options.preview_side_px)
    for section in comparison.sections:
        left_out = sum(map(len, section.left_out.values()))
        print(f"{section.unit}s: {len(section.items)} compared, {left_out} left out")
        for run in section.runs:
            print(f"  {run['run']}: {run['accepted']} accepted, {run['failed']} failed, {run['invalid']} invalid")
    for note in comparison.notes:
        print(f"note: {note}")
    print(f"page: {options.out / 'index.html'}")
    return 0


def _fork(options: argparse.Namespace) -> int:
    if options.name != "fork":
        print(f"pvtt: the command is now called pvtt fork; {options.name} still works", file=sys.stderr)
    count = fork(options.results, options.out, options.stage)
    print(f"{options.out}: {count} files of {options.results}; run {options.stage} and the stages after it")
    return 0
