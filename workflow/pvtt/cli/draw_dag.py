"""Draw Snakemake's rule graph: `snakemake --rulegraph dot ... | python -m pvtt.cli.draw_dag docs/dag.svg`.

Graphviz comes inside the pygraphviz wheel, so nothing has to be on the PATH.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pygraphviz

from pvtt.backends.stages import of_rule
from pvtt.io.files import atomic_path

_COLOURS = {
    "catalogue": "#dbeafe",
    "shots": "#e0f2fe",
    "cutting": "#e0f2fe",
    "products": "#fae8ff",
    "segmentation": "#dcfce7",
    "mask_verdicts": "#dcfce7",
    "background": "#fef9c3",
    "pairs": "#ffedd5",
    "insertion": "#fee2e2",
    "scoring": "#ede9fe",
    "verdicts": "#ede9fe",
}
_OTHERS = "#e5e7eb"  # colour of dataset, report and target
# A checkpoint determines which of these jobs exist; it is not their input.
_PLANS = (("list clips", "cut clip"), ("plan pairs", "remove product"), ("plan pairs", "insert product"))
_STYLE = {"shape": "box", "style": "rounded,filled", "color": "#64748b", "fontname": "Helvetica", "fontsize": "11"}


def draw(dot: str, path: Path) -> None:
    """Lay out a rule graph in DOT text and write it as SVG or PNG, by the suffix of `path`."""
    # Snakemake prints its own messages before the graph.
    graph = pygraphviz.AGraph(string=dot[dot.index("digraph") :])
    graph.graph_attr.update(rankdir="LR", bgcolor="white", nodesep="0.25", ranksep="0.45", label="")
    for node in graph.nodes():
        rule = str(node.attr["label"]).split("\\n")[0]
        node.attr.update(_STYLE | {"fillcolor": _COLOURS.get(of_rule(rule), _OTHERS), "label": rule.replace("_", " ")})
    graph = graph.tred(copy=True)
    names = {str(node.attr["label"]): node for node in graph.nodes()}
    for planner, planned in _PLANS:
        if planner in names and planned in names:
            graph.add_edge(names[planner], names[planned], style="dashed")
    for edge in graph.edges():
        edge.attr.update(color="#64748b", arrowsize="0.7", penwidth="1.1")
    # pygraphviz cannot write files on Python 3.11.2 (Debian 12).
    picture = graph.draw(format=path.suffix[1:], prog="dot")
    with atomic_path(path) as aside:
        aside.write_bytes(picture)


if __name__ == "__main__":
    draw(sys.stdin.read(), Path(sys.argv[1]))
    print(sys.argv[1])
