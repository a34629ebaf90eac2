"""The report of a run: one HTML page that needs no network, with its previews in `media/` beside it.

It shows the funnel, the reasons for rejection, the scores, the time spent, the clips with their masks, and the pairs
with players that run in step. All text from the feed is escaped; what was not measured is called so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from pvtt import __version__
from pvtt.config.stages.report import ReportSettings
from pvtt.io.files import atomic_path
from pvtt.records.layout import report_page, report_summary
from pvtt.records.run_summary import Record, Run, funnel, read_run
from pvtt.reporting.report.charts import funnel_chart
from pvtt.reporting.report.facts import clip_cards, histograms, pair_cards, stage_costs
from pvtt.reporting.report.previews import OBJECT_COLOURS, Previews

_HERE = Path(__file__).parent


def write_report(
    results: Path,
    catalogue: pd.DataFrame,
    clips: pd.DataFrame,
    pairs: pd.DataFrame,
    filtered: pd.DataFrame,
    out_dir: Path,
    settings: Mapping[str, Any],
    thresholds: Mapping[str, Any] | None = None,
) -> None:
    """Write `out_dir`/index.html with its media, and `out_dir`/summary.html, which shows no pairs and clips.

    catalogue, clips, pairs and filtered are the run's tables, `results` its folder. `thresholds` are the filter's
    settings (min_quality, min_identity, min_temporal), drawn into the distributions; without them there is no line.
    """
    run = read_run(Path(results), catalogue, clips, pairs, filtered)
    out_dir, chosen = Path(out_dir), ReportSettings.of(settings)
    previews = Previews(out_dir / "media", chosen.preview_side_px)
    page = page_environment(_HERE).get_template("page.html")
    shown: dict[str, Any] = {
        "title": chosen.title,
        "version": __version__,
        "css": (_HERE / "page.css").read_text(encoding="utf-8"),
        "script": (_HERE / "page.js").read_text(encoding="utf-8"),
        "facts": _facts(run),
        "stages": funnel(run),
        "funnel_chart": funnel_chart(funnel(run)),
        "histograms": histograms(run, thresholds or {}),
        "costs": stage_costs(run),
        "canaries": run.canaries,
        "clips": clip_cards(Path(results), run, previews, chosen.max_clips),
        "n_clips": sum(shot["status"] == "accepted" for shot in run.shots),
        "pairs": pair_cards(Path(results), run, previews, chosen.max_pairs),
        "n_pairs": len(run.planned()),
        "mask_colour": "rgb({}, {}, {})".format(*OBJECT_COLOURS[0]),
    }
    previews.finish()
    for path, full in ((report_page(out_dir), True), (report_summary(out_dir), False)):
        with atomic_path(path) as aside:
            aside.write_text(page.render(shown, full=full), encoding="utf-8")


def _facts(run: Run) -> Record:
    """The numbers of the page's head."""
    planned, kept = run.planned(), run.kept()
    return {
        "products": sum(row["status"] == "accepted" for row in run.products),
        "clips": sum(bool(shot["masks"]) and shot["masks"].status == "accepted" for shot in run.shots),
        "planned": len(planned),
        "kept": len(kept),
        "frames": sum(pair["insert"].n_frames for pair in kept if pair["insert"]),
    }


def page_environment(folder: Path) -> jinja2.Environment:
    """Where a page's template in `folder` is rendered: text is escaped, an unknown name is an error.

    Templates of the report are found from anywhere, `player.html` foremost.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, _HERE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["score"] = lambda value: "not measured" if value is None else f"{value:.3f}"
    environment.filters["measure"] = _measure
    environment.filters["signed"] = lambda value: f"{value:+.3g}" if value else "0"
    environment.filters["seconds"] = lambda value: f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"
    return environment


def _measure(value: Any) -> str:
    if value is None:
        return "not measured"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
