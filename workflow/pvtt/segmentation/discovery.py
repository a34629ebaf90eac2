"""Find the product: co-segmentation of a few frames of a clip, then choice of the object.

Frames spread over the clip are labelled together with one colour model of product and ground (co-segmentation, Rother
et al., CVPR 2006), started from saliency (`saliency.py`) and, when there are product photos, from their colours and
their place (`place.py`). Skin that comes in over the frame's border is ground. Of the regions found, the one is chosen
that is salient, persistent over the frames, not cut by the border, central, and like the photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from pvtt.segmentation import appearance
from pvtt.segmentation.labelling import GuidedFilter, drop_specks, label, main_parts
from pvtt.segmentation.place import PlaceFinder
from pvtt.segmentation.saliency import saliency

Array = np.ndarray

SHORT_SIDE = 240
_LEAST_AREA = 0.0008  # of the frame; below it colour statistics carry no evidence


@dataclass
class View:
    """One sampled frame at reduced size and what is known of it; maps are (h, w)."""

    number: int
    image: Array
    index: Array
    salient: Array
    ground: Array
    foreign: Array  # skin from outside, overlays
    place: Array | None
    guided: GuidedFilter
    found: Array = field(default_factory=lambda: np.zeros(0))


@dataclass
class Region:
    """A connected region of one view: a candidate for the product."""

    view: int
    mask: Array
    colours: Array
    score: float


@dataclass(frozen=True)
class Discovery:
    """The product as found in the sampled frames."""

    numbers: list[int]
    masks: list[Array]
    scores: list[float]
    product: Array
    ground: Array
    ambiguity: float
    likeness: float | None
    skin_share: float
    placed: int

    @property
    def best(self) -> int:
        """Place in `numbers` of the frame where the product is seen best."""
        return int(np.argmax(self.scores))


def reduced(image: Array, short_side: int) -> Array:
    """`image` with its short side at most `short_side` px (area-averaged, never enlarged)."""
    scale = short_side / min(image.shape[:2])
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image


def view_of(number: int, frame: Array, finder: PlaceFinder | None, covered: Array | None = None) -> View:
    """Evidence of one frame (uint8 (h, w, 3) RGB); `covered`: where an overlay lies, bool at the reduced size."""
    image = reduced(frame, SHORT_SIDE)
    salient, ground = saliency(image)
    corners = None
    if finder is not None:
        larger = reduced(frame, 2 * SHORT_SIDE)
        corners = finder.find(larger)
        corners = None if corners is None else corners * (image.shape[0] / larger.shape[0])
    place = None if corners is None else _place_map(corners, image.shape[:2])
    foreign = border_skin(image) if covered is None else border_skin(image) | covered
    return View(number, image, appearance.features(image), salient, ground, foreign, place, GuidedFilter(image))


def _place_map(corners: Array, shape: tuple[int, int]) -> Array:
    """Log-odds of place: nought inside the quadrilateral grown by a tenth, falling to -4 outside."""
    centre = corners.mean(0)
    grown = centre + 1.1 * (corners - centre)
    inside = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(inside, np.rint(grown).astype(np.int32), 1)
    distance = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    return np.where(inside > 0, 1.0, -np.minimum(distance / 2, 4)).astype(np.float32)


def border_skin(image: Array) -> Array:
    """Skin-coloured regions connected to the frame's border, bool (h, w): hands and arms come in from outside."""
    likely = cv2.blur(appearance.skin_probability(image), (3, 3)) > 0.5
    count, labels = cv2.connectedComponents(likely.astype(np.uint8), connectivity=4)
    if count <= 1:
        return np.zeros(likely.shape, bool)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    touching = np.bincount(edge, minlength=count) >= 4
    touching[0] = False
    return touching[labels]


