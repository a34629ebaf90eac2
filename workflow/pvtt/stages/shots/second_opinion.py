"""A second shot detector beside the first: hard cuts that only one of the two finds are marked for review.

The first detector alone decides the shots; nothing is cut or rejected because the second disagrees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pvtt.backends.registry import available, backend_class
from pvtt.config.stages.shots import ShotsSettings
from pvtt.records.media import DisputedCut, Shot
from pvtt.stages.shots.base import ShotDetector, Transitions

_TOLERANCE = 2  # frames: cuts this near are one; detectors differ by a frame where a cut has a mixed frame


def used_backends(settings: Mapping[str, Any]) -> list[ShotDetector]:
    """The detector that the settings choose, then that of `second_opinion` if there is one; not loaded.

    Raises ValueError for an unknown backend.
    """
    chosen = ShotsSettings.of(settings)
    names = [chosen.backend]
    if (second := chosen.second_opinion) != "none":
        if ":" not in second and second not in available("shots"):
            raise ValueError(
                f"shots.second_opinion: no backend {second!r}; there are none, {', '.join(available('shots'))}"
            )
        names.append(second)
    return [backend_class("shots", name)(settings) for name in names]


def version(settings: Mapping[str, Any]) -> str:
    """Version of the detector, and name and version of the second one if there is one."""
    first, *others = used_backends(settings)
    return ", ".join([first.version, *(f"{other.name} {other.version}" for other in others)])


def disputed_cuts(names: Sequence[str], found: Sequence[Transitions]) -> list[DisputedCut]:
    """Hard cuts that only one of two detectors found.

    Parameters
    ----------
    names : sequence of str
        Names of the backends.
    found : sequence of Transitions
        What each of them found.

    Returns
    -------
    list of DisputedCut
        In order of their frames. A cut within 2 frames of a cut or of a gradual transition of the other detector is
        not disputed: both see that a shot ends there. Gradual transitions are not compared.
    """
    disputed = []
    for own, other in ((0, 1), (1, 0)):
        spans = [*((cut, cut) for cut in found[other].cuts), *found[other].gradual]
        disputed += [
            DisputedCut(frame=cut, found_by=names[own], missed_by=names[other])
            for cut in found[own].cuts
            if not any(first - _TOLERANCE <= cut <= last + _TOLERANCE for first, last in spans)
        ]
    return sorted(disputed, key=lambda cut: cut.frame)


def with_reviews(shots: Sequence[Shot], disputed: Sequence[DisputedCut]) -> list[Shot]:
    """The shots, with a review text for each that contains a disputed cut, or begins or ends with one."""
    marked = []
    for shot in shots:
        cuts = [cut for cut in disputed if shot.start_frame <= cut.frame <= shot.end_frame]
        text = "; ".join(f"{cut.found_by} sees a cut at {cut.frame}, {cut.missed_by} does not" for cut in cuts)
        marked.append(shot.model_copy(update={"review": text}) if text else shot)
    return marked
