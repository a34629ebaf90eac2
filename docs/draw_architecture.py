"""Draw the two pictures of docs/architecture.md: `python docs/draw_architecture.py` (or `make dag`).

Graphviz comes inside the pygraphviz wheel. The layers are read from the contracts in pyproject.toml.
"""

from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path

import pygraphviz

DOCS = Path(__file__).parent
CONTENT = {
    "cli": "the pvtt command",
    "reporting": "report, estimate, comparison",
    "stages": "one package per stage, one module or sub-package per backend",
    "execution": "tasks, jobs, cache, warm workers",
    "records": "records on disk, layout of the results, ids, provenance",
    "config": "settings and their schemas",
    "backends": "registry of backends, requirements, lifecycle, subprocesses",
    "models": "registry of models, downloads, devices",
    "metrics": "one implementation of each metric",
    "imaging": "colour, geometry, morphology, shadow, resizing",
    "io": "video, atomic files, tables",
}
MEDIA, RECORD, TABLE = "#dbeafe", "#dcfce7", "#fef9c3"
NODES = {
    "product video": MEDIA,
    "product photos": MEDIA,
    "clip": MEDIA,
    "masks, track": MEDIA,
    "mask measures": RECORD,
    "mask verdict": RECORD,
    "background": MEDIA,
    "cut-outs": MEDIA,
    "plan of pairs": TABLE,
    "insertion, its mask": MEDIA,
    "scores": RECORD,
    "pair verdict": RECORD,
    "dataset, report": TABLE,
}
EDGES = [
    ("product video", "clip", "probe_product, detect_shots, cut_clip"),
    ("clip", "masks, track", "segment_clip"),
    ("product photos", "cut-outs", "cut_out_product"),
    ("cut-outs", "masks, track", "references"),
    ("masks, track", "mask measures", ""),
    ("mask measures", "mask verdict", "judge_masks"),
    ("mask verdict", "plan of pairs", "plan_pairs"),
    ("cut-outs", "plan of pairs", ""),
    ("masks, track", "background", "remove_product"),
    ("background", "insertion, its mask", "insert_product"),
    ("plan of pairs", "insertion, its mask", ""),
    ("cut-outs", "insertion, its mask", ""),
    ("insertion, its mask", "scores", "score_pair"),
    ("scores", "pair verdict", "judge_pairs"),
    ("pair verdict", "dataset, report", "publish_dataset, write_report"),
]
STYLE = {"shape": "box", "style": "rounded,filled", "color": "#64748b", "fontname": "Helvetica", "fontsize": "11"}


def graph(direction: str) -> pygraphviz.AGraph:
    """An empty directed graph in the style of docs/dag.svg."""
    drawn = pygraphviz.AGraph(directed=True, rankdir=direction, bgcolor="white", nodesep="0.25", ranksep="0.35")
    drawn.node_attr.update(STYLE)
    drawn.edge_attr.update(color="#64748b", arrowsize="0.7", fontname="Helvetica", fontsize="9", fontcolor="#334155")
    return drawn


def layers() -> pygraphviz.AGraph:
    """The layers of the library; imports point downwards."""
    settings = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    names = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    drawn = graph("TB")
    for name in names:
        drawn.add_node(name, label=f"{name}: {CONTENT[name]}", width="5.6", fillcolor="#e0f2fe")
    drawn.add_edges_from(list(pairwise(names)))
    return drawn


def data_flow() -> pygraphviz.AGraph:
    """What is made of a pair's inputs, and by which rule."""
    drawn = graph("TB")
    for name, colour in NODES.items():
        drawn.add_node(name, fillcolor=colour)
    for start, end, rule in EDGES:
        drawn.add_edge(start, end, label=rule)
    return drawn


if __name__ == "__main__":
    for name, picture in (("layers", layers()), ("data-flow", data_flow())):
        # Its own writing of files fails on Python 3.11.2 (Debian 12).
        (DOCS / f"{name}.svg").write_bytes(picture.draw(format="svg", prog="dot"))
        print(DOCS / f"{name}.svg")
