"""Tables as TSV: UTF-8, one header line, `\\n` line ends; the same bytes for the same table on any machine."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

from pvtt.io.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd

_INTEGERS = frozenset(
    ("start_frame", "end_frame", "n_frames", "width", "height", "n_images", "line", "image_index", "seed")
)
_BOOLEANS = frozenset(("empty", "kept"))


def write_table(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table atomically as TSV. Missing values are empty cells, booleans `true` and `false`.

    Tabs and line ends in a cell become spaces, so that every row is one line.
    """
    with atomic_path(path) as aside, open(aside, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(table.columns)
        for row in table.itertuples(index=False):
            writer.writerow([_cell(value) for value in row])


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table of `write_table`: counts and sizes as nullable integers, `empty` and `kept` as bool, else text."""
    import pandas as pd

    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8")
    for column in table.columns:
        if column in _INTEGERS:
            table[column] = pd.to_numeric(table[column].where(table[column] != ""), errors="raise").astype("Int64")
        elif column in _BOOLEANS:
            table[column] = table[column] == "true"
    return table


def _cell(value: object) -> str:
    import pandas as pd

    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    if text in ("True", "False"):
        return text.lower()
    return " ".join(text.split()) if any(mark in text for mark in "\t\r\n") else text
