"""An estimate as a table on the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

_BAR = 12  # characters of the longest bar
_WIDTH = 130  # characters of a line


def as_text(record: Mapping[str, Any]) -> str:
    """Format an estimate: pairs, stages, totals, wall time, cost per accepted pair, notes."""
    parts = [_head(record), _pairs(record["pairs"]), _stages(record), _totals(record)]
    if "against_plan" in record:
        parts.append(_against(record["against_plan"]))
    parts.append("\n".join(_wrapped(f"note: {note}", "") for note in record["notes"]))
    return "\n\n".join(part for part in parts if part)


def presets_as_text(records: Sequence[Mapping[str, Any]]) -> str:
    """Format presets as one table: plan, estimate and the reasons for differences."""
    head = (
        "preset",
        "products",
        "clips",
        "pairs",
        "plan",
        "GPU-h",
        "plan",
        "by",
        "held",
        "storage",
        "plan",
        "by",
        "days",
    )
    rows = []
    for record in records:
        against = record["against_plan"]
        pairs, hours, space = against["pairs"], against["gpu_hours"], against["gigabytes"]
        rows.append(
            (
                record["of"].removeprefix("preset "),
                f"{record['products']:,}",
                f"{record['clips']:,}",
                f"{pairs['computed']:,}",
                f"{pairs['plan']:,}",
                hours_text(hours["computed"]),
                hours_text(hours["plan"]),
                f"{hours['deviation']:+.0%}",
                hours_text(record["wall"]["gpu_hours"]["reserved"]),
                bytes_text(space["computed"] * 1e9),
                bytes_text(space["plan"] * 1e9),
                f"{space['deviation']:+.0%}",
                f"{record['wall']['hours'] / 24:,.1f}",
            )
        )
    note = (
        f"GPU-h is work; held is with the loading of models and with GPUs that wait. days is wall time on "
        f"{_machines(records[0]['wall'])}."
    )
    why = [_wrapped(f"{record['of'].removeprefix('preset ')}: {record['against_plan']['why']}") for record in records]
    return "\n\n".join([_table(head, rows, left=1), note, "why they differ\n" + "\n".join(why)])


def hours_text(hours: float) -> str:
    """Format hours with two or three significant digits."""
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.1f}" if hours >= 1 else f"{hours:.2g}" if hours else "0"


def time_text(hours: float) -> str:
    """Format a time in hours, minutes or seconds."""
    if hours >= 1 or not hours:
        return f"{hours_text(hours)} h"
    return f"{hours * 60:.1f} min" if hours >= 1 / 60 else f"{hours * 3600:.1f} s"


def bytes_text(size: float) -> str:
    """Format a size in MB, GB or TB (powers of ten)."""
    unit, name = next(((unit, name) for unit, name in ((1e12, "TB"), (1e9, "GB")) if size >= unit), (1e6, "MB"))
    value = size / unit
    return (
        f"{value:.0f} {name}"
        if value >= 10
        else f"{value:.1f} {name}"
        if value >= 0.05 or not value
        else f"<0.1 {name}"
    )


def _wrapped(text: str, indent: str = "  ") -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")


def _head(record: Mapping[str, Any]) -> str:
    feed = record["of"] == "feed"
    of = f"{record['catalogue']} -> {record['results']}" if feed else record["of"]
    assumed = f" ({record['assumed_clips']:,} assumed)" if feed and record["assumed_clips"] else ""
    return f"{of}: {record['products']:,} products, {record['photos']:,} photos, {record['clips']:,} clips{assumed}"


def _pairs(pairs: Mapping[str, Any]) -> str:
    levels = dict(pairs["by_difficulty"] or {}) | {"all": pairs}
    rows = [
        (level, *(f"{count[key]:,}" for key in ("planned", "there", "missing")), f"{_share(count, pairs):.0%}")
        for level, count in levels.items()
    ]
    table = _table(("pairs", "planned", "there", "to make", "share"), rows, left=1)
    left_out = [f"  {count:,} left out: {reason}" for reason, count in list(pairs["skipped"].items())[:4]]
    more = len(pairs["skipped"]) - len(left_out)
    return "\n".join([table, *left_out, *([f"  and {more} more reasons"] if more > 0 else [])])


def _share(count: Mapping[str, Any], pairs: Mapping[str, Any]) -> float:
    return count["planned"] / pairs["planned"] if pairs["planned"] else 0.0


def _stages(record: Mapping[str, Any]) -> str:
    head = (
        "stage",
        "backend",
        "items",
        "to make",
        "s/item",
        "spent",
        "to pay",
        "on",
        "",
        "to come",
        "seconds",
        "bytes",
    )
    most = max(row["hours"]["to_pay"] for row in record["stages"])
    rows = []
    for row in record["stages"]:
        to_pay = row["hours"]["to_pay"]
        bar = "#" * round(_BAR * to_pay / most) if most else ""
        timed = row["stage"] != "dataset"
        rows.append(
            (
                row["stage"],
                row["backend"],
                f"{row['items']:,} {row['item']}s",
                f"{row['missing']:,}",
                f"{row['seconds_per_item']['value']:.3g}" if timed else "-",
                time_text(row["hours"]["spent"]) if timed else "-",
                time_text(to_pay) if timed else "-",
                row["on"].upper() if timed else "-",
                bar.ljust(_BAR),
                bytes_text(row["bytes"]["to_pay"]),
                row["seconds_per_item"]["basis"] if timed else "-",
                row["bytes_per_item"]["basis"],
            )
        )
    return _table(head, rows, left=2, flush_left=(7, 8, 10, 11))


def _totals(record: Mapping[str, Any]) -> str:
    totals, times, kept = record["totals"], record["wall"], record["yield"]
    gpu, cpu, size, held = totals["gpu_hours"], totals["cpu_hours"], totals["bytes"], times["gpu_hours"]
    rows = [
        ("GPU time", f"{time_text(gpu['to_pay'])} to pay, {time_text(gpu['spent'])} spent"),
        ("CPU time", f"{time_text(cpu['to_pay'])} to pay, {time_text(cpu['spent'])} spent"),
        ("storage", f"{bytes_text(size['to_pay'])} to come, {bytes_text(size['spent'])} there"),
        ("wall time", f"{_wall_text(times['hours'])} on {_machines(times)}; packs: {times['packs']:,}"),
    ]
    if held["reserved"]:
        parts = [f"{time_text(held[key])} {key}" for key in ("work", "loading", "idle")]
        rows.append(("GPUs held", f"{time_text(held['reserved'])}: {', '.join(parts)}"))
    said = (
        f"{kept['kept']:,} of {kept['made']:,} made pairs kept"
        if kept["made"]
        else f"{kept['basis']}: {kept['source']}"
    )
    rows.append(("yield", f"{kept['value']:.0%} ({said})"))
    rows.append(("a kept pair", _accepted(record)))
    if (paid := record["money"])["total"] is not None:
        rows.append(("money", f"{_money(paid['to_pay'])} to pay, {_money(paid['total'])} in all"))
    table: str = tabulate(rows, tablefmt="plain", disable_numparse=True)
    return table


def _accepted(record: Mapping[str, Any]) -> str:
    each = record["per_accepted_pair"]
    if each["gpu_hours"] is None:
        return "nothing was accepted" if record["yield"]["made"] else "no pairs"
    parts = [f"{each[f'{on}_hours'] * 3600:,.0f} {on.upper()}-seconds" for on in ("gpu", "cpu") if each[f"{on}_hours"]]
    parts += [f"{_money(each['money'])} in money"] if each["money"] is not None else []
    return f"{', '.join(parts) or 'nothing'}, for {record['accepted_pairs']:,.0f} accepted pairs in all"


def _money(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 1000 else f"{amount:.2f}" if amount >= 0.1 else f"{amount:.2g}"


def _against(against: Mapping[str, Any]) -> str:
    rows = [
        (name, text(against[key]["plan"]), text(against[key]["computed"]), f"{against[key]['deviation']:+.0%}")
        for name, key, text in (
            ("pairs", "pairs", lambda value: f"{value:,}"),
            ("GPU-hours of work", "gpu_hours", hours_text),
            ("storage", "gigabytes", lambda value: bytes_text(value * 1e9)),
        )
    ]
    return _table(("against the plan", "plan", "here", "by"), rows, left=1) + f"\n{_wrapped(against['why'])}"


def _machines(times: Mapping[str, Any]) -> str:
    nodes = times["nodes"]
    return f"{nodes} node{'s' * (nodes > 1)} of {times['gpus_per_node']} GPUs and {times['cpus_per_node']} cores"


def _wall_text(hours: float) -> str:
    return f"{hours / 24:,.1f} days" if hours >= 48 else time_text(hours)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int, flush_left: Sequence[int] = ()) -> str:
    """Columns to their width; the first `left` and those of `flush_left` flush left, numbers flush right."""
    align = ["left" if k < left or k in flush_left else "right" for k in range(len(head))]
    table: str = tabulate(rows, head, "plain", disable_numparse=True, colalign=align, headersalign=align)
    return table
