"""Checks of the published dataset: records against their schemas, named files on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema

from pvtt.config.settings import load_schema


def check_record(record: Mapping[str, Any], schema: str) -> None:
    """Raise ValueError, naming the place, when a record does not fit the schema of that name."""
    validator = jsonschema.Draft202012Validator(load_schema(schema))
    error = jsonschema.exceptions.best_match(validator.iter_errors(record))
    if error:
        where = "/".join(str(part) for part in error.path) or "top level"
        raise ValueError(f"{schema}: {where}: {error.message}")


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
