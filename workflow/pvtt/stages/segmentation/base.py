"""What a segmentation backend is and what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pvtt.backends.base import AnyBackend

Array = np.ndarray

SHORT_SIDE = 240


@dataclass(frozen=True)
class Segmentation:
    """The product's masks in a clip and what the backend itself knows about their worth.

    masks: bool (k, n, h, w), one plane per object; a plane keeps its object over time; k = 0 when nothing was found.
    confidence: float (n,) in [0, 1] per frame.
    evidence: clip-level measures of the backend, name to number, judged by `qa.judge` where it knows the name.
    note: why nothing was found, empty otherwise.
    """

    masks: Array
    confidence: Array
    evidence: dict[str, float] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def empty(cls, frames: Array, note: str) -> Segmentation:
        """Segmentation without an object for `frames` (n, h, w, 3); `note` says why nothing was found."""
        return cls(np.zeros((0, *frames.shape[:3]), bool), np.zeros(len(frames)), note=note)


class SegmentationBackend(AnyBackend, Protocol):
    """Protocol of the classes named `Backend` in this folder."""

    def segment(self, frames: Array, references: Sequence[Array], prompt: str) -> Segmentation:
        """Find and follow the product.

        frames: uint8 (n, h, w, 3) RGB. references: cut-outs of the same product, uint8 (h, w, 4) RGBA, may be empty.
        prompt: words for the product as `words.prompt_text` puts them ("ring. gold ring."), may be empty.
        """
