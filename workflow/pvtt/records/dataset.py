"""Records of the published dataset: pairs.json, quality_scores.json and statistics.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from pvtt.records.base import ClipId, Count, Fields, PairId, Positive, ProductId, Rate, Record, Share
from pvtt.records.canaries import Expected

Difficulty = Literal["easy", "medium", "hard", "expert"]
Counts = dict[str, Positive]
_BINS = 20  # bins of the histograms of scores, 0 to 1


def _path(pattern: str) -> Any:
    return Field(pattern=pattern)


class SourceProduct(Fields):
    """Product A and the real video that shows it."""

    id: ProductId
    title: str
    category: str
    subcategory: str
    clip_id: ClipId
    video: Annotated[str, _path("^videos/source/.+[.]mp4$")]
    product_image: Annotated[str, _path("^images/source/.+[.]jpg$")] | None = Field(
        description="Main photo; null when the feed has none."
    )


class TargetProduct(Fields):
    """Product B and its cut-out, which was inserted."""

    id: ProductId
    title: str
    category: str
    subcategory: str
    product_image: Annotated[str, _path("^images/target/.+_nobg[.]png$")]
    image_index: Positive


class Output(Fields):
    """What was made for a pair."""

    video: Annotated[str, _path("^videos/synthesized/.+[.]mp4$")]
    background: Annotated[str, _path("^videos/background/.+_bg[.]mp4$")]
    masks: Annotated[str, _path("^masks/.+$")] = Field(
        description="Folder with 0001.png, 0002.png ..., one per frame, 0/255, the union of all objects."
    )


class Sample(Fields):
    """A training sample."""

    video: str = Field(description="Input video.")
    product_image: str = Field(description="Picture of the product to show.")
    result: str = Field(description="The video to produce.")


class Directions(Fields):
    """The two training samples that a pair gives."""

    forward: Sample = Field(description="Real video of A and photo of B give the synthesized video.")
    reverse: Sample | None = Field(
        description="Synthesized video of B and photo of A give the real video; null when A has no photo."
    )


class Metadata(Fields):
    """What is known of a pair."""

    difficulty: Difficulty
    quality_score: Share | None
    basis: list[str] = Field(description="Scores that the quality score rests on.")
    scores: dict[str, float | None]
    frame_count: Positive
    resolution: Annotated[list[Positive], Field(min_length=2, max_length=2, description="[width, height] in pixels.")]
    fps: Rate
    duration_s: Annotated[float, Field(gt=0)]
    seed: Count
    clip_range: Annotated[
        list[Count],
        Field(min_length=2, max_length=2, description="Frames of the source video, [first, end), from 0."),
    ]
    empty_source: bool = Field(description="True when the source clip never showed a product.")
    split: Literal["train", "test", "mixed"] = Field(
        description="Both products in train, both in test, or one in each (leave it out for a split without leaks)."
    )
    licence: list[str] = Field(description="Licences of the backends that made the pair; seller material has its own.")


class PublishedPair(Fields):
    """A pair of the dataset. Paths are relative to the dataset's folder."""

    pair_id: PairId
    source: SourceProduct
    target: TargetProduct
    output: Output
    direction: Directions
    metadata: Metadata


class PublishedPairs(Record):
    """The published pairs. Paths are relative to the dataset's folder."""

    version: str
    name: str
    total_pairs: Count
    pairs: list[PublishedPair]


class ScoredPair(Fields):
    """What was measured on a pair."""

    pair_id: PairId
    kept: bool
    status: Literal["scored", "invalid", "failed", "missing"] = Field(
        description="missing when there is no score record."
    )
    reasons: list[str] = Field(description="Why it was dropped.")
    difficulty: Difficulty
    quality_score: Share | None
    basis: list[str]
    scores: dict[str, float | None]
    measures: dict[str, Any]


class QualityScores(Record):
    """What was measured on every planned pair, dropped ones too."""

    version: str
    total_pairs: Count
    kept: Count
    pairs: list[ScoredPair]


class StageCount(Fields):
    """A stage of the funnel."""

    stage: str
    count: Count
    of: Count = Field(description="How many there were to choose from.")


class PublishedCounts(Fields):
    """What was published."""

    pairs: Count
    clips: Count
    sources: Count
    targets: Count
    frames: Count = Field(description="Of the synthesized videos together.")
    seconds: Annotated[float, Field(ge=0)] = Field(description="Of the synthesized videos together.")
    source_category: Counts
    target_category: Counts
    difficulty: Counts
    resolution: Counts
    split: Counts


class Acceptance(Fields):
    """Planned and kept pairs of a difficulty."""

    planned: Count
    kept: Count


class Distribution(Fields):
    """Distribution of a score over the pairs on which it was measured."""

    count: Positive
    mean: float
    quartiles: Annotated[list[float], Field(min_length=3, max_length=3)]
    histogram: Annotated[
        list[Count], Field(min_length=_BINS, max_length=_BINS, description="Counts in 20 equal bins of 0 to 1.")
    ]


class CanaryKind(Fields):
    """Verdicts on the canaries of a kind."""

    expected: Expected = Field(description="The right verdict; `none` where it is only reported.")
    kept: Count
    rejected: Count
    not_judged: Count = Field(description="Could not be made or scored.")


class CanaryCounts(Fields):
    """Verdicts on results whose right verdict is known. They are in no other figure and are not published."""

    right: Count
    wrong: list[str] = Field(description="`<kind> of <clip_id>` of every canary with the wrong verdict.")
    kinds: dict[str, CanaryKind]


class Statistics(Record):
    """Counts and distributions of a run and of what was published."""

    version: str
    stages: list[StageCount] = Field(description="The funnel, from the feed's rows to the published pairs.")
    rejections: dict[str, Counts] = Field(description="Stage to reason to number of items.")
    published: PublishedCounts
    acceptance: dict[Difficulty, Acceptance]
    scores: dict[str, Distribution | None] = Field(description="Null where none was measured.")
    canaries: CanaryCounts | None = Field(description="Null when the run had none.")