def discover(
    frames: Sequence[tuple[int, Array]], references: Sequence[Array], covered: Sequence[Array]
) -> Discovery | None:
    """Find the product in sampled frames (number, uint8 (h, w, 3) RGB); None when nothing stands out.

    `references` are RGBA cut-outs (may be empty), `covered` says where overlays lie, bool (h, w) at the reduced size.
    Masks are bool at a short side of `SHORT_SIDE`.
    """
    finder = PlaceFinder(references) if references else None
    views = [view_of(n, frame, finder, over) for (n, frame), over in zip(frames, covered, strict=True)]
    known = appearance.reference_histogram(references)
    label_together(views, known, rounds=4)
    regions = [region for k in range(len(views)) for region in _regions(k, views[k])]
    _score(regions, views, known)
    chosen, ambiguity = _choose(regions, len(views))
    if not chosen:
        return None
    return _refine(views, chosen, ambiguity, known)


def label_together(views: Sequence[View], known: Array | None, rounds: int) -> None:
    """Fill `found` (probability of the product) of all views, estimating one colour model for all of them."""
    priors = [_prior(view, known is not None) for view in views]
    weights = [_first_weights(view, known) for view in views]
    for _ in range(rounds):
        product, ground = _models(views, weights, known)
        ratio = appearance.log_ratio(product, ground)
        odds = [appearance.evidence(ratio, v.index) + prior for v, prior in zip(views, priors, strict=True)]
        weights = [label(plane, view.guided) for plane, view in zip(odds, views, strict=True)]
    for view, weight in zip(views, weights, strict=True):
        view.found = weight


def _prior(view: View, known: bool) -> Array:
    prior = np.clip(np.log((view.salient + 0.03) / (1.03 - view.salient)), -3, 3) - 0.5
    prior = 0.5 * prior if known else prior
    prior = prior - 3 * view.foreign
    return prior if view.place is None else 0.3 * prior + view.place


def _first_weights(view: View, known: Array | None) -> Array:
    start = view.salient * (1 - 0.9 * view.foreign)
    if known is not None:
        # Against what competes with the product for attention, not against the ground that saliency excludes already.
        everything = appearance.histogram(view.index, 0.1 + view.salient if view.place is None else view.place > 0)
        ratio = appearance.log_ratio(appearance.blend(everything, known, 1.0), everything)
        like = appearance.evidence(ratio, view.index)
        start = (0.25 + start) / 1.25 / (1 + np.exp(-1.5 * like))
    return start if view.place is None else start * (view.place > 0)


def _models(views: Sequence[View], weights: Sequence[Array], known: Array | None) -> tuple[Array, Array]:
    product = np.mean([appearance.histogram(v.index, w) for v, w in zip(views, weights, strict=True)], axis=0)
    ground = np.mean([appearance.histogram(v.index, 1 - w) for v, w in zip(views, weights, strict=True)], axis=0)
    return appearance.blend(product, known, 0.6), appearance.shadowed(ground)


def _regions(number: int, view: View) -> list[Region]:
    mask = view.found > 0.5
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] >= _LEAST_AREA * mask.size]
    large = sorted(large, key=lambda k: -stats[k, cv2.CC_STAT_AREA])[:12]
    return [Region(number, labels == k, appearance.histogram(view.index, labels == k), 0.0) for k in large]


def _score(regions: Sequence[Region], views: Sequence[View], known: Array | None) -> None:
    for region in regions:
        view = views[region.view]
        height, width = region.mask.shape
        rows, columns = np.nonzero(region.mask)
        off_centre = ((columns.mean() / width - 0.5) ** 2 + (rows.mean() / height - 0.5) ** 2) / 0.35**2
        evidence = view.salient if view.place is None else np.maximum(view.salient, view.place > 0)
        value = evidence[region.mask].mean() * np.sqrt(len(rows) / region.mask.size) * np.exp(-0.5 * off_centre)
        value *= (1 - border_contact(region.mask)) ** 2 * (1 - 0.9 * view.foreign[region.mask].mean())
        if known is not None:
            value *= appearance.overlap(region.colours, known)
        region.score = float(value)
    persistence = [_persistence(region, regions, len(views)) for region in regions]
    for region, lasting in zip(regions, persistence, strict=True):
        region.score *= lasting


