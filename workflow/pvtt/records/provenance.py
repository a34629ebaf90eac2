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
) -> dict[str, Any]:
    """Record of a result: backend, version, models, settings, seed, inputs' digests, seconds spent, licence.

    `backend` has `name` and `version`; `needs` names its models, `licence` its own licence where that is not the
    project's. `further` are the models of others that took part. The licence of the result is the strictest of all.
    `inputs` maps a role to a file.
    """
    used = [models_entry(name) for name in dict.fromkeys([*getattr(backend, "needs", ()), *further])]
    own = (getattr(backend, "licence", "Apache-2.0"), getattr(backend, "commercial", True))
    return {
        "pvtt": __version__,
        "backend": backend.name,
        "version": backend.version,
        "models": used,
        "licence": registry.strictest_licence([own, *((entry["licence"], entry["commercial"]) for entry in used)]),
        "settings": dict(settings),
        "seed": seed,
        "inputs": {role: file_digest(path) for role, path in sorted(inputs.items()) if Path(path).is_file()},
        "seconds": watch.seconds,
    }


def models_entry(name: str) -> dict[str, Any]:
    """What is recorded of a model, an id of the registry."""
    entry = registry.model(name)
    return {
        "id": entry.id,
        "repository": entry.repository,
        "commit": registry.commit(name),
        "licence": entry.licence,
        "commercial": entry.commercial,
    }
