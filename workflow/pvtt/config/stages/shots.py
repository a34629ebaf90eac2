"""Settings of the stage `shots`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr

from pvtt.config.base import Settings


class TransNetV2Settings(Settings):
    """Shots by TransNetV2."""

    threshold: StrictFloat = Field(
        0.5, gt=0, lt=1, description="Probability of a transition from which a frame counts as part of one."
    )


class ShotsSettings(Settings):
    """Shots of the videos and the clips cut from them."""

    backend: StrictStr = Field(
        "scenedetect",
        description=(
            "Method that finds transitions; scenedetect is PySceneDetect with added tests for overlays, "
            "dissolves and fades."
        ),
    )
    detector: Literal["adaptive", "content", "hash"] = Field(
        "adaptive", description="PySceneDetect's detector; adaptive copes best with moving cameras."
    )
    threshold: StrictFloat | None = Field(
        None,
        gt=0,
        description=(
            "Threshold of the detector for a cut; a lower one finds more cuts. null takes the detector's "
            "default (adaptive 3, content 27, hash 0.35)."
        ),
    )
    min_shot_s: StrictFloat = Field(2.0, ge=0, description="Shots shorter than this many seconds are rejected.")
    min_shot_frames: StrictInt = Field(50, ge=1, description="Shots with fewer frames are rejected.")
    max_clip_s: StrictFloat = Field(
        10.0, gt=0, description="Longer shots are split into equal parts, each a clip of its own."
    )
    short_side_px: StrictInt = Field(
        720, ge=16, description="Short side that larger pictures are scaled down to; smaller ones are never scaled up."
    )
    multiple_of: StrictInt = Field(
        16,
        ge=2,
        multiple_of=2,
        description="Both sides of a clip are multiples of this many pixels; the picture is cropped, not stretched.",
    )
    min_side_px: StrictInt = Field(
        128, ge=16, description="Shots whose picture inside the bars has a shorter side are rejected."
    )
    transnetv2: TransNetV2Settings = TransNetV2Settings()
