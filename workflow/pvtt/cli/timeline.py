"""`pvtt timeline`: what the GPUs of a run did, summed up and drawn."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pvtt.execution.workers.timeline import draw, events_of, read_spans, summary


def add_command(groups: Any) -> None:
    """Add `pvtt timeline` to the command's groups."""
    text = "draw what the GPUs of a run did, and sum it up"
    command = groups.add_parser("timeline", help=text, description=text)
    command.add_argument("results", nargs="+", type=Path, help="a results folder, or events files (*.jsonl)")
    command.add_argument("--out", type=Path, help="picture to write: .svg, .png or .pdf")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the sums as JSON")
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
