"""Metrics of shot boundary detection: one-to-one matching, counts, precision and recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pvtt.io.arrays import BoolArray

Interval = tuple[int, int]  # first and last frame, inclusive

TOLERANCE_FRAMES = 1  # frames: largest distance of a detected cut from a true one
LEAST_OVERLAP = 0.3  # smallest temporal IoU of a detected gradual transition with a true one


@dataclass(frozen=True)
class Detections:
    """Counts of a detector: hits, false alarms and misses; a rate is None if it is undefined."""

    hits: int = 0
    false: int = 0
    missed: int = 0

    def __add__(self, other: Detections) -> Detections:
        return Detections(self.hits + other.hits, self.false + other.false, self.missed + other.missed)

    @property
    def precision(self) -> float | None:
        """Share of the detections that are hits."""
        return self.hits / (self.hits + self.false) if self.hits + self.false else None

    @property
    def recall(self) -> float | None:
        """Share of the true boundaries that were detected."""
        return self.hits / (self.hits + self.missed) if self.hits + self.missed else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        total = 2 * self.hits + self.false + self.missed
        return 2 * self.hits / total if total else None


def match_cuts(
    found: Sequence[int], truth: Sequence[int], gradual: Sequence[Interval], tolerance: int = TOLERANCE_FRAMES
) -> Detections:
    """Match detected hard cuts with true ones, one to one.

    Parameters
    ----------
    found, truth : sequence of int
        First frame of each new shot.
    gradual : sequence of (first, last)
        True gradual transitions (mixed frames, inclusive). A cut that is detected inside one is ignored.
    tolerance : int
        Largest distance of a hit, frames.

    Returns
    -------
    Detections
    """
    free = [cut for cut in found if not any(a <= cut <= b + tolerance for a, b in gradual)]
    right = [[abs(cut - true) <= tolerance for true in truth] for cut in free]
    hits = _matched(np.array(right, bool).reshape(len(free), len(truth)))
    return Detections(hits, len(free) - hits, len(truth) - hits)


def match_gradual(
    found: Sequence[Interval], truth: Sequence[Interval], least_overlap: float = LEAST_OVERLAP
) -> Detections:
    """Match detected gradual transitions with true ones, one to one.

    TRECVID requires one common frame only. A minimum temporal IoU also requires about the right extent, which trimming
    of clips needs.

    Parameters
    ----------
    found, truth : sequence of (first, last)
        Mixed frames, inclusive.
    least_overlap : float
        Smallest temporal IoU of a hit.

    Returns
    -------
    Detections

    References
    ----------
    Smeaton, Over and Doherty, "Video shot boundary detection: seven years of TRECVid activity", CVIU 2010.
    """
    right = [[_overlap(one, true) >= least_overlap for true in truth] for one in found]
    hits = _matched(np.array(right, bool).reshape(len(found), len(truth)))
    return Detections(hits, len(found) - hits, len(truth) - hits)


def _overlap(one: Interval, other: Interval) -> float:
    common = min(one[1], other[1]) - max(one[0], other[0]) + 1
    return max(0, common) / (one[1] - one[0] + other[1] - other[0] + 2 - max(0, common))


def _matched(right: BoolArray) -> int:
    """Size of the largest one-to-one matching of a bool (found, truth) table."""
    from scipy.optimize import linear_sum_assignment  # slow to import; most users of the metrics do not need it

    rows, columns = linear_sum_assignment(right, maximize=True)
    return int(right[rows, columns].sum())
