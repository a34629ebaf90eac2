"""Draw Snakemake's rule graph: `snakemake --rulegraph dot ... | python -m pvtt.cli.draw_dag docs/dag.svg`.

Graphviz comes inside the pygraphviz wheel, so nothing has to be on the PATH.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pygraphviz

from pvtt.io.files import atomic_path

# Rule -> colour of the stage that it belongs to.
_COLOURS = {
    "#dbeafe": ("probe_product", "build_catalogue"),
    "#e0f2fe": ("detect_shots", "list_clips", "cut_clip"),
    "#dcfce7": ("segment_clip", "judge_masks"),
    "#fef9c3": ("remove_product",),
    "#fae8ff": ("cut_out_product",),
    "#ffedd5": ("plan_pairs",),
    "#fee2e2": ("insert_product", "gather_pack"),
    "#ede9fe": ("score_pair", "judge_pairs"),
    "#e5e7eb": ("publish_dataset", "write_report", "all"),
}
# A checkpoint says which of these jobs there are, without being their input.
_PLANS = (("list clips", "cut clip"), ("plan pairs", "remove product"), ("plan pairs", "insert product"))
_STYLE = {"shape": "box", "style": "rounded,filled", "color": "#64748b", "fontname": "Helvetica", "fontsize": "11"}


def draw(dot: str, path: Path) -> None:
    """Lay out a rule graph in DOT text and write it as SVG or PNG, by the suffix of `path`."""
    # Snakemake prints its own messages before the graph.
    graph = pygraphviz.AGraph(string=dot[dot.index("digraph") :])
    fills = {rule: colour for colour, rules in _COLOURS.items() for rule in rules}
    graph.graph_attr.update(rankdir="LR", bgcolor="white", nodesep="0.25", ranksep="0.45", label="")
    for node in graph.nodes():
        rule = str(node.attr["label"]).split("\\n")[0]
        node.attr.update(_STYLE | {"fillcolor": fills.get(rule, "#ffffff"), "label": rule.replace("_", " ")})
    graph = graph.tred(copy=True)
    names = {str(node.attr["label"]): node for node in graph.nodes()}
    for planner, planned in _PLANS:
        if planner in names and planned in names:
            graph.add_edge(names[planner], names[planned], style="dashed")
    for edge in graph.edges():
        edge.attr.update(color="#64748b", arrowsize="0.7", penwidth="1.1")
    # Its own writing of files fails on Python 3.11.2 (Debian 12).
    picture = graph.draw(format=path.suffix[1:], prog="dot")
    with atomic_path(path) as aside:
        aside.write_bytes(picture)


if __name__ == "__main__":
    draw(sys.stdin.read(), Path(sys.argv[1]))
    print(sys.argv[1])
