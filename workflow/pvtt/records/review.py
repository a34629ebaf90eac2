"""Records of the review: answers of raters, one JSON object a line, in files that only grow.

A later line of the same rater on the same question takes the place of an earlier one; `withdrawn` takes it back.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from pvtt.records.base import ClipId, Count, Fields, PairId, Record, Seconds

Status = Literal["judged", "skipped", "withdrawn"]
Task = Literal["pair", "background"]
Direction = Literal["forward", "reverse", "insert", "remove"]
Reason = Literal[
    "residue", "halo", "scale", "contact", "torn", "wrong_product", "hand", "background", "shadow", "other"
]
Side = Literal["left", "right"]
Run = Literal["a", "b"]
RATER_PATTERN = r"^[^\s\x00-\x1f][^\x00-\x1f]{0,63}$"
Rater = Annotated[str, Field(pattern=RATER_PATTERN)]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", description="UTC.")]
Span = Annotated[list[Count], Field(min_length=2, max_length=2)]
# Directions that each task asks about.
DIRECTIONS: dict[Task, tuple[Direction, ...]] = {"pair": ("forward", "reverse"), "background": ("insert", "remove")}
REASONS: tuple[Reason, ...] = get_args(Reason)


class Scales(Fields):
    """Grades of a pair, 1 (worst) to 5 (best)."""

    product: Annotated[int, Field(ge=1, le=5, description="Is it the right product?")]
    realism: Annotated[int, Field(ge=1, le=5, description="Does it look real?")]
    rest: Annotated[int, Field(ge=1, le=5, description="Is the rest untouched?")]


class DirectionVerdict(Fields):
    """A rater's verdict on a pair or a background as a sample of one direction."""

    verdict: Literal["keep", "reject"]
    reasons: list[Reason] = Field(description="Why it was rejected; empty when kept.")

    @model_validator(mode="after")
    def _has_reasons(self) -> Self:
        if (self.verdict == "reject") != bool(self.reasons):
            raise ValueError("a rejection needs a reason, and only a rejection has one")
        return self


class Answer(Record):
    """What all answers have."""

    rater: Rater
    seed: Count = Field(description="Seed of the rater's queue.")
    time: Time
    seconds: Seconds = Field(description="Seconds for which the question was on a visible page.")
    status: Status
    clip_id: ClipId
    pair_id: PairId | None = Field(description="Null for a background.")
    duplicate: bool = Field(description="Whether the rater had seen it before in this queue, for self-agreement.")
    n_frames: Count = Field(description="Frames of the clip.")
    seen: list[Span] = Field(description="Spans [first, end) of the frames that were shown.")


class ReviewAnswer(Answer):
    """A line: a rater's answer on a pair, or on the clean background of a clip."""

    task: Task
    digest: str = Field(description="BLAKE2b-128 of the video that was judged: the result, or the background.")
    scales: Scales | None = Field(description="Null for a background and for what was not judged.")
    verdicts: dict[Direction, DirectionVerdict] = Field(
        description="`forward` and `reverse` of a pair, `insert` and `remove` of a background."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        judged = self.status == "judged"
        if (self.pair_id is None) != (self.task == "background"):
            raise ValueError("a pair has a pair_id, a background has none")
        if set(self.verdicts) != (set(DIRECTIONS[self.task]) if judged else set()):
            raise ValueError(f"a judged {self.task} needs a verdict for each of {', '.join(DIRECTIONS[self.task])}")
        if (self.scales is not None) != (judged and self.task == "pair"):
            raise ValueError("a judged pair needs its three scales, and nothing else has them")
        return self


class StudyGrades(Fields):
    """Grades of one result beside another, 1 (worst) to 4 (best)."""

    quality: Annotated[int, Field(ge=1, le=4, description="Do the pictures look real and clean?")]
    fidelity: Annotated[int, Field(ge=1, le=4, description="Is it the product of the photos?")]
    smoothness: Annotated[int, Field(ge=1, le=4, description="Does it move without flicker and jumps?")]
    diversity: Annotated[int, Field(ge=1, le=4, description="Do pose and light change with the scene?")]


class ComparisonAnswer(Answer):
    """A line: a rater's answer on the same pair of two runs, shown side by side in hidden order."""

    against: str = Field(description="Results folder of run b, relative to that of run a, which has this file.")
    sides: dict[Side, Run] = Field(description="Which run was shown where.")
    digests: dict[Side, str] = Field(description="BLAKE2b-128 of both videos.")
    grades: dict[Side, StudyGrades] = Field(description="Empty for what was not judged.")
    preference: Literal["left", "right", "tie"] | None = Field(description="Null for what was not judged.")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        both, judged = {"left", "right"}, self.status == "judged"
        if set(self.sides) != both or set(self.sides.values()) != {"a", "b"} or set(self.digests) != both:
            raise ValueError("sides and digests need left and right, one of each run")
        if set(self.grades) != (both if judged else set()) or (self.preference is not None) != judged:
            raise ValueError("a judged comparison needs grades for left and right and a preference")
        return self
