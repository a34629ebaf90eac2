"""Agreement of raters: Cohen's kappa, plain and weighted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np


def cohen_kappa(
    first: Sequence[object],
    second: Sequence[object],
    labels: Sequence[object],
    weights: Literal["none", "linear"] = "none",
) -> float | None:
    """Agreement of two raters on the same items, beyond chance.

    Parameters
    ----------
    first, second : sequence (n,)
        One label per item from each rater.
    labels : sequence
        All labels; with linear weights in their order.
    weights : {"none", "linear"}
        How much a disagreement counts: 1, or the distance of the labels' places.

    Returns
    -------
    float, at most 1, or None
        1 for full agreement, 0 for chance. None without items, or if both raters used one and the same label only:
        chance then explains everything and kappa is 0/0.

    References
    ----------
    Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 1960; weights:
    Cohen, "Weighted kappa", Psychological Bulletin 1968.
    """
    place = {label: index for index, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)))
    for a, b in zip(first, second, strict=True):
        table[place[a], place[b]] += 1
    if not table.sum():
        return None
    observed = table / table.sum()
    chance = np.outer(observed.sum(1), observed.sum(0))
    steps = np.abs(np.subtract.outer(np.arange(len(labels)), np.arange(len(labels))))
    cost = steps if weights == "linear" else (steps > 0)
    expected = float((cost * chance).sum())
    return 1 - float((cost * observed).sum()) / expected if expected else None
