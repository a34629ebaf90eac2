"""Where a result comes from: the record that every expensive file carries."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvtt import __version__
from pvtt.files import file_digest


class Stopwatch:
    """Seconds since it was made, wall clock, as `seconds`."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the start, rounded to a millisecond."""
        return round(time.perf_counter() - self._start, 3)


def provenance(
    backend: Any,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str | Path],
    watch: Stopwatch,
    seed: int | None = None,
) -> dict[str, Any]:
    """Record of a result: backend, version, settings, seed, inputs' digests, seconds spent, licence.

    `backend` has `name` and `version`; `licence`, `model` and `model_commit` where it has them. `inputs` maps a role
    to a file.
    """
    return {
        "pvtt": __version__,
        "backend": backend.name,
        "version": backend.version,
        "model": getattr(backend, "model", None),
        "model_commit": getattr(backend, "model_commit", None),
        "licence": getattr(backend, "licence", "Apache-2.0"),
        "settings": dict(settings),
        "seed": seed,
        "inputs": {role: file_digest(path) for role, path in sorted(inputs.items()) if Path(path).is_file()},
        "seconds": watch.seconds,
    }
