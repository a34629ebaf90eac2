"""Registry of the models that backends use: source, licence, files and their state on this machine.

`resources/models.yaml` is the registry. A `models.yaml` in the folder of the models adds or replaces entries, for own
weights. The files of a model are in `<folder>/<id>/`; `pvtt.models.download` downloads them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pvtt.io.files import read_json
from pvtt.io.project_files import project_file

REGISTRY = project_file("resources/models.yaml")
RECORD = ".digests.json"  # in the folder of a model: its commit, and sha256 and size of every file
PERMISSIVE = ("Apache-2.0", "MIT", "BSD-3-Clause", "BSD-2-Clause")


class ModelError(RuntimeError):
    """A model is unknown or incomplete; the message names the file and the command that fixes it."""


@dataclass(frozen=True)
class File:
    """A file of a model.

    path: in the folder of the model. name: path at the source if it is different. release: tag of the GitHub release
    with the file, if the source of the model is not a release. size: bytes. split: the file may be sharded; then
    `<path>.index.json` lists the shards (the layout of transformers and diffusers). optional: downloaded only if the
    source has it.
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
    """An entry of the registry.

    source: `hub` (files at a commit), `release` (files of the GitHub release named by `commit`), `checkout` (the GitHub
    repository at `commit`, with files of releases), `package` (members of the archive of the Python package
    `repository`, version `commit`) or `none` (not published). commercial: whether the licence allows commercial use.
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
        """Folder of its files, which may not exist."""
        return root() / self.id


def root() -> Path:
    """Folder of the models: PVTT_MODELS (set by the setting `models`), or ~/.cache/pvtt/models."""
    return Path(os.environ.get("PVTT_MODELS") or Path.home() / ".cache" / "pvtt" / "models").expanduser()


def set_root(folder: str | Path) -> None:
    """Use `folder` as the folder of the models in this process and its child processes."""
    os.environ["PVTT_MODELS"] = str(Path(folder).expanduser().absolute())


@contextmanager
def temporary_root(folder: str | Path) -> Iterator[None]:
    """Use `folder` as the folder of the models inside the block; an empty name changes nothing."""
    before = os.environ.get("PVTT_MODELS")
    try:
        if folder:
            set_root(folder)
        yield
    finally:
        if before is None:
            os.environ.pop("PVTT_MODELS", None)
        else:
            os.environ["PVTT_MODELS"] = before


def registry() -> dict[str, Model]:
    """All models by id; entries in the folder of the models override those of the project."""
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
    """Entry of a model; ModelError if there is none."""
    known = registry()
    if name not in known:
        raise ModelError(f"no model {name!r} in resources/models.yaml; there are {', '.join(sorted(known))}")
    return known[name]


def folder(name: str) -> Path:
    """Folder of the files of a model, which may not exist."""
    return model(name).folder


def commit(name: str) -> str:
    """Commit of the files of a model; if the registry names a branch, the commit that was downloaded."""
    wanted = model(name)
    pinned = wanted.about.get("pinned", True)
    return wanted.commit if pinned else str(record(wanted).get("commit") or wanted.commit)


def record(wanted: Model) -> dict[str, Any]:
    """Record of the download of a model: `commit` and `files` (sha256 and size by path); empty if there is none."""
    path = wanted.folder / RECORD
    return read_json(path) if path.is_file() else {}


def index_of(path: str) -> str:
    """Path of the index of a sharded file."""
    return f"{path}.index.json"


def shards(place: Path, path: str) -> list[str]:
    """Paths of the shards of a sharded file, relative to the folder of the model."""
    try:
        names = set(json.loads((place / index_of(path)).read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{place / index_of(path)} is not an index of shards; delete it and fetch again") from error
    return [str(Path(path).parent / name) for name in sorted(names)]


def expected_files(wanted: Model) -> Iterator[File]:
    """Files that a model must have on this machine: those of the registry, with the shards of sharded files."""
    for file in wanted.files:
        place = wanted.folder
        if file.split and not (place / file.path).exists() and (place / index_of(file.path)).is_file():
            yield File(index_of(file.path))
            yield from map(File, shards(place, file.path))
        elif not file.optional or (place / file.path).exists():
            yield file


def problems(name: str) -> list[str]:
    """Missing files of a model and files of a wrong size, one sentence each."""
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
    """Folder of a model with complete files; ModelError otherwise."""
    missing = problems(name)
    if missing:
        raise ModelError("; ".join(missing))
    return folder(name)


def strictest_licence(licences: Iterable[tuple[str, bool]]) -> str:
    """The most restrictive of some (licence, allows commercial use); Apache-2.0 if there are none."""

    def freedom(entry: tuple[str, bool]) -> int:
        licence, commercial = entry
        return int(commercial) + int(commercial and licence in PERMISSIVE) + int(commercial and licence == "Apache-2.0")

    return min([*licences, ("Apache-2.0", True)], key=freedom)[0]


def describe() -> str:
    """Markdown table of the models of the project and their licences, which is in docs/models.md."""
    lines = ["| id | repository | licence | commercial use | GPU memory | |", "|---|---|---|---|---|---|"]
    for entry in _read(REGISTRY, REGISTRY.stat().st_mtime_ns).values():
        memory = f"{entry.about['vram_gb']:g} GB" if entry.about["vram_gb"] else "-"
        allowed = "yes" if entry.commercial else "**no**"
        cells = (f"`{entry.id}`", entry.repository, entry.licence, allowed, memory, entry.about.get("notes", ""))
        lines.append("| " + " | ".join(cells).rstrip() + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(describe(), end="")
