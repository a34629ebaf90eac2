"""Annotations of the published dataset: pairs.json, quality_scores.json and statistics.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from pvtt.config.stages.dataset import DatasetSettings
from pvtt.records.base import Provenance
from pvtt.records.canaries import CanaryVerdict
from pvtt.records.ids import stable_hash
from pvtt.records.results import SCORES
from pvtt.records.run_summary import Record, Run, accepted_products, distribution, funnel, score_values

_SPLIT_BUCKETS = 10_000  # hash buckets of the split into training and test


def pair_entry(run: Run, pair: Mapping[str, Any], published: set[str], settings: DatasetSettings) -> Record:
    """One pair of pairs.json. Paths are relative to the dataset; `published` are the files that it has."""
    products = accepted_products(run)
    shot = next(shot for shot in run.shots if shot["clip_id"] == pair["clip_id"])
    source, target = products[pair["source_id"]], products[pair["target_id"]]
    photo = f"images/source/{pair['source_id']}.jpg"
    source_video = f"videos/source/{pair['clip_id']}.mp4"
    result = f"videos/synthesized/{pair['pair_id']}.mp4"
    source_image = photo if photo in published else None
    reverse = {"video": result, "product_image": source_image, "result": source_video}
    target_image = f"images/target/{pair['target_id']}_i{pair['image_index']}_nobg.png"
    return {
        "pair_id": pair["pair_id"],
        "source": _product(source) | {"clip_id": pair["clip_id"], "video": source_video, "product_image": source_image},
        "target": _product(target) | {"product_image": target_image, "image_index": int(pair["image_index"])},
        "output": {
            "video": result,
            "background": f"videos/background/{pair['clip_id']}_bg.mp4",
            "masks": f"masks/{pair['clip_id']}",
        },
        "direction": {
            "forward": {"video": source_video, "product_image": target_image, "result": result},
            "reverse": reverse if source_image and not shot["clip"].empty else None,
        },
        "metadata": _metadata(pair, shot, (source, target), settings),
    }


def assign_split(products: tuple[Mapping[str, Any], Mapping[str, Any]], test_share: float) -> str:
    """train or test when both products of a pair are in it, else mixed. Duplicates share their original's side."""
    sides = set()
    for product in products:
        group = product.get("duplicate_of") or product["product_id"]
        sides.add(stable_hash("split", group) % _SPLIT_BUCKETS < test_share * _SPLIT_BUCKETS)
    return "mixed" if len(sides) > 1 else "test" if sides.pop() else "train"


def pairs_record(entries: list[Record], settings: DatasetSettings) -> Record:
    """The content of pairs.json."""
    return {
        "version": settings.version,
        "name": settings.name,
        "total_pairs": len(entries),
        "pairs": entries,
    }


def scores_record(run: Run, settings: DatasetSettings) -> Record:
    """The content of quality_scores.json: every planned pair, dropped ones too, with its reasons."""
    pairs = []
    for pair in run.planned():
        score = pair["score"]
        pairs.append(
            {
                "pair_id": pair["pair_id"],
                "kept": pair["kept"],
                "status": score.status if score else "missing",
                "reasons": pair["reasons"],
                "difficulty": pair["difficulty"],
                "quality_score": pair["quality_score"],
                "basis": pair["basis"],
                "scores": score.scores.model_dump() if score else dict.fromkeys(SCORES),
                "measures": score.measures if score else {},
            }
        )
    return {"version": settings.version, "total_pairs": len(pairs), "kept": len(run.kept()), "pairs": pairs}


def statistics_record(run: Run, entries: list[Record], settings: DatasetSettings) -> Record:
    """The content of statistics.json."""
    stages = funnel(run)
    planned = Counter(pair["difficulty"] for pair in run.planned())
    kept = Counter(pair["difficulty"] for pair in run.kept())
    facts = [entry["metadata"] for entry in entries]
    return {
        "version": settings.version,
        "stages": [{"stage": stage.name, "count": stage.count, "of": stage.of} for stage in stages],
        "rejections": {
            stage.name: {reason: len(items) for reason, items in stage.reasons().items()}
            for stage in stages
            if stage.rejected
        },
        "published": {
            "pairs": len(entries),
            "clips": len({entry["source"]["clip_id"] for entry in entries}),
            "sources": len({entry["source"]["id"] for entry in entries}),
            "targets": len({entry["target"]["id"] for entry in entries}),
            "frames": sum(fact["frame_count"] for fact in facts),
            "seconds": round(sum(fact["duration_s"] for fact in facts), 3),
            "source_category": _counts(entry["source"]["category"] for entry in entries),
            "target_category": _counts(entry["target"]["category"] for entry in entries),
            "difficulty": _counts(fact["difficulty"] for fact in facts),
            "resolution": _counts("x".join(map(str, fact["resolution"])) for fact in facts),
            "split": _counts(fact["split"] for fact in facts),
        },
        "acceptance": {
            level: {"planned": planned[level], "kept": kept[level]}
            for level in ("easy", "medium", "hard", "expert")
            if planned[level]
        },
        "scores": {name: distribution(score_values(run, name)) for name in (*SCORES, "quality")},
        "canaries": _canary_counts(run.canaries) if run.canaries else None,
    }


def _canary_counts(canaries: Sequence[CanaryVerdict]) -> Record:
    kinds: dict[str, Record] = {}
    for canary in canaries:
        found = kinds.setdefault(canary.kind, {"expected": canary.expected, "kept": 0, "rejected": 0, "not_judged": 0})
        found["not_judged" if canary.kept is None else "kept" if canary.kept else "rejected"] += 1
    wrong = [canary.name for canary in canaries if canary.right is False]
    return {"right": sum(canary.right is True for canary in canaries), "wrong": wrong, "kinds": kinds}


def _product(row: Mapping[str, Any]) -> Record:
    return {
        "id": row["product_id"],
        "title": str(row["title"]),
        "category": str(row["category"]),
        "subcategory": str(row["subcategory"]),
    }


def _metadata(
    pair: Mapping[str, Any], shot: Mapping[str, Any], products: tuple[Record, Record], settings: DatasetSettings
) -> Record:
    clip, score = shot["clip"], pair["score"]
    made = [shot["masks"], shot["background"], pair["insert"], score]
    return {
        "difficulty": pair["difficulty"],
        "quality_score": pair["quality_score"],
        "basis": pair["basis"],
        "scores": score.scores.model_dump() if score else dict.fromkeys(SCORES),
        "frame_count": clip.n_frames,
        "resolution": [clip.width, clip.height],
        "fps": clip.fps,
        "duration_s": round(float(clip.n_frames / Fraction(clip.fps)), 3),
        "seed": int(pair["seed"]),
        "clip_range": [clip.source.start_frame, clip.source.end_frame],
        "empty_source": clip.empty,
        "split": assign_split(products, settings.test_share),
        "licence": collect_licences([record.provenance for record in made if record]),
    }


def collect_licences(origins: Sequence[Provenance]) -> list[str]:
    """Licences of the backends and models of some provenance records, each once."""
    found = {origin.licence for origin in origins if origin.licence}
    return sorted(found | {model.licence for origin in origins for model in origin.models})


def _counts(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
