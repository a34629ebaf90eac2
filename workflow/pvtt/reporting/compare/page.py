"""The comparison written down: index.html with its media beside it, compare.json and compare.tsv."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pvtt import __version__
from pvtt.io.files import atomic_path, write_json
from pvtt.io.tables import write_table
from pvtt.records.layout import report_page
from pvtt.reporting.compare import Comparison, Section
from pvtt.reporting.compare.cards import cards, shown_section
from pvtt.reporting.report import page_environment
from pvtt.reporting.report.previews import OBJECT_COLOURS, Previews

_HERE = Path(__file__).parent
_REPORT = _HERE.parent / "report"
# Figure -> what it is called on the page.
NAMES = {
    "accepted": "acceptance",
    "mask_score": "mask QA score",
    "seam": "seam at the hole's rim (grey levels)",
    "flicker_gap": "flicker unlike its surroundings (grey levels)",
    "background_psnr": "background kept (PSNR, dB)",
}


def write_comparison(comparison: Comparison, out: Path, limit: int = 30, side_px: int = 240) -> None:
    """Write `out`/index.html, media/, compare.json and compare.tsv; at most `limit` items are shown with players.

    side_px: short side of the preview videos. What an earlier comparison left in `out`/media and is not shown any more
    is removed.
    """
    previews = Previews(out / "media", side_px)
    text = (
        page_environment(_HERE)
        .get_template("page.html")
        .render(
            version=__version__,
            css=(_REPORT / "page.css").read_text(encoding="utf-8") + (_HERE / "page.css").read_text(encoding="utf-8"),
            script=(_REPORT / "page.js").read_text(encoding="utf-8"),
            comparison=comparison,
            sections=comparison.sections,
            charts=[
                [_chart(row, section.differences) for row in section.differences] for section in comparison.sections
            ],
            names=NAMES,
            labels=comparison.labels(),
            shown=shown_section(comparison),
            cards=cards(comparison, limit, previews),
            mask_colour="rgb({}, {}, {})".format(*OBJECT_COLOURS[0]),
        )
    )
    previews.finish()
    write_json(out / "compare.json", _record(comparison))
    write_table(out / "compare.tsv", pd.DataFrame(_rows(comparison)))
    with atomic_path(report_page(out)) as aside:
        aside.write_text(text, encoding="utf-8")


def _record(comparison: Comparison) -> dict[str, Any]:
    return {
        "pvtt": __version__,
        "runs": [{"name": run.name, "folder": str(run.folder)} for run in comparison.runs],
        "stages": comparison.stages,
        "notes": comparison.notes,
        "price_per_hour": comparison.price_per_hour,
        "sections": [
            {
                "unit": section.unit,
                "left_out": section.left_out,
                "runs": section.runs,
                "differences": section.differences,
                "items": [
                    {"id": item.id, "group": item.group, "outcomes": [vars(outcome) for outcome in item.outcomes]}
                    for item in section.items
                ],
            }
            for section in comparison.sections
        ],
    }


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per kind of item and run: the summary, flat, then the differences to the first run."""
    return [_row(comparison, section, number) for section in comparison.sections for number in range(len(section.runs))]


def _row(comparison: Comparison, section: Section, number: int) -> dict[str, Any]:
    run = section.runs[number]
    row: dict[str, Any] = {"item": section.unit, "run": run["run"]}
    row |= {stage: ways[number] for stage, ways in comparison.stages.items()}
    row |= {key: value for key, value in run.items() if not isinstance(value, dict) and key != "run"}
    for name, found in run["figures"].items():
        low, high = found["quartiles"] or (None, None)
        row |= {f"{name}_median": found["median"], f"{name}_q1": low, f"{name}_q3": high, f"{name}_n": found["count"]}
    row |= {f"{stage}_seconds": seconds for stage, seconds in run["seconds_by_stage"].items()}
    for one in section.differences:
        if one["run"] == run["run"]:
            keys = {"mean": "difference", "low": "low", "high": "high", "win_rate": "win_rate", "count": "compared"}
            row |= {f"{one['figure']}_{name}": one[key] for key, name in keys.items()}
    return row


def _chart(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """The interval of a difference around zero as inline SVG, on the scale of all rows of its figure's unit."""
    if row["mean"] is None:
        return ""
    ends = [abs(value) for value in (row["mean"], row["low"], row["high"]) if value is not None]
    same = [one for one in rows if one["figure"] == row["figure"]]
    ends += [abs(one[key]) for one in same for key in ("mean", "low", "high") if one[key] is not None]
    reach = max(ends) or 1.0

    def x(value: float) -> str:
        return f"{100 + 92 * value / reach:.1f}"

    bar = ""
    if row["low"] is not None:
        bar = f'<line class="span" x1="{x(row["low"])}" x2="{x(row["high"])}" y1="9" y2="9"/>'
    return (
        '<svg class="interval" viewBox="0 0 200 18" aria-hidden="true">'
        '<line class="axis" x1="100" x2="100" y1="0" y2="18"/>'
        f'{bar}<circle cx="{x(row["mean"])}" cy="9" r="4"/></svg>'
    )
