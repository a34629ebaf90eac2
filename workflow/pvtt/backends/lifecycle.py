"""Lifetime of loaded backends: one item, or, in a warm worker, as long as the worker lives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class LoadError(RuntimeError):
    """A backend cannot be loaded. The cause is the installation or the machine, not the item."""


class WorkError(RuntimeError):
    """Work on an item was abandoned; the message is the reason in the item's record."""


class _Process:
    """State of this process."""

    cached: dict[str, Any] | None = None  # loaded backends by class and settings; None outside a warm worker
    notify: Callable[..., None]  # callback(status, backend=name) on model loads; set in warm workers only
    skip_reason = ""  # if set, every backend call raises WorkError with this reason
    loading_s = 0.0  # seconds spent in loading models so far


@contextmanager
def load_model(backend: Any, device: str) -> Iterator[Any]:
    """Load `backend` on `device` for the block and close it afterwards; a warm worker keeps it loaded instead.

    Yields the loaded backend; in a warm worker an already loaded one of the same class and settings, where there is
    one. Raises LoadError if a warm worker cannot load it, WorkError inside a block of `skip_with_reason`.
    """
    if _Process.skip_reason:
        raise WorkError(_Process.skip_reason)
    if _Process.cached is not None:
        yield _cached(backend, device)
        return
    try:
        _load(backend, device)
        yield backend
    finally:
        backend.close()


def _cached(backend: Any, device: str) -> Any:
    cached = _Process.cached
    assert cached is not None
    settings = json.dumps(dict(backend.settings), sort_keys=True, default=str)
    key = f"{type(backend).__module__}.{type(backend).__qualname__} {settings}"
    if key not in cached:
        _Process.notify("loading", backend=backend.name)
        try:
            _load(backend, device)
        except Exception as error:
            backend.close()
            raise LoadError(f"{backend.name}: {error}") from error
        _Process.notify("loaded", backend=backend.name)
        cached[key] = backend
    return cached[key]


def _load(backend: Any, device: str) -> None:
    begun = time.perf_counter()
    try:
        backend.load(device)
    finally:
        _Process.loading_s += time.perf_counter() - begun


def total_load_seconds() -> float:
    """Seconds that this process has spent in loading backends."""
    return _Process.loading_s


def enable_model_cache(notify: Callable[..., None]) -> None:
    """Keep backends loaded from now on; `notify(status, backend=name)` is called before and after each load."""
    _Process.cached, _Process.notify = {}, staticmethod(notify)


def release() -> bool:
    """Close all cached backends. Returns True if there was more than one, so that a retry has more free memory."""
    cached = _Process.cached or {}
    several = len(cached) > 1
    for backend in cached.values():
        backend.close()
    cached.clear()
    return several


@contextmanager
def skip_with_reason(reason: str) -> Iterator[None]:
    """In this block every backend call raises WorkError, so a stage writes a failed record with `reason`."""
    _Process.skip_reason = reason
    try:
        yield
    finally:
        _Process.skip_reason = ""
