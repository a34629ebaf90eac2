"""The file of answers: one JSON object a line, only ever appended to, safe with several raters at a time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

from pvtt.records.base import RecordError
from pvtt.records.review import Answer

One = TypeVar("One", bound=Answer)


class AnswerFile(Generic[One]):
    """Answers of one type in one file."""

    def __init__(self, path: Path, kind: type[One]) -> None:
        self.path, self._kind = path, kind

    def append(self, answer: One) -> None:
        """Add a line and wait until it is on the disk. A half-written line that is there already stays as it is."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(answer.plain(), ensure_ascii=False, allow_nan=False).encode() + b"\n"
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                line = b"\n" + line
            while line:
                line = line[os.write(handle, line) :]
            os.fsync(handle)
        finally:
            os.close(handle)

    def read(self) -> tuple[list[One], list[str]]:
        """Read all answers.

        Returns
        -------
        answers : list
            In the order in which they were given.
        notes : list of str
            Lines that were not read because a process died while it wrote them.

        Raises
        ------
        RecordError
            A whole line does not fit its type; the message names the file, the line and the field.
        """
        found: list[One] = []
        notes: list[str] = []
        if not self.path.is_file():
            return found, notes
        for number, line in enumerate(self.path.read_bytes().split(b"\n"), 1):
            name = f"{self.path}: line {number}"
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except ValueError:
                notes.append(f"{name} is half written and was left out")
                continue
            if not isinstance(values, dict):
                raise RecordError(f"{name}: no JSON object")
            found.append(self._kind.of(values, name))
        return found, notes


def key_of(answer: Answer) -> tuple[str, bool]:
    """What an answer is about: the pair, or the clip whose background it is; and whether it was asked again."""
    return answer.pair_id or answer.clip_id, answer.duplicate


def standing(answers: Iterable[One]) -> list[One]:
    """Answers that stand: the last one of each rater, queue and question, unless it was withdrawn."""
    last: dict[tuple[object, ...], One] = {}
    for answer in answers:
        against = getattr(answer, "against", "")
        key = (answer.rater, answer.seed, against, *key_of(answer))
        last.pop(key, None)
        last[key] = answer
    return [answer for answer in last.values() if answer.status != "withdrawn"]
