"""Backends by name: found by convention, imported only when chosen.

Backend `name` of stage `stage` is the class `Backend` in the module `pvtt.<stage>.<name>`; a backend that lives
elsewhere is given as `package.module:Class`. Adding one is adding that file.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Limits:
    """What a backend can take; None is no limit. What exceeds it is left out before any work, or reduced."""

    max_frames: int | None = None
    size_multiple: int | None = None
    max_side_px: int | None = None


def available(stage: str) -> list[str]:
    """Names of the backends that stand in a stage's folder."""
    folder = Path(__file__).parent / stage
    return sorted(p.stem for p in folder.glob("*.py") if "\nclass Backend" in p.read_text(encoding="utf-8"))


def backend_class(stage: str, name: str) -> Any:
    """Class of a backend; ValueError names the known ones when there is no such backend."""
    if ":" in name:
        module, _, attribute = name.partition(":")
    elif name in available(stage):
        module, attribute = f"pvtt.{stage}.{name}", "Backend"
    else:
        raise ValueError(f"{stage}.backend: no backend {name!r}; there are {', '.join(available(stage))}")
    return getattr(importlib.import_module(module), attribute)
