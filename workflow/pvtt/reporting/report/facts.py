"""What the report says: plain records for the page's template, made from a run. No number is filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pvtt.backends.stages import WITH_BACKENDS
from pvtt.io.progress import progress
from pvtt.records.base import Provenance
from pvtt.records.ids import stable_hash
from pvtt.records.layout import Layout
from pvtt.records.results import Track
from pvtt.records.run_summary import (
    Record,
    Run,
    accepted_products,
    distribution,
    provenances,
    score_values,
)
from pvtt.reporting.costs import spread
from pvtt.reporting.report.charts import histogram_chart
from pvtt.reporting.report.previews import Previews, rate_value

# Score -> the setting in `verdicts.pairs` that is its threshold.
_LIMITS = {"quality": "min_quality", "identity": "min_identity", "temporal": "min_temporal"}


def chosen(items: Sequence[Record], key: str, limit: int, *groups: Sequence[Record]) -> list[Record]:
    """At most `limit` items, chosen by hash; groups take turns, so that a small one is not lost in a large one."""
    queues = [sorted(group, key=lambda item: stable_hash("report", item[key])) for group in groups or (items,)]
    names: list[str] = []
    while len(names) < limit and any(queues):
        for queue in queues:
            if queue and len(names) < limit:
                names.append(queue.pop(0)[key])
    wanted = set(names)
    return [item for item in items if item[key] in wanted]


def histograms(run: Run, thresholds: Mapping[str, Any]) -> list[Record]:
    """Score distributions; `chart` is None for a score that was not measured on any pair."""
    found = []
    for name in ("quality", "identity", "temporal", "lighting", "overall"):
        data = distribution(score_values(run, name))
        limit = thresholds.get(_LIMITS.get(name, ""))
        found.append({"name": name, "data": data, "chart": histogram_chart(name, data, limit) if data else None})
    return found


def stage_costs(run: Run) -> list[Record]:
    """Per stage and backend: results, seconds together, per item and at most, licence and model."""
    groups: dict[tuple[str, str, str], list[Provenance]] = {}
    for stage, made in provenances(run):
        groups.setdefault((stage, made.backend, str(made.version)), []).append(made)
    rows = []
    for (stage, backend, version), records in groups.items():
        seconds = [record.seconds for record in records]
        rows.append(
            {
                "stage": stage,
                "backend": backend,
                "version": version,
                "licence": records[0].licence or "not stated",
                **spread(seconds),
            }
        )
    return sorted(rows, key=lambda row: (WITH_BACKENDS.index(row["stage"]), row["backend"], row["version"]))


def clip_cards(results: Path, run: Run, previews: Previews, limit: int) -> list[Record]:
    """Cards of clips: a strip of frames with the masks, and the verdict of mask QA."""
    clips = [shot for shot in run.shots if shot["status"] == "accepted"]
    accepted = [shot for shot in clips if shot["masks"] and shot["masks"].status == "accepted"]
    others = [shot for shot in clips if not shot["masks"] or shot["masks"].status != "accepted"]
    products = accepted_products(run)
    cards = []
    for shot in progress(chosen(clips, "clip_id", limit, accepted, others), "report: clips"):
        files, frames = Layout(results).clip(shot["clip_id"]), int(shot["n_frames"])
        places = sorted({frames // 10, frames // 2, frames - 1 - frames // 10})
        product = products.get(shot["product_id"], {})
        masks, clip = shot["masks"], shot["clip"]
        cards.append(
            {
                "id": shot["clip_id"],
                "product": product,
                "strip": previews.strip(f"{shot['clip_id']}_strip", files.video, files.masks, places),
                "status": masks.status if masks else "missing",
                "reason": masks.reason if masks else "no mask measures",
                "score": masks.score if masks else None,
                "measures": _single_values(masks.measured.measures) if masks else {},
                "clip": clip,
                "seconds": frames / rate_value(str(shot["fps"])),
                "empty": bool(clip and clip.empty),
                "review": shot.get("review", ""),
            }
        )
    return cards


def pair_cards(results: Path, run: Run, previews: Previews, limit: int) -> list[Record]:
    """Cards of pairs: five views, scores, and why a pair was dropped. Best quality first, unmeasured last."""
    planned = run.planned()
    picked = chosen(planned, "pair_id", limit, run.kept(), [pair for pair in planned if not pair["kept"]])
    shots = {shot["clip_id"]: shot for shot in run.shots}
    products = accepted_products(run)
    cards = []
    for pair in progress(picked, "report: pairs"):
        shot, score = shots[pair["clip_id"]], pair["score"]
        poster = poster_frame(Layout(results).clip(pair["clip_id"]).track)
        cards.append(
            {
                "id": pair["pair_id"],
                "clip_id": pair["clip_id"],
                "source": products[pair["source_id"]],
                "target": products[pair["target_id"]],
                "difficulty": pair["difficulty"],
                "kept": pair["kept"],
                "reasons": pair["reasons"] or ([] if pair["kept"] else ["no verdict"]),
                "quality": pair["quality_score"],
                "basis": pair["basis"],
                "scores": score.scores.model_dump() if score else {},
                "measures": _single_values(score.measures) if score else {},
                "judge": score.judge.reason if score and score.judge else "",
                "views": _views(results, pair, previews, poster),
                "fps": rate_value(str(shot["fps"])),
                "n_frames": int(shot["n_frames"]),
                "poster_frame": poster,
                "seed": pair["seed"],
                "backend": pair["insert"].provenance.backend if pair["insert"] else None,
            }
        )
    return sorted(cards, key=lambda card: (card["quality"] is None, -(card["quality"] or 0), card["id"]))


def _views(results: Path, pair: Record, previews: Previews, poster: int) -> list[Record]:
    """Source, mask, background, reference and result; `media` is None for what was not made."""
    clip, target = pair["clip_id"], f"{pair['target_id']}_i{pair['image_index']}"
    files = Layout(results).clip(clip)
    made = Layout(results).pair_of(pair).video
    cut_out = Layout(results).cutout(pair["target_id"], pair["image_index"]).image
    mask = previews.video(f"{clip}_mask", files.video, files.masks, poster)
    return [
        {"name": "source", "media": previews.video(f"{clip}_source", files.video, None, poster)},
        {"name": "mask", "media": mask},
        {"name": "background", "media": previews.video(f"{clip}_background", files.background, None, poster)},
        {"name": "reference", "picture": previews.picture(f"{target}_cutout", cut_out)},
        {"name": "result", "media": previews.video(f"{pair['pair_id']}_result", made, None, poster)},
    ]


def poster_frame(track: Path) -> int:
    """Frame where the product covers most; 0 without a track."""
    found = Track.read_if_there(track)
    areas = [frame.area for frame in found.frames] if found else []
    return areas.index(max(areas)) if areas else 0


def _single_values(measures: Mapping[str, Any]) -> dict[str, Any]:
    """The measures that are single values."""
    return {key: value for key, value in measures.items() if isinstance(value, int | float | str) or value is None}
