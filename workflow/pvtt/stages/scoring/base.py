"""Interface of an identity backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pvtt.backends.base import AnyBackend


@dataclass(frozen=True)
class Crop:
    """A tight crop of a product: `image` uint8 (h, w, 3), RGB, grey (128) outside the product; `mask` bool (h, w)."""

    image: np.ndarray
    mask: np.ndarray


class IdentityBackend(AnyBackend, Protocol):
    """A backend of the scoring stage: class `Backend` in `pvtt/stages/scoring/<name>.py`."""

    def embed(self, crops: Sequence[Crop]) -> list[Any]:
        """One feature per crop, of a type that only the backend knows."""

    def similarity(self, a: Any, b: Any) -> float:
        """Similarity of two features, 0 to 1: near 1 for the same product, 0.5 or less for different products."""
