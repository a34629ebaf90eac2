"""A run read back from its results: every row, shot, photo and pair with its records, the funnel and the reasons.

The dataset's statistics and the report count by this one module, so they cannot disagree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pvtt.io.files import read_json
from pvtt.records.layout import Layout
from pvtt.records.mask_verdicts import read_mask_verdicts

Record = dict[str, Any]


@dataclass(frozen=True)
class Stage:
    """A stage of the funnel: `count` passed `of` that came in; `rejected` maps each other item to its reasons."""

    name: str
    count: int
    of: int
    rejected: dict[str, list[str]]

    def reasons(self) -> dict[str, list[tuple[str, str]]]:
        """Kind of reason -> (item, full reason) of those it rejected, most frequent kind first.

        Reasons that differ only in their numbers are of one kind, which is named with '#' for each number; an item
        with several reasons counts under each.
        """
        grouped: dict[str, list[tuple[str, str]]] = {}
        for item, reasons in self.rejected.items():
            for reason in reasons:
                grouped.setdefault(_kind(reason, item), []).append((item, reason))
        return dict(sorted(grouped.items(), key=lambda entry: (-len(entry[1]), entry[0])))


@dataclass(frozen=True)
class Run:
    """Everything that a run has made, as plain records.

    products: rows of the catalogue. shots: rows of the clip table, accepted ones with `clip`, `qa` (mask measures
    and verdict) and `background` (their JSON records, {} where there is none). photos: records of the cut-outs. pairs:
    rows of the plan with `insert`, `score` (records) and the verdict: `kept` (bool), `reasons` (list of str),
    `quality_score` (None where not measured) and `basis` (list of str).
    """

    products: list[Record]
    shots: list[Record]
    photos: list[Record]
    pairs: list[Record]

    def planned(self) -> list[Record]:
        """Pairs that were to be made."""
        return [pair for pair in self.pairs if pair["status"] == "planned"]

    def kept(self) -> list[Record]:
        """Pairs that were accepted."""
        return [pair for pair in self.pairs if pair["kept"]]


def read_run(
    results: Path, catalogue: pd.DataFrame, clips: pd.DataFrame, pairs: pd.DataFrame, filtered: pd.DataFrame
) -> Run:
    """Join the tables of a run with the records below `results`."""
    files, products, shots = Layout(results), _rows(catalogue), _rows(clips)
    mask_verdicts = read_mask_verdicts(results)
    for shot in shots:
        clip = files.clip(shot["clip_id"])
        records = {"clip": clip.record, "background": clip.background_record, "qa": clip.mask_measures}
        for name, path in records.items():
            shot[name] = _record(path) if shot["status"] == "accepted" else {}
        if shot["qa"]:
            shot["qa"] |= mask_verdicts.get(shot["clip_id"], {"status": "", "reason": "not judged yet", "score": None})
    photos = [
        _record(path)
        for product in products
        if product["status"] == "accepted"
        for path in sorted(files.cutouts(product["product_id"]).glob("*.json"), key=lambda p: int(p.stem))
    ]
    verdicts = {row["pair_id"]: row for row in _rows(filtered)}
    planned = _rows(pairs)
    for pair in planned:
        made = files.pair_of(pair)
        verdict = verdicts.get(pair["pair_id"], {})
        pair["insert"], pair["score"] = ({}, {})
        if pair["status"] == "planned":
            pair["insert"], pair["score"] = _record(made.record), _record(made.score)
        pair["kept"] = bool(verdict.get("kept", False))
        pair["reasons"] = reason_list(verdict.get("reasons"))
        quality = verdict.get("quality_score", "")
        pair["quality_score"] = None if quality in ("", None) else float(quality)
        pair["basis"] = reason_list(verdict.get("basis"))
    return Run(products, shots, photos, planned)


def reason_list(value: Any) -> list[str]:
    """Reasons as a list, from a list or array or from text with ';' between."""
    if isinstance(value, str):
        value = value.split(";")
    elif value is None or isinstance(value, float):
        value = []
    return [str(reason).strip() for reason in value if str(reason).strip()]


def accepted_products(run: Run) -> dict[str, Record]:
    """Rows of the usable products by id; a rejected row may repeat an id."""
    return {row["product_id"]: row for row in run.products if row["status"] == "accepted"}


def main_photo(run: Run, product_id: str) -> Record | None:
    """Record of a product's main photo: marked `main` and accepted, else the first accepted; None without one."""
    accepted = [photo for photo in run.photos if photo["product_id"] == product_id and photo["status"] == "accepted"]
    return next((photo for photo in accepted if photo.get("main")), accepted[0] if accepted else None)


