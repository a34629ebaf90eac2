"""What every cut-out backend offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from pvtt.backends import Limits


class NoCutOutError(ValueError):
    """The backend sees that it cannot separate the product of this photo; the message says why, with the number.

    `measures` are the figures that led to it.
    """

    def __init__(self, reason: str, measures: Mapping[str, float] | None = None) -> None:
        super().__init__(reason)
        self.measures = dict(measures or {})


class CutOutBackend(Protocol):
    """A backend of the products stage: class `Backend` in `pvtt/products/<name>.py`.

    A photo longer than `limits.max_side_px` is reduced to it before `cut_out` and the alpha enlarged after.
    """

    name: str
    version: str
    needs: tuple[str, ...]
    limits: Limits

    def __init__(self, settings: Mapping[str, Any]) -> None: ...

    def load(self, device: str = "cpu") -> None:
        """Make ready on `device`; RuntimeError says what is missing and what to do."""

    def cut_out(self, image: np.ndarray) -> np.ndarray:
        """Alpha of the product, uint8 (h, w), 0-255, of an uint8 (h, w, 3) RGB photo.

        Raises NoCutOutError when the backend knows that its answer would be wrong.
        """

    def close(self) -> None:
        """Free what `load` took."""
