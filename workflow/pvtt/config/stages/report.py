"""Settings of the stage `report`."""

from __future__ import annotations

from pydantic import Field, StrictInt, StrictStr

from pvtt.config.base import Settings


class ReportSettings(Settings):
    """The HTML report of a run."""

    title: StrictStr = Field("PVTT run", min_length=1, description="Title of the page.")
    max_pairs: StrictInt = Field(
        60, ge=0, description="Most pairs shown with players, kept and dropped ones, chosen by hash."
    )
    max_clips: StrictInt = Field(120, ge=0, description="Most clips shown, chosen by hash.")
    preview_side_px: StrictInt = Field(
        240, ge=64, le=720, description="Short side of the preview videos in pixels; never more than the clip's."
    )
