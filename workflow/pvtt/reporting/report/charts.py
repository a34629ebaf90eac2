"""Charts of the report as inline SVG: the funnel and the histograms. Colours come from the page's style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pvtt.records.run_summary import Record, Stage

_ROW = 40  # px: height of a row of the funnel


def funnel_chart(stages: Sequence[Stage]) -> str:
    """One bar per stage: how many passed of those that came in. A bar's full length is what came in.

    Lengths are shares of the drawing's width and texts keep their size, so the chart is readable on a phone.
    """
    rows = []
    for index, stage in enumerate(stages):
        top = index * _ROW
        share = stage.count / stage.of if stage.of else 0
        text = f"{stage.count:,} of {stage.of:,}, {share:.0%}" if stage.of else "none came in"
        rows.append(
            f'<text x="0" y="{top + 15}">{escape(stage.name)}</text>'
            f'<text class="value" x="100%" y="{top + 15}" text-anchor="end">{text}</text>'
            f'<rect class="track" x="0" y="{top + 21}" width="100%" height="11" rx="2"/>'
            f'<rect class="bar" x="0" y="{top + 21}" width="{100 * share:.2f}%" height="11" rx="2"/>'
        )
    told = "; ".join(f"{stage.name}: {stage.count} of {stage.of}" for stage in stages)
    return (
        f'<svg class="funnel" height="{len(stages) * _ROW}" role="img" aria-label="{escape(told, quote=True)}">'
        f"{''.join(rows)}</svg>"
    )


def histogram_chart(name: str, data: Record, threshold: float | None) -> str:
    """Histogram over 0-1 of a score (see `overview.distribution`), with the filter's threshold where there is one."""
    width, height, base = 360, 150, 124
    counts = data["histogram"]
    top = max(counts)
    step = width / len(counts)
    bars = "".join(
        f'<rect class="{"bar" if threshold is None or (index + 0.5) / len(counts) >= threshold else "bar under"}" '
        f'x="{index * step + 1:.1f}" y="{base - 96 * count / top:.1f}" width="{step - 2:.1f}" '
        f'height="{96 * count / top:.1f}"><title>{index / len(counts):.2f} to {(index + 1) / len(counts):.2f}: '
        f"{count}</title></rect>"
        for index, count in enumerate(counts)
        if count
    )
    ticks = "".join(
        f'<text class="tick" x="{mark * width:.0f}" y="{base + 16}" text-anchor="{anchor}">{mark:g}</text>'
        for mark, anchor in ((0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"), (1, "end"))
    )
    line = ""
    if threshold is not None:
        place = threshold * width
        anchor = "end" if threshold > 0.5 else "start"
        line = (
            f'<line class="limit" x1="{place:.1f}" x2="{place:.1f}" y1="14" y2="{base}"/>'
            f'<text class="limit-text" x="{place + (-5 if anchor == "end" else 5):.1f}" y="22" '
            f'text-anchor="{anchor}">filter {threshold:g}</text>'
        )
    told = f"{name}: {data['count']} pairs, mean {data['mean']:.3f}, most in one bin {top}"
    return (
        f'<svg class="histogram" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(told, quote=True)}">'
        f'{bars}<line class="axis" x1="0" x2="{width}" y1="{base}" y2="{base}"/>{ticks}{line}</svg>'
    )
