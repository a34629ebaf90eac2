"""The interface of a fingerprinter: a short description of an image, by which near-duplicates are found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from pvtt.backends.base import AnyBackend

Array = np.ndarray


class Fingerprinter(AnyBackend, Protocol):
    """Protocol of the backends of the catalogue stage."""

    def fingerprint(self, image: Array) -> str:
        """Fingerprint of an image.

        Parameters
        ----------
        image : uint8 (h, w, 3) RGB

        Returns
        -------
        str
        """

    def is_duplicate(self, first: Sequence[str], second: Sequence[str]) -> bool:
        """Whether two images, or two videos frame by frame, show the same; both sequences have the same length."""
