"""Verdicts on the masks of all clips: `mask_verdicts.tsv`, and `mask_verdict.json` in each clip's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pvtt.io.tables import read_table, write_table
from pvtt.records.layout import Layout
from pvtt.records.results import MaskVerdict


def write_mask_verdicts(results: Path, verdicts: Sequence[MaskVerdict]) -> None:
    """Write the verdicts below `results`: a clip's own file only where it changes, the table last."""
    import pandas as pd

    files = Layout(results)
    for verdict in verdicts:
        path = files.clip(verdict.clip_id).mask_verdict
        if not path.is_file() or MaskVerdict.read(path) != verdict:
            verdict.write(path)
    rows = [verdict.plain() for verdict in verdicts]
    write_table(files.mask_verdicts, pd.DataFrame(rows, columns=list(MaskVerdict.model_fields)))


def read_mask_verdicts(results: Path) -> dict[str, MaskVerdict]:
    """Verdict of each clip by its id; {} without a table."""
    path = Layout(results).mask_verdicts
    if not path.is_file() or not path.stat().st_size:
        return {}
    rows = read_table(path).to_dict("records")
    verdicts = [MaskVerdict.of(row | {"score": float(row["score"])}, path) for row in rows]
    return {verdict.clip_id: verdict for verdict in verdicts}
