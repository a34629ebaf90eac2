"""Seconds that models took to load, from what the brokers of warm workers noted in `<results>/logs/serving`."""

from __future__ import annotations

from pathlib import Path

from pvtt.backends.stages import of_rule
from pvtt.execution.workers.timeline import events_of, read_spans


def read_loads(results: Path) -> dict[str, dict[str, list[float]]]:
    """Stage -> backend -> seconds of each of its loads."""
    found: dict[str, dict[str, list[float]]] = {}
    for span in read_spans(events_of(results)):
        if span.what == "loading":
            stage = of_rule(span.rule)
            found.setdefault(stage, {}).setdefault(span.backend, []).append(span.end - span.start)
    return found
