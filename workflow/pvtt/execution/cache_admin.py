"""Maintenance of a result cache: disk usage, integrity check, garbage collection of unreferenced entries."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pvtt.execution import cache
from pvtt.io.files import read_json
from pvtt.io.progress import progress
from pvtt.records.layout import Layout

_TWO, _KEY, _ASIDE = re.compile(r"[0-9a-f]{2}"), re.compile(r"[0-9a-f]{32}"), re.compile(r"\.[0-9a-f]{32}\.[0-9a-f]{8}")
_DAY_S = 86_400  # s: age from which temporary files count as left over


@dataclass(frozen=True)
class Entry:
    """An entry of a store: bytes of its files, how many of them no other file shares, and whether results hold it."""

    folder: Path
    bytes: int
    exclusive_bytes: int
    referenced: bool
    fault: str  # what is damaged, or empty

    @property
    def rule(self) -> str:
        """The rule whose results these are."""
        return self.folder.parent.parent.name

    def __str__(self) -> str:
        try:
            entry = read_json(self.folder / cache.ENTRY)
            item = ", ".join(map(str, entry["wildcards"].values()))
            about = f"{item} ({entry['version']}, {entry['created']})"
        except (OSError, ValueError, KeyError, AttributeError):
            about = "unknown"
        return f"{self.rule}/{self.folder.name}  {about}  {format_size(self.bytes)}"


def folder_at(path: Path) -> Path:
    """The store at `path`, or in the results folder at `path`; ValueError when there is none."""
    inside = Layout(path).store
    if inside.is_dir():
        return inside
    if not path.is_dir() or (any(path.iterdir()) and not any(_folders(path))):
        raise ValueError(f"{path}: neither a store nor a results folder with one; a run's `store` names another place")
    return path


def entries(folder: Path, verify: bool = False) -> list[Entry]:
    """Every entry of the store in `folder`; with `verify` files are read whole, under a progress bar."""
    folders: Iterable[Path] = [path for path in _folders(folder) if _KEY.fullmatch(path.name)]
    return [_entry(path, verify) for path in (progress(folders, "verifying") if verify else folders)]


def leftovers(folder: Path) -> list[Path]:
    """What killed writers left, a day old or older."""
    before = time.time() - _DAY_S
    return [path for path in _folders(folder) if _ASIDE.fullmatch(path.name) and path.stat().st_mtime < before]


def prune(found: Iterable[Entry | Path]) -> None:
    """Delete entries and leftovers."""
    for one in found:
        folder = path_of(one)
        if isinstance(one, Entry):
            cache.remove(folder)
        else:
            shutil.rmtree(folder)
        with contextlib.suppress(OSError):  # not empty
            folder.parent.rmdir()
            folder.parent.parent.rmdir()


def _folders(folder: Path) -> Iterator[Path]:
    """Folders at the place of entries, by rule and name; nothing else in the store is ever touched."""
    for rule in sorted(path for path in folder.iterdir() if path.is_dir()):
        for two in sorted(path for path in rule.iterdir() if path.is_dir() and _TWO.fullmatch(path.name)):
            yield from sorted(path for path in two.iterdir() if path.is_dir())


def _entry(folder: Path, verify: bool) -> Entry:
    fault = cache.check(folder, digests=verify)
    sizes = [path.stat() for path in folder.iterdir() if path.is_file()]
    linked = any(stat.st_nlink > 1 for stat in sizes)
    return Entry(
        folder=folder,
        bytes=sum(stat.st_size for stat in sizes),
        exclusive_bytes=sum(stat.st_size for stat in sizes if stat.st_nlink == 1),
        referenced=linked or (not fault and _copied(folder)),
        fault=fault,
    )


def _copied(folder: Path) -> bool:
    """Whether a results folder that was given a copy still has it."""
    size = read_json(folder / cache.ENTRY)["files"][0]["size"]
    return any(place.is_file() and place.stat().st_size == size for place in cache.consumers(folder))


# ---------------------------------------------------------------- the command


def path_of(one: Entry | Path) -> Path:
    """Folder of an entry, or the path itself."""
    return one.folder if isinstance(one, Entry) else one


def format_size(count: float) -> str:
    """A number of bytes with a decimal unit, such as `1.23 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
