"""What every judge offers: one answer to one question about pictures, with the probabilities of its first token."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pvtt.backends.base import AnyBackend

TOP = 20  # alternatives of the first token; the most that servers give unless told otherwise


class JudgeError(RuntimeError):
    """The judge gave no usable answer and will give none to the pair's other questions; the message says why."""


@dataclass(frozen=True)
class Question:
    """One request: `system` text, then `parts` in order, each a text (str) or a picture (bytes of a JPEG file).

    `schema`: JSON schema of the answer, or None for one token.
    """

    system: str
    parts: tuple[str | bytes, ...]
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 1

    def digest(self, model: str) -> str:
        """Hex BLAKE2b-128 of everything that `model` is asked, pictures by their own digests."""
        parts = [
            p if isinstance(p, str) else {"jpeg": hashlib.blake2b(p, digest_size=16).hexdigest()} for p in self.parts
        ]
        known = [model, self.system, parts, self.schema, self.max_tokens, TOP]
        return hashlib.blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Answer:
    """What came back: text, the first token's alternatives with natural log-probabilities, facts of the call."""

    text: str
    top: tuple[tuple[str, float], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class JudgeBackend(AnyBackend, Protocol):
    """A judge: class `Backend` in `pvtt/scoring/judges/<name>.py`."""

    @property
    def asked_model(self) -> str:
        """The model by the name that makes two requests the same or not."""

    def ask(self, question: Question) -> Answer:
        """Answer at temperature 0; JudgeError when there is none."""
