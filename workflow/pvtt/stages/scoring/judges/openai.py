"""A judge behind an OpenAI-compatible endpoint, such as vLLM's. Images are sent as data URLs.

The address is in the settings or in PVTT_JUDGE_URL. A key is read from the environment variable that the settings
name; it is never stored, and never sent to another address (redirects are refused).
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import math
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from pvtt.backends.base import Embedded
from pvtt.config.stages.scoring import ScoringSettings
from pvtt.stages.scoring.judges.base import TOP, Answer, JudgeError, Question

_MAX_ANSWER_BYTES = 4 << 20  # bytes of a response
_MAX_WAIT_S = 60.0  # seconds between two attempts
_RETRIED = {408, 409, 425, 429}  # HTTP status codes that another attempt may not have; so have those from 500
_log = logging.getLogger(__name__)


class _TemporaryError(Exception):
    """A temporary failure; `wait_s` is the delay in seconds that the server asked for, or None."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Treats a redirect as an error, since the key would be sent along."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Backend(Embedded[ScoringSettings]):
    """An OpenAI-compatible endpoint; see the module."""

    settings_type = ScoringSettings
    name = "openai"
    version = "1"

    def __init__(self, settings: ScoringSettings | Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.own = self.settings.openai
        self._opener = urllib.request.build_opener(_NoRedirect)

    @property
    def asked_model(self) -> str:
        """The name under which the endpoint serves the model."""
        return str(self.own.model)

    @property
    def url(self) -> str:
        """Address of the endpoint without a trailing slash; empty when none is set."""
        return str(self.own.base_url or os.environ.get("PVTT_JUDGE_URL", "")).rstrip("/")

    def load(self, device: str = "cpu") -> None:
        """Check the settings without a request; RuntimeError names what is missing."""
        if found := self._unset():
            raise RuntimeError("; ".join(found))

    def problems(self) -> list[str]:
        """Problems, one sentence each: unset settings, or an endpoint that does not serve the model (one request)."""
        if found := self._unset():
            return found
        hint = "serve it as docs/judge.md says, or set scoring.judge to none"
        try:
            served = [str(entry["id"]) for entry in self._once("models", None, 5.0)["data"]]
        except (JudgeError, _TemporaryError, KeyError, TypeError) as error:
            return [f"scoring.openai: no list of models from {self.url} ({error}); {hint}"]
        if self.asked_model not in served:
            names = ", ".join(served) or "none"
            return [f"scoring.openai.model: {self.url} serves {names}, not {self.asked_model!r}; {hint}"]
        return []

    def ask(self, question: Question) -> Answer:
        """See `JudgeBackend.ask`; temporary failures are retried with exponential backoff."""
        body, wait_s = self._body(question), float(self.own.backoff_s)
        attempts = 1 + self.own.retries
        for attempt in range(1, attempts + 1):
            started = time.perf_counter()
            try:
                return self._answer(self._once("chat/completions", body, self.own.timeout_s), question, started)
            except _TemporaryError as error:
                if attempt == attempts:
                    raise JudgeError(f"{error}; tried {attempts} times" if attempt > 1 else str(error)) from error
                _log.warning("judge, attempt %d of %d: %s", attempt, attempts, error)
                time.sleep(min(_MAX_WAIT_S, wait_s if error.wait_s is None else error.wait_s))
                wait_s *= 2
        raise AssertionError("unreachable")

    def _unset(self) -> list[str]:
        address = urllib.parse.urlsplit(self.url)
        found = []
        if not self.url:
            found.append("scoring.openai.base_url is empty and PVTT_JUDGE_URL is not set; see docs/judge.md")
        elif address.scheme not in ("http", "https") or not address.hostname:
            found.append(f"scoring.openai.base_url: {self.url!r} is no http address such as http://HOST:8000/v1")
        elif address.username or address.password:
            found.append("scoring.openai.base_url holds a user name or password; use scoring.openai.api_key_env")
        if not self.asked_model:
            found.append("scoring.openai.model is empty; name the model that the endpoint serves")
        variable = self.own.api_key_env
        if variable and not os.environ.get(variable):
            found.append(f"scoring.openai.api_key_env: environment variable {variable} is not set")
        return found

    def _body(self, question: Question) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        for part in question.parts:
            if isinstance(part, str):
                content.append({"type": "text", "text": part})
            else:
                address = "data:image/jpeg;base64," + base64.b64encode(part).decode("ascii")
                content.append({"type": "image_url", "image_url": {"url": address}})
        body: dict[str, Any] = {
            "model": self.asked_model,
            "messages": [{"role": "system", "content": question.system}, {"role": "user", "content": content}],
            "max_tokens": question.max_tokens,
            "temperature": 0,
            "seed": 0,
        }
        if question.schema is None:
            return body | {"logprobs": True, "top_logprobs": TOP}
        schema = {"name": "grades", "schema": question.schema, "strict": True}
        return body | {"response_format": {"type": "json_schema", "json_schema": schema}}

    def _answer(self, reply: Mapping[str, Any], question: Question, started: float) -> Answer:
        try:
            choice = reply["choices"][0]
            text = choice["message"]["content"] or ""
            top: tuple[tuple[str, float], ...] = ()
            if question.schema is None:
                listed = ((choice.get("logprobs") or {}).get("content") or [{}])[0].get("top_logprobs") or []
                pairs = ((str(entry["token"]), round(float(entry["logprob"]), 6)) for entry in listed)
                top = tuple((token, logprob) for token, logprob in pairs if math.isfinite(logprob))
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise _TemporaryError(f"the answer is no chat completion ({type(error).__name__}: {error})") from error
        if question.schema is None and not top:
            raise JudgeError("the endpoint gives no log-probabilities; serve the model where top_logprobs works")
        usage = reply.get("usage")
        usage = usage if isinstance(usage, Mapping) else {}
        facts = {
            "served": reply.get("model"),
            "fingerprint": reply.get("system_fingerprint"),
            "finish": choice.get("finish_reason"),
            "prompt_tokens": usage.get("prompt_tokens"),
            "completion_tokens": usage.get("completion_tokens"),
            "seconds": round(time.perf_counter() - started, 3),
        }
        return Answer(text, top, facts)

    def _once(self, path: str, body: Mapping[str, Any] | None, timeout_s: float) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        key = os.environ.get(self.own.api_key_env) if self.own.api_key_env else None
        if key:
            headers["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode("utf-8")
        request = urllib.request.Request(f"{self.url}/{path}", data, headers)
        try:
            with self._opener.open(request, timeout=timeout_s) as reply:
                text = _read(reply, timeout_s)
        except urllib.error.HTTPError as error:
            said = _hidden(error.read(2000).decode("utf-8", "replace"), key)
            message = f"HTTP {error.code}: {' '.join(said.split())[:200] or error.reason}"
            if error.code in _RETRIED or error.code >= 500:
                raise _TemporaryError(message, _seconds(error.headers.get("Retry-After"))) from None
            raise JudgeError(message) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise _TemporaryError(f"no answer from the endpoint ({type(reason).__name__}: {reason})") from None
        try:
            return json.loads(text)
        except ValueError as error:
            raise _TemporaryError(f"the answer is no JSON ({error})") from None


def _read(reply: Any, timeout_s: float) -> bytes:
    """Read the body; its size and the total time are limited."""
    end, blocks, size = time.monotonic() + timeout_s, [], 0
    while block := reply.read1(1 << 16):
        blocks.append(block)
        size += len(block)
        if size > _MAX_ANSWER_BYTES:
            raise JudgeError(f"the answer is longer than {_MAX_ANSWER_BYTES >> 20} MiB")
        if time.monotonic() > end:
            raise TimeoutError(f"not whole after {timeout_s:g} s")
    return b"".join(blocks)


def _hidden(text: str, key: str | None) -> str:
    return text.replace(key, "***") if key else text


def _seconds(value: str | None) -> float | None:
    try:
        return None if value is None else max(0.0, float(value))
    except ValueError:
        return None
