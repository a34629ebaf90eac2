"""What every identity backend offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pvtt.backends.base import AnyBackend


@dataclass(frozen=True)
class Crop:
    """A product, cropped tightly: `image` uint8 (h, w, 3) RGB, grey (128) off the product; `mask` bool (h, w)."""

    image: np.ndarray
    mask: np.ndarray


class IdentityBackend(AnyBackend, Protocol):
    """A backend of the scoring stage: class `Backend` in `pvtt/scoring/<name>.py`."""

    def embed(self, crops: Sequence[Crop]) -> list[Any]:
        """One feature per crop, of the backend's own kind."""

    def similarity(self, a: Any, b: Any) -> float:
        """Likeness of two features, 0..1: near 1 for one product seen twice, 0.5 or less for different products."""
