"""Find the product: co-segmentation of a few frames of a clip, then choice of the object.

Frames spread over the clip are labelled together with one colour model of product and ground (co-segmentation, Rother
et al., CVPR 2006), started from saliency (`saliency.py`) and, when there are product photos, from their colours and
their place (`place.py`). Skin that comes in over the frame's border is ground. Of the regions found, the product's are
chosen (`regions.py`) and labelled once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pvtt.imaging.morphology import ring
from pvtt.imaging.resize import reduced
from pvtt.stages.segmentation import color_histograms
from pvtt.stages.segmentation.base import SHORT_SIDE
from pvtt.stages.segmentation.classical.feature_matching import PlaceFinder
from pvtt.stages.segmentation.classical.frame_features import Region, View, choose, regions_of, score
from pvtt.stages.segmentation.classical.pixel_labeling import GuidedFilter, drop_specks, label, main_parts
from pvtt.stages.segmentation.classical.saliency import saliency
from pvtt.stages.segmentation.classical.shadow_edges import DEEP_SHARE, enclosed, shaded_evidence
from pvtt.stages.segmentation.concavity_filling import Solidity, filled, photographed

Array = np.ndarray

_LARGEST_HAND = 0.4  # of the frame
_SHOWN = 0.5  # share of a skin-coloured region's colours that the photos show, for it to be the product's
_LEAST_SALIENT, _LARGEST_CLOSED = 0.2, 0.6  # of a closed part: mean saliency, share of the frame
_CLEARLY_SALIENT, _GROUND_COLOURS = 0.5, 0.6  # mean saliency; overlap with the ground's colours
_LIKELY_GROUND = 0.15  # saliency below it
_LEAST_AREA = 0.0008  # of the frame; below it colour statistics carry no evidence


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
    indices: list[Array]
    sought: Array  # colours of the product as found and as photographed
    solidity: Solidity | None  # of the product in its photos

    def fit(self, k: int, mask: Array) -> float:
        """How much more a mask, bool (h, w), of the k-th sampled frame has the product's colours than its surroundings.

        -1 to 1; -1 for an empty mask.
        """
        if not mask.any():
            return -1.0
        inside, around = (color_histograms.histogram(self.indices[k], region) for region in (mask, ring(mask)))
        return color_histograms.overlap(inside, self.sought) - color_histograms.overlap(around, self.sought)

    @property
    def best(self) -> int:
        """Place in `numbers` of the frame where the product is seen best."""
        return int(np.argmax(self.scores))


def view_of(number: int, frame: Array, finder: PlaceFinder | None, covered: Array, solidity: Solidity | None) -> View:
    """Evidence of one frame (uint8 (h, w, 3) RGB); `covered`: where an overlay lies, bool at the reduced size."""
    image = reduced(frame, SHORT_SIDE)
    salient, ground = saliency(image)
    corners = None
    if finder is not None:
        larger = reduced(frame, 2 * SHORT_SIDE)
        corners = finder.find(larger)
        corners = None if corners is None else corners * (image.shape[0] / larger.shape[0])
    place = None if corners is None else _place_map(corners, image.shape[:2])
    foreign = foreign_skin(image, None if solidity is None else solidity.shown) | covered
    index, guided = color_histograms.features(image), GuidedFilter(image)
    closed = soft = np.zeros(covered.shape, bool)
    if solidity is not None and solidity.solid:
        closed, soft = enclosed(image, _outer_tenth(salient.shape) & (salient < _LIKELY_GROUND) & ~foreign)
        closed = _salient_parts(closed, salient, index)
    return View(number, image, index, salient, ground, foreign, place, closed, soft, guided)


def _outer_tenth(shape: tuple[int, ...]) -> Array:
    """The outer tenth of a frame, bool (h, w)."""
    height, width = shape
    outer = np.ones(shape, bool)
    outer[height // 10 : -(height // 10), width // 10 : -(width // 10)] = False
    return outer


def _salient_parts(closed: Array, salient: Array, index: Array) -> Array:
    """Connected parts of what is closed off that stand out, bool (h, w).

    The veins of a marble or a horizon close off parts of the ground: these are large, or little salient and of the
    colours (`index` from `appearance.features`) of the rest.
    """
    count, labels = cv2.connectedComponents(closed.astype(np.uint8), connectivity=4)
    areas = np.bincount(labels.ravel(), minlength=count)
    means = np.bincount(labels.ravel(), salient.ravel(), count) / np.maximum(areas, 1)
    kept = (means > _LEAST_SALIENT) & (areas < _LARGEST_CLOSED * labels.size)
    kept[0] = False
    rest = color_histograms.histogram(index, ~closed)
    for k in np.flatnonzero(kept & (means < _CLEARLY_SALIENT)):
        kept[k] = color_histograms.overlap(color_histograms.histogram(index, labels == k), rest) < _GROUND_COLOURS
    return kept[labels]


def _place_map(corners: Array, shape: tuple[int, int]) -> Array:
    """Log-odds of place: nought inside the quadrilateral grown by a tenth, falling to -4 outside."""
    centre = corners.mean(0)
    grown = centre + 1.1 * (corners - centre)
    inside = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(inside, np.rint(grown).astype(np.int32), 1)
    distance = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    return np.where(inside > 0, 1.0, -np.minimum(distance / 2, 4)).astype(np.float32)


def foreign_skin(image: Array, shown: Array | None) -> Array:
    """Skin-coloured regions that are not the product's, bool (h, w).

    Those connected to the frame's border, as hands and arms come in from outside, and with photos also those whose
    colours these do not show, and those that touch something unlike the photos which comes in from outside: a sleeve.
    What fills much of the frame is a ground of wood, of which the product may be a part. `shown` is
    `appearance.likeness`, None without photos.
    """
    likely = cv2.blur(color_histograms.skin_probability(image), (3, 3)) > 0.5
    count, labels = cv2.connectedComponents(likely.astype(np.uint8), connectivity=4)
    if count <= 1:
        return np.zeros(likely.shape, bool)
    areas = np.bincount(labels.ravel(), minlength=count)
    foreign = _at_border(labels, count)
    if shown is not None:
        like = shown[color_histograms.features(image)[..., 0]]
        foreign |= np.bincount(labels.ravel(), like.ravel(), count) < _SHOWN * areas
        foreign[np.unique(labels[cv2.dilate(_sleeves(image, like, likely), np.ones((5, 5), np.uint8)) > 0])] = True
    foreign &= areas < _LARGEST_HAND * labels.size
    foreign[0] = False
    return foreign[labels]


def _sleeves(image: Array, like: Array, skin: Array) -> Array:
    """What edges close off from the ground, is unlike the photos and touches the border, uint8 (h, w)."""
    closed, _ = enclosed(image, _outer_tenth(skin.shape))
    strange = closed & (cv2.blur(like, (3, 3)) < _SHOWN) & ~skin
    count, labels = cv2.connectedComponents(strange.astype(np.uint8), connectivity=4)
    coming = _at_border(labels, count)
    coming[0] = False
    return coming[labels].astype(np.uint8)


def _at_border(labels: Array, count: int) -> Array:
    """Which of `count` labelled components touch the frame's border with at least 4 px, bool (count,)."""
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.bincount(edge, minlength=count) >= 4


