"""What every cut-out backend offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from pvtt.backends.base import AnyBackend


class NoCutOutError(ValueError):
    """The backend sees that it cannot separate the product of this photo; the message says why, with the number.

    `measures` are the figures that led to it.
    """

    def __init__(self, reason: str, measures: Mapping[str, float] | None = None) -> None:
        super().__init__(reason)
        self.measures = dict(measures or {})


class CutOutBackend(AnyBackend, Protocol):
    """A backend of the products stage: class `Backend` in `pvtt/products/<name>.py`.

    A photo longer than `limits.max_side_px` is reduced to it before `cut_out` and the alpha enlarged after.
    """

    def cut_out(self, image: np.ndarray) -> np.ndarray:
        """Alpha of the product, uint8 (h, w), 0-255, of an uint8 (h, w, 3) RGB photo.

        Raises NoCutOutError when the backend knows that its answer would be wrong.
        """
