"""Upkeep of a store (`store.py`): its size, its damage, and what no results refer to. The command `pvtt store`."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvtt import store
from pvtt.files import read_json
from pvtt.progress import progress

_TWO, _KEY, _ASIDE = re.compile(r"[0-9a-f]{2}"), re.compile(r"[0-9a-f]{32}"), re.compile(r"\.[0-9a-f]{32}\.[0-9a-f]{8}")
_DAY_S = 86_400


@dataclass(frozen=True)
class Entry:
    """An entry of a store: bytes of its files, how many of them no other file shares, and whether results hold it."""

    folder: Path
    bytes: int
    own_bytes: int
    held: bool
    fault: str  # what is damaged, or empty

    @property
    def rule(self) -> str:
        """The rule whose results these are."""
        return self.folder.parent.parent.name

    def __str__(self) -> str:
        try:
            entry = read_json(self.folder / store.ENTRY)
            item = ", ".join(map(str, entry["wildcards"].values()))
            about = f"{item} ({entry['version']}, {entry['created']})"
        except (OSError, ValueError, KeyError, AttributeError):
            about = "unknown"
        return f"{self.rule}/{self.folder.name}  {about}  {_size(self.bytes)}"


def folder_at(path: Path) -> Path:
    """The store at `path`, or in the results folder at `path`; ValueError when there is none."""
    inside = path / "store"
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
        folder = _place(one)
        if isinstance(one, Entry):
            store.remove(folder)
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
    fault = store.damage(folder, digests=verify)
    sizes = [path.stat() for path in folder.iterdir() if path.is_file()]
    linked = any(stat.st_nlink > 1 for stat in sizes)
    return Entry(
        folder=folder,
        bytes=sum(stat.st_size for stat in sizes),
        own_bytes=sum(stat.st_size for stat in sizes if stat.st_nlink == 1),
        held=linked or (not fault and _copied(folder)),
        fault=fault,
    )


def _copied(folder: Path) -> bool:
    """Whether a results folder that was given a copy still has it."""
    size = read_json(folder / store.ENTRY)["files"][0]["size"]
    return any(place.is_file() and place.stat().st_size == size for place in store.places(folder))


# ---------------------------------------------------------------- the command


def add_command(groups: Any) -> None:
    """Add the command to an argument parser's groups."""
    text = "what a run keeps so that nothing is computed twice: size, damage, and what no results need any more"
    command = groups.add_parser("store", help=text, description=text)
    command.add_argument(
        "folder", nargs="?", type=Path, default=Path("results"), metavar="RESULTS_OR_STORE", help="default: results"
    )
    command.add_argument("--verify", action="store_true", help="read every file and compare its digest")
    command.add_argument("--prune", action="store_true", help="list what no results hold and what is damaged")
    command.add_argument("--yes", action="store_true", help="with --prune: delete it")
    command.add_argument("--json", action="store_true", help="write JSON instead of a table")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.yes and not options.prune:
        raise ValueError("--yes belongs to --prune")
    folder = folder_at(options.folder)
    found = entries(folder, options.verify)
    damaged = [entry for entry in found if entry.fault]
    idle: list[Entry | Path] = [entry for entry in found if entry.fault or not entry.held]
    idle += leftovers(folder)
    if options.prune and options.yes:
        prune(idle)
    if options.json:
        print(json.dumps(_summary(folder, found, idle if options.prune else None, options.yes), indent=1))
    else:
        _print_table(folder, found)
        print("".join(f"damaged: {entry}: {entry.fault}\n" for entry in damaged), end="")
        if options.prune:
            _print_pruned(idle, options.yes)
    return 1 if damaged and not (options.prune and options.yes) else 0


def _summary(folder: Path, found: list[Entry], idle: list[Entry | Path] | None, deleted: bool) -> dict[str, Any]:
    rules = {rule: _sums([entry for entry in found if entry.rule == rule]) for rule in _rules(found)}
    damaged = {str(entry.folder): entry.fault for entry in found if entry.fault}
    summary = {"store": str(folder), "rules": rules, "total": _sums(found), "damage": damaged}
    if idle is None:
        return summary
    return summary | {"pruned" if deleted else "to_prune": [str(_place(one)) for one in idle]}


def _sums(found: list[Entry]) -> dict[str, int]:
    return {
        "entries": len(found),
        "bytes": sum(entry.bytes for entry in found),
        "own_bytes": sum(entry.own_bytes for entry in found),
        "not_held": sum(not entry.held for entry in found),
        "damaged": sum(bool(entry.fault) for entry in found),
    }


def _print_table(folder: Path, found: list[Entry]) -> None:
    sums = {rule: _sums([entry for entry in found if entry.rule == rule]) for rule in _rules(found)}
    rows: list[tuple[str, ...]] = [("rule", "entries", "size", "the store's alone", "not held", "damaged")]
    for rule, of in (sums | {"all": _sums(found)}).items():
        cells = (of["entries"], _size(of["bytes"]), _size(of["own_bytes"]), of["not_held"], of["damaged"])
        rows.append((rule, *map(str, cells)))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\nfolder: {folder}")


def _print_pruned(idle: list[Entry | Path], deleted: bool) -> None:
    for one in idle:
        print(f"{'deleted' if deleted else 'to delete'}: {one}")
    freed = _size(sum(one.own_bytes for one in idle if isinstance(one, Entry)))
    if deleted or not idle:
        print(f"{len(idle)} deleted, {freed} freed")
    else:
        print(f"{len(idle)} that no results hold, {freed}; --yes deletes them")


def _rules(found: list[Entry]) -> list[str]:
    return sorted({entry.rule for entry in found})


def _place(one: Entry | Path) -> Path:
    return one.folder if isinstance(one, Entry) else one


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
