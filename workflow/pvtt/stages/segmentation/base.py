"""The interface of a segmentation backend and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pvtt.backends.base import AnyBackend

Array = np.ndarray

SHORT_SIDE = 240  # px at which co-segmentation and the evidence work; areas and lengths below are tuned for it


def evenly(numbers: Array, at_most: int = 24) -> Array:
    """At most so many of the numbers, int (n,), evenly spread from the first to the last."""
    places = np.linspace(0, len(numbers) - 1, min(len(numbers), at_most)).round().astype(int)
    return np.asarray(numbers[np.unique(places)])


@dataclass(frozen=True)
class Segmentation:
    """The product's masks in a clip, with the backend's own measures of their quality.

    masks: bool (k, n, h, w), one plane per object, which keeps its object over time; k = 0 if nothing was found.
    confidence: float (n,) in [0, 1], one value per frame.
    evidence: clip-level measures of the backend, name to number.
    note: why nothing was found; empty otherwise.
    """

    masks: Array
    confidence: Array
    evidence: dict[str, float] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def empty(cls, frames: Array, note: str) -> Segmentation:
        """Segmentation without an object.

        Parameters
        ----------
        frames : uint8 (n, h, w, 3) RGB
        note : str
            Why nothing was found.

        Returns
        -------
        Segmentation
            Masks of shape (0, n, h, w), confidence 0 in all frames.
        """
        return cls(np.zeros((0, *frames.shape[:3]), bool), np.zeros(len(frames)), note=note)


class SegmentationBackend(AnyBackend, Protocol):
    """Protocol of the classes named `Backend` in this folder."""

    def segment(self, frames: Array, references: Sequence[Array], prompt: str) -> Segmentation:
        """Find and track the product.

        Parameters
        ----------
        frames : uint8 (n, h, w, 3) RGB
        references : uint8 (h, w, 4) RGBA
            Cut-outs of the same product; may be empty.
        prompt : str
            Words for the product as `prompts.prompt_text` formats them ("ring. gold ring."); may be empty.
        """