def discover(
    frames: Sequence[tuple[int, Array]], references: Sequence[Array], covered: Sequence[Array]
) -> Discovery | None:
    """Find the product in sampled frames (number, uint8 (h, w, 3) RGB); None when nothing stands out.

    `references` are RGBA cut-outs (may be empty), `covered` says where overlays lie, bool (h, w) at the reduced size.
    Masks are bool at a short side of `SHORT_SIDE`.
    """
    finder = PlaceFinder(references) if references else None
    solidity = photographed(references)
    views = [view_of(n, frame, finder, over, solidity) for (n, frame), over in zip(frames, covered, strict=True)]
    known = color_histograms.reference_histogram(references)
    label_together(views, known, rounds=4)
    regions = [region for k in range(len(views)) for region in regions_of(k, views[k])]
    score(regions, views, known)
    chosen, ambiguity = choose(regions, len(views), color_histograms.shows_one_part(references))
    if not chosen:
        return None
    return _refine(views, chosen, ambiguity, known, solidity)


def label_together(views: Sequence[View], known: Array | None, rounds: int) -> None:
    """Fill `found` (probability of the product) of all views, estimating one colour model for all of them."""
    priors = [_prior(view, known) for view in views]
    weights = [_first_weights(view, known) for view in views]
    for _ in range(rounds):
        product, ground = _models(views, weights, known)
        light = color_histograms.log_ratio(product, color_histograms.shadowed(ground))
        deep = color_histograms.log_ratio(product, color_histograms.shadowed(ground, DEEP_SHARE, color_histograms.DEEP))
        odds = [
            np.where(
                v.soft,
                color_histograms.evidence(np.minimum(light, deep), v.index),
                color_histograms.evidence(light, v.index),
            )
            + prior
            for v, prior in zip(views, priors, strict=True)
        ]
        weights = [label(plane, view.guided) for plane, view in zip(odds, views, strict=True)]
    for view, weight in zip(views, weights, strict=True):
        view.found = weight


