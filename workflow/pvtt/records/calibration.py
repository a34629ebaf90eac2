"""Record of a calibrated verdict: how measures become the probability that an item is good, and what it was worth."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from pvtt.records.base import Count, Fields, Record, Share

Interval = Annotated[list[float], Field(min_length=2, max_length=2, description="95 % interval.")]


class Term(Fields):
    """One measure in the sum.

    Its mark is 0 at `low` and 1 at `high`, linear between, and never outside; `low` is above `high` where less is
    better.
    """

    measure: str
    low: float
    high: float
    absent: Share = Field(description="Mark of an item that lacks the measure, the mean over those that have it.")
    weight: Annotated[float, Field(ge=0)]


class Validation(Fields):
    """What the verdict was worth on items whose group took no part in the fit."""

    items: Count
    good: Count
    groups: Count = Field(description="Source videos or worlds; each was left out once.")
    kept: Count
    precision: Share | None
    precision_interval: Interval | None
    recall: Share | None
    recall_interval: Interval | None
    auroc: Share | None
    precision_of_better_half: Share | None = Field(description="Precision when only the better half is kept.")
    reliability: list[list[float]] = Field(description="[mean probability, share of good ones, items] per bin.")


class Calibration(Record):
    """A logistic model of marks with weights of at least 0, so that no better measure makes an item worse."""

    name: str
    good: str = Field(description="What counts as good.")
    offset: float
    terms: list[Term] = Field(min_length=1)
    isotonic: list[list[float]] = Field(
        description="[probability of the sum, share of good ones], both rising; linear between; empty for none."
    )
    threshold: Share = Field(description="Least probability of an item that is kept.")
    precision: Share = Field(description="Precision that the threshold was chosen for.")
    validation: Validation
    requires: list[str] = Field(default=[], description="Measures without which it says nothing about an item.")
    limits: list[str] = Field(default=[], description="Measures whose own limits stay in force beside it.")
    backend: str = Field(description="Backend whose results it was learnt from; it is used for no other.")
    versions: dict[str, str] = Field(description="Versions of what made and measured those results.")
    data: JsonValue = Field(description="What it was learnt from.")
