"""Seconds that models took to load, from what the brokers of warm workers noted in `<results>/logs/serving`."""

from __future__ import annotations

import json
from pathlib import Path

_STAGES = {
    "segment_clip": "segmentation",
    "remove_product": "background",
    "cut_out_product": "products",
    "insert_product": "insertion",
    "score_pair": "scoring",
}


def read_loads(results: Path) -> dict[str, dict[str, list[float]]]:
    """Stage -> backend -> seconds of each of its loads, from the event `loading` to `loaded` of one device."""
    found: dict[str, dict[str, list[float]]] = {}
    for path in sorted((results / "logs" / "serving").glob("*.jsonl")):
        begun: dict[tuple[str, str], float] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                event = json.loads(line)
            except ValueError:  # the last line of a broker that was killed
                continue
            if event["event"] in ("start", "died"):
                begun = {key: time for key, time in begun.items() if key[0] != event["device"]}
            elif event["event"] == "loading":
                begun[event["device"], event["backend"]] = event["time"]
            elif event["event"] == "loaded" and (event["device"], event["backend"]) in begun:
                took = event["time"] - begun.pop((event["device"], event["backend"]))
                stage = _STAGES.get(event["rule"], event["rule"])
                found.setdefault(stage, {}).setdefault(event["backend"], []).append(took)
    return found
