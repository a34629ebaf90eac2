"""Found shot boundaries against true ones: one-to-one matching, counts, precision and recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Interval = tuple[int, int]

TOLERANCE_FRAMES = 1
LEAST_OVERLAP = 0.3


@dataclass(frozen=True)
class Detections:
    """Counts of a detector: right ones, false ones and misses; figures are None where nothing defines them."""

    hits: int = 0
    false: int = 0
    missed: int = 0

    def __add__(self, other: Detections) -> Detections:
        return Detections(self.hits + other.hits, self.false + other.false, self.missed + other.missed)

    @property
    def precision(self) -> float | None:
        """Share of what was found that is true."""
        return self.hits / (self.hits + self.false) if self.hits + self.false else None

    @property
    def recall(self) -> float | None:
        """Share of what is true that was found."""
        return self.hits / (self.hits + self.missed) if self.hits + self.missed else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        total = 2 * self.hits + self.false + self.missed
        return 2 * self.hits / total if total else None


def match_cuts(
    found: Sequence[int], truth: Sequence[int], gradual: Sequence[Interval], tolerance: int = TOLERANCE_FRAMES
) -> Detections:
    """Hard cuts (first frame of each new shot), right within `tolerance` frames, each true one matched once at most.

    A found cut inside a true gradual transition ((first, last) mixed frame, inclusive) counts neither way.
    """
    free = [cut for cut in found if not any(a <= cut <= b + tolerance for a, b in gradual)]
    right = [[abs(cut - true) <= tolerance for true in truth] for cut in free]
    hits = _matched(np.array(right, bool).reshape(len(free), len(truth)))
    return Detections(hits, len(free) - hits, len(truth) - hits)


def match_gradual(
    found: Sequence[Interval], truth: Sequence[Interval], least_overlap: float = LEAST_OVERLAP
) -> Detections:
    """Gradual transitions (first, last), inclusive: right where the temporal IoU is at least `least_overlap`.

    Matched one to one. TRECVID (Smeaton, Over and Doherty, CVIU 2010) asks for one common frame only; a share of the
    length also asks that the transition's extent is about right, which is what trimming clips needs.
    """
    right = [[_overlap(one, true) >= least_overlap for true in truth] for one in found]
    hits = _matched(np.array(right, bool).reshape(len(found), len(truth)))
    return Detections(hits, len(found) - hits, len(truth) - hits)


def _overlap(one: Interval, other: Interval) -> float:
    common = min(one[1], other[1]) - max(one[0], other[0]) + 1
    return max(0, common) / (one[1] - one[0] + other[1] - other[0] + 2 - max(0, common))


def _matched(right: np.ndarray) -> int:
    """Size of the largest one-to-one matching of a bool (found, truth) table."""
    from scipy.optimize import linear_sum_assignment  # slow to import, and most users of the metrics need it not

    rows, columns = linear_sum_assignment(right, maximize=True)
    return int(right[rows, columns].sum())
