"""Backends by name, found by convention and imported only if chosen.

The backend `name` of a stage is the class `Backend` in the module or sub-package `pvtt.stages.<stage>.<name>`. A
backend of another package is given as `package.module:Class`. A new backend needs no registration.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pvtt.backends import stages
from pvtt.models import registry

STAGES = stages.WITH_BACKENDS


def package(stage: str) -> str:
    """Dotted name of the package of a stage, or of a package inside it such as `scoring.judges`."""
    name, dot, inner = stage.partition(".")
    return f"pvtt.stages.{stages.BY_NAME[name].package or name}{dot}{inner}"


def available(stage: str) -> list[str]:
    """Names of the backends in the folder of a stage."""
    return sorted(_modules(stage, ("*.py", "*/__init__.py")))


def selectable_names(stage: str) -> set[str]:
    """Names of everything in the folder of a stage that settings choose, such as backends and judges."""
    return set(_modules(stage, ("**/*.py",)))


@cache
def _modules(stage: str, patterns: tuple[str, ...]) -> frozenset[str]:
    """Names of the modules and sub-packages, found by glob patterns in a stage's folder, that define a backend."""
    folder = Path(__file__).parents[2].joinpath(*package(stage).split("."))
    found = (path for pattern in patterns for path in folder.glob(pattern))
    backends = (path for path in found if "\nclass Backend" in path.read_text(encoding="utf-8"))
    return frozenset(path.parent.name if path.stem == "__init__" else path.stem for path in backends)


def _stage(stage: str) -> ModuleType:
    return importlib.import_module(package(stage))


def backend_class(stage: str, name: str) -> Any:
    """Class of a backend; ValueError names the known ones when there is no such backend."""
    if ":" in name:
        module, _, attribute = name.partition(":")
    elif name in available(stage):
        module, attribute = f"{package(stage)}.{name}", "Backend"
    else:
        raise ValueError(f"{stage}.backend: no backend {name!r}; there are {', '.join(available(stage))}")
    return getattr(importlib.import_module(module), attribute)


def best_available(stage: str, settings: Mapping[str, Any]) -> str:
    """The backend that `auto` stands for: the first of the stage's `BEST_FIRST` that lacks nothing.

    It depends on weights and packages alone, not on the machine's GPU, so that all jobs of a run find the same one.
    ValueError where a stage has no such list.
    """
    order: tuple[str, ...] = getattr(_stage(stage), "BEST_FIRST", ())
    for name in order:
        if not backend_class(stage, name)(settings).problems():
            return name
    raise ValueError(f"{stage}.backend: no backend 'auto'; there are {', '.join(available(stage))}")


def selected_backends(stage: str, settings: Mapping[str, Any]) -> list[Any]:
    """Every backend that a stage's settings choose, made but not loaded; the one named by `backend` first.

    A stage that uses several at a time lists them by a function `used_backends(settings)` of its package.
    """
    several = getattr(_stage(stage), "used_backends", None)
    return list(several(settings)) if several else [backend_class(stage, settings["backend"])(settings)]


def stage_version(stage: str, settings: Mapping[str, Any]) -> str:
    """What the results of a stage's backends depend on besides settings and inputs: versions, and commits of models.

    A stage whose version says more than its backend's has a function `version(settings)`.
    """
    found = selected_backends(stage, settings)
    say = getattr(_stage(stage), "version", None)
    text = say(settings) if say else found[0].version
    used = dict.fromkeys(name for backend in found for name in backend.needs)
    return ", ".join([text, *(f"{name}@{registry.commit(name)}" for name in used)])
