"""Cards of the comparison's page: one clip or pair with every run's result, greatest difference first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pvtt.io.progress import progress
from pvtt.records.layout import Layout
from pvtt.records.run_summary import Record
from pvtt.reporting.compare import Comparison, Section
from pvtt.reporting.compare.matching import Item, clip_records
from pvtt.reporting.compare.run_loading import Results
from pvtt.reporting.report.facts import poster_frame
from pvtt.reporting.report.previews import Previews, rate_value


def cards(comparison: Comparison, limit: int, previews: Previews) -> list[Record]:
    """At most `limit` cards of the first section that has items; verdicts that differ come first."""
    section = shown_section(comparison)
    order = sorted(section.items, key=lambda item: (-item.spread()[0], -item.spread()[1], item.id))
    make = _pair_card if section.unit == "pair" else _clip_card
    return [make(comparison, item, previews) for item in progress(order[: max(0, limit)], "compare: players")]


def shown_section(comparison: Comparison) -> Section:
    """The section whose items have players: clips where masks or backgrounds differ, else pairs."""
    return next((section for section in comparison.sections if section.items), comparison.sections[-1])


def _pair_card(comparison: Comparison, item: Item, previews: Previews) -> Record:
    runs, labels = comparison.runs, comparison.labels()
    pair = runs[0].pairs()[item.id]
    clip, reference = pair["clip_id"], f"{pair['target_id']}_i{pair['image_index']}"
    titles, poster = runs[0].titles(), _poster(runs[0], clip)
    views = [_source(runs[0], clip, previews, poster)]
    own = "products" in comparison.stages
    for number, run in enumerate(runs if own else runs[:1]):
        cutout = Layout(run.folder).cutout(pair["target_id"], pair["image_index"]).image
        picture = previews.picture(f"{reference}_{number}", cutout)
        said = f"target of {labels[run.name]}" if own else "target"
        views.append({"kind": "reference", "name": said, "picture": picture})
    for number, run in enumerate(runs):
        made = Layout(run.folder).pair_of(pair).video
        name = f"{item.id}_{number}"
        views.append({"kind": "result", "name": labels[run.name], "media": previews.video(name, made, None, poster)})
    title = f"{titles.get(pair['source_id'], pair['source_id'])} \N{RIGHTWARDS ARROW} {titles[pair['target_id']]}"
    return _card(item, runs, clip, title, views, poster) | {"difficulty": pair["difficulty"]}


def _clip_card(comparison: Comparison, item: Item, previews: Previews) -> Record:
    runs, labels = comparison.runs, comparison.labels()
    kinds = clip_records(list(comparison.stages))
    poster = _poster(runs[0], item.id)
    views = [_source(runs[0], item.id, previews, poster)]
    for number, run in enumerate(runs):
        files, name = Layout(run.folder).clip(item.id), f"{item.id}_{number}"
        if "masks" in kinds:
            media = previews.video(f"{name}_mask", files.video, files.masks, poster)
            views.append({"kind": "result", "name": f"mask of {labels[run.name]}", "media": media})
        if "background" in kinds:
            media = previews.video(f"{name}_background", files.background, None, poster)
            views.append({"kind": "result", "name": f"background of {labels[run.name]}", "media": media})
    title = runs[0].titles().get(item.group, item.group)
    return _card(item, runs, item.id, title, views, poster) | {"difficulty": ""}


def _card(
    item: Item, runs: Sequence[Results], clip: str, title: str, views: list[Record], poster: int
) -> dict[str, Any]:
    shot = runs[0].clips()[clip]
    differs, spread = item.spread()
    return {
        "id": item.id,
        "title": title,
        "views": views,
        "outcomes": [{"run": run.name} | vars(outcome) for run, outcome in zip(runs, item.outcomes, strict=True)],
        "verdicts_differ": differs,
        "spread": spread,
        "fps": rate_value(str(shot["fps"])),
        "n_frames": int(shot["n_frames"]),
        "poster_frame": poster,
    }


def _source(run: Results, clip: str, previews: Previews, poster: int) -> Record:
    media = previews.video(f"{clip}_source", Layout(run.folder).clip(clip).video, None, poster)
    return {"kind": "source", "name": "source", "media": media}


def _poster(run: Results, clip: str) -> int:
    return poster_frame(Layout(run.folder).clip(clip).track)
