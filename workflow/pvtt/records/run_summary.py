"""A run read back from its results: every row, shot, photo and pair with its records, the funnel and the reasons.

The dataset's statistics and the report count by this one module, so they cannot disagree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pvtt.backends import stages
from pvtt.records.base import Provenance
from pvtt.records.canaries import CanaryVerdict, CanaryVerdicts
from pvtt.records.layout import Layout
from pvtt.records.mask_verdicts import read_mask_verdicts
from pvtt.records.media import Clip, CutOut
from pvtt.records.results import Background, Insertion, MaskVerdict, MeasuredMasks, Score

Record = dict[str, Any]
# Stage of clips, photos or pairs -> name of its result in a row of the run.
_RESULTS = {
    "cutting": "clip",
    "products": "cutout",
    "segmentation": "masks",
    "background": "background",
    "insertion": "insert",
    "scoring": "score",
}


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
class Masks:
    """Measures of a clip's masks and the verdict on them, None before they are judged."""

    measured: MeasuredMasks
    verdict: MaskVerdict | None

    @property
    def status(self) -> str:
        """Status of the verdict; empty without one."""
        return self.verdict.status if self.verdict else ""

    @property
    def reason(self) -> str:
        """Why they were rejected or have no verdict."""
        return self.verdict.reason if self.verdict else "not judged yet"

    @property
    def score(self) -> float | None:
        """Score of the verdict, 0 to 1."""
        return self.verdict.score if self.verdict else None

    @property
    def provenance(self) -> Provenance:
        """Where the masks come from."""
        return self.measured.provenance


@dataclass(frozen=True)
class Run:
    """Everything that a run has made.

    products: rows of the catalogue. shots: rows of the clip table with `clip` (Clip), `masks` (Masks) and `background`
    (Background), each None where there is none. photos: records of the cut-outs. pairs: rows of the plan with `insert`
    (Insertion), `score` (Score), each None where there is none, and the verdict: `kept` (bool), `reasons` (list of
    str), `quality_score` (None where not measured) and `basis` (list of str). canaries: verdicts on results whose right
    verdict is known; they count nowhere else.
    """

    products: list[Record]
    shots: list[Record]
    photos: list[CutOut]
    pairs: list[Record]
    canaries: list[CanaryVerdict]

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
        shot |= {"clip": None, "masks": None, "background": None}
        if shot["status"] == "accepted":
            shot["clip"] = Clip.read_if_there(clip.record)
            shot["background"] = Background.read_if_there(clip.background_record)
            measured = MeasuredMasks.read_if_there(clip.mask_measures)
            shot["masks"] = Masks(measured, mask_verdicts.get(shot["clip_id"])) if measured else None
    photos = [
        CutOut.read(path)
        for product in products
        if product["status"] == "accepted"
        for path in sorted(files.cutouts(product["product_id"]).glob("*.json"), key=lambda p: int(p.stem))
    ]
    verdicts = {row["pair_id"]: row for row in _rows(filtered)}
    planned = _rows(pairs)
    for pair in planned:
        made = files.pair_of(pair)
        verdict = verdicts.get(pair["pair_id"], {})
        pair["insert"], pair["score"] = None, None
        if pair["status"] == "planned":
            pair["insert"], pair["score"] = Insertion.read_if_there(made.record), Score.read_if_there(made.score)
        pair["kept"] = bool(verdict.get("kept", False))
        pair["reasons"] = reason_list(verdict.get("reasons"))
        quality = verdict.get("quality_score", "")
        pair["quality_score"] = None if quality in ("", None) else float(quality)
        pair["basis"] = reason_list(verdict.get("basis"))
    judged = CanaryVerdicts.read_if_there(files.canary_verdicts)
    return Run(products, shots, photos, planned, judged.canaries if judged else [])


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


def main_photo(run: Run, product_id: str) -> CutOut | None:
    """Record of a product's main photo: marked `main` and accepted, else the first accepted; None without one."""
    accepted = [photo for photo in run.photos if photo.product_id == product_id and photo.status == "accepted"]
    return next((photo for photo in accepted if photo.main), accepted[0] if accepted else None)


def funnel(run: Run) -> list[Stage]:
    """Every stage's count, from the feed's rows to the kept pairs, with who was rejected and why."""
    videos = [
        row | {"status": "accepted" if "source" in str(row["roles"]).split(";") else "rejected"}
        for row in run.products
        if row["video"]
    ]
    cut = [shot for shot in run.shots if shot["status"] == "accepted"]
    masked = [shot for shot in cut if shot["masks"] and shot["masks"].status == "accepted"]
    emptied = [shot for shot in masked if shot["background"]]
    planned = run.planned()
    made = [pair for pair in planned if pair["insert"] and pair["insert"].status == "done"]
    return [
        _stage("rows of the catalogue", run.products, "product_id"),
        _stage("videos", videos, "product_id"),
        _stage("shots", run.shots, "clip_id"),
        _stage("masks", cut, "clip_id", "masks", several=True),
        _stage("backgrounds", emptied, "clip_id", "background"),
        Stage("photos", sum(p.status == "accepted" for p in run.photos), len(run.photos), _rejected_photos(run)),
        _stage("pairs planned", run.pairs, "pair_id"),
        _stage("pairs inserted", planned, "pair_id", "insert"),
        _stage("pairs scored", made, "pair_id", "score"),
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
    scored = [pair for pair in run.planned() if pair["score"] and pair["score"].status == "scored"]
    if name == "quality":
        return [pair["quality_score"] for pair in scored]
    return [getattr(pair["score"].scores, name) for pair in scored]


def provenances(run: Run) -> list[tuple[str, Provenance]]:
    """(stage, provenance) of every result of a clip, a photo or a pair, stage by stage; clips are cut by `shots`."""
    rows = {"clip": run.shots, "photo": [{"cutout": photo} for photo in run.photos], "pair": run.pairs}
    return [
        (stage.name if stage.backends else stage.package, row[_RESULTS[stage.name]].provenance)
        for stage in stages.TABLE
        if stage.name in _RESULTS
        for row in rows[stage.item]
        if row[_RESULTS[stage.name]]
    ]


_PASSED = {"accepted", "planned", "done", "scored"}


def _stage(name: str, items: list[Record], key: str, result: str = "", several: bool = False) -> Stage:
    """A stage from its items' rows, or from the result of that name in each row.

    `several` says that a reason lists all that failed, with '; ' between.
    """
    rejected: dict[str, list[str]] = {}
    for number, item in enumerate(items, 1):
        status, reason = item["status"], item["reason"]
        if result:
            made = item[result]
            status, reason = (made.status, made.reason) if made else ("", "")
        if status not in _PASSED:
            known = item[key] if item[key] not in rejected else f"{item[key]} (line {number})"
            reason = str(reason or "no result")
            rejected[known or f"line {number}"] = reason.split("; ") if several else [reason]
    return Stage(name, len(items) - len(rejected), len(items), rejected)


def _kind(reason: str, item: str) -> str:
    """A reason without what is the item's own: its id, file names and numbers."""
    words = re.sub(r"[\w.-]+\.(?:mp4|mov|mkv|webm|jpe?g|png|webp)\b", "#", reason)
    return re.sub(r"\d+(?:[.,]\d+)*(?:[x/]\d+(?:\.\d+)?)*", "#", words.replace(item, "#"))


def _rejected_photos(run: Run) -> dict[str, list[str]]:
    bad = [photo for photo in run.photos if photo.status != "accepted"]
    return {f"{photo.product_id}/{photo.image_index}": [photo.reason] for photo in bad}


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
