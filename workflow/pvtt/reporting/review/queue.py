"""Which pairs a rater sees, and in which order.

Pairs are chosen so that every kind is there: at each step the pair whose difficulty, category, backend, score, verdict
and clip were chosen least often so far, ties by a hash. So rejected pairs are asked about as often as kept ones.
Raters with the same seed get the same pairs, each in an order of their own, with some asked again later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pvtt.io.files import file_digest
from pvtt.io.tables import read_table
from pvtt.records.ids import stable_hash
from pvtt.records.layout import Layout, require_run
from pvtt.records.results import Insertion
from pvtt.records.review import Task
from pvtt.records.tables import PlannedPair, read_rows

_MOST_CANDIDATES = 5000  # pairs whose records are read; more are sampled, so that a queue of a large run opens at once
_BLOCK = 8  # pairs within which each rater has an order of their own; a prefix of the queue stays balanced
_GAP = 8  # questions at least between a pair and its repetition, where the queue is that long
_SCORE_BINS = 3  # bins of equal count of the quality score


@dataclass(frozen=True)
class Candidate:
    """A pair with a result. `kind` has what the queue balances, factor to level."""

    pair_id: str
    clip_id: str
    target_id: str
    image_index: int
    kind: Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """One question of a queue: about a pair or, without one, about the background of a clip."""

    task: Task
    clip_id: str
    pair: Candidate | None = None
    duplicate: bool = False

    @property
    def key(self) -> tuple[str, bool]:
        """As `answers.key_of`."""
        return self.pair.pair_id if self.pair else self.clip_id, self.duplicate


def candidates(results: Path, seed: int) -> list[Candidate]:
    """Pairs of a run that have a result; at most 5000 of them, drawn by the seed."""
    require_run(results)
    files = Layout(results)
    plan = read_rows(PlannedPair, files.pairs)
    plan = plan[plan.status == "planned"]
    hashes = [stable_hash(seed, "candidate", pair) for pair in plan.pair_id]
    plan = plan.iloc[np.argsort(np.array(hashes, np.uint64), kind="stable")[:_MOST_CANDIDATES]]
    catalogue = read_table(files.catalogue) if files.catalogue.is_file() else pd.DataFrame()
    categories = dict(zip(catalogue.product_id, catalogue.category, strict=True)) if len(catalogue) else {}
    kinds = _verdict_kinds(files)
    found = []
    for row in plan.to_dict("records"):
        made = files.pair_of(row)
        record = Insertion.read_if_there(made.record)
        if record is None or record.status != "done" or not _is_video(made.video):
            continue
        kind = {
            "difficulty": str(row["difficulty"]),
            "category": categories.get(row["target_id"], ""),
            "backend": record.provenance.backend,
            "clip": row["clip_id"],
        }
        kind |= kinds.get(row["pair_id"], {"score": "none", "verdict": "none"})
        pair = row["pair_id"], row["clip_id"], row["target_id"], int(row["image_index"])
        found.append(Candidate(*pair, kind))
    return found


def in_both(pairs: Iterable[Candidate], results: Path, against: Path) -> list[Candidate]:
    """Pairs that the other run has too, with another video."""
    mine, other = Layout(results), Layout(against)
    found = []
    for pair in pairs:
        place = pair.clip_id, pair.target_id, pair.image_index
        a, b = mine.pair(*place).video, other.pair(*place).video
        if _is_video(b) and (a.stat().st_size != b.stat().st_size or file_digest(a) != file_digest(b)):
            found.append(pair)
    return found


def choose(pairs: Sequence[Candidate], seed: int, limit: int) -> list[Candidate]:
    """The first `limit` pairs of a balanced order: minimisation over the margins of all factors.

    References
    ----------
    Pocock and Simon, "Sequential treatment assignment with balancing for prognostic factors in the controlled clinical
    trial", Biometrics 1975.
    """
    pairs = sorted(pairs, key=lambda pair: stable_hash(seed, "choose", pair.pair_id))
    if not pairs:
        return []
    codes = pd.DataFrame([dict(pair.kind) for pair in pairs]).apply(lambda column: pd.factorize(column)[0])
    table = codes.to_numpy()
    cost, taken = np.zeros(len(pairs)), np.zeros(len(pairs), bool)
    chosen = []
    for _ in range(min(limit, len(pairs))):
        index = int(np.argmin(np.where(taken, np.inf, cost)))
        chosen.append(pairs[index])
        taken[index] = True
        cost += (table == table[index]).sum(1)
    return chosen


def build(pairs: Sequence[Candidate], rater: str, seed: int, duplicates: float = 0.0) -> list[Question]:
    """Order the chosen pairs for a rater and ask a share of them again, at least 8 questions later where possible."""
    order = sorted(range(len(pairs)), key=lambda i: (i // _BLOCK, stable_hash(seed, rater, "order", pairs[i].pair_id)))
    questions = [Question("pair", pairs[index].clip_id, pairs[index]) for index in order]
    gap = min(_GAP, len(questions) // 2)
    early = len(questions) - gap
    again = sorted(
        enumerate(questions), key=lambda each: (each[0] >= early, stable_hash(seed, rater, "again", each[1].key[0]))
    )
    for _, question in again[: round(duplicates * len(pairs))]:
        first = questions.index(question) + 1 + gap
        room = max(1, len(questions) - first + 1)
        place = min(len(questions), first + stable_hash(seed, rater, "place", question.key[0]) % room)
        questions.insert(place, replace(question, duplicate=True))
    return questions


def with_backgrounds(questions: Sequence[Question], results: Path) -> list[Question]:
    """Ask about the background of a clip once, before its first pair."""
    files, asked, found = Layout(results), set(), []
    for question in questions:
        if question.clip_id not in asked and _is_video(files.clip(question.clip_id).background):
            found.append(Question("background", question.clip_id))
        asked.add(question.clip_id)
        found.append(question)
    return found


def _verdict_kinds(files: Layout) -> dict[str, dict[str, str]]:
    """Pair -> bin of its score, and whether it was kept; empty before verdicts."""
    if not files.filtered.is_file():
        return {}
    table = pd.read_parquet(files.filtered)
    rank = pd.to_numeric(table.quality_score).rank(pct=True, method="first")
    bins = np.ceil(rank * _SCORE_BINS)
    return {
        pair: {"score": "none" if np.isnan(place) else f"{place:g}", "verdict": "kept" if kept else "rejected"}
        for pair, place, kept in zip(table.pair_id, bins, table.kept, strict=True)
    }


def _is_video(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
