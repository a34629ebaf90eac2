"""Which detected boxes are the product, in which frame it is seen best, and how many of it there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pvtt.imaging.resize import reduced
from pvtt.stages.segmentation import color_histograms

Array = np.ndarray
Box = tuple[float, float, float, float]

_SIDE = 128  # px of a box's crop when its sharpness is measured
_MARGIN = 0.01  # of the frame's longer side: a box that ends nearer to the border is cut by it
_CUT = 0.25  # weight of a box that is cut by the border
_UNLIKE = 0.6  # of the greatest likeness to the photos, below which a box is another thing
_SAME = 0.5  # IoU from which two boxes are one detection


@dataclass(frozen=True)
class Candidate:
    """A detected box [x0, y0, x1, y1] in pixels of frame `number`, its score and its likeness to the photos, 0 to 1."""

    number: int
    box: Box
    score: float
    likeness: float = 1.0


@dataclass(frozen=True)
class Choice:
    """The product: its boxes (instances, largest first) in the frame that shows it best, and what led there.

    found: the best candidate of every sampled frame that has one. fallback: whether only weak boxes were found.
    """

    number: int
    boxes: list[Box]
    found: list[Candidate]
    score: float
    fallback: bool


def choose(
    candidates: Sequence[Candidate], frames: Mapping[int, Array], threshold: float, largest: float, most: int
) -> Choice | None:
    """The product among candidates of numbered frames, uint8 (h, w, 3) RGB; None when there is none.

    Boxes that cover more than `largest` of the frame are the scene. Among the boxes of a frame that are like the photos
    the largest with a score of at least `threshold` is the product; when no frame has one, the one with the highest
    score. Up to `most` instances.
    """
    height, width = next(iter(frames.values())).shape[:2]
    usable = [one for one in candidates if _area(one.box) <= largest * height * width]
    strong = [one for one in usable if one.score >= threshold]
    fallback = not strong
    found = []
    for number in sorted(frames):
        here = alike([one for one in (usable if fallback else strong) if one.number == number])
        if here:
            found.append(max(here, key=lambda one: (one.score if fallback else _area(one.box), one.score)))
    if not found:
        return None
    best = found[int(np.argmax(worth(found, frames)))]
    here = alike([one for one in (usable if fallback else strong) if one.number == best.number])
    boxes = [one.box for one in instances(best, here)[:most]]
    return Choice(best.number, boxes, found, best.score, fallback)


def with_likeness(
    candidates: Sequence[Candidate], frames: Mapping[int, Array], references: Sequence[Array]
) -> list[Candidate]:
    """Candidates with the share of the photos' colours that their boxes show; unchanged without photos."""
    known = color_histograms.reference_histogram(references)
    if known is None:
        return list(candidates)
    rated = []
    for one in candidates:
        crop = reduced(_crop(frames[one.number], one.box), _SIDE)
        bins = color_histograms.features(crop)
        colours = color_histograms.histogram(bins, np.ones(bins.shape[:2]))
        rated.append(replace(one, likeness=color_histograms.known_share(known, colours)))
    return rated


def alike(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates nearly as like the photos as the likest of them."""
    most = max((one.likeness for one in candidates), default=0.0)
    return [one for one in candidates if one.likeness >= _UNLIKE * most]


def worth(candidates: Sequence[Candidate], frames: Mapping[int, Array]) -> Array:
    """How well each candidate shows the product: score x sharpness x size, less when cut by the frame's border.

    Sharpness (variance of the Laplacian of the box at one size) and size (square root of the area) relative to the
    greatest of the candidates', float (n,).
    """
    sharp = np.array([_sharpness(_crop(frames[one.number], one.box)) for one in candidates])
    size = np.sqrt([_area(one.box) for one in candidates])
    whole = [_CUT if is_cut(one.box, frames[one.number].shape) else 1.0 for one in candidates]
    scores = np.array([one.score for one in candidates])
    return scores * np.sqrt(sharp / max(sharp.max(), 1e-9)) * size / size.max() * whole


def instances(main: Candidate, others: Sequence[Candidate]) -> list[Candidate]:
    """The product's instances in one frame, largest first: `main` and boxes apart from it of similar size and score.

    A main box that holds two or more such boxes, each scored nearly as high as it, is a box around a group: the pair of
    earrings rather than one of them.
    """
    distinct: list[Candidate] = []
    for one in sorted(others, key=lambda one: -one.score):
        if all(overlap(one.box, kept.box) < _SAME for kept in distinct):
            distinct.append(one)
    members = [
        one
        for one in distinct
        if _share_inside(one.box, main.box) > 0.85
        and overlap(one.box, main.box) < _SAME
        and one.score > 0.8 * main.score
    ]
    group = _apart(members)
    if len(group) > 1:
        return group
    return _apart([main, *(one for one in distinct if one.score > 0.6 * main.score)])


def _apart(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first candidate and those of similar size that lie apart from all taken before, largest first."""
    taken: list[Candidate] = []
    for one in candidates:
        similar = not taken or 0.4 < _area(one.box) / _area(taken[0].box) < 2.5
        if similar and all(
            max(_share_inside(one.box, kept.box), _share_inside(kept.box, one.box)) < 0.2 for kept in taken
        ):
            taken.append(one)
    return sorted(taken, key=lambda one: -_area(one.box))


def is_cut(box: Box, shape: Sequence[int]) -> bool:
    """Whether a box ends at the border of a frame of `shape` (h, w, ...)."""
    height, width = shape[:2]
    margin = _MARGIN * max(height, width)
    return min(box[0], box[1], width - box[2], height - box[3]) < margin


def overlap(first: Box, second: Box) -> float:
    """IoU of two boxes."""
    shared = _shared(first, second)
    return shared / (_area(first) + _area(second) - shared)


def _share_inside(box: Box, other: Box) -> float:
    return _shared(box, other) / _area(box)


def _shared(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(0.0, width) * max(0.0, height)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _crop(frame: Array, box: Box) -> Array:
    x0, y0 = int(box[0]), int(box[1])
    return frame[y0 : max(y0 + 1, int(np.ceil(box[3]))), x0 : max(x0 + 1, int(np.ceil(box[2])))]


def _sharpness(image: Array) -> float:
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), cv2.CV_32F).var())
