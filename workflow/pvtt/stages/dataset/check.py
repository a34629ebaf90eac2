"""Checks of the published dataset: whether the named files are on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def missing_files(record: Mapping[str, Any], root: Path) -> list[str]:
    """Paths named in the content of pairs.json that are not below `root`, or empty, or without all their masks."""
    missing = set()
    for pair in record["pairs"]:
        names = (pair["source"]["video"], pair["source"]["product_image"], pair["target"]["product_image"])
        for name in (*names, pair["output"]["video"], pair["output"]["background"]):
            if name and not ((root / name).is_file() and (root / name).stat().st_size):
                missing.add(name)
        masks = pair["output"]["masks"]
        if len(list((root / masks).glob("*.png"))) != pair["metadata"]["frame_count"]:
            missing.add(f"{masks} ({pair['metadata']['frame_count']} PNG files)")
    return sorted(missing)
