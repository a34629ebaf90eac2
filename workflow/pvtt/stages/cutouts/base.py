"""The interface of a cut-out backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pvtt.backends.base import AnyBackend


class NoCutOutError(ValueError):
    """The backend cannot separate the product of this photo; the message says why, with the number.

    `measures` are the measures that led to it.
    """

    def __init__(self, reason: str, measures: Mapping[str, float] | None = None) -> None:
        super().__init__(reason)
        self.measures = dict(measures or {})


@dataclass(frozen=True)
class Matte:
    """What a backend finds in a photo.

    alpha: uint8 (h, w), 0 to 255. measures: the backend's own, for the photo's record.
    """

    alpha: np.ndarray
    measures: Mapping[str, float] = field(default_factory=dict)


class CutOutBackend(AnyBackend, Protocol):
    """A backend of the products stage: class `Backend` in `pvtt/stages/cutouts/<name>.py`.

    A photo longer than `limits.max_side_px` is reduced to it before `cut_out`, and the alpha is enlarged afterwards.
    """

    def cut_out(self, image: np.ndarray) -> Matte:
        """Alpha of the product, and what the backend measured.

        Parameters
        ----------
        image : uint8 (h, w, 3) RGB

        Returns
        -------
        Matte
            Its alpha has the size of `image`.

        Raises
        ------
        NoCutOutError
            The backend knows that its answer would be wrong.
        """
