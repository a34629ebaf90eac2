"""Pairs: which target product goes into which clip.

Every accepted clip is paired with every other product that has usable photos. A strategy selects the photos (`single`:
the main photo, `sample`: n by hash, `all`). The taxonomy gives the difficulty. Pairs that a backend cannot process are
skipped before they cost anything. A cap and quotas select by hash. Only hashes of ids decide, so new products or clips
never change the seed, photo or difficulty of an existing pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pvtt.config.stages.pairs import FeasibilityLimits, PairsSettings
from pvtt.records.ids import clip_product, pair_id, seed_of, stable_hash
from pvtt.records.media import CutOut
from pvtt.records.results import Track
from pvtt.records.tables import PlannedPair, columns
from pvtt.stages.pairs.taxonomy import DIFFICULTIES, Taxonomy

# Packs are assigned to the planned pairs.
COLUMNS = [name for name in columns(PlannedPair) if name != "pack"]

_CLEAN_BACKGROUND = 0.8  # `ground_uniformity`: share of a photo's border that shows one background
_SAME_PRODUCT = "source and target are one product: they share photos or a video"


@dataclass(frozen=True)
class MaskedClip:
    """A clip with accepted masks; `empty` marks a scene without a product."""

    clip_id: str
    empty: bool
    n_frames: int
    features: Mapping[str, float]

    @classmethod
    def of(cls, track: Track, empty: bool) -> MaskedClip:
        """The clip of a track."""
        return cls(track.clip_id, empty, track.n_frames, clip_features(track))


@dataclass(frozen=True)
class Photo:
    """An accepted photo of a product. `uniformity`: share of its border that shows one background, 0 to 1."""

    product_id: str
    index: int
    uniformity: float = 0.0

    @classmethod
    def of(cls, cutout: CutOut) -> Photo:
        """The photo of a cut-out."""
        return cls(cutout.product_id, cutout.image_index, float(cutout.measures.get("ground_uniformity", 0.0)))


def plan_from_records(
    catalogue: pd.DataFrame,
    taxonomy: Taxonomy,
    clips: Iterable[MaskedClip],
    photos: Iterable[Photo],
    settings: PairsSettings | Mapping[str, Any],
    max_pairs: int | None = None,
    max_frames: int | None = None,
) -> pd.DataFrame:
    """Plan the pairs from the records on disk; see `plan_pairs` for the result.

    Parameters
    ----------
    catalogue : DataFrame
        All products.
    taxonomy : Taxonomy
    clips : iterable of MaskedClip
    photos : iterable of Photo
    settings : mapping
        Of the stage.
    max_pairs, max_frames : int or None
        See `plan_pairs`.
    """
    accepted = catalogue[catalogue.status == "accepted"].set_index("product_id", drop=False)
    targets = set(accepted.index[accepted.roles.str.split(";").map(lambda roles: "target" in roles)])
    usable = [
        {
            "clip_id": clip.clip_id,
            "product_id": clip_product(clip.clip_id),
            "empty": clip.empty,
            "n_frames": clip.n_frames,
            **clip.features,
        }
        for clip in clips
    ]
    accepted["group"] = _groups(accepted)
    of_targets: dict[str, list[Photo]] = {}
    for photo in photos:
        if photo.product_id in targets:
            of_targets.setdefault(photo.product_id, []).append(photo)
    indices = {product: main_first(found) for product, found in of_targets.items()}
    return plan_pairs(
        usable, accepted.to_dict("index"), indices, taxonomy, settings, max_pairs=max_pairs, max_frames=max_frames
    )


def _groups(catalogue: pd.DataFrame) -> list[str]:
    """For each row, the name of its group of products that share photos or a video (`same_as`)."""
    group: dict[str, str] = {}
    for product, same_as in zip(catalogue.product_id, catalogue.same_as, strict=True):
        joined = {group[other] for other in same_as.split(";") if other in group}
        name = min(joined, default=product)
        group = {member: name if old in joined else old for member, old in group.items()} | {product: name}
    return list(group.values())


def plan_pairs(
    clips: Iterable[Mapping[str, Any]],
    products: Mapping[str, Mapping[str, Any]],
    photos: Mapping[str, Sequence[int]],
    taxonomy: Taxonomy,
    settings: PairsSettings | Mapping[str, Any],
    max_pairs: int | None = None,
    max_frames: int | None = None,
) -> pd.DataFrame:
    """Plan all pairs; one row per candidate with `status` planned or skipped and, when skipped, the `reason`.

    clips: records with clip_id, product_id, empty, n_frames and the facts of `clip_features`, of accepted clips only.
    products: product_id -> category, subcategory and, if known, the group of products that are one, of the whole feed.
    photos: product_id -> indices (from 1) of the accepted photos, main photo first, of products that may be targets.
    settings: the stage's. max_pairs: cap on planned pairs, None for no cap. max_frames: the insertion backend's limit.
    Rows are sorted by clip, target and photo; `rank` is the hash by which the cap chooses.
    """
    chosen = PairsSettings.of(settings)
    rows: list[dict[str, Any]] = []
    for clip in sorted(clips, key=lambda clip: clip["clip_id"]):
        if not _is_included({clip["clip_id"], clip["product_id"]}, chosen, "clips", "sources"):
            continue
        blocked = infeasibility_reason(clip, chosen.feasible, max_frames)
        for target in sorted(photos):
            if target == clip["product_id"] or not _is_included({target}, chosen, "targets"):
                continue
            source, level = products[clip["product_id"]], DIFFICULTIES[0]
            same = "group" in source and source["group"] == products[target]["group"]
            if not clip["empty"]:
                level = taxonomy.difficulty(source, products[target])
            rows.extend(
                _candidate(clip, target, image, level, _SAME_PRODUCT if same else blocked)
                for image in select_photos(target, photos[target], chosen)
            )
    plan = pd.DataFrame(rows, columns=COLUMNS).astype({"image_index": "int64", "seed": "int64", "rank": "int64"})
    return _apply_caps(plan, chosen.quotas.plain(), max_pairs)


def _candidate(clip: Mapping[str, Any], target: str, image: int, level: str, blocked: str) -> dict[str, Any]:
    pair = pair_id(clip["clip_id"], target, image)
    return {
        "pair_id": pair,
        "clip_id": clip["clip_id"],
        "source_id": clip["product_id"],
        "target_id": target,
        "image_index": image,
        "difficulty": level,
        "seed": seed_of(pair),
        "rank": stable_hash("rank", pair),
        "status": "skipped" if blocked else "planned",
        "reason": blocked,
    }


def main_first(photos: Iterable[Photo]) -> list[int]:
    """Indices of a product's accepted photos, the main photo first.

    The main photo is the catalogue's first if it was accepted; else the first one with a uniform background; else the
    first.
    """
    ordered = sorted(photos, key=lambda photo: photo.index)
    clean = [photo for photo in ordered if photo.uniformity >= _CLEAN_BACKGROUND]
    main = ordered[0] if ordered and ordered[0].index == 1 else next(iter(clean or ordered), None)
    return [photo.index for photo in sorted(ordered, key=lambda photo: (photo != main, photo.index))]


def select_photos(target: str, accepted: Sequence[int], settings: PairsSettings) -> list[int]:
    """Select photos of a target; `accepted` starts with the main photo. `sample` always keeps the same photos."""
    strategy, count = settings.strategy, settings.photos
    if strategy == "all":
        return sorted(accepted)
    if strategy == "single":
        return list(accepted[:1])
    rest = sorted(accepted[1:], key=lambda image: stable_hash("photo", target, image))
    return sorted([*accepted[:1], *rest[: max(0, count - 1)]])


def clip_features(track: Track) -> dict[str, float]:
    """Features for feasibility: mean box coverage, standard deviation of the box centre's y in px, visible share."""
    frames = track.frames
    boxes = np.array([frame.box for frame in frames if frame.visible and frame.box], float).reshape(-1, 4)
    if not len(boxes):
        return {"box_coverage": 0.0, "box_y_std_px": 0.0, "visible_share": 0.0}
    coverage = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / (track.width * track.height)
    return {
        "box_coverage": float(coverage.mean()),
        "box_y_std_px": float(((boxes[:, 1] + boxes[:, 3]) / 2).std()),
        "visible_share": len(boxes) / len(frames),
    }


