"""Clips and pairs that all runs made from the same inputs, with each run's outcome; the others with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pvtt.backends.stages import dependents
from pvtt.records.layout import Layout, stage_of
from pvtt.records.results import SCORES
from pvtt.records.run_summary import Record
from pvtt.reporting.compare.run_loading import Results

# Figure -> 1 where more is better, -1 where less is.
DIRECTIONS = {
    "mask_score": 1,
    "seam": -1,
    "flicker_gap": -1,
    "quality": 1,
    **dict.fromkeys(SCORES, 1),
    "swap": 1,
    "background_psnr": 1,
}
_CLIP = Layout("").clip("any")
# Name of a provenance's input that is no file's -> the stage that makes it.
_MADE_BY = {"masks": "segmentation", "cutout": "products"}


@dataclass(frozen=True)
class Outcome:
    """What one run made of an item.

    status: `done`, `failed` or `invalid`. accepted: the verdict of the filter, or of mask QA. figures: by name, None
    where not measured. seconds: those of the compared stages. basis: scores that the quality rests on.
    """

    status: str
    accepted: bool
    reasons: list[str]
    figures: dict[str, float | None]
    seconds: float
    n_frames: int
    basis: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Item:
    """A clip or pair with its outcome in every run; items of one `group` (source video) are alike."""

    id: str
    group: str
    outcomes: list[Outcome]

    def spread(self) -> tuple[bool, float]:
        """How far the runs are apart: in their verdicts, then in their main figure (0 where there is no result)."""
        verdicts = {outcome.accepted for outcome in self.outcomes}
        shared = [name for name in self.outcomes[0].figures if name in DIRECTIONS]
        widest = 0.0
        for name in [name for name in shared if name in ("quality", "mask_score")] or shared:
            values = [outcome.figures.get(name) or 0.0 for outcome in self.outcomes]
            whole = 1.0 if name in ("quality", "mask_score") else max(map(abs, values)) or 1.0
            widest = max(widest, (max(values) - min(values)) / whole)
        return len(verdicts) > 1, round(widest, 6)


def clip_records(stages: Sequence[str]) -> list[str]:
    """Which of a clip's results, `masks` and `background`, differ because of these stages."""
    own = ["masks"] if {"products", "segmentation"} & set(stages) else []
    return own + (["background"] if "background" in stages else [])


def clip_items(runs: Sequence[Results], stages: Sequence[str]) -> tuple[list[Item], dict[str, list[str]]]:
    """Clips to compare and, by reason, those that cannot be; `stages` are those at which the runs differ."""
    names = clip_records(stages)

    def records(clip: Record) -> list[Any]:
        return [clip[names[0]]]

    def outcome(clip: Record) -> Outcome:
        return _clip_outcome(clip, names)

    return _items(runs, [run.clips() for run in runs], records, outcome, "product_id", _allowed(stages))


def pair_items(runs: Sequence[Results], stages: Sequence[str]) -> tuple[list[Item], dict[str, list[str]]]:
    """Pairs to compare and, by reason, those that cannot be."""
    tables = [run.pairs() for run in runs]

    def records(pair: Record) -> list[Any]:
        return [pair["insert"], pair["score"]]

    return _items(runs, tables, records, _pair_outcome, "source_id", _allowed(stages))


def _items(
    runs: Sequence[Results],
    tables: Sequence[dict[str, Record]],
    records: Callable[[Record], list[Any]],
    outcome: Callable[[Record], Outcome],
    group: str,
    allowed: set[str],
) -> tuple[list[Item], dict[str, list[str]]]:
    items: list[Item] = []
    left_out: dict[str, list[str]] = {}
    for name in sorted(set().union(*tables)):
        rows = [table.get(name) for table in tables]
        reason = _obstacle(runs, rows, records, allowed)
        if reason:
            left_out.setdefault(reason, []).append(name)
        else:
            there = [row for row in rows if row]
            items.append(Item(name, there[0][group], [outcome(row) for row in there]))
    return items, dict(sorted(left_out.items(), key=lambda entry: (-len(entry[1]), entry[0])))


def _obstacle(
    runs: Sequence[Results],
    rows: Sequence[Record | None],
    records: Callable[[Record], list[Any]],
    allowed: set[str],
) -> str:
    """Why an item cannot be compared; empty when it can."""
    absent = [run.name for run, row in zip(runs, rows, strict=True) if row is None]
    if absent:
        return f"not in {', '.join(absent)}"
    found = [records(row) for row in rows if row]
    unmade = [run.name for run, made in zip(runs, found, strict=True) if not all(made)]
    if unmade:
        return f"not made in {', '.join(unmade)}"
    inputs = [_inputs(made) for made in found]
    roles = sorted(set().union(*inputs))
    other = [role for role in roles if _stage(role) not in allowed and len({one.get(role) for one in inputs}) > 1]
    return f"made from other inputs: {', '.join(other)}" if other else ""


def _inputs(records: Sequence[Any]) -> dict[str, str]:
    """Digests of what the records were made from, by role; what the records' own stages made is left out."""
    found: dict[str, str] = {}
    for record in records:
        for role, digest in record.provenance.inputs.items():
            name = role.removeprefix("clip_")
            found[_CLIP.video.name if name == "video" else name] = digest
    return {role: digest for role, digest in found.items() if not role.startswith("insert")}


def _stage(role: str) -> str:
    """The stage that makes an input; the clip's video is of none that may differ."""
    if role.startswith(("reference_", "target_", "source_")):
        return "products"
    return _MADE_BY.get(role) or stage_of(_CLIP.folder / role) or ""


def _allowed(stages: Sequence[str]) -> set[str]:
    return {after for stage in stages for after in dependents(stage)}


def _clip_outcome(clip: Record, names: Sequence[str]) -> Outcome:
    """Of a clip's named records; masks that were rejected have no background."""
    parts = [clip[name] for name in names if clip[name]]
    reasons = [part.reason for part in parts if part.status not in ("accepted", "done")]
    figures: dict[str, float | None] = {"mask_score": clip["masks"].score} if "masks" in names else {}
    if "background" in names:
        measures = clip["background"].measures if clip["background"] else {}
        inside, beside = measures.get("flicker"), measures.get("flicker_beside")
        gap = None if inside is None or beside is None else round(abs(inside - beside), 3)
        figures |= {"seam": measures.get("seam"), "flicker_gap": gap}
    seconds = sum(part.provenance.seconds for part in parts)
    status = "failed" if any(part.status == "failed" for part in parts) else "done"
    return Outcome(status, not reasons, reasons, figures, seconds, int(clip["n_frames"]))


def _pair_outcome(pair: Record) -> Outcome:
    insert, score = pair["insert"], pair["score"]
    status = "done" if score.status == "scored" else score.status
    figures = {"quality": pair["quality_score"]} | score.scores.model_dump()
    figures |= {name: score.measures.get(name) for name in ("swap", "background_psnr")}
    seconds = insert.provenance.seconds
    reasons = pair["reasons"] or ([] if pair["kept"] else ["no verdict"])
    return Outcome(status, pair["kept"], reasons, figures, seconds, insert.n_frames, pair["basis"])
