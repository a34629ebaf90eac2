"""Hard cuts by PySceneDetect, gradual transitions by the blend test of `pvtt.stages.shots.blends`.

`detector` selects PySceneDetect's AdaptiveDetector (HSV change against its rolling mean, robust to camera moves),
ContentDetector (HSV change against a fixed threshold) or HashDetector (perceptual hash of neighbouring frames). The
frames are this project's constant grid, so indices need no translation. Four steps are added:

- Changes that stand out from fast movement around them are cuts.
- The adaptive ratio is also computed for the first and last frames, with a one-sided window.
- A change that leaves most of the picture in place is an overlay and no cut.
- A cut inside a dissolve or fade is part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector, ContentDetector, HashDetector
from scenedetect.stats_manager import StatsManager

from pvtt.backends.base import Embedded
from pvtt.config.stages.shots import ShotsSettings
from pvtt.stages.shots.base import Transitions
from pvtt.stages.shots.transitions import find_gradual, persistence, thumbnail

Array = np.ndarray

# PySceneDetect's own working width: its default limits are tuned at this size.
_DETECTION_PX = 256  # px, long side
_ADAPTIVE_WINDOW = 2  # frames on each side in the rolling mean of AdaptiveDetector
_MIN_CHANGE = 15.0  # HSV change (0-255) below which AdaptiveDetector sees no cut
_OVERLAY_PERSISTENCE = 0.5  # of the textured blocks; if more stay in place the change is an overlay
# Clear cuts: least mean absolute difference of thumbnails in grey levels, ratio to the largest around, persistence. In
# fast movement a change must be large; in a quiet shot it may be small (two similar shots) but must stand alone.
_PROMINENCE_WINDOW, _PROMINENCE_LIMITS = 3, ((20.0, 2.0, 0.3), (8.0, 5.0, 0.5))
# Two cuts closer than this are one event: a flash, or a cut through a few mixed frames.
_MIN_CUT_DISTANCE_S = 0.25  # s

DEFAULT_THRESHOLDS = {"adaptive": 3.0, "content": 27.0, "hash": 0.35}


class Backend(Embedded[ShotsSettings]):
    """PySceneDetect's detectors by config: `detector` (adaptive, content, hash) and `threshold` (None: its own)."""

    settings_type = ShotsSettings
    name = "scenedetect"
    version = "2"
    licence = "BSD-3-Clause"

    def __init__(self, settings: ShotsSettings | Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._detector, threshold = self.settings.detector, self.settings.threshold
        self._threshold = float(DEFAULT_THRESHOLDS[self._detector] if threshold is None else threshold)

    @property
    def method(self) -> str:
        """See `base.ShotDetector.method`."""
        return f"{self.name}:{self.settings.detector}"

    def detect(self, frames: Iterable[Array], fps: Fraction) -> Transitions:
        """See `base.ShotDetector.detect`."""
        detector = self._make_detector(fps)
        detector.stats_manager = stats = StatsManager()
        stats.register_metrics(detector.get_metrics())
        cuts: list[int] = []
        thumbs: list[Array] = []
        for index, frame in enumerate(frames):
            small = thumbnail(frame, _DETECTION_PX)
            found = detector.process_frame(FrameTimecode(index, fps), np.ascontiguousarray(small[..., ::-1]))
            cuts += [code.frame_num for code in found]
            thumbs.append(thumbnail(small))
        if thumbs:
            cuts += [code.frame_num for code in detector.post_process(FrameTimecode(len(thumbs) - 1, fps))]
        if self._detector == "adaptive":
            scores = [_content_score(stats, index, fps) for index in range(len(thumbs))]
            cuts += self._edge_cuts(scores)
        return _resolve_transitions(sorted(set(cuts)), thumbs, fps)

    def _make_detector(self, fps: Fraction) -> Any:
        if self._detector == "adaptive":
            return AdaptiveDetector(
                self._threshold, min_scene_len=1, window_width=_ADAPTIVE_WINDOW, min_content_val=_MIN_CHANGE
            )
        length = max(1, round(_MIN_CUT_DISTANCE_S * fps))
        chosen = ContentDetector if self._detector == "content" else HashDetector
        return chosen(threshold=self._threshold, min_scene_len=length)

    def _edge_cuts(self, scores: Sequence[float]) -> list[int]:
        """Cuts in the first and last `_ADAPTIVE_WINDOW` frames, where AdaptiveDetector's window does not fit."""
        count = len(scores)
        edges = {*range(1, min(_ADAPTIVE_WINDOW + 1, count)), *range(max(1, count - _ADAPTIVE_WINDOW), count)}
        cuts = []
        for index in sorted(edges):
            around = range(max(1, index - _ADAPTIVE_WINDOW), min(count, index + _ADAPTIVE_WINDOW + 1))
            others = [scores[other] for other in around if other != index]
            if others and scores[index] >= max(_MIN_CHANGE, self._threshold * float(np.mean(others))):
                cuts.append(index)
        return cuts


def _content_score(stats: StatsManager, index: int, fps: Fraction) -> float:
    value = stats.get_metrics(FrameTimecode(index, fps), [ContentDetector.FRAME_SCORE_KEY])[0]
    return float(value) if value is not None else 0.0


def _resolve_transitions(cuts: Sequence[int], thumbs: Sequence[Array], fps: Fraction) -> Transitions:
    """Drop overlays from the cuts, find gradual transitions between them, and drop cuts inside gradual transitions."""
    fast, isolated = (_prominent_cuts(thumbs, *limits) for limits in _PROMINENCE_LIMITS)
    cuts = sorted({*cuts, *fast, *isolated})
    real = [cut for cut in cuts if persistence(thumbs[cut - 1], thumbs[cut]) < _OVERLAY_PERSISTENCE]
    gradual = find_gradual(thumbs, real, float(fps), isolated)
    outside = [cut for cut in real if not any(first < cut <= last for first, last in gradual)]
    return Transitions(tuple(outside), tuple(gradual))


def _prominent_cuts(thumbs: Sequence[Array], min_step: float, ratio: float, max_persistence: float) -> list[int]:
    """Changes that stand out from those around them, with one row of `_PROMINENCE_LIMITS`."""
    steps = [float(np.mean(cv2.absdiff(first, second))) for first, second in pairwise(thumbs)]
    cuts = []
    for index, step in enumerate(steps):
        around = [
            *steps[max(0, index - _PROMINENCE_WINDOW) : index],
            *steps[index + 1 : index + 1 + _PROMINENCE_WINDOW],
        ]
        stands_out = step >= min_step and step >= ratio * max(around, default=step)
        if stands_out and persistence(thumbs[index], thumbs[index + 1]) < max_persistence:
            cuts.append(index + 1)
    return cuts