def infeasibility_reason(clip: Mapping[str, Any], limits: FeasibilityLimits, max_frames: int | None) -> str:
    """Why nothing can be inserted in a clip; empty if it is feasible. A limit of None does not apply."""
    checks = (
        ("box_coverage", limits.max_box_coverage, "the product's box covers {:.0%} of the frame, limit {:.0%}"),
        ("box_y_std_px", limits.max_box_y_std_px, "the box moves {:.0f} px up and down (std), limit {:.0f} px"),
        ("n_frames", max_frames, "{} frames, the insertion backend takes {}"),
    )
    for fact, limit, text in checks:
        if limit is not None and clip[fact] > limit:
            return text.format(clip[fact], limit)
    least = limits.min_visible_share
    if clip["visible_share"] < least:
        return f"the product is seen in {clip['visible_share']:.0%} of the frames, least {least:.0%}"
    return ""


def _is_included(names: set[str], settings: PairsSettings, *lists: str) -> bool:
    include = {name for key in lists for name in getattr(settings.include, key)}
    exclude = {name for key in lists for name in getattr(settings.exclude, key)}
    return not names & exclude and (not include or bool(names & include))


def _apply_caps(plan: pd.DataFrame, quotas: Mapping[str, float | None], max_pairs: int | None) -> pd.DataFrame:
    """Mark pairs beyond the cap and the quotas. A quota is a share of the cap (without a cap, of all planned pairs)."""
    planned = plan[plan.status == "planned"].sort_values("rank")
    total = len(planned) if max_pairs is None else min(max_pairs, len(planned))
    keep = planned
    for level, share in quotas.items():
        if share is not None:
            over = keep[keep.difficulty == level].index[int(np.floor(share * total + 1e-9)) :]
            plan.loc[over, ["status", "reason"]] = ["skipped", f"quota of {level} pairs is {share:g}"]
            keep = keep.drop(over)
    over = keep.index[total:]
    plan.loc[over, ["status", "reason"]] = ["skipped", f"max_pairs is {max_pairs}"]
    return plan.sort_values(["clip_id", "target_id", "image_index"], ignore_index=True)
