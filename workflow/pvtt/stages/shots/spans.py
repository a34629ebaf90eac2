"""From transitions to clips: the start and end of each shot, its minimum length, the splitting of long shots."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from pvtt.config.stages.shots import ShotsSettings
from pvtt.stages.shots.base import Transitions


@dataclass(frozen=True)
class Span:
    """Frames `start` to `end` (excluded) of a video; `part` is True for the pieces of a split shot after the first."""

    start: int
    end: int
    part: bool = False

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.end - self.start


def shot_spans(n_frames: int, transitions: Transitions) -> list[Span]:
    """Shots of a video in order: the frames between its cuts, without the mixed frames of gradual transitions."""
    mixed = {frame for first, last in transitions.gradual for frame in range(first, last + 1)}
    cuts = set(transitions.cuts)
    spans, start = [], None
    for frame in range(n_frames + 1):
        ends = frame == n_frames or frame in cuts or frame in mixed
        if start is not None and ends:
            spans.append(Span(start, frame))
            start = None
        if start is None and frame < n_frames and frame not in mixed:
            start = frame
    return spans


def length_problem(span: Span, fps: Fraction, settings: ShotsSettings) -> str:
    """Why a shot is too short for `min_shot_s` and `min_shot_frames`; empty if it is long enough."""
    if span.n_frames >= shortest_frames(fps, settings):
        return ""
    seconds = float(span.n_frames / fps)
    limits = f"under {settings.min_shot_s:g} s or {settings.min_shot_frames} frames"
    return f"too short: {span.n_frames} frame{'' if span.n_frames == 1 else 's'}, {seconds:.1f} s: {limits}"


def shortest_frames(fps: Fraction, settings: ShotsSettings) -> int:
    """Frames of the shortest clip: `min_shot_s` and `min_shot_frames` both hold."""
    return max(1, settings.min_shot_frames, math.ceil(_seconds(settings.min_shot_s) * fps))


def split_span(span: Span, fps: Fraction, settings: ShotsSettings) -> list[Span]:
    """Equal parts of at most `max_clip_s`, in order; the span itself if it is short enough.

    At low frame rates a part could fall below the minimum length. There are then fewer, longer parts.
    """
    longest = max(1, math.floor(_seconds(settings.max_clip_s) * fps))
    count = min(math.ceil(span.n_frames / longest), max(1, span.n_frames // shortest_frames(fps, settings)))
    edges = [span.start + span.n_frames * index // count for index in range(count + 1)]
    return [Span(edges[index], edges[index + 1], part=index > 0) for index in range(count)]


def _seconds(value: float) -> Fraction:
    """A setting in seconds as the decimal that was written, so that 2.4 s at 25 fps are 60 frames, not 61."""
    return Fraction(str(value))
