"""Content-addressed cache of the results of expensive jobs (the store).

An entry is the folder `<store>/<rule>/<2 hex digits>/<key>/` with the output files of a job (named by position and
suffix), `entry.json` (names, sizes and digests) and `places` (where the first output was linked to). It is written to a
temporary folder and renamed, so it is complete or absent. Files are hard links to the results if the file system allows
it.

The key is a digest of the rule, its wildcards, its parameters (settings, versions of backends, commits of models) and
the content of its inputs; not of paths, times or code. The environment variable PVTT_STORE names the folder of the
store; without it, nothing is cached. An error of the store is logged as a warning, and the job computes its result.

What rules and records say to the cache:

- Parameter `version` of a rule: its results are cached. The version is part of the key; a new one recomputes results.
- Parameter `beside` of a rule: further files that the job writes next to its first output. Those that exist are cached
  with the outputs. They are not outputs for Snakemake, and an existing file is never replaced.
- Field `"keep": false` in a JSON output: the result is not cached. It marks a failure of the machine or of a service,
  not of the data; a later run tries again.
- Field `provenance` in a JSON input does not change the key (time and program do not affect later results).

Only the standard library is imported here: a job whose result is cached loads nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvtt.io.files import atomic_path, file_digest, link_or_copy, read_json, write_json

if TYPE_CHECKING:
    from pvtt.execution.task import NamedList, Task
ENTRY = "entry.json"
CONSUMERS = "places"
_FORMAT = 1  # version of keys and entries, part of every key
_log = logging.getLogger(__name__)


def set_root(folder: str | Path) -> None:
    """Use `folder` as the store in this process and its child processes."""
    os.environ["PVTT_STORE"] = str(Path(folder).expanduser().absolute())


def root() -> Path | None:
    """Folder of the store; None without a store."""
    named = os.environ.get("PVTT_STORE")
    return Path(named) if named else None


def entry_folder(task: Task) -> Path | None:
    """Folder of the entry of a task with a key; None without a store."""
    store = root()
    return store / task.rule / task.key[:2] / task.key if store and task.key else None


# ---------------------------------------------------------------- keys


def compute_key(task: Task) -> str:
    """Digest of everything that the results of a task depend on, 32 hex digits; reads its inputs."""
    inputs = {
        role: [content_digest(path) for path in given] if isinstance(given, list) else content_digest(given)
        for role, given in _roles(task.input, flat=True).items()
    }
    return _digest(
        {
            "format": _FORMAT,
            "rule": task.rule,
            "wildcards": _roles(task.wildcards),
            "params": _roles(task.params),
            "inputs": inputs,
            "outputs": list(_roles(task.output, flat=True)),
        }
    )


def fingerprint_mtime(task: Task) -> list[list[int]]:
    """Size (bytes) and modification time (ns) of each input of a task; OSError if one is missing."""
    return [[found.st_size, found.st_mtime_ns] for found in map(os.stat, task.input)]


def content_digest(path: str | Path) -> str:
    """Hex digest of the content of a file: a JSON record without its `provenance`, or all bytes of any other file."""
    if Path(path).suffix == ".json":
        # A file that is not valid JSON, such as the empty file of a failed item, is digested by its bytes.
        with contextlib.suppress(ValueError):
            record = read_json(path)
            if isinstance(record, Mapping):
                record = {key: value for key, value in record.items() if key != "provenance"}
            return _digest(record)
    return file_digest(path)


def _roles(values: NamedList, flat: bool = False) -> dict[str, Any]:
    """Values by name, else by position (these come first); `flat`: lists are expanded, as for files."""
    named = sum(len(value) if flat and isinstance(value, list) else 1 for value in values.names.values())
    return {str(k): value for k, value in enumerate(values[: len(values) - named])} | values.names


def _digest(value: Any) -> str:
    text = json.dumps(_canonical(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _canonical(value: Any) -> Any:
    """Normalise equal values: 1.0 to 1, tuples to lists, keys to strings."""
    if isinstance(value, Mapping):
        return {str(key): _canonical(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


# ---------------------------------------------------------------- taking and keeping


def restore(task: Task) -> bool:
    """Restore the outputs of a task from the store; return whether they were cached. Remove a damaged entry."""
    folder = entry_folder(task)
    if folder is None or not folder.is_dir():
        return False
    try:
        if fault := check(folder, len(task.output)):
            _log.warning("%s is damaged (%s): removed, the result is computed again", folder, fault)
            remove(folder)
            return False
        _link_outputs(folder, [Path(path) for path in task.output])
    except OSError as error:
        _log.warning("%s cannot be taken (%s): the result is computed again", folder, error)
        return False
    _log.info("not computed, taken from the store: %s", folder)
    return True


def save(task: Task) -> None:
    """Store the outputs of a task, see the module; an existing entry is not changed.

    Nothing is stored if an input changed while the job ran, as happens when Snakemake is interrupted.
    """
    folder, outputs = entry_folder(task), [Path(path) for path in task.output]
    if folder is None:
        return
    try:
        changed = fingerprint_mtime(task) != task.input_mtimes
    except OSError:
        changed = True
    if changed:
        _log.warning("not kept in the store: an input changed while the job ran")
        return
    if not all(_is_cacheable(path) for path in outputs):
        _log.info("not kept in the store: a record says so")
        return
    aside = folder.with_name(f".{task.key}.{uuid.uuid4().hex[:8]}")
    try:
        if not folder.exists():
            _write(aside, outputs, task)
            try:
                os.rename(aside, folder)
            except OSError:
                if not folder.is_dir():  # else another writer was first, and its entry stays
                    raise
        _add_consumer(folder, outputs[0])
    except OSError as error:
        _log.warning("not kept in the store: %s", error)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def check(folder: Path, n_outputs: int | None = None, digests: bool = True) -> str:
    """Describe the damage of an entry, empty if it is complete; without `digests`, contents are not read."""
    try:
        entry = read_json(folder / ENTRY)
        files = [(str(file["name"]), int(file["size"]), str(file["digest"])) for file in entry["files"]]
        found = sum("beside" not in file for file in entry["files"])
    except FileNotFoundError:
        return f"{ENTRY} is missing"
    except (ValueError, KeyError, TypeError) as error:
        return f"{ENTRY}: {error}"
    if n_outputs is not None and found != n_outputs:
        return f"{found} outputs, not {n_outputs}"
    faults = (_fault(folder / name, size, digest if digests else "") for name, size, digest in files)
    return next(filter(None, faults), "")


def _fault(path: Path, size: int, digest: str) -> str:
    if not path.is_file():
        return f"{path.name} is missing"
    if path.stat().st_size != size:
        return f"{path.name} has {path.stat().st_size} bytes, not {size}"
    return f"{path.name} was changed" if digest and file_digest(path) != digest else ""


def remove(folder: Path) -> None:
    """Remove an entry atomically for other processes."""
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    os.rename(folder, aside)
    shutil.rmtree(aside)


def consumers(folder: Path) -> list[Path]:
    """Paths to which the first output of an entry was linked or copied."""
    try:
        lines = (folder / CONSUMERS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [Path(line) for line in lines if line]


def _write(aside: Path, outputs: list[Path], task: Task) -> None:
    aside.mkdir(parents=True)
    names: list[tuple[str, Path, dict[str, Any]]] = [(f"{k}{p.suffix}", p, {}) for k, p in enumerate(outputs)]
    beside = (outputs[0].with_name(name) for name in task.params.names.get("beside", ()))
    names += [(path.name, path, {"beside": True}) for path in beside if path.is_file()]
    files = []
    for name, path, more in names:
        link_or_copy(path, aside / name)
        size = (aside / name).stat().st_size
        files.append({"name": name, "size": size, "digest": file_digest(aside / name)} | more)
    entry = {
        "key": task.key,
        "rule": task.rule,
        "wildcards": task.wildcards.names,
        "version": task.params.names.get("version"),
        "files": files,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(aside / ENTRY, entry)


def _link_outputs(folder: Path, outputs: list[Path]) -> None:
    """Link the files of an entry to the outputs of a job.

    Snakemake sets the modification time of every output, and hard links have one time. A file that is an output in
    another results folder already is therefore copied; otherwise results there would look outdated.
    """
    files, mine = read_json(folder / ENTRY)["files"], _absolute(outputs[0])
    shared = any(place != mine and _same(place, folder / files[0]["name"]) for place in consumers(folder))
    for file in files:
        extra, name = "beside" in file, file["name"]
        target = outputs[0].with_name(name) if extra else outputs[int(Path(name).stem)]
        if extra and target.exists():
            continue  # it may have more content by now
        if shared:
            with atomic_path(target) as aside:
                shutil.copyfile(folder / name, aside)
        else:
            link_or_copy(folder / name, target)
    with contextlib.suppress(OSError):  # a read-only store
        _add_consumer(folder, outputs[0])


def _add_consumer(folder: Path, output: Path) -> None:
    place = _absolute(output)
    if place not in consumers(folder):
        with open(folder / CONSUMERS, "a", encoding="utf-8") as stream:
            stream.write(f"{place}\n")


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _same(path: Path, other: Path) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def _is_cacheable(path: Path) -> bool:
    if path.suffix != ".json":
        return True
    try:
        record = read_json(path)
    except ValueError:
        return True
    return not (isinstance(record, Mapping) and record.get("keep") is False)
