"""Packs: groups of pairs that one cluster job processes.

A pack holds pairs of few clips, in the plan's order, and never changes: new pairs, of any clip, go to new packs. A
ledger beside the plan records the pack of each pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pvtt.io.files import atomic_path
from pvtt.records.results import Insertion, Pack, PackedPair, PackSeconds, Score

_COLUMNS = ["pair_id", "pack"]


def assign_packs(plan: pd.DataFrame, ledger: pd.DataFrame, size: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The plan with a column `pack` (empty where nothing is planned), and the ledger with the new packs at its end.

    `plan` has pair_id and status, `ledger` pair_id and pack. Packs are `p00001` and so on, of up to `size` pairs.
    """
    planned = plan.pair_id[plan.status == "planned"]
    new = planned[~planned.isin(ledger.pair_id)].reset_index(drop=True)
    before = int(ledger.pack.str[1:].astype(int).max()) if len(ledger) else 0
    packs = [f"p{before + 1 + place // size:05d}" for place in range(len(new))]
    ledger = pd.concat([ledger, pd.DataFrame({"pair_id": new, "pack": packs}, dtype=str)], ignore_index=True)
    known = ledger.set_index("pair_id").pack
    return plan.assign(pack=plan.pair_id.map(known).where(plan.status == "planned").fillna("")), ledger


def read_ledger(path: Path) -> pd.DataFrame:
    """The ledger of earlier plans; empty if there is none.

    Raises
    ------
    ValueError
        The file is damaged; the message says what is wrong.
    """
    if not path.exists():
        return pd.DataFrame({name: pd.Series(dtype=str) for name in _COLUMNS})
    ledger = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if list(ledger.columns) != _COLUMNS or not ledger.pack.str.fullmatch(r"p\d{5,}").all():
        raise ValueError(f"{path}: not a ledger of packs ({', '.join(_COLUMNS)}); delete it to plan all packs anew")
    return ledger


def write_ledger(path: Path, ledger: pd.DataFrame) -> None:
    """Write the ledger atomically."""
    with atomic_path(path) as aside:
        ledger.to_csv(aside, sep="\t", index=False)


def pack_record(pack: str, inserted: Sequence[Insertion], scored: Sequence[Score]) -> Pack:
    """Sum of a pack: its pairs, how each ended, and the seconds that its results took, whenever they were made."""
    pairs = [
        PackedPair(pair_id=insert.pair_id, insertion=insert.status, scoring=score.status)
        for insert, score in zip(inserted, scored, strict=True)
    ]
    seconds = PackSeconds(
        insertion=round(sum(record.provenance.seconds for record in inserted), 3),
        scoring=round(sum(record.provenance.seconds for record in scored), 3),
    )
    return Pack(pack=pack, pairs=pairs, seconds=seconds)
