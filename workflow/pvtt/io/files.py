"""Atomic writes of files (complete or absent), JSON files, links and content digests."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; rename it to `path` if the block succeeds, delete it otherwise.

    The temporary name keeps the suffix, because some writers choose the format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    # A file that a killed process with the same id left may be a hard link to another result: never write into it.
    aside.unlink(missing_ok=True)
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def clear_leftovers(path: str | Path) -> None:
    """Delete temporary files that killed writers of `path` left. Call it only if no other process writes `path`."""
    path = Path(path)
    for aside in path.parent.glob(f".{glob.escape(path.stem)}.*{glob.escape(path.suffix)}"):
        if aside.name[len(path.stem) + 2 : len(aside.name) - len(path.suffix)].isdigit():
            aside.unlink(missing_ok=True)


def write_json(path: str | Path, record: Any) -> None:
    """Write `record` atomically as indented UTF-8 JSON; ValueError for NaN and infinity."""
    with atomic_path(path) as aside:
        aside.write_text(json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; ValueError with the name of the file if it is not valid."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON ({error}); delete it and run again") from error


def write_empty(path: str | Path) -> None:
    """Write the empty file of a result that failed; the JSON record next to it has the reason."""
    with atomic_path(path) as aside:
        aside.write_bytes(b"")


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Replace `target` by a hard link to `source`, or by a copy if links are not possible."""
    with atomic_path(target) as aside:
        try:
            os.link(source, aside)
        except OSError:
            shutil.copyfile(source, aside)


def file_digest(path: str | Path) -> str:
    """Hex BLAKE2b-128 digest of a file."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
