"""Where a result comes from: the record that every expensive file carries."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pvtt import __version__
from pvtt.backends.lifecycle import total_load_seconds
from pvtt.io.files import file_digest
from pvtt.models import registry
from pvtt.records.base import ModelUsed, Provenance


class Stopwatch:
    """Seconds since it was made, wall clock without those that models took to load, as `seconds`."""

    def __init__(self) -> None:
        self._start = self._now()

    @property
    def seconds(self) -> float:
        """Seconds since the start, rounded to a millisecond."""
        return round(self._now() - self._start, 3)

    @staticmethod
    def _now() -> float:
        return time.perf_counter() - total_load_seconds()


def provenance(
    backend: Any,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str | Path],
    watch: Stopwatch,
    seed: int | None = None,
    further: Iterable[str] = (),
    measured_by: str = "",
) -> Provenance:
    """Say where a result comes from.

    Parameters
    ----------
    backend
        Has `name` and `version`; `needs` names its models, `licence` its own licence where that is not the project's.
    settings : mapping
        The stage's settings.
    inputs : mapping
        Role to file. Files that are not there are left out.
    watch : Stopwatch
        Started before the work.
    seed : int or None
    further : iterable of str
        Models of other backends that took part.
    measured_by : str
        Everything that measured, with its version; empty where that is the backend alone.

    Returns
    -------
    Provenance
        Its licence is the strictest of all that took part.
    """
    used = [model_used(name) for name in dict.fromkeys([*getattr(backend, "needs", ()), *further])]
    own = (getattr(backend, "licence", "Apache-2.0"), getattr(backend, "commercial", True))
    values: dict[str, Any] = {
        "pvtt": __version__,
        "backend": backend.name,
        "version": backend.version,
        "models": used,
        "licence": registry.strictest_licence([own, *((model.licence, model.commercial) for model in used)]),
        "settings": dict(settings),
        "seed": seed,
        "inputs": {role: file_digest(path) for role, path in sorted(inputs.items()) if Path(path).is_file()},
        "seconds": watch.seconds,
    }
    return Provenance.model_validate(values | ({"measured_by": measured_by} if measured_by else {}))


def model_used(name: str) -> ModelUsed:
    """What is recorded of a model, an id of the registry."""
    entry = registry.model(name)
    return ModelUsed(
        id=entry.id,
        repository=entry.repository,
        commit=registry.commit(name),
        licence=entry.licence,
        commercial=entry.commercial,
    )
