"""The models that backends use: what each one is, where its files lie, whether they are there.

`resources/models.yaml` is the registry; a `models.yaml` in the models' folder adds entries and replaces them, for a
team's own weights. Files of a model lie in `<models' folder>/<id>/`, at the paths that its repository has them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

REGISTRY = Path(__file__).parents[2] / "resources" / "models.yaml"


class ModelError(RuntimeError):
    """A model that is unknown or not there; the message names the file and the command that mends it."""


@dataclass(frozen=True)
class File:
    """One file of a model: its path in the repository and in the model's folder, sha256 and size where published."""

    path: str
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Model:
    """One entry of the registry; `commercial` says whether its licence allows commercial use."""

    id: str
    repository: str
    commit: str
    licence: str
    commercial: bool
    files: tuple[File, ...]
    about: Mapping[str, Any] = field(default_factory=dict)  # vram_gb, limits, notes and the like


def home() -> Path:
    """The models' folder: PVTT_MODELS, which the run's `models` sets, or ~/.cache/pvtt/models."""
    return Path(os.environ.get("PVTT_MODELS") or Path.home() / ".cache" / "pvtt" / "models").expanduser()


def registry() -> dict[str, Model]:
    """All models by id, those of the models' folder over the project's own."""
    own = home() / "models.yaml"
    entries = dict(_read(REGISTRY))
    if own.is_file():
        entries |= _read(own)
    return entries


@cache
def _read(path: Path) -> dict[str, Model]:
    listed = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return {name: _model(name, entry) for name, entry in listed.items()}


def _model(name: str, entry: Mapping[str, Any]) -> Model:
    main = {"repository", "commit", "licence", "commercial", "files"}
    files = tuple(File(**one) if isinstance(one, Mapping) else File(one) for one in entry["files"])
    rest = {key: value for key, value in entry.items() if key not in main}
    return Model(name, entry["repository"], str(entry["commit"]), entry["licence"], entry["commercial"], files, rest)


def model(name: str) -> Model:
    """An entry of the registry; ModelError when there is none."""
    known = registry()
    if name not in known:
        raise ModelError(f"no model {name!r} in resources/models.yaml; there are {', '.join(sorted(known))}")
    return known[name]


def folder(name: str) -> Path:
    """Where a model's files lie, whether or not they are there."""
    return home() / model(name).id


def problems(name: str) -> list[str]:
    """What is missing of a model, a sentence each; empty when all its files are there at their sizes."""
    try:
        wanted, place = model(name), folder(name)
    except ModelError as error:
        return [str(error)]
    mend = f"run: pvtt models fetch {name}"
    found = []
    for file in wanted.files:
        path = place / file.path
        if not path.is_file():
            found.append(f"{name}: {path} is missing; {mend}")
        elif file.size is not None and path.stat().st_size != file.size:
            found.append(f"{name}: {path} has {path.stat().st_size} bytes, not {file.size}; {mend}")
    return found


def require(name: str) -> Path:
    """The folder of a model whose files are all there; ModelError otherwise."""
    missing = problems(name)
    if missing:
        raise ModelError("; ".join(missing))
    return folder(name)
