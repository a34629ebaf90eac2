"""Existing results of a run: compute time, size, and whether they match the current configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvtt.backends import registry
from pvtt.records.base import Provenance
from pvtt.records.media import Clip, CutOut, Shots
from pvtt.records.results import Background, Insertion, MeasuredMasks, Score

Result = Shots | Clip | CutOut | MeasuredMasks | Background | Insertion | Score


@dataclass(frozen=True)
class ExistingResult:
    """A result in the results folder.

    seconds: time of its job. bytes: size of its files. current: whether backend, version and settings, and those of all
    upstream results, match the current configuration; otherwise the result will be recomputed.
    """

    seconds: float
    bytes: int
    backend: str
    models: frozenset[str]
    current: bool


@dataclass(frozen=True)
class StageSpec:
    """Backend, version and settings of a stage, as in the provenance of its results; settings None match any result."""

    backend: str
    version: str
    settings: Mapping[str, Any] | None

    def matches(self, origin: Provenance) -> bool:
        """Whether a provenance has this backend, version and settings."""
        same = (origin.backend, origin.version) == (self.backend, self.version)
        return self.settings is None or (same and origin.settings == self.settings)


def stage_specs(config: Mapping[str, Any]) -> dict[str, StageSpec]:
    """Specification of each stage by resolved settings; `cutting` depends on `shots` only."""
    found = {"cutting": StageSpec("", "", None)}
    for stage in registry.STAGES:
        first = registry.selected_backends(stage, config[stage])[0]
        found[stage] = StageSpec(first.name, first.version, config[stage])
    return found


def of_canaries(scores: Sequence[Score], spec: StageSpec) -> ExistingResult:
    """The canaries of a clip as one result, from their scores; at least one is needed."""
    origins = [score.provenance for score in scores]
    return ExistingResult(
        seconds=sum(origin.seconds for origin in origins),
        bytes=sum(len(score.model_dump_json()) for score in scores),
        backend=origins[0].backend,
        models=frozenset(model.id for origin in origins for model in origin.models),
        current=all(spec.matches(origin) for origin in origins),
    )


def read_existing(
    kind: type[Result],
    record: Path,
    media: Sequence[Path],
    spec: StageSpec,
    upstream: bool = True,
    further: Sequence[Path] = (),
) -> ExistingResult | None:
    """Read an existing result.

    Parameters
    ----------
    kind
        Type of its record.
    record
        Its JSON record.
    media
        Files that it must have.
    spec
        Current specification of the stage.
    upstream
        Whether all upstream results are current.
    further
        Files that it may have.

    Returns
    -------
    ExistingResult or None
        None if a file is missing.
    """
    result = kind.read_if_there(record) if all(path.is_file() for path in media) else None
    if result is None:
        return None
    origin = result.provenance
    return ExistingResult(
        seconds=origin.seconds,
        bytes=sum(path.stat().st_size for path in (record, *media, *further) if path.is_file()),
        backend=origin.backend,
        models=frozenset(model.id for model in origin.models),
        current=upstream and spec.matches(origin),
    )
