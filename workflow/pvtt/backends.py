"""Backends by name: found by convention, imported only when chosen.

Backend `name` of stage `stage` is the class `Backend` in the module `pvtt.<stage>.<name>`; a backend that lives
elsewhere is given as `package.module:Class`. Adding one is adding that file.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from pvtt import models

STAGES = ("shots", "segmentation", "background", "products", "insertion", "scoring")


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
    environment: str
    gpu: bool
    limits: Limits

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids (`resources/models.yaml`) of the models that these settings use."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the stage's settings; nothing is loaded yet."""

    def load(self, device: str = "cpu") -> None:
        """Make ready to work on `device`; RuntimeError says what is missing and what to do."""

    def close(self) -> None:
        """Release what `load` took."""


class Embedded:
    """Base of the backends that need no weights and load nothing: they run on the CPU, whatever `device` is."""

    environment = "core"
    gpu = False
    limits = Limits()
    needs: tuple[str, ...] = ()

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def load(self, device: str = "cpu") -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to release."""

    def problems(self) -> list[str]:
        """Nothing can be missing."""
        return []


class ModelBackend:
    """Base of the backends that run a model: what one needs is known, and checked, before anything is loaded.

    A backend's own settings stand in the stage's under its name: `settings["vace"]["steps"]`. Those of other backends
    are not there, but for the ones that `settings_of` names.
    """

    environment = "models"  # its file in envs/
    gpu = True  # worth a job on a GPU; runs on the CPU where the run is told to (`device: cpu`)
    packages: tuple[str, ...] = ("torch",)  # modules that `load` imports
    limits = Limits()
    needs: tuple[str, ...] = ()  # may be a property that reads the settings
    settings_of: tuple[str, ...] = ()  # backends of the stage whose settings this one reads besides its own
    files: tuple[str, ...] = ()  # that the settings name by path; new content there makes the results anew

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def load(self, device: str = "cpu") -> None:
        """Make ready to work on `device`."""
        raise NotImplementedError

    def close(self) -> None:
        """Release what `load` took."""

    def problems(self) -> list[str]:
        """What is missing to run with these settings, a sentence each that names it and the command that mends it."""
        lacking = [name for name in self.packages if importlib.util.find_spec(name) is None]
        found = [f"package {name} is not installed; run: make {self.environment}" for name in lacking]
        return found + [problem for model in self.needs for problem in models.problems(model)]


class ProgramBackend(ModelBackend):
    """Base of the backends that start a program, which loads its model itself and brings its own packages."""

    packages = ()

    def load(self, device: str = "cpu") -> None:
        """Check what the program needs; ModelError says what is missing."""
        self.device = device
        if problems := self.problems():
            raise models.ModelError("; ".join(problems))


def available(stage: str) -> list[str]:
    """Names of the backends that stand in a stage's folder."""
    return sorted(path.stem for path in _modules(stage, "*.py"))


def named(stage: str) -> set[str]:
    """Names of everything in a stage's folder that is chosen by name, such as its backends and its judges."""
    return {path.stem for path in _modules(stage, "**/*.py")}


@cache
def _modules(stage: str, pattern: str) -> tuple[Path, ...]:
    folder = Path(__file__).parent / stage.replace(".", "/")
    return tuple(p for p in folder.glob(pattern) if "\nclass Backend" in p.read_text(encoding="utf-8"))


def backend_class(stage: str, name: str) -> Any:
    """Class of a backend; ValueError names the known ones when there is no such backend."""
    if ":" in name:
        module, _, attribute = name.partition(":")
    elif name in available(stage):
        module, attribute = f"pvtt.{stage}.{name}", "Backend"
    else:
        raise ValueError(f"{stage}.backend: no backend {name!r}; there are {', '.join(available(stage))}")
    return getattr(importlib.import_module(module), attribute)


def chosen(stage: str, settings: Mapping[str, Any]) -> list[Any]:
    """Every backend that a stage's settings choose, made but not loaded; the one named by `backend` first.

    A stage with several at a time has a function `parts(settings)` that lists them.
    """
    parts = getattr(importlib.import_module(f"pvtt.{stage}"), "parts", None)
    return list(parts(settings)) if parts else [backend_class(stage, settings["backend"])(settings)]


def version(stage: str, settings: Mapping[str, Any]) -> str:
    """What the results of a stage's backends depend on besides settings and inputs: versions, and commits of models.

    A stage whose version says more than its backend's has a function `version(settings)`.
    """
    found = chosen(stage, settings)
    say = getattr(importlib.import_module(f"pvtt.{stage}"), "version", None)
    text = say(settings) if say else found[0].version
    used = dict.fromkeys(name for backend in found for name in backend.needs)
    return ", ".join([text, *(f"{name}@{models.commit(name)}" for name in used)])
