"""What a results folder holds of an item: the seconds of its record, its bytes, and whether it is still wanted."""

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
class Made:
    """A result that is there. `current`: by the chosen backend and version with the settings of now, as are those that
    it was made from; others are made again."""

    seconds: float
    bytes: int
    backend: str
    models: frozenset[str]
    current: bool


@dataclass(frozen=True)
class Way:
    """How a stage's results are to be made: name, version and settings, as in their provenance; None asks nothing."""

    backend: str
    version: str
    settings: Mapping[str, Any] | None

    def made(self, origin: Provenance) -> bool:
        """Whether a provenance says the same."""
        same = (origin.backend, origin.version) == (self.backend, self.version)
        return self.settings is None or (same and origin.settings == self.settings)


def ways(config: Mapping[str, Any]) -> dict[str, Way]:
    """Stage -> how resolved settings want it done; `cutting` follows shots."""
    found = {"cutting": Way("", "", None)}
    for stage in registry.STAGES:
        first = registry.selected_backends(stage, config[stage])[0]
        found[stage] = Way(first.name, first.version, config[stage])
    return found


def read_made(
    kind: type[Result],
    record: Path,
    media: Sequence[Path],
    way: Way,
    upstream: bool = True,
    further: Sequence[Path] = (),
) -> Made | None:
    """The result whose record stands at `record` with its `media` files; None where one of them is not there.

    `kind` is the record's type; `upstream` says whether what it was made from is current; `further` are files that it
    may have.
    """
    result = kind.read_if_there(record) if all(path.is_file() for path in media) else None
    if result is None:
        return None
    origin = result.provenance
    return Made(
        seconds=origin.seconds,
        bytes=sum(path.stat().st_size for path in (record, *media, *further) if path.is_file()),
        backend=origin.backend,
        models=frozenset(model.id for model in origin.models),
        current=upstream and way.made(origin),
    )
