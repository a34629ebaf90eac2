"""Verdicts on the masks of all clips: `mask_verdicts.tsv`, and `mask_verdict.json` in each clip's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pvtt.io.files import read_json, write_json
from pvtt.io.tables import read_table, write_table
from pvtt.records.layout import Layout

COLUMNS = ("clip_id", "status", "reason", "score")


def write_mask_verdicts(results: Path, verdicts: Sequence[Mapping[str, Any]]) -> None:
    """Write the verdicts below `results`: a clip's own file only where it changes, the table last."""
    import pandas as pd

    files = Layout(results)
    for verdict in verdicts:
        path = files.clip(str(verdict["clip_id"])).mask_verdict
        if not path.is_file() or read_json(path) != verdict:
            write_json(path, verdict)
    write_table(files.mask_verdicts, pd.DataFrame(list(verdicts), columns=list(COLUMNS)))


def read_mask_verdicts(results: Path) -> dict[str, dict[str, Any]]:
    """Verdict of each clip by its id: clip_id, status, reason (str) and score (float, 0 to 1); {} without a table."""
    path = Layout(results).mask_verdicts
    if not path.is_file() or not path.stat().st_size:
        return {}
    rows = read_table(path).to_dict("records")
    return {
        row["clip_id"]: {str(key): value for key, value in row.items()} | {"score": float(row["score"])} for row in rows
    }
