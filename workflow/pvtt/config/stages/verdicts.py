"""Settings of the stage `verdicts`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, StrictFloat, StrictStr, model_validator
from pydantic_core import PydanticCustomError

from pvtt.config.base import Settings


class Limit(Settings):
    """Two values of a measure: where the clip is rejected, and from where on the measure is good."""

    reject: StrictFloat = Field(description="Value beyond which the clip is rejected, mark 0.")
    good: StrictFloat = Field(description="Value from which the mark is 1.")

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.reject == self.good:
            raise PydanticCustomError("same", "reject and good are both {value}", {"value": f"{self.good:g}"})
        return self


class MaskVerdictSettings(Settings):
    """What the masks of a clip must reach.

    Each measure gives a mark, 0 at its `reject` and 1 at its `good`; a clip's score is the geometric mean of its marks.
    """

    calibration: StrictStr = Field(
        "shipped",
        description=(
            "How measures become the probability of good masks. `shipped`: the project's calibration for the backend, "
            "where there is one and its measures were taken; `none`: the limits below; or the path of a file."
        ),
    )
    min_score: StrictFloat = Field(
        0.8,
        ge=0,
        le=1,
        description=(
            "Least score of an accepted clip, set between good and wrong masks of a rendered world and of "
            "real clips; 0 leaves the verdict to the limits of the single measures."
        ),
    )
    min_mark: StrictFloat = Field(
        0.01,
        gt=0,
        le=1,
        description="Least mark in the score, so that one measure at its limit does not make the score 0.",
    )
    visible_share: Limit = Field(Limit(reject=0.5, good=0.75), description="Share of the frames that show the product.")
    mean_area: Limit = Field(Limit(reject=0.0008, good=0.004), description="Mean area of the mask, share of the frame.")
    largest_area: Limit = Field(
        Limit(reject=0.75, good=0.6), description="Largest area of the mask, share of the frame."
    )
    area_jump_share: Limit = Field(
        Limit(reject=0.1, good=0.0), description="Share of the steps that change the area by over 20 %."
    )
    neighbour_iou: Limit = Field(
        Limit(reject=0.6, good=0.85), description="IoU of neighbouring masks carried by flow, 10th percentile."
    )
    flicker: Limit = Field(Limit(reject=0.12, good=0.02), description="Pixels that flicker, share of the area.")
    border_contact: Limit = Field(
        Limit(reject=0.35, good=0.15), description="Share of the contour on the frame's border."
    )
    side_to_side: Limit = Field(
        Limit(reject=0.5, good=0.1),
        description="Share of the frames that a part crosses from left to right, as a horizon does.",
    )
    separability: Limit = Field(Limit(reject=0.4, good=0.75), description="Difference in colour from the surroundings.")
    edge_support: Limit = Field(Limit(reject=0.35, good=0.7), description="Strength of the edges under the contour.")
    raggedness: Limit = Field(
        Limit(reject=1.3, good=1.1), description="Contour length relative to that of the smoothed mask."
    )
    thinness: Limit = Field(
        Limit(reject=0.25, good=0.1), description="Contour length relative to the area (what one pixel of error costs)."
    )
    confidence: Limit = Field(Limit(reject=0.75, good=0.92), description="Mean confidence of the backend.")
    agreement: Limit = Field(
        Limit(reject=0.6, good=0.9), description="IoU of independent detections with the carried masks, median."
    )
    ambiguity: Limit = Field(
        Limit(reject=0.5, good=0.1), description="Score of the best rival relative to the product's."
    )
    ambiguity_unseen: Limit = Field(
        Limit(reject=0.25, good=0.05),
        description="Score of the best rival relative to the product's, with no photo to tell.",
    )
    skin_share: Limit = Field(
        Limit(reject=0.4, good=0.2),
        description="Share of the mask that is skin-coloured, with no photo to tell it from a hand.",
    )
    open_form_fill: Limit = Field(
        Limit(reject=0.7, good=0.55), description="Share of its convex hull that a product of open form fills."
    )
    missing_colour: Limit = Field(
        Limit(reject=0.45, good=0.25), description="Share of the photos' colours that the mask does not show."
    )
    shape_gap: Limit = Field(
        Limit(reject=0.16, good=0.05),
        description="Share of its convex hull that it fills, compared with the photos: difference.",
    )
    likeness: Limit = Field(Limit(reject=0.4, good=0.65), description="Likeness in colour to the product's photos.")


class ScoreWeights(Settings):
    """Weights of the scores in quality_score; those of scores that were not measured go to the others in proportion."""

    identity: StrictFloat = Field(0.3, ge=0, description="Weight of the likeness to the product's photos.")
    temporal: StrictFloat = Field(0.2, ge=0, description="Weight of the steadiness in time.")
    lighting: StrictFloat = Field(
        0.2, ge=0, description="Weight of the light's plausibility, which only a vision-language judge gives."
    )
    overall: StrictFloat = Field(
        0.3, ge=0, description="Weight of the overall impression, which only a vision-language judge gives."
    )


class PairVerdictSettings(Settings):
    """What a pair must reach to enter the dataset."""

    calibration: StrictStr = Field(
        "shipped",
        description=(
            "How measures become the probability of a good pair, per direction. `shipped`: the project's calibrations "
            "of the insertion backend, where there are any; `none`: the limits below; or a folder with files "
            "<direction>.json, as `pvtt calibrate` writes it."
        ),
    )
    min_quality: StrictFloat = Field(0.7, ge=0, le=1, description="Least quality_score, 0 to 1.")
    min_swap: StrictFloat = Field(
        0.05,
        ge=-1,
        le=1,
        description=(
            "Least likeness to the target less likeness to the source inside the mask; below it the product "
            "was not replaced."
        ),
    )
    min_changed: StrictFloat = Field(
        0.25,
        ge=0,
        le=1,
        description="Least share of the inserted product's pixels that differ visibly from the source.",
    )
    min_background_psnr_db: StrictFloat = Field(
        30, ge=0, description="Least PSNR in decibels against the source outside both masks."
    )
    min_motion_ratio: StrictFloat = Field(
        0.3,
        ge=0,
        description=(
            "Least motion of the product in the result relative to the source's; below it the product stands still."
        ),
    )
    max_motion_ratio: StrictFloat = Field(
        3.0,
        ge=0,
        description=(
            "Largest motion of the product in the result relative to the source's; above it the product jitters."
        ),
    )
    max_box_drift: StrictFloat = Field(
        0.25,
        ge=0,
        description="Largest wander of the inserted box against the source's, relative to the source box's diagonal.",
    )
    min_temporal: StrictFloat = Field(0.4, ge=0, le=1, description="Least temporal score, 0 to 1.")
    min_identity: StrictFloat = Field(0.5, ge=0, le=1, description="Least identity score, 0 to 1.")
    weights: ScoreWeights = ScoreWeights()


class VerdictsSettings(Settings):
    """Limits and weights that turn measures into verdicts.

    A new one re-runs judging, the dataset and the report, but no measurement.
    """

    masks: MaskVerdictSettings = MaskVerdictSettings()
    pairs: PairVerdictSettings = PairVerdictSettings()
