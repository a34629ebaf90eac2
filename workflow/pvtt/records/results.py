"""Records of what the stages make of a clip and of a pair: track, masks, background, insertion, score, pack."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from pvtt.records.base import (
    KEEP,
    Box,
    ClipId,
    Count,
    Fields,
    Keep,
    Measures,
    PairId,
    PixelBox,
    Positive,
    ProductId,
    Provenance,
    Rate,
    Record,
    Seconds,
    Share,
    WithReason,
)

Grade = Annotated[float, Field(ge=1, le=5)]
Place = Annotated[list[float], Field(min_length=2, max_length=2)]


class TrackFrame(Fields):
    """Where the product is in a frame, the union of all objects."""

    visible: bool
    box: PixelBox | None
    area: Share = Field(description="Fraction of the frame.")


class TrackObject(Fields):
    """One object of the masks."""

    id: Positive
    visible_frames: Count
    mean_area: Share = Field(description="Fraction of the frame, mean over the frames in which it is visible.")


class TrackPoint(Fields):
    """A key point on the product, followed through the clip."""

    xy: list[Place | None] = Field(description="[x, y] in pixels per frame; null where the point is not seen.")


class Track(Record):
    """Where the product is in every frame of a clip."""

    clip_id: ClipId
    fps: Rate
    n_frames: Positive
    width: Positive
    height: Positive
    frames: list[TrackFrame] = Field(description="One entry per frame.")
    objects: list[TrackObject]
    points: list[TrackPoint] = Field(max_length=32)


class MeasuredMasks(WithReason):
    """What was measured on the masks of a clip. Nothing here depends on a limit."""

    clip_id: ClipId
    status: Literal["measured", "empty", "failed"] = Field(description="`empty` for a scene without a product.")
    reason: str = Field(description="Why there are no masks; empty unless failed.")
    measures: Measures
    provenance: Provenance


class MaskVerdict(WithReason):
    """Whether the masks of a clip can be trusted, by the settings `verdicts.masks`."""

    clip_id: ClipId
    status: Literal["accepted", "rejected"]
    reason: str = Field(description="Why it was rejected; empty when accepted.")
    score: Share = Field(description="Mean mark of the measures, or the probability that a calibration gives.")
    judged_by: str = Field(default="limits", description="`limits`, or the name of a calibration.")


class Background(WithReason):
    """How the product was removed from a clip."""

    clip_id: ClipId
    status: Literal["done", "failed"]
    reason: str = Field(description="Why it failed; empty when done.")
    measures: Measures
    keep: Keep = KEEP
    provenance: Provenance


class Insertion(WithReason):
    """How a product was inserted into a clip."""

    pair_id: PairId
    clip_id: ClipId
    source_id: ProductId
    target_id: ProductId
    image_index: Positive
    seed: Count
    status: Literal["done", "failed"]
    reason: str = Field(description="Why it failed; empty when done.")
    control: JsonValue = Field(description="What led the inserted product.")
    measures: Measures
    n_frames: Count
    fps: Rate
    width: Count
    height: Count
    boxes: list[Box | None] = Field(description="Box of the inserted product per frame.")
    keep: Keep = KEEP
    provenance: Provenance


class JudgedDimension(Fields):
    """What the judge said on one dimension."""

    score: Grade | None = Field(description="Mean over both orders; null unless both were scored.")
    orders: dict[str, Grade | None]
    difference: Annotated[float, Field(ge=0, le=4)] | None
    mass: Annotated[float, Field(ge=0)] | None = Field(description="Least share of the probability on the digits.")
    reason: str = Field(default="", description="Why there is no score.")


class Judgement(Fields):
    """What the vision-language judge said. Its raw answers stand in judge.json beside the score."""

    name: str
    version: str
    rubric: str = Field(description="Version of the questions.")
    model: str = Field(description="Name under which the model was asked.")
    status: Literal["done", "partial", "failed"]
    reason: str = Field(description="What was not answered; empty when done.")
    dimensions: dict[str, JudgedDimension]
    asked: Count = Field(description="Questions that were asked now.")
    found: Count = Field(description="Questions whose answers were there already.")
    requests: dict[str, str] = Field(description="Digest of every question, the key of its answer in judge.json.")
    seconds: Seconds
    grades: dict[str, JsonValue] | None = Field(
        default=None, description="Grades with reasons that were asked in JSON; they enter no score."
    )


class JudgeAnswer(Fields):
    """A judge's answer as it came. What follows `top` is what the judge told of the call; others may tell more."""

    model_config = ConfigDict(extra="allow")

    dimension: str = Field(description="What was asked about.")
    order: str = Field(description="Order of the pictures.")
    model: str = Field(description="Name under which the model was asked.")
    text: str
    top: str = Field(description="JSON: the first token's alternatives, [token, natural log-probability] each.")
    served: JsonValue = Field(default=None, description="Name of the model that answered.")
    fingerprint: JsonValue = None
    finish: JsonValue = Field(default=None, description="Why it ended.")
    prompt_tokens: JsonValue = None
    completion_tokens: JsonValue = None
    seconds: Seconds = 0.0


class JudgeAnswers(Record):
    """The raw answers of a judge on a pair; a question that has one is not asked again."""

    answers: dict[str, JudgeAnswer] = Field(description="By the digest of the question.")


class Scores(Fields):
    """Scores of a pair, 0 (bad) to 1 (good); null where not measured."""

    identity: Share | None
    temporal: Share | None
    lighting: Share | None
    overall: Share | None


# Names of a pair's scores, in their order everywhere.
SCORES = tuple(Scores.model_fields)


class Score(WithReason):
    """What was measured on a pair. A score that was not measured is null and never filled in."""

    pair_id: PairId
    status: Literal["scored", "invalid", "failed"]
    reason: str = Field(description="Why it is invalid or failed; empty when scored.")
    scores: Scores
    measures: dict[str, float | None]
    judge: Judgement | None = Field(
        default=None, description="What the vision-language judge said; absent without one."
    )
    keep: Keep = KEEP
    provenance: Provenance


class PackedPair(Fields):
    """How a pair of a pack ended."""

    pair_id: PairId
    insertion: str = Field(description="Status of its insertion.")
    scoring: str = Field(description="Status of its score.")


class PackSeconds(Fields):
    """Seconds that a pack's results took, whenever they were made."""

    insertion: Seconds
    scoring: Seconds


class Pack(Record):
    """Sums of a pack of pairs."""

    pack: Annotated[str, Field(pattern="^p[0-9]{5,}$")]
    pairs: list[PackedPair]
    seconds: PackSeconds
