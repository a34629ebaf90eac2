"""Hard cuts by ffmpeg's scene filter, `select='gt(scene,T)'`, run by PyAV: no ffmpeg program is needed.

The score of a frame is the smaller of two figures in grey levels, by 100 and at most 1: the mean absolute difference
to the frame before, and the change of that difference (`get_scene_score` in ffmpeg's libavfilter/f_select.c). The
filter knows no gradual transitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import av.filter

from pvtt.backends.base import Embedded
from pvtt.config.stages.shots import ShotsSettings
from pvtt.io.arrays import UInt8Array
from pvtt.stages.shots.base import Transitions


class Backend(Embedded[ShotsSettings]):
    """ffmpeg's scene filter on the luma of whole frames."""

    settings_type = ShotsSettings
    name = "ffmpeg"
    version = "1"
    method = name

    def detect(self, frames: Iterable[UInt8Array], fps: Fraction) -> Transitions:
        """See `base.ShotDetector.detect`."""
        return Transitions(tuple(_selected(frames, fps, self.settings.ffmpeg.threshold)))


def _selected(frames: Iterable[UInt8Array], fps: Fraction, threshold: float) -> Iterator[int]:
    """Indices of the frames whose scene score is above a threshold; frames are uint8 (h, w, 3) RGB."""
    graph: av.filter.Graph | None = None
    for index, frame in enumerate(frames):
        if graph is None:
            graph = _scene_graph(frame.shape[1], frame.shape[0], fps, threshold)
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture.pts, picture.time_base = index, 1 / fps
        graph.push(picture)
        yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _pulled(graph: av.filter.Graph) -> Iterator[int]:
    """Indices of the frames that a graph has let through so far."""
    while True:
        try:
            yield int(graph.pull().pts)
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _scene_graph(width: int, height: int, fps: Fraction, threshold: float) -> av.filter.Graph:
    graph = av.filter.Graph()
    parts = [
        graph.add_buffer(width=width, height=height, format="rgb24", time_base=1 / fps),
        graph.add("format", "gray"),
        graph.add("select", f"gt(scene,{threshold})"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*parts).configure()
    return graph
