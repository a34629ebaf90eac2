"""Pixel labelling: log-odds made edge-aware by guided filtering, and small operations on masks.

A mean field with short-range, colour-dependent messages (Krähenbühl and Koltun, NeurIPS 2011), where the messages
are a colour guided filter (He, Sun and Tang, PAMI 2013) as in cost-volume filtering (Rhemann et al., CVPR 2011).
Unlike a graph cut it takes any data term, has no bias against thin parts, and costs a few box filters.
"""

from __future__ import annotations

import numpy as np

from pvtt.imaging.guided_filter import GuidedFilter

Array = np.ndarray


def sigmoid(values: Array) -> Array:
    """Logistic function."""
    return np.asarray(1 / (1 + np.exp(-values)))


def mean_field(log_odds: Array, guided: GuidedFilter, coupling: float = 3.0, rounds: int = 3) -> Array:
    """Probability of the product, float32 (h, w), from log-odds and the guide of the same image."""
    probability = sigmoid(log_odds)
    for _ in range(rounds):
        probability = sigmoid(log_odds + coupling * (2 * np.clip(guided(probability), 0, 1) - 1))
    return probability
