"""Backends by name: found by convention, imported only when chosen.

Backend `name` of stage `stage` is the class `Backend` in the module `pvtt.<stage>.<name>`; a backend that lives
elsewhere is given as `package.module:Class`. Adding one is adding that file.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Limits:
    """What a backend can take; None is no limit. What exceeds it is left out before any work, or reduced."""

    max_frames: int | None = None
    size_multiple: int | None = None
    max_side_px: int | None = None


class AnyBackend(Protocol):
    """What the backends of all stages have in common; each stage's `base.py` adds its one method."""

    name: str
    version: str
    needs: tuple[str, ...]
    limits: Limits

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the stage's settings; nothing is loaded yet."""

    def load(self, device: str = "cpu") -> None:
        """Make ready to work on `device`; RuntimeError says what is missing and what to do."""

    def close(self) -> None:
        """Release what `load` took."""


class Embedded:
    """Base of the backends that need no weights and load nothing: they run on the CPU, whatever `device` is."""

    needs: tuple[str, ...] = ()
    limits = Limits()

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def load(self, device: str = "cpu") -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to release."""


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
