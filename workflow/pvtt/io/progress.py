"""Progress bars on standard error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(items: Iterable[T], text: str, total: int | None = None) -> Iterable[T]:
    """Iterate over `items` with a progress bar labelled `text`, which is drawn every two seconds."""
    bar: Iterable[T] = tqdm(items, desc=text, total=total, mininterval=2.0, unit="", dynamic_ncols=True)
    return bar