def border_contact(mask: Array) -> float:
    """Share of a mask's contour that lies on the frame's border, 0 to 1."""
    plane = mask.astype(np.uint8)
    inner = cv2.erode(plane, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    contour = (plane > 0) & (inner == 0)
    edge = np.zeros_like(mask)
    edge[0] = edge[-1] = True
    edge[:, 0] = edge[:, -1] = True
    return float((contour & edge).sum() / max(1, contour.sum()))


def _persistence(region: Region, regions: Sequence[Region], count: int) -> float:
    """Mean over the views of the best agreement in colour and area with one of their regions."""
    best = np.zeros(count)
    area = region.mask.sum()
    for other in regions:
        ratio = other.mask.sum() / area
        alike = appearance.overlap(region.colours, other.colours) * min(1.0, 2 * min(ratio, 1 / ratio))
        best[other.view] = max(best[other.view], alike)
    return float(best.mean())


def _choose(regions: Sequence[Region], count: int) -> tuple[list[list[Region]], float]:
    """Regions of the product per view, and the best rival's score relative to the product's."""
    if not regions:
        return [], 0.0
    main = max(regions, key=lambda region: region.score)
    chosen: list[list[Region]] = [[] for _ in range(count)]
    rival = 0.0
    for region in regions:
        if appearance.overlap(region.colours, main.colours) >= 0.5:
            chosen[region.view].append(region)
        else:
            rival = max(rival, region.score)
    return chosen, rival / max(main.score, 1e-9)


def _refine(
    views: Sequence[View], chosen: Sequence[Sequence[Region]], ambiguity: float, known: Array | None
) -> Discovery:
    """Label again with models of the chosen regions alone; everything else has become ground."""
    weights = []
    for view, regions in zip(views, chosen, strict=True):
        mask = np.any([region.mask for region in regions], axis=0) if regions else np.zeros(view.salient.shape, bool)
        weights.append(mask.astype(np.float32))
    masks = [weight > 0.5 for weight in weights]
    for _ in range(2):
        product, ground = _models(views, [m.astype(np.float32) for m in masks], known)
        ratio = appearance.log_ratio(product, ground)
        masks = []
        for view, weight in zip(views, weights, strict=True):
            near = cv2.dilate(weight, np.ones((9, 9), np.uint8))
            place = np.where(near > 0, 0.5 * _prior(view, known is not None) + 0.5 * weight, -6)
            least = 0.3 * _LEAST_AREA * weight.size
            odds = appearance.evidence(ratio, view.index) + place
            masks.append(main_parts(drop_specks(label(odds, view.guided) > 0.5, least)))
    product, ground = _models(views, [m.astype(np.float32) for m in masks], None)
    scores = []
    for view, regions, mask in zip(views, chosen, masks, strict=True):
        separable = 1 - appearance.overlap(
            appearance.histogram(view.index, mask), appearance.histogram(view.index, ring(mask))
        )
        scores.append(sum(region.score for region in regions) * separable * (2 if view.place is not None else 1))
    likeness = None if known is None else appearance.overlap(product, known)
    placed = sum(view.place is not None for view in views)
    skin = _skin_share(views, masks)
    return Discovery([v.number for v in views], masks, scores, product, ground, ambiguity, likeness, skin, placed)


def _skin_share(views: Sequence[View], masks: Sequence[Array]) -> float:
    shares = [
        (appearance.skin_probability(v.image)[m] > 0.5).mean() for v, m in zip(views, masks, strict=True) if m.any()
    ]
    return float(np.median(shares)) if shares else 0.0


def ring(mask: Array, inner: int = 3, outer: int = 12) -> Array:
    """Surroundings of a mask between `inner` and `outer` px from it, bool."""
    distance = cv2.distanceTransform(1 - mask.astype(np.uint8), cv2.DIST_L2, 5)
    return (distance > inner) & (distance <= outer)
