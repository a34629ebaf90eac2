"""Tracks: key points followed from their first visible frame against the true paths (TAP-Vid)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pvtt.io import video
from pvtt.metrics import tapvid
from pvtt.records.layout import ClipFiles
from pvtt.records.provenance import Stopwatch
from pvtt.stages.segmentation.track import track_queries
from stages.common import Options, Outcome
from truth import Clip

Array = np.ndarray


def measure_clip(options: Options, clip: Clip, true: Path) -> Iterator[Outcome]:
    """One outcome, on true masks; none for a clip without true points."""
    points, visible, queries = true_points(clip)
    if not len(points):
        return
    frames, watch = video.read_video(ClipFiles(true).video), Stopwatch()
    paths = track_queries(frames, clip.masks(), queries)
    seconds = watch.seconds
    figures = tapvid(paths, points, visible, queries, clip.size) | {"s_per_frame": seconds / len(frames)}
    yield Outcome("tracks", "track_queries", "isolated", clip.clip_id, figures, {"points": len(points)})


def true_points(clip: Clip) -> tuple[Array, Array, Array]:
    """True paths (k, n, 2), visibility bool (k, n) and queries (k, 3) of the points that are visible again later."""
    track = clip.track()
    n_frames = clip.record["end_frame"] - clip.record["start_frame"]
    points = np.array(track["points"], np.float64).reshape(-1, n_frames, 2)
    visible = np.array(track["visible"], bool).reshape(-1, n_frames)
    chosen = visible.sum(1) >= 2
    points, visible = points[chosen], visible[chosen]
    first = visible.argmax(1)
    return points, visible, np.column_stack([first, points[np.arange(len(points)), first]])
