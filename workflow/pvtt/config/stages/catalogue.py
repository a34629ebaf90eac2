"""Settings of the stage `catalogue`."""

from __future__ import annotations

from pydantic import Field, StrictFloat, StrictInt, StrictStr

from pvtt.config.base import Settings


class CatalogueSettings(Settings):
    """Which files of the catalogue can be used, and which repeat others."""

    backend: StrictStr = Field(
        "perceptual_hash", description="Method that finds near-duplicates; perceptual_hash needs no weights."
    )
    min_image_side_px: StrictInt = Field(64, ge=1, description="Photos with a shorter side are rejected.")
    min_video_side_px: StrictInt = Field(
        128, ge=1, description="Videos whose picture inside baked-in bars has a shorter side are rejected."
    )
    fingerprint_frames: StrictInt = Field(
        16, ge=1, description="Number of evenly spaced frames in a video's fingerprint."
    )
    duplicate_bits: StrictFloat = Field(
        6,
        ge=0,
        le=64,
        description="Two pictures or videos are duplicates up to this mean number of differing bits, out of 64.",
    )
    duplicate_levels: StrictFloat = Field(
        8,
        ge=0,
        le=255,
        description="Two pictures or videos are duplicates up to this mean colour difference, in grey levels.",
    )
