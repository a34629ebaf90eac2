"""Settings of the stage `segmentation`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from pvtt.config.base import Settings


class Sam2Settings(Settings):
    """Backend `sam2`: Grounding DINO finds the product by its words, SAM 2.1 masks and follows it."""

    model: StrictStr = Field(
        "sam2.1-hiera-large",
        description="Id of the segmenter in models.yaml, sam2.1-hiera-tiny, -small, -base-plus or -large.",
    )
    detector: StrictStr = Field(
        "grounding-dino-base", description="Id of the detector in models.yaml, grounding-dino-tiny or -base."
    )
    box_threshold: StrictFloat = Field(
        0.35, ge=0, le=1, description="Score from which a box can be the product; the largest of them is taken."
    )
    fallback_threshold: StrictFloat = Field(
        0.2,
        ge=0,
        le=1,
        description=(
            "Score from which boxes count when no sampled frame has one above `box_threshold`; the one with "
            "the highest score is taken."
        ),
    )
    largest_box_share: StrictFloat = Field(
        0.9, gt=0, le=1, description="Share of the frame above which a box is the scene and not the product."
    )
    max_objects: StrictInt = Field(
        4,
        ge=1,
        description=(
            "Most instances of the product in a clip, a pair of earrings being two; each has masks of its own."
        ),
    )
    small_product_share: StrictFloat = Field(
        0.01,
        ge=0,
        le=1,
        description=(
            "Share of the frame below which a product is segmented once more, enlarged, through a window that"
            " follows it; 0 for never."
        ),
    )
    checked_frames: StrictInt = Field(
        4,
        ge=0,
        description=(
            "Frames in which masks made of boxes found there are compared with the carried masks; their "
            "agreement is judged."
        ),
    )
    round_trip_frames: StrictInt = Field(
        12,
        ge=0,
        description=(
            "Frames each way in which the farthest masks are carried back to the first one; the overlap is "
            "recorded. 0 for no such check."
        ),
    )
    offload_video_to_cpu: StrictBool = Field(
        True,
        description=(
            "Keep the frames in the host's memory and move one at a time; false keeps them on the GPU, 3 MB each."
        ),
    )
    offload_state_to_cpu: StrictBool = Field(
        False, description="Keep the memory of past frames in the host's memory, slower; it is bounded either way."
    )


class SegmentationSettings(Settings):
    """Masks of the product in every clip, and their quality."""

    backend: StrictStr = Field(
        "classical", description="Backend that finds and follows the product; `classical` needs no weights and no GPU."
    )
    sampled_frames: StrictInt = Field(
        9, ge=1, description="Number of frames, spread over the clip, in which the product is searched."
    )
    work_short_side_px: StrictInt = Field(
        480,
        ge=120,
        description=(
            "Short side at which the classical backend follows the product; larger clips are refined "
            "afterwards, smaller ones enlarged up to 1.75 times."
        ),
    )
    references: StrictInt = Field(
        3,
        ge=0,
        description=(
            "Number of the product's photos (its first ones) whose cut-outs show the backend what to look "
            "for; 0 for none."
        ),
    )
    second_opinion: Literal["none", "u2net"] = Field(
        "none",
        description=(
            "Network that looks at the product's place in a few frames, whatever the backend; the overlap is the "
            "measure `second_opinion` of the masks."
        ),
    )
    second_opinion_frames: StrictInt = Field(6, ge=1, description="Frames that the second opinion is asked about.")
    refine: StrictBool = Field(
        True,
        description=(
            "Take the second opinion's masks for a clip where they match the product's photos better in colour and "
            "form; without a second opinion it does nothing."
        ),
    )
    hands: Literal["none", "mediapipe"] = Field(
        "none",
        description=(
            "Networks that look for hands in six frames; the share of them with a hand at the product is the measure "
            "`hands` of the masks, which has no limit."
        ),
    )
    sam2: Sam2Settings = Sam2Settings()
