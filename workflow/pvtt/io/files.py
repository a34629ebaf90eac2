"""Files that are whole or absent: atomic writes, JSON records and content digests."""

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
    """Yield a temporary path beside `path`; rename it onto `path` when the block ends well, delete it otherwise.

    The temporary name keeps the suffix, so that writers which choose a format by suffix work.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    # What a killed process of this number left may be a link to another result; writing would go into that.
    aside.unlink(missing_ok=True)
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def clear_leftovers(path: str | Path) -> None:
    """Delete what killed writers of `path` left beside it. To be called when nobody else writes it any more."""
    path = Path(path)
    for aside in path.parent.glob(f".{glob.escape(path.stem)}.*{glob.escape(path.suffix)}"):
        if aside.name[len(path.stem) + 2 : len(aside.name) - len(path.suffix)].isdigit():
            aside.unlink(missing_ok=True)


def write_json(path: str | Path, record: Any) -> None:
    """Write `record` as UTF-8 JSON, indented, whole or not at all. NaN and infinity are an error (ValueError)."""
    with atomic_path(path) as aside:
        aside.write_text(json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; ValueError names the file when it is damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON ({error}); delete it and run again") from error


def write_empty(path: str | Path) -> None:
    """Write the 0-byte stand-in of a result that could not be made; the JSON record beside it says why."""
    with atomic_path(path) as aside:
        aside.write_bytes(b"")


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Hard-link `source` to `target` (replacing it), or copy where links are not possible."""
    with atomic_path(target) as aside:
        try:
            os.link(source, aside)
        except OSError:
            shutil.copyfile(source, aside)


def file_digest(path: str | Path) -> str:
    """Hex BLAKE2b-128 of a file's bytes."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
