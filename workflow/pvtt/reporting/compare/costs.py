"""What a run spent on the compared items, stage by stage, by the provenance of their records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pvtt.reporting.compare.matching import Item
from pvtt.reporting.compare.run_loading import Results


def spent(run: Results, unit: str, items: Sequence[Item]) -> dict[str, float]:
    """Seconds per stage. A clip or a cut-out that several pairs share counts once; other clips and photos do not count.

    Clips: cutting, masks and backgrounds. Pairs: those of their clips, the targets' cut-outs, insertion and scoring.
    """
    clips, pairs = run.clips(), run.pairs()
    chosen = [pairs[item.id] for item in items] if unit == "pair" else []
    names = {pair["clip_id"] for pair in chosen} if unit == "pair" else {item.id for item in items}
    photos = {(pair["target_id"], int(pair["image_index"])) for pair in chosen}
    cutouts = [p for p in run.run.photos if (p.product_id, p.image_index) in photos]
    ours = [clips[name] for name in sorted(names)]
    found = {
        "cutting": _sum(clip["clip"] for clip in ours),
        "products": _sum(cutouts),
        "segmentation": _sum(clip["masks"] for clip in ours),
        "background": _sum(clip["background"] for clip in ours),
        "insertion": _sum(pair["insert"] for pair in chosen),
        "scoring": _sum(pair["score"] for pair in chosen),
    }
    return found if unit == "pair" else {name: found[name] for name in ("cutting", "segmentation", "background")}


def _sum(records: Iterable[Any]) -> float:
    return round(sum(float(record.provenance.seconds) for record in records if record), 3)
