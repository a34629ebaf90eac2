"""Records of canaries: results made of a run's own clips whose right verdict is known, and the verdicts on them."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from pvtt.records.base import KEEP, ClipId, Fields, Keep, PairId, ProductId, Record, Share
from pvtt.records.results import Score

Kind = Literal[
    "unchanged",
    "frozen",
    "shuffled",
    "other_product",
    "empty_hole",
    "black",
    "shifted_mask",
    "no_shadow",
    "true_swap",
]
Expected = Literal["kept", "rejected", "none"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def expected_verdict(kind: Kind) -> Expected:
    """The right verdict on a kind of canary; `none` where it is only reported."""
    known: dict[Kind, Expected] = {"true_swap": "kept", "no_shadow": "none"}
    return known.get(kind, "rejected")


class Canary(Fields):
    """What was measured on a canary."""

    kind: Kind
    clip_id: ClipId
    pair_id: PairId = Field(description="The pair that it was made of.")
    target_id: ProductId = Field(description="The product with whose cut-outs it was compared.")
    reason: str = Field(description="Why it could not be made; empty when it was.")
    score: Score | None = Field(description="Null when it could not be made.")


class Canaries(Record):
    """What was measured on the canaries of a run."""

    canaries: list[Canary]
    keep: Keep = KEEP


class CanaryVerdict(Fields):
    """The verdict on a canary, by the settings `verdicts.pairs`."""

    kind: Kind
    clip_id: ClipId
    pair_id: PairId
    expected: Expected = Field(description="The right verdict; `none` where it is only reported.")
    kept: bool | None = Field(description="Null where it was not scored.")
    quality_score: Share | None
    reasons: list[str] = Field(description="Why it was rejected, or why it was not scored.")
    right: bool | None = Field(description="Null without a verdict or an expected one.")

    @property
    def name(self) -> str:
        """What it is called where several are listed."""
        return f"{self.kind} of {self.clip_id}"


class CanaryVerdicts(Record):
    """The verdicts on the canaries of a run. They are never published and are in no table of pairs."""

    canaries: list[CanaryVerdict]
