"""Backends that are loaded: for one item, or, in a warm worker, as long as the worker lives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class LoadError(RuntimeError):
    """A backend could not be made ready: the installation's or the machine's fault, not the item's."""


class WorkError(RuntimeError):
    """The work on an item was given up; the message is the reason for the item's record."""


class _Process:
    """What is true of this process."""

    kept: dict[str, Any] | None = None  # in a warm worker: loaded backends by class and settings
    tell: Callable[..., None]  # there: who hears of loads
    given_up = ""  # why no backend is to work
    loading_s = 0.0  # spent in loads so far


@contextmanager
def loaded(backend: Any, device: str) -> Iterator[Any]:
    """`backend`, ready to work on `device` and closed after the block; in a warm worker, one like it that stays loaded.

    LoadError when it cannot be loaded there; WorkError in a block of `given_up`.
    """
    if _Process.given_up:
        raise WorkError(_Process.given_up)
    if _Process.kept is not None:
        yield _kept(backend, device)
        return
    try:
        _load(backend, device)
        yield backend
    finally:
        backend.close()


def _kept(backend: Any, device: str) -> Any:
    kept = _Process.kept
    assert kept is not None
    settings = json.dumps(dict(backend.settings), sort_keys=True, default=str)
    key = f"{type(backend).__module__}.{type(backend).__qualname__} {settings}"
    if key not in kept:
        _Process.tell("loading", backend=backend.name)
        try:
            _load(backend, device)
        except Exception as error:
            backend.close()
            raise LoadError(f"{backend.name}: {error}") from error
        _Process.tell("loaded", backend=backend.name)
        kept[key] = backend
    return kept[key]


def _load(backend: Any, device: str) -> None:
    begun = time.perf_counter()
    try:
        backend.load(device)
    finally:
        _Process.loading_s += time.perf_counter() - begun


def seconds_of_loads() -> float:
    """Seconds that this process has spent in loading backends."""
    return _Process.loading_s


def keep_loaded(tell: Callable[..., None]) -> None:
    """From now on `loaded` keeps backends loaded; `tell(status, backend=name)` hears when one is being loaded."""
    _Process.kept, _Process.tell = {}, staticmethod(tell)


def release() -> bool:
    """Close the backends that are kept loaded; whether there were several, so that one alone has more memory."""
    kept = _Process.kept or {}
    several = len(kept) > 1
    for backend in kept.values():
        backend.close()
    kept.clear()
    return several


@contextmanager
def given_up(reason: str) -> Iterator[None]:
    """In this block no backend works: a stage writes the record of an item that failed for `reason`."""
    _Process.given_up = reason
    try:
        yield
    finally:
        _Process.given_up = ""
