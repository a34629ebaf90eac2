"""What the devices of a run did, when: read from the brokers' events, summed up and drawn.

`pvtt timeline RESULTS` reads `<results>/logs/serving/*.jsonl` (or the files that it is given).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvtt.records.layout import Layout

_COLOURS = {"loading": "#b8b2a6", "died": "#c0392b"}
_WORK = ("#2f6f8f", "#d98e32", "#5f8f4e", "#7d5a9b", "#a65e5e")


@dataclass(frozen=True)
class Span:
    """What a device did from `start` to `end`, seconds since the epoch: `loading`, a rule's work, or what `died`."""

    row: str
    device: str
    what: str
    start: float
    end: float
    item: str = ""
    rule: str = ""
    backend: str = ""  # of what was loaded


def events_of(results: Path) -> list[Path]:
    """The events files of a results folder, one of each broker that served there."""
    return sorted(Layout(results).serving_logs.glob("*.jsonl"))


def read_spans(files: Iterable[Path]) -> list[Span]:
    """Spans of events files; a broker's row is its node's name and number. Unfinished loads and work are left out."""
    spans = []
    for path in sorted(files):
        began: dict[str, Mapping[str, Any]] = {}
        loading: dict[str, float] = {}
        loads: dict[str, list[Span]] = {}
        for event in _events(path):
            device, time = event["device"], event["time"]
            match event["event"]:
                case "begin":
                    began[device], loads[device] = event, []
                    loading.pop(device, None)
                case "loading":
                    loading[device] = time
                case "loaded" if device in loading and device in began:
                    told = (began[device]["item"], event["rule"], event["backend"])
                    load = Span(path.stem, device, "loading", loading.pop(device), time, *told)
                    loads[device].append(load)
                    spans.append(load)
                case "end" | "died" if device in began:
                    start = began.pop(device)
                    what = event["rule"] if event["event"] == "end" else "died"
                    spans += _work(path.stem, start, what, time, loads[device])
    return spans


def _events(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):  # the last line of a broker that was killed
            yield json.loads(line)


def _work(row: str, begin: Mapping[str, Any], what: str, end: float, loads: Sequence[Span]) -> list[Span]:
    """An item's time on a device, its models' loading taken out."""
    starts, ends = [begin["time"], *(load.end for load in loads)], [*(load.start for load in loads), end]
    parts = [(start, stop) for start, stop in zip(starts, ends, strict=True) if stop - start > 0.01]
    parts = parts or [(ends[-1], ends[-1])]  # an item that took no time was done all the same
    return [Span(row, begin["device"], what, *part, begin["item"], begin["rule"]) for part in parts]


def summary(spans: Sequence[Span]) -> list[dict[str, Any]]:
    """Per broker: devices, items done, loads, deaths, seconds from first to last and the shares of work and loading."""
    rows = []
    for row in dict.fromkeys(span.row for span in spans):
        own = [span for span in spans if span.row == row]
        devices = {span.device for span in own}
        length = max(span.end for span in own) - min(span.start for span in own)
        seconds: Counter[str] = Counter()
        for span in own:
            seconds[span.what if span.what in _COLOURS else "work"] += span.end - span.start  # type: ignore[assignment]
        rows.append(
            {
                "broker": row,
                "devices": len(devices),
                "items": len({(s.what, s.item) for s in own if s.what not in _COLOURS}),
                "loads": sum(span.what == "loading" for span in own),
                "died": sum(span.what == "died" for span in own),
                "seconds": round(length, 3),
                "work_share": round(seconds["work"] / (length * len(devices)), 4) if length else 1.0,
                "loading_share": round(seconds["loading"] / (length * len(devices)), 4) if length else 0.0,
            }
        )
    return rows


def draw(spans: Sequence[Span], path: Path) -> None:
    """Draw devices over time, a line each, grouped by broker; the suffix of `path` is the format (svg, png, pdf)."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    lines = sorted({(span.row, span.device) for span in spans}, key=lambda line: (line[0], line[1].zfill(4)))
    place = {line: k for k, line in enumerate(lines)}
    rules = sorted({span.what for span in spans} - set(_COLOURS))
    colours = _COLOURS | {rule: _WORK[k % len(_WORK)] for k, rule in enumerate(rules)}
    first = min(span.start for span in spans)
    figure = Figure(figsize=(11, 1.2 + 0.22 * len(lines)), layout="constrained")
    axes = figure.add_subplot()
    for what, colour in colours.items():
        own = [span for span in spans if span.what == what]
        axes.barh(
            [place[span.row, span.device] for span in own],
            [span.end - span.start for span in own],
            left=[span.start - first for span in own],
            height=0.8,
            color=colour,
            edgecolor="white",
            linewidth=0.6,
        )
    axes.set_yticks(range(len(lines)), [f"{row}  GPU {device}" for row, device in lines], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("seconds since the first task")
    axes.spines[["top", "right"]].set_visible(False)
    shown = [what for what in colours if any(span.what == what for span in spans)]
    figure.legend(
        handles=[Patch(color=colours[what], label=what.replace("_", " ")) for what in shown],
        loc="outside upper right",
        ncols=len(shown),
        frameon=False,
    )
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=120)
