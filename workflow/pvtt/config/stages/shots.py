"""Settings of the stage `shots`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, StrictFloat, StrictInt, StrictStr, model_validator
from pydantic_core import PydanticCustomError

from pvtt.config.base import Settings


class TransNetV2Settings(Settings):
    """Shots by TransNetV2."""

    threshold: StrictFloat = Field(
        0.5, gt=0, lt=1, description="Probability of a transition from which a frame counts as part of one."
    )


class FfmpegSettings(Settings):
    """Shots by ffmpeg's scene filter."""

    # Best F1 of hard cuts on a rendered world (seed 7, 14 cuts) and labelled real videos (16 cuts) together: 0.92;
    # 0.12 gives 0.77, 0.3 gives 0.89. The rendered cuts alone are best at 0.12, the real ones at 0.3 to 0.4, the
    # range usual with ffmpeg.
    threshold: StrictFloat = Field(
        0.2, gt=0, lt=1, description="Scene score above which a frame begins a new shot; a lower one finds more cuts."
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
    second_opinion: StrictStr = Field(
        "none",
        description=(
            "Another backend that looks for transitions too; hard cuts that only one of the two finds are marked for "
            "review and change nothing else. The video is decoded once more."
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
    ffmpeg: FfmpegSettings = FfmpegSettings()

    @model_validator(mode="after")
    def _two_detectors(self) -> Self:
        if self.second_opinion == self.backend:
            raise PydanticCustomError("same_backend", "second_opinion should be another backend than the first")
        return self
