"""What results cost: seconds by their records, and money. The report, the comparison and the estimate count by this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def spread(seconds: Sequence[float]) -> dict[str, Any]:
    """Count of results, their seconds together, per result and at most; at least one is needed."""
    total = sum(seconds)
    return {"results": len(seconds), "total": total, "mean": total / len(seconds), "longest": max(seconds)}


def money(seconds: float | None, price_per_hour: float | None) -> float | None:
    """What seconds of a machine cost; None without a price or without a time."""
    return None if seconds is None or price_per_hour is None else round(seconds / 3600 * price_per_hour, 6)
