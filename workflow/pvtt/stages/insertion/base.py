"""What an insertion backend is: it puts a product's cut-out into a clip in the place of the clip's own product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from pvtt.backends.base import AnyBackend
from pvtt.io.video_reader import Frames

Array = np.ndarray
Box = tuple[float, float, float, float]


class InsertionError(ValueError):
    """A pair that cannot be made; the message is the reason in its record."""


@dataclass(frozen=True)
class Request:
    """One pair to make, of n frames of h x w pixels.

    `source()` and `background()` each start a new pass over uint8 (h, w, 3) RGB frames, with and without the source's
    product. `masks` is bool (n, h, w), all False in a clip without a product. `region`, bool (n, h, w), covers the
    masks: outside it the two videos differ by their encoding only. `boxes` are the source product's
    (x0, y0, x1, y1) in pixels, None where it is not to be seen. `points` is float (k, n, 2), key points of the
    product as (x, y), NaN where lost. `cutout` is uint8 (h', w', 4) RGBA, not premultiplied. `fps` is in frames per
    second. `prompt` is what the new product is called, for backends that read words; it may be empty. `other_cutouts`
    are further photos' cut-outs of the new product, like `cutout`, for backends that read them; often there are none.
    """

    source: Frames
    background: Frames
    masks: Array
    region: Array
    boxes: list[Box | None]
    points: Array
    cutout: Array
    fps: float
    seed: int
    prompt: str = ""
    other_cutouts: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Insertion:
    """What `Backend.insert` gives back.

    `frames` yields n pairs, once: the uint8 (h, w, 3) RGB frame and the bool (h, w) mask of where the new product is
    seen. `boxes` holds the new product's box per frame, whole even where something hides it (as far as the backend can
    know), None where it is absent. `measures` are plain values for the record. Both are complete when `frames` is
    exhausted.
    """

    frames: Iterator[tuple[Array, Array]]
    boxes: list[Box | None]
    measures: dict[str, Any] = field(default_factory=dict)


class InsertionBackend(AnyBackend, Protocol):
    """Puts a product into a clip. InsertionError says why a pair cannot be made.

    One that reads the request's `prompt` has the attribute `reads_prompt`, True, and one that reads its `other_cutouts`
    has `reads_other_cutouts`; others are not given them, so that other words or photos do not make their results anew.
    """

    def insert(self, request: Request) -> Insertion:
        """Make one pair."""
