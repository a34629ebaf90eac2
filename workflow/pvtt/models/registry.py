"""The models that backends use: what each one is, where its files lie, whether they are there.

`resources/models.yaml` is the registry; a `models.yaml` in the models' folder adds entries and replaces them, for a
team's own weights. Files of a model lie in `<models' folder>/<id>/`, at the paths that the registry gives them.
`pvtt.models.download` brings them there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pvtt.io.files import read_json
from pvtt.io.project_files import project_file

REGISTRY = project_file("resources/models.yaml")
RECORD = ".digests.json"  # beside a model's files: the commit they are of, and every file's sha256 and size
PERMISSIVE = ("Apache-2.0", "MIT", "BSD-3-Clause", "BSD-2-Clause")


class ModelError(RuntimeError):
    """A model that is unknown or not there; the message names the file and the command that mends it."""


@dataclass(frozen=True)
class File:
    """One file of a model: its path in the model's folder, and what is published of it.

    `name` is its path at the source where that is another one; `release` the tag of the GitHub release that it is
    attached to, where the source is no release itself. A `split` file may come in shards instead: then
    `<path>.index.json` says which (the layout of transformers and diffusers). An `optional` file is fetched where the
    source has it, and never missed.
    """

    path: str
    name: str | None = None
    release: str | None = None
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None
    split: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Model:
    """One entry of the registry.

    `source`: `hub` (files of a commit), `release` (files attached to the GitHub release that `commit` names),
    `checkout` (the GitHub repository itself at `commit`, and files of releases in it), `package` (members of the
    archive of the Python package `repository`, version `commit`) or `none` (nothing is published). `commercial` says
    whether the licence allows commercial use without asking.
    """

    id: str
    repository: str
    commit: str
    licence: str
    commercial: bool
    files: tuple[File, ...]
    source: str = "hub"
    about: Mapping[str, Any] = field(default_factory=dict)  # pinned, vram_gb, limits, notes

    @property
    def folder(self) -> Path:
        """Where its files lie, whether or not they are there."""
        return root() / self.id


def root() -> Path:
    """The models' folder: PVTT_MODELS, which the run's `models` sets, or ~/.cache/pvtt/models."""
    return Path(os.environ.get("PVTT_MODELS") or Path.home() / ".cache" / "pvtt" / "models").expanduser()


def set_root(folder: str | Path) -> None:
    """Take `folder` as the models' folder, in this process and in those that it starts."""
    os.environ["PVTT_MODELS"] = str(Path(folder).expanduser().absolute())


def registry() -> dict[str, Model]:
    """All models by id, those of the models' folder over the project's own."""
    own = root() / "models.yaml"
    entries = dict(_read(REGISTRY, REGISTRY.stat().st_mtime_ns))
    if own.is_file():
        entries |= _read(own, own.stat().st_mtime_ns)
    return entries


@cache
def _read(path: Path, _changed: int) -> dict[str, Model]:
    try:
        listed = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return {name: _model(name, entry) for name, entry in listed.items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is not a list of models ({error}); see docs/models.md") from error


def _model(name: str, entry: Mapping[str, Any]) -> Model:
    main = {"repository", "commit", "licence", "commercial", "files", "source"}
    files = tuple(File(**one) if isinstance(one, Mapping) else File(one) for one in entry["files"])
    return Model(
        id=name,
        repository=entry["repository"],
        commit=str(entry["commit"]),
        licence=entry["licence"],
        commercial=entry["commercial"],
        files=files,
        source=entry.get("source", "hub"),
        about={key: value for key, value in entry.items() if key not in main},
    )


def model(name: str) -> Model:
    """An entry of the registry; ModelError when there is none."""
    known = registry()
    if name not in known:
        raise ModelError(f"no model {name!r} in resources/models.yaml; there are {', '.join(sorted(known))}")
    return known[name]


def folder(name: str) -> Path:
    """Where a model's files lie, whether or not they are there."""
    return model(name).folder


def commit(name: str) -> str:
    """Commit of a model's files: the registry's, or where that names a branch, the one that was fetched."""
    wanted = model(name)
    pinned = wanted.about.get("pinned", True)
    return wanted.commit if pinned else str(record(wanted).get("commit") or wanted.commit)


def record(wanted: Model) -> dict[str, Any]:
    """What was noted when the model was fetched: `commit`, and `files` (path -> sha256, size); {} for nothing."""
    path = wanted.folder / RECORD
    return read_json(path) if path.is_file() else {}


def index_of(path: str) -> str:
    """Path of the index that a checkpoint in shards has in the place of `path`."""
    return f"{path}.index.json"


def shards(place: Path, path: str) -> list[str]:
    """Paths in the model's folder of the shards that an index there names."""
    try:
        names = set(json.loads((place / index_of(path)).read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{place / index_of(path)} is not an index of shards; delete it and fetch again") from error
    return [str(Path(path).parent / name) for name in sorted(names)]


def expected_files(wanted: Model) -> Iterator[File]:
    """The files that a model has on this machine: the registry's, with a split one's shards in its place."""
    for file in wanted.files:
        place = wanted.folder
        if file.split and not (place / file.path).exists() and (place / index_of(file.path)).is_file():
            yield File(index_of(file.path))
            yield from map(File, shards(place, file.path))
        elif not file.optional or (place / file.path).exists():
            yield file


def problems(name: str) -> list[str]:
    """What is missing of a model, a sentence each; empty when all its files are there at their sizes."""
    try:
        wanted = model(name)
        known = record(wanted).get("files", {})
        found = [text for file in expected_files(wanted) if (text := _problem(wanted, file, known.get(file.path, {})))]
    except (ModelError, ValueError) as error:
        return [str(error)]
    return found


def _problem(wanted: Model, file: File, known: Mapping[str, Any]) -> str:
    path = wanted.folder / file.path
    if not path.is_file():
        return f"{wanted.id}: {path} is missing; {_mend(wanted)}"
    size, expected = path.stat().st_size, file.size or known.get("size")
    if expected is not None and size != expected:
        return f"{wanted.id}: {path} has {size} bytes, not {expected}; {_mend(wanted)}"
    return ""


def _mend(wanted: Model) -> str:
    if wanted.source == "none":
        return "its weights are not published; put your own there (docs/models.md)"
    return f"run: pvtt models fetch {wanted.id}"


def require(name: str) -> Path:
    """The folder of a model whose files are all there; ModelError otherwise."""
    missing = problems(name)
    if missing:
        raise ModelError("; ".join(missing))
    return folder(name)


def strictest_licence(licences: Iterable[tuple[str, bool]]) -> str:
    """The licence that binds most, of (licence, allows commercial use); Apache-2.0 when there is none."""

    def freedom(entry: tuple[str, bool]) -> int:
        licence, commercial = entry
        return int(commercial) + int(commercial and licence in PERMISSIVE) + int(commercial and licence == "Apache-2.0")

    return min([*licences, ("Apache-2.0", True)], key=freedom)[0]


def describe() -> str:
    """The project's models and their licences, a table in Markdown; docs/models.md holds it."""
    lines = ["| id | repository | licence | commercial use | GPU memory | |", "|---|---|---|---|---|---|"]
    for entry in _read(REGISTRY, REGISTRY.stat().st_mtime_ns).values():
        memory = f"{entry.about['vram_gb']:g} GB" if entry.about["vram_gb"] else "-"
        allowed = "yes" if entry.commercial else "**no**"
        cells = (f"`{entry.id}`", entry.repository, entry.licence, allowed, memory, entry.about.get("notes", ""))
        lines.append("| " + " | ".join(cells).rstrip() + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(describe(), end="")
