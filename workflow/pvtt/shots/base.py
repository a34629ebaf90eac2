"""What a shot detector is: frames of a video in, hard cuts and gradual transitions out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from pvtt.backends import Limits

Array = np.ndarray


@dataclass(frozen=True)
class Transitions:
    """Where the shots of a video meet; frame indices from 0, ascending.

    `cuts`: first frame of each new shot after a hard cut. `gradual`: (first, last) frame, both included, in which two
    shots are mixed or a shot fades; no cut lies inside one.
    """

    cuts: tuple[int, ...] = ()
    gradual: tuple[tuple[int, int], ...] = ()


class ShotDetector(Protocol):
    """Protocol of the backends of the shots stage."""

    name: str
    version: str
    needs: tuple[str, ...]
    limits: Limits

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the stage's settings; nothing is loaded yet."""

    def load(self, device: str = "cpu") -> None:
        """Make the backend ready to run."""

    def detect(self, frames: Iterable[Array], fps: Fraction) -> Transitions:
        """Transitions of a whole video, from its frames in order, uint8 (h, w, 3) RGB without baked-in bars."""

    def close(self) -> None:
        """Release what `load` took."""
