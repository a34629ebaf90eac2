"""Frames of a video for several passes: kept in memory while they are few, decoded anew otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pvtt.io.video import read_frames

# Calling it starts a new pass over a video's uint8 (h, w, 3) RGB frames.
Frames = Callable[[], Iterator[np.ndarray]]


class VideoReader:
    """Calling it starts a new pass over a video's uint8 (h, w, 3) RGB frames; `n_frames` is their number.

    The video is decoded once at the start, so MediaError is raised here. Frames that take more than `memory_mb`
    together are not kept.
    """

    def __init__(self, path: str | Path, memory_mb: float = 400) -> None:
        self.path = Path(path)
        self.n_frames = 0
        kept: list[np.ndarray] | None = []
        for frame in read_frames(self.path):
            self.n_frames += 1
            if kept is not None:
                kept.append(frame)
                if self.n_frames * frame.nbytes > memory_mb * 1e6:
                    kept = None
        self._kept = kept

    def __call__(self) -> Iterator[np.ndarray]:
        """All frames, in order."""
        return read_frames(self.path) if self._kept is None else iter(self._kept)
