"""What a fingerprint of the catalogue stage is: a short description of a picture by which near-duplicates are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from pvtt.backends import Limits

Array = np.ndarray


class Fingerprinter(Protocol):
    """Protocol of the backends of the catalogue stage."""

    name: str
    version: str
    needs: tuple[str, ...]
    limits: Limits

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the stage's settings; nothing is loaded yet."""

    def load(self, device: str = "cpu") -> None:
        """Make the backend ready to run."""

    def fingerprint(self, image: Array) -> str:
        """Fingerprint of a picture, uint8 (h, w, 3) RGB, as text."""

    def same(self, first: Sequence[str], second: Sequence[str]) -> bool:
        """Whether two pictures, or two videos frame by frame, show the same; both of one length."""

    def close(self) -> None:
        """Release what `load` took."""
