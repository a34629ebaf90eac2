"""Several passes over the frames of a video: from memory if they fit, else decoded again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from pvtt.io.arrays import UInt8Array
from pvtt.io.video import read_frames

# A call starts a new pass over the frames of a video, uint8 (h, w, 3), RGB.
Frames = Callable[[], Iterator[UInt8Array]]


class VideoReader:
    """Callable that starts a new pass over the frames of a video, uint8 (h, w, 3), RGB.

    The constructor decodes the video once.

    Parameters
    ----------
    path : path
    memory_mb : float
        Largest total size of frames that are kept in memory, MB (10^6 bytes).

    Attributes
    ----------
    n_frames : int

    Raises
    ------
    MediaError
        If the video cannot be decoded.
    """

    def __init__(self, path: str | Path, memory_mb: float = 400) -> None:
        self.path = Path(path)
        self.n_frames = 0
        kept: list[UInt8Array] | None = []
        for frame in read_frames(self.path):
            self.n_frames += 1
            if kept is not None:
                kept.append(frame)
                if self.n_frames * frame.nbytes > memory_mb * 1e6:
                    kept = None
        self._kept = kept

    def __call__(self) -> Iterator[UInt8Array]:
        """Yield all frames in order."""
        return read_frames(self.path) if self._kept is None else iter(self._kept)
