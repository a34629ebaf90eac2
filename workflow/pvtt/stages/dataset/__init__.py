"""The published dataset: the kept pairs as a folder that stands alone, with annotations and a card.

Videos and cut-outs are hard links to the results (copies across file systems), so publishing again costs almost
nothing: files that are current stay, files of pairs that are no longer kept go. `annotations/pairs.json` is written
last, after everything that it names was seen on disk; a folder without it is not whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pvtt.config.stages.dataset import DatasetSettings
from pvtt.io.files import atomic_path
from pvtt.records.base import Record
from pvtt.records.dataset import PublishedPairs, QualityScores, Statistics
from pvtt.records.layout import DatasetFiles
from pvtt.records.run_summary import read_run
from pvtt.stages.dataset.annotations import pair_entry, pairs_record, scores_record, statistics_record
from pvtt.stages.dataset.card import render_card
from pvtt.stages.dataset.check import missing_files
from pvtt.stages.dataset.media_files import plan_files, sync

# Annotation -> its type; pairs.json is written last.
_TYPES: dict[str, type[Record]] = {
    "quality_scores": QualityScores,
    "statistics": Statistics,
    "pairs": PublishedPairs,
}


def publish(
    results: Path,
    catalogue: pd.DataFrame,
    clips: pd.DataFrame,
    pairs: pd.DataFrame,
    filtered: pd.DataFrame,
    out_dir: Path,
    settings: Mapping[str, Any],
) -> None:
    """Publish the kept pairs of a run to `out_dir`.

    catalogue, clips, pairs and filtered are the run's tables, `results` its folder. No kept pair gives a whole,
    valid, empty dataset. ValueError when a record does not fit its schema or a named file is missing.
    """
    run = read_run(Path(results), catalogue, clips, pairs, filtered)
    out_dir, chosen = Path(out_dir), DatasetSettings.of(settings)
    files = DatasetFiles(out_dir)
    files.annotation("pairs").unlink(missing_ok=True)
    plan = plan_files(Path(results), run)
    published = sync(out_dir, plan)
    entries = [pair_entry(run, pair, published, chosen) for pair in run.kept()]
    records = {
        "quality_scores": scores_record(run, chosen),
        "statistics": statistics_record(run, entries, chosen),
        "pairs": pairs_record(entries, chosen),
    }
    checked = {name: _TYPES[name].of(record, name) for name, record in records.items()}
    if missing := missing_files(records["pairs"], out_dir):
        raise ValueError(
            f"dataset: {len(missing)} named files are missing, the first is {missing[0]}; "
            f"delete {out_dir} and run again"
        )
    with atomic_path(files.card) as aside:
        aside.write_text(render_card(run, records, chosen), encoding="utf-8")
    for name, record in checked.items():
        record.write(files.annotation(name))
