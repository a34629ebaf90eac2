"""What a fingerprint of the catalogue stage is: a short description of a picture by which near-duplicates are found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from pvtt.backends.base import AnyBackend

Array = np.ndarray


class Fingerprinter(AnyBackend, Protocol):
    """Protocol of the backends of the catalogue stage."""

    def fingerprint(self, image: Array) -> str:
        """Fingerprint of a picture, uint8 (h, w, 3) RGB, as text."""

    def same(self, first: Sequence[str], second: Sequence[str]) -> bool:
        """Whether two pictures, or two videos frame by frame, show the same; both of one length."""
