"""Select the product's box, the frame that shows it best, and the number of its instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pvtt.imaging import color_histograms
from pvtt.imaging.resize import reduced

Array = np.ndarray
Box = tuple[float, float, float, float]

_SHARPNESS_SIDE_PX = 128  # px of a box's crop when its sharpness is measured
_BORDER_MARGIN = 0.01  # of the frame's longer side; a box that ends nearer to the border is truncated
_TRUNCATED_WEIGHT = 0.25  # factor on the score of a truncated box
_MIN_RELATIVE_SIMILARITY = 0.6  # of the highest similarity to the photos; less is another object
_DUPLICATE_IOU = 0.5  # IoU from which two boxes are one detection


@dataclass(frozen=True)
class Candidate:
    """A detected box (x0, y0, x1, y1) in px of frame `number`, its score and its similarity to the photos (0 to 1)."""

    number: int
    box: Box
    score: float
    similarity: float = 1.0


@dataclass(frozen=True)
class BoxSelection:
    """The product's boxes, one per instance and largest first, in the frame `number` that shows it best.

    found: the best candidate of each sampled frame that has one. score: detection score of the best one. fallback: True
    if only boxes below the score threshold were found.
    """

    number: int
    boxes: list[Box]
    found: list[Candidate]
    score: float
    fallback: bool


def select_box(
    candidates: Sequence[Candidate],
    frames: Mapping[int, Array],
    threshold: float,
    max_area_share: float,
    max_instances: int,
) -> BoxSelection | None:
    """Select the product among the candidate boxes.

    Boxes larger than `max_area_share` show the whole scene and are dropped. In each frame, the largest box with a score
    of at least `threshold` wins among the boxes that are similar to the photos. If no frame has one, the box with the
    highest score wins.

    Parameters
    ----------
    candidates : list of Candidate
    frames : frame number -> uint8 (h, w, 3) RGB
        The sampled frames.
    threshold : float in [0, 1]
        Detection score.
    max_area_share : float in [0, 1]
        Of the frame's area.
    max_instances : int

    Returns
    -------
    The selection, or None without a usable box.
    """
    height, width = next(iter(frames.values())).shape[:2]
    usable = [one for one in candidates if _area(one.box) <= max_area_share * height * width]
    strong = [one for one in usable if one.score >= threshold]
    fallback = not strong
    found = []
    for number in sorted(frames):
        in_frame = similar_to_photos([one for one in (usable if fallback else strong) if one.number == number])
        if in_frame:
            found.append(max(in_frame, key=lambda one: (one.score if fallback else _area(one.box), one.score)))
    if not found:
        return None
    best = found[int(np.argmax(frame_scores(found, frames)))]
    in_frame = similar_to_photos([one for one in (usable if fallback else strong) if one.number == best.number])
    boxes = [one.box for one in select_instances(best, in_frame)[:max_instances]]
    return BoxSelection(best.number, boxes, found, best.score, fallback)


def rate_similarity(
    candidates: Sequence[Candidate], frames: Mapping[int, Array], references: Sequence[Array]
) -> list[Candidate]:
    """Candidates with their similarity to the photos: the share of the box's colours that the photos show.

    Parameters
    ----------
    candidates : list of Candidate
    frames : frame number -> uint8 (h, w, 3) RGB
    references : uint8 (h, w, 4) RGBA
        Cut-outs of the product's photos. Without them the candidates are returned unchanged.
    """
    reference = color_histograms.reference_histogram(references)
    if reference is None:
        return list(candidates)
    rated = []
    for one in candidates:
        crop = reduced(_crop(frames[one.number], one.box), _SHARPNESS_SIDE_PX)
        bins = color_histograms.bin_indices(crop)
        colours = color_histograms.histogram(bins, np.ones(bins.shape[:2]))
        rated.append(replace(one, similarity=color_histograms.reference_share(reference, colours)))
    return rated


def similar_to_photos(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates whose similarity is close to that of the most similar one."""
    max_instances = max((one.similarity for one in candidates), default=0.0)
    return [one for one in candidates if one.similarity >= _MIN_RELATIVE_SIMILARITY * max_instances]


def frame_scores(candidates: Sequence[Candidate], frames: Mapping[int, Array]) -> Array:
    """How well each candidate shows the product: score x sharpness x size, reduced at the frame border.

    Sharpness is the square root of the variance of the Laplacian at one size, size the square root of the area; both
    are relative to the largest value among the candidates.

    Parameters
    ----------
    candidates : list of Candidate
        n candidates, at least one.
    frames : frame number -> uint8 (h, w, 3) RGB
        With the frames of all candidates.

    Returns
    -------
    float64 (n,)
        At most the candidates' scores.

    Raises
    ------
    ValueError
        Without candidates.
    """
    sharp = np.array([_sharpness(_crop(frames[one.number], one.box)) for one in candidates])
    size = np.sqrt([_area(one.box) for one in candidates])
    truncation_weight = [
        _TRUNCATED_WEIGHT if is_truncated(one.box, frames[one.number].shape) else 1.0 for one in candidates
    ]
    scores = np.array([one.score for one in candidates])
    return np.asarray(scores * np.sqrt(sharp / max(sharp.max(), 1e-9)) * size / size.max() * truncation_weight)


def select_instances(main: Candidate, others: Sequence[Candidate]) -> list[Candidate]:
    """The product's instances in one frame, largest first: `main` and disjoint boxes of similar size and score.

    If the main box contains two or more such boxes with scores close to its own, it surrounds a group, for instance a
    pair of earrings, and the boxes inside are returned.
    """
    distinct: list[Candidate] = []
    for one in sorted(others, key=lambda one: -one.score):
        if all(box_iou(one.box, kept.box) < _DUPLICATE_IOU for kept in distinct):
            distinct.append(one)
    members = [
        one
        for one in distinct
        if _contained_share(one.box, main.box) > 0.85
        and box_iou(one.box, main.box) < _DUPLICATE_IOU
        and one.score > 0.8 * main.score
    ]
    group = _disjoint(members)
    if len(group) > 1:
        return group
    return _disjoint([main, *(one for one in distinct if one.score > 0.6 * main.score)])


def _disjoint(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first candidate and those of similar size that lie apart from all taken before, largest first."""
    selected: list[Candidate] = []
    for one in candidates:
        similar = not selected or 0.4 < _area(one.box) / _area(selected[0].box) < 2.5
        if similar and all(
            max(_contained_share(one.box, kept.box), _contained_share(kept.box, one.box)) < 0.2 for kept in selected
        ):
            selected.append(one)
    return sorted(selected, key=lambda one: -_area(one.box))


def is_truncated(box: Box, shape: Sequence[int]) -> bool:
    """Whether a box ends at the border of a frame of `shape` (h, w, ...)."""
    height, width = shape[:2]
    margin = _BORDER_MARGIN * max(height, width)
    return min(box[0], box[1], width - box[2], height - box[3]) < margin


def box_iou(first: Box, second: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    shared = _intersection(first, second)
    return shared / (_area(first) + _area(second) - shared)


def _contained_share(box: Box, other: Box) -> float:
    return _intersection(box, other) / _area(box)


def _intersection(first: Box, second: Box) -> float:
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
    return float(
        cv2.Laplacian(
            cv2.resize(grey, (_SHARPNESS_SIDE_PX, _SHARPNESS_SIDE_PX), interpolation=cv2.INTER_AREA), cv2.CV_32F
        ).var()
    )
