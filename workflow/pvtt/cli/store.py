"""`pvtt store`: disk usage, integrity check and garbage collection of a result cache."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tabulate import tabulate

from pvtt.execution.cache_admin import Entry, entries, folder_at, format_size, leftovers, path_of, prune


def add_command(groups: Any) -> None:
    """Add the command to an argument parser."""
    text = "disk usage, integrity check and garbage collection of the result cache"
    command = groups.add_parser("store", help=text, description=text)
    command.add_argument(
        "folder", nargs="?", type=Path, default=Path("results"), metavar="RESULTS_OR_STORE", help="default: results"
    )
    command.add_argument("--verify", action="store_true", help="read every file and compare its digest")
    command.add_argument("--prune", action="store_true", help="list unreferenced and damaged entries")
    command.add_argument("--yes", action="store_true", help="with --prune: delete them")
    command.add_argument("--json", action="store_true", help="write JSON instead of a table")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.yes and not options.prune:
        raise ValueError("--yes belongs to --prune")
    folder = folder_at(options.folder)
    found = entries(folder, options.verify)
    damaged = [entry for entry in found if entry.fault]
    idle: list[Entry | Path] = [entry for entry in found if entry.fault or not entry.referenced]
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
    return summary | {"pruned" if deleted else "to_prune": [str(path_of(one)) for one in idle]}


def _sums(found: list[Entry]) -> dict[str, int]:
    return {
        "entries": len(found),
        "bytes": sum(entry.bytes for entry in found),
        "exclusive_bytes": sum(entry.exclusive_bytes for entry in found),
        "unreferenced": sum(not entry.referenced for entry in found),
        "damaged": sum(bool(entry.fault) for entry in found),
    }


def _print_table(folder: Path, found: list[Entry]) -> None:
    sums = {rule: _sums([entry for entry in found if entry.rule == rule]) for rule in _rules(found)}
    head = ("rule", "entries", "size", "exclusive", "unreferenced", "damaged")
    rows = []
    for rule, of in (sums | {"all": _sums(found)}).items():
        cells = (
            of["entries"],
            format_size(of["bytes"]),
            format_size(of["exclusive_bytes"]),
            of["unreferenced"],
            of["damaged"],
        )
        rows.append((rule, *cells))
    align = ["left", *["right"] * (len(head) - 1)]
    print(tabulate(rows, head, "plain", disable_numparse=True, colalign=align, headersalign=align))
    print(f"\nfolder: {folder}")


def _print_pruned(idle: list[Entry | Path], deleted: bool) -> None:
    for one in idle:
        print(f"{'deleted' if deleted else 'to delete'}: {one}")
    freed = format_size(sum(one.exclusive_bytes for one in idle if isinstance(one, Entry)))
    if deleted or not idle:
        print(f"{len(idle)} deleted, {freed} freed")
    else:
        print(f"{len(idle)} unreferenced or damaged, {freed}; --yes deletes them")


def _rules(found: list[Entry]) -> list[str]:
    return sorted({entry.rule for entry in found})
