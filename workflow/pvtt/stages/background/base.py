"""What a background backend is: it removes the product from a clip and gives back the scene without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from pvtt.backends.base import AnyBackend
from pvtt.io.video_reader import Frames

Array = np.ndarray


class RemovalError(ValueError):
    """A clip whose product cannot be removed; the message is the reason in its record."""


@dataclass(frozen=True)
class Removal:
    """What `Backend.remove` gives back.

    `frames` yields as many uint8 (h, w, 3) RGB frames as came in, once. `region` is bool (n, h, w): outside it, a frame
    equals its source bit for bit. It covers the masks, and insertion takes the background only there.
    `measures` are plain values for the record, complete when `frames` is exhausted.
    """

    frames: Iterator[Array]
    region: Array
    measures: dict[str, Any] = field(default_factory=dict)


class BackgroundBackend(AnyBackend, Protocol):
    """Removes the product from a clip. RemovalError says why a clip cannot be done."""

    def remove(self, frames: Frames, masks: Array) -> Removal:
        """Remove what `masks` (bool (n, h, w)) cover. `frames()` starts a new pass over uint8 (h, w, 3) RGB frames."""