def funnel(run: Run) -> list[Stage]:
    """Every stage's count, from the feed's rows to the kept pairs, with who was rejected and why."""
    videos = [
        row | {"status": "accepted" if "source" in str(row["roles"]).split(";") else "rejected"}
        for row in run.products
        if row["video"]
    ]
    cut = [shot for shot in run.shots if shot["status"] == "accepted"]
    masked = [shot for shot in cut if shot["qa"].get("status") == "accepted"]
    emptied = [shot for shot in masked if shot["background"]]
    planned = run.planned()
    made = [pair for pair in planned if pair["insert"].get("status") == "done"]
    return [
        _stage("rows of the feed", run.products, "product_id", lambda row: row),
        _stage("videos", videos, "product_id", lambda row: row),
        _stage("shots", run.shots, "clip_id", lambda shot: shot),
        _stage("masks", cut, "clip_id", lambda shot: shot["qa"], several=True),
        _stage("backgrounds", emptied, "clip_id", lambda shot: shot["background"]),
        Stage("photos", sum(p["status"] == "accepted" for p in run.photos), len(run.photos), _rejected_photos(run)),
        _stage("pairs planned", run.pairs, "pair_id", lambda pair: pair),
        _stage("pairs inserted", planned, "pair_id", lambda pair: pair["insert"]),
        _stage("pairs scored", made, "pair_id", lambda pair: pair["score"]),
        _kept_stage(planned),
    ]


def distribution(values: Iterable[float | None]) -> Record | None:
    """Count, mean, quartiles and a histogram of 20 bins over 0-1 of what was measured; None when nothing was."""
    measured = np.array([value for value in values if value is not None], float)
    if not len(measured):
        return None
    bins = np.histogram(np.clip(measured, 0, 1), bins=20, range=(0, 1))[0]
    return {
        "count": len(measured),
        "mean": round(float(measured.mean()), 4),
        "quartiles": [round(float(q), 4) for q in np.quantile(measured, (0.25, 0.5, 0.75))],
        "histogram": [int(count) for count in bins],
    }


def score_values(run: Run, name: str) -> list[float | None]:
    """One score of every scored pair; `quality` is the weighted one. None where it was not measured."""
    scored = [pair for pair in run.planned() if pair["score"].get("status") == "scored"]
    if name == "quality":
        return [pair["quality_score"] for pair in scored]
    return [pair["score"]["scores"].get(name) for pair in scored]


def provenances(run: Run) -> list[tuple[str, Record]]:
    """(stage, provenance) of every result that carries one."""
    found = [("segmentation", shot["qa"]) for shot in run.shots]
    found += [("shots", shot["clip"]) for shot in run.shots]
    found += [("background", shot["background"]) for shot in run.shots]
    found += [("products", photo) for photo in run.photos]
    found += [("insertion", pair["insert"]) for pair in run.pairs]
    found += [("scoring", pair["score"]) for pair in run.pairs]
    return [(stage, record["provenance"]) for stage, record in found if record.get("provenance")]


_PASSED = {"accepted", "planned", "done", "scored"}


def _stage(
    name: str, items: list[Record], key: str, verdict: Callable[[Record], Record], several: bool = False
) -> Stage:
    """A stage from its items' records; `several` says that a reason lists all that failed, with '; ' between."""
    rejected: dict[str, list[str]] = {}
    for number, item in enumerate(items, 1):
        record = verdict(item)
        if record.get("status") not in _PASSED:
            known = item[key] if item[key] not in rejected else f"{item[key]} (line {number})"
            reason = str(record.get("reason") or "no result")
            rejected[known or f"line {number}"] = reason.split("; ") if several else [reason]
    return Stage(name, len(items) - len(rejected), len(items), rejected)


def _kind(reason: str, item: str) -> str:
    """A reason without what is the item's own: its id, file names and numbers."""
    words = re.sub(r"[\w.-]+\.(?:mp4|mov|mkv|webm|jpe?g|png|webp)\b", "#", reason)
    return re.sub(r"\d+(?:[.,]\d+)*(?:[x/]\d+(?:\.\d+)?)*", "#", words.replace(item, "#"))


def _rejected_photos(run: Run) -> dict[str, list[str]]:
    bad = [photo for photo in run.photos if photo["status"] != "accepted"]
    return {f"{photo['product_id']}/{photo['image_index']}": [photo["reason"]] for photo in bad}


def _kept_stage(planned: list[Record]) -> Stage:
    dropped = {pair["pair_id"]: pair["reasons"] or ["no verdict"] for pair in planned if not pair["kept"]}
    return Stage("pairs kept", len(planned) - len(dropped), len(planned), dropped)


def _rows(table: pd.DataFrame) -> list[Record]:
    """Rows as plain values: numpy scalars unpacked, what is missing as ''."""
    rows = []
    for row in table.to_dict("records"):
        plain = {}
        for key, value in row.items():
            item = value.item() if isinstance(value, np.generic) else value
            plain[str(key)] = "" if pd.api.types.is_scalar(item) and pd.isna(item) else item
        rows.append(plain)
    return rows


def _record(path: Path) -> Record:
    return dict(read_json(path)) if path.is_file() and path.stat().st_size else {}
