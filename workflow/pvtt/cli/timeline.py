"""`pvtt timeline`: activity of the GPUs of a run, as a summary and a chart."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pvtt.execution.workers.timeline import draw, events_of, read_spans, summary


def add_command(groups: Any) -> None:
    """Add the command to an argument parser."""
    text = "summarise and draw the activity of the GPUs of a run"
    command = groups.add_parser("timeline", help=text, description=text)
    command.add_argument("results", nargs="+", type=Path, help="a results folder, or event logs (*.jsonl)")
    command.add_argument("--out", type=Path, help="write the chart: .svg, .png or .pdf")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the summary as JSON")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvtt.io.files import write_json

    files = [file for path in options.results for file in (events_of(path) if path.is_dir() else [path])]
    spans = read_spans(files)
    if not spans:
        raise ValueError(f"{', '.join(map(str, options.results))}: no events of warm workers; no model has run there")
    rows = summary(spans)
    for row in rows:
        print(
            f"{row['broker']}: {row['items']} items on {row['devices']} devices in {row['seconds']:.1f} s, "
            f"{row['loads']} loads, {row['died']} died; working {row['work_share']:.1%}, "
            f"loading {row['loading_share']:.1%}"
        )
    if options.out:
        draw(spans, options.out)
        print(f"drawn: {options.out}")
    if options.json:
        write_json(options.json, rows)
    return 0
