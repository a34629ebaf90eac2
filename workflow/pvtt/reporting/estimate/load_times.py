"""Load times of models, from the event logs of the worker brokers in `<results>/logs/serving`."""

from __future__ import annotations

from pathlib import Path

from pvtt.backends.stages import of_rule
from pvtt.execution.workers.timeline import events_of, read_spans


def read_loads(results: Path) -> dict[str, dict[str, list[float]]]:
    """Load times in s by stage and backend."""
    found: dict[str, dict[str, list[float]]] = {}
    for span in read_spans(events_of(results)):
        if span.what == "loading":
            stage = of_rule(span.rule)
            found.setdefault(stage, {}).setdefault(span.backend, []).append(span.end - span.start)
    return found
