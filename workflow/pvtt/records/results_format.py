"""Which format the records of a results folder have: `format.json`, so that no run mixes records of two formats."""

from __future__ import annotations

from pathlib import Path

from pvtt.io.files import read_json
from pvtt.records.base import Positive, Record
from pvtt.records.layout import Layout

# 1 (no format.json): verdicts stood in qa.json and score.json. 2: in mask_verdicts.tsv and filtered.parquet.
FORMAT = 2


class ResultsFormat(Record):
    """Which format the records of a results folder have."""

    format: Positive


class ResultsFormatError(ValueError):
    """Results that this version cannot continue; the message says what to do."""


def check_results(results: Path) -> None:
    """Check that this version can read and continue a results folder; a new or empty one passes.

    Raises
    ------
    ResultsFormatError
        For results of another format.
    """
    files = Layout(results)
    # A run marks its folder before it writes any of these. What is there earlier has one format in all versions.
    later = (files.clips, files.pairs, files.filtered, files.clip_folders, files.pair_folders)
    if files.format.is_file():
        # Not by type: another format may have other fields.
        found = read_json(files.format).get("format")
    elif any(path.exists() for path in later):
        found = 1
    else:
        return
    if found != FORMAT:
        raise ResultsFormatError(
            f"{results} holds results of format {found}, this version of pvtt reads and writes format {FORMAT}. "
            f"Choose another folder (results=DIR), or move {results} away; to read it, use the version that made it"
        )


def mark_results(results: Path) -> None:
    """Note the format in a results folder, once, before anything that depends on it is written."""
    check_results(results)
    path = Layout(results).format
    if not path.is_file():
        ResultsFormat(format=FORMAT).write(path)
