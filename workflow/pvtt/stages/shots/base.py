"""The interface of a shot detector: frames of a video in, hard cuts and gradual transitions out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from pvtt.backends.base import AnyBackend

Array = np.ndarray


@dataclass(frozen=True)
class Transitions:
    """Transitions between the shots of a video; frame indices from 0, ascending.

    cuts: first frame of each shot that begins with a hard cut. gradual: (first, last) frame, both included, in which
    two shots are mixed or a shot fades; no cut lies inside one.
    """

    cuts: tuple[int, ...] = ()
    gradual: tuple[tuple[int, int], ...] = ()


class ShotDetector(AnyBackend, Protocol):
    """Protocol of the backends of the shots stage."""

    @property
    def method(self) -> str:
        """Name of the backend and of the detector that it runs, for the record of the shots."""

    def detect(self, frames: Iterable[Array], fps: Fraction) -> Transitions:
        """Transitions of a whole video.

        Parameters
        ----------
        frames : iterable of uint8 (h, w, 3) RGB
            In order, without baked-in bars.
        fps : Fraction
            Frames per second.

        Returns
        -------
        Transitions
        """