def _prior(view: View, known: Array | None) -> Array:
    prior = np.clip(np.log((view.salient + 0.03) / (1.03 - view.salient)), -3, 3) - 0.5
    prior = prior if known is None else 0.5 * prior
    shown = 1.0 if known is None else color_histograms.likeness(known)[view.index[..., 0]]
    prior = prior + np.where(view.closed, 3 * shown, -1.0 if view.closed.any() else 0.0)
    prior = prior - 3 * view.foreign
    return prior if view.place is None else 0.3 * prior + view.place


def _first_weights(view: View, known: Array | None) -> Array:
    start = np.maximum(view.salient, 0.6 * view.closed) * (1 - 0.9 * view.foreign)
    if known is not None:
        # Against what competes with the product for attention, not against the ground that saliency excludes already.
        everything = color_histograms.histogram(
            view.index, 0.1 + view.salient if view.place is None else view.place > 0
        )
        ratio = color_histograms.log_ratio(color_histograms.blend(everything, known, 1.0), everything)
        like = color_histograms.evidence(ratio, view.index)
        start = (0.25 + start) / 1.25 / (1 + np.exp(-1.5 * like))
    return start if view.place is None else start * (view.place > 0)


def _models(
    views: Sequence[View], weights: Sequence[Array], known: Array | None, like: Array | None = None
) -> tuple[Array, Array]:
    """Colours of product and ground over all views; views whose product is unlike `like` count less."""
    found = [color_histograms.histogram(v.index, w) for v, w in zip(views, weights, strict=True)]
    trust = None if like is None else [color_histograms.overlap(histogram, like) ** 4 + 1e-6 for histogram in found]
    product = np.average(found, axis=0, weights=trust)
    ground = np.mean([color_histograms.histogram(v.index, 1 - w) for v, w in zip(views, weights, strict=True)], axis=0)
    return color_histograms.blend(product, known, 0.6), ground


def _refine(
    views: Sequence[View],
    chosen: Sequence[Sequence[Region]],
    ambiguity: float,
    known: Array | None,
    solidity: Solidity | None,
) -> Discovery:
    """Label again with models of the chosen regions alone; everything else has become ground."""
    weights = []
    for view, regions in zip(views, chosen, strict=True):
        mask = np.any([region.mask for region in regions], axis=0) if regions else np.zeros(view.salient.shape, bool)
        weights.append(mask.astype(np.float32))
    masks = [weight > 0.5 for weight in weights]
    like = known
    if like is None:
        like = max((region for regions in chosen for region in regions), key=lambda region: region.score).colours
    for _ in range(2):
        product, ground = _models(views, [m.astype(np.float32) for m in masks], known, like)
        masks = []
        for view, weight in zip(views, weights, strict=True):
            near = np.maximum(cv2.dilate(weight, np.ones((9, 9), np.uint8)), 1e-3 * _hull(weight > 0.5))
            place = np.where(near > 0, 0.5 * _prior(view, known) + 0.5 * weight, -6)
            least = 0.3 * _LEAST_AREA * weight.size
            odds = shaded_evidence(view.index, view.image, product, ground, near > 0) + place
            mask = main_parts(drop_specks(label(odds, view.guided) > 0.5, least))
            masks.append(filled(mask, view.image, solidity))
    product, ground = _models(views, [m.astype(np.float32) for m in masks], None, like)
    scores = []
    for view, regions, mask in zip(views, chosen, masks, strict=True):
        separable = 1 - color_histograms.overlap(
            color_histograms.histogram(view.index, mask), color_histograms.histogram(view.index, ring(mask))
        )
        scores.append(sum(region.score for region in regions) * separable * (2 if view.place is not None else 1))
    likeness = None if known is None else color_histograms.overlap(product, known)
    placed = sum(view.place is not None for view in views)
    skin = _skin_share(views, masks)
    indices = [view.index for view in views]
    numbers = [view.number for view in views]
    sought = color_histograms.blend(product, known, 0.6)
    found = Discovery(
        numbers, masks, scores, product, ground, ambiguity, likeness, skin, placed, indices, sought, solidity
    )
    return replace(found, scores=[score * max(found.fit(k, masks[k]), 0) for k, score in enumerate(scores)])


def _hull(mask: Array) -> Array:
    """Convex hull of a mask, bool: what lies between the parts of a product may belong to it."""
    hull = np.zeros(mask.shape, np.uint8)
    places = cv2.findNonZero(mask.astype(np.uint8))
    if places is not None:
        cv2.fillConvexPoly(hull, cv2.convexHull(places), 1)
    return hull > 0


def _skin_share(views: Sequence[View], masks: Sequence[Array]) -> float:
    shares = [
        (color_histograms.skin_probability(v.image)[m] > 0.5).mean()
        for v, m in zip(views, masks, strict=True)
        if m.any()
    ]
    return float(np.median(shares)) if shares else 0.0
