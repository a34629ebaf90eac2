"""Interface of a judge: it answers one question about images, with the log-probabilities of the first token."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pvtt.backends.base import AnyBackend

TOP = 20  # alternatives of the first token; the most that servers return by default


class JudgeError(RuntimeError):
    """No usable answer; the pair's other questions would fail too. The message gives the reason."""


@dataclass(frozen=True)
class Question:
    """One request.

    `system` is the system prompt; `parts` follow in order, each a text (str) or an image (bytes of a JPEG file);
    `schema` is the JSON schema of the answer, None for an answer of one token; `max_tokens` limits the answer.
    """

    system: str
    parts: tuple[str | bytes, ...]
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 1

    def digest(self, model: str) -> str:
        """BLAKE2b-128 (hex) of the model's name and everything in the request; images enter by their own digests."""
        parts = [
            p if isinstance(p, str) else {"jpeg": hashlib.blake2b(p, digest_size=16).hexdigest()} for p in self.parts
        ]
        known = [model, self.system, parts, self.schema, self.max_tokens, TOP]
        return hashlib.blake2b(json.dumps(known, sort_keys=True).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Answer:
    """An answer: its text, the first token's alternatives with natural log-probabilities, and facts of the call."""

    text: str
    top: tuple[tuple[str, float], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


class JudgeBackend(AnyBackend, Protocol):
    """A judge: class `Backend` in `pvtt/stages/scoring/judges/<name>.py`."""

    @property
    def asked_model(self) -> str:
        """Name of the model, as it enters the digest of a request."""

    def ask(self, question: Question) -> Answer:
        """Answer at temperature 0. Raises JudgeError without a usable answer."""
