"""A rater's session: which question comes next, what the page may know about it, and what an answer becomes."""

from __future__ import annotations

import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from pvtt.io.files import file_digest
from pvtt.io.tables import read_table
from pvtt.records.base import Fields
from pvtt.records.ids import clip_product
from pvtt.records.layout import Layout
from pvtt.records.media import Clip
from pvtt.records.review import RATER_PATTERN, Span
from pvtt.reporting.review import queue
from pvtt.reporting.review.answers import AnswerFile, key_of, standing
from pvtt.reporting.review.media import QuestionFiles, files_of

_LABELS = {"source": "Source", "result": "Result", "background": "Background", "left": "Left", "right": "Right"}


class ChangedError(ValueError):
    """The video that was judged is no longer the one on the disk."""


class Posted(Fields):
    """What the page sends for a question."""

    index: Annotated[int, Field(ge=0)]
    digest: str
    status: Literal["judged", "skipped"]
    seconds: Annotated[float, Field(ge=0, le=86400)]
    seen: Annotated[list[Span], Field(max_length=10_000)]
    values: dict[str, JsonValue]


class Session(ABC):
    """The queue of a rater and its answers."""

    _file: AnswerFile[Any]

    def __init__(self, results: Path, rater: str, seed: int, questions: Sequence[queue.Question]) -> None:
        if not re.fullmatch(RATER_PATTERN, rater):
            raise ValueError(f"{rater!r}: a rater's name has 1 to 64 characters on one line and begins with no space")
        self.results, self.rater, self.seed, self.questions = results, rater, seed, list(questions)
        self._lock = threading.Lock()
        self._digests: dict[tuple[Path, int], str] = {}
        self._products = _products(results)
        answers, self.notes = self._file.read()
        mine = [answer for answer in standing(answers) if self._is_mine(answer)]
        known = {question.key for question in self.questions}
        self._answers = {key_of(answer): answer for answer in mine if key_of(answer) in known}

    @property
    def path(self) -> Path:
        """The file of answers."""
        return self._file.path

    def files(self, index: int) -> QuestionFiles:
        """Files of a question; IndexError when there is no such question."""
        if not 0 <= index < len(self.questions):
            raise IndexError(index)
        question = self.questions[index]
        photos = {product: row["photos"] for product, row in self._products.items()}
        return files_of(question, self._runs(question), photos)

    def state(self) -> dict[str, Any]:
        """What the page shows: progress and the next question, without any score or verdict of the machine."""
        with self._lock:
            index = next((i for i, each in enumerate(self.questions) if each.key not in self._answers), None)
            return self._progress() | {"question": None if index is None else self._shown(index)}

    def answer(self, posted: Posted) -> dict[str, Any]:
        """Write an answer down and go on.

        Raises
        ------
        RecordError
            It is not whole.
        ChangedError
            The video was made again since the page showed it.
        IndexError
            There is no such question.
        """
        with self._lock:
            digests = self._judged(posted.index)
            if posted.digest != " ".join(digests.values()):
                raise ChangedError("the video was made again since; look at it once more")
            question = self.questions[posted.index]
            head = {
                "rater": self.rater,
                "seed": self.seed,
                "time": _now(),
                "seconds": round(posted.seconds, 2),
                "status": posted.status,
                "clip_id": question.clip_id,
                "pair_id": question.pair.pair_id if question.pair else None,
                "duplicate": question.duplicate,
                "n_frames": self._clip(question).n_frames,
                "seen": posted.seen,
            }
            values = posted.values if posted.status == "judged" else {}
            self._append(self._record(question, head, digests, values))
        return self.state()

    def undo(self) -> dict[str, Any]:
        """Withdraw the last answer and show its question again, filled in as it was."""
        with self._lock:
            if not self._answers:
                raise IndexError("nothing to undo")
            key, last = next(reversed(self._answers.items()))
            self._append(type(last).of(last.plain() | self._empty() | {"status": "withdrawn", "time": _now()}))
            index = next(i for i, question in enumerate(self.questions) if question.key == key)
            values = self._values(last) if last.status == "judged" else {}
            return self._progress() | {"question": self._shown(index) | {"values": values}}

    @abstractmethod
    def _is_mine(self, answer: Any) -> bool: ...

    @abstractmethod
    def _runs(self, question: queue.Question) -> dict[str, Path]: ...

    @abstractmethod
    def _record(self, question: queue.Question, head: dict[str, Any], digests: dict[str, str], values: Any) -> Any: ...

    @abstractmethod
    def _empty(self) -> dict[str, Any]: ...

    @abstractmethod
    def _values(self, answer: Any) -> dict[str, Any]: ...

    @abstractmethod
    def _rows(self, question: queue.Question) -> list[dict[str, Any]]: ...

    @abstractmethod
    def _judged_views(self, question: queue.Question) -> tuple[str, ...]: ...

    def _append(self, answer: Any) -> None:
        self._file.append(answer)
        self._answers.pop(key_of(answer), None)
        if answer.status != "withdrawn":
            self._answers[key_of(answer)] = answer

    def _progress(self) -> dict[str, Any]:
        judged = [answer for answer in self._answers.values() if answer.status == "judged"]
        seconds = sum(answer.seconds for answer in judged)
        pairs = sum(answer.pair_id is not None for answer in judged)
        return {
            "rater": self.rater,
            "done": len(self._answers),
            "total": len(self.questions),
            "pairs_per_minute": round(60 * pairs / seconds, 1) if seconds and pairs else None,
            "can_undo": bool(self._answers),
        }

    def _shown(self, index: int) -> dict[str, Any]:
        question, files = self.questions[index], self.files(index)
        clip = self._clip(question)
        judged = self._judged_views(question)
        return {
            "index": index,
            "task": question.task,
            "title": self._title(question),
            "fps": float(Fraction(clip.fps)),
            "n_frames": clip.n_frames,
            "views": [{"name": name, "label": _LABELS[name]} for name in files.videos],
            # The view that can take the source's place.
            "alternate": "background" if "background" in files.videos and "background" not in judged else None,
            "judged": judged,
            "masks": list(files.masks),
            "photos": len(files.photos),
            "digest": " ".join(self._judged(index).values()),
            "rows": self._rows(question),
            "values": {},
        }

    def _title(self, question: queue.Question) -> str:
        source = self._name(clip_product(question.clip_id))
        return f"{source} → {self._name(question.pair.target_id)}" if question.pair else source

    def _name(self, product: str) -> str:
        return self._products.get(product, {}).get("title") or product

    def _clip(self, question: queue.Question) -> Clip:
        return Clip.read(Layout(self.results).clip(question.clip_id).record)

    def _judged(self, index: int) -> dict[str, str]:
        """View -> digest of its video, for what is judged."""
        files = self.files(index)
        return {view: self._digest(files.videos[view]) for view in self._judged_views(self.questions[index])}

    def _digest(self, path: Path) -> str:
        key = path, path.stat().st_mtime_ns
        if key not in self._digests:
            self._digests[key] = file_digest(path)
        return self._digests[key]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _products(results: Path) -> dict[str, dict[str, Any]]:
    """Product -> title and photos, from the catalogue's table; the photos' paths are as the run was given them."""
    path = Layout(results).catalogue
    if not path.is_file():
        return {}
    table = read_table(path)
    return {
        row["product_id"]: {"title": row["title"], "photos": [Path(p) for p in row["images"].split(";") if p]}
        for row in table.to_dict("records")
        if row["status"] == "accepted"
    }
