"""Settings of the stage `serving`."""

from __future__ import annotations

from pydantic import Field, StrictFloat

from pvtt.config.base import Settings


class ServingSettings(Settings):
    """Warm workers, which keep a model loaded for many items."""

    limit_s: StrictFloat = Field(
        3600,
        gt=0,
        description=(
            "Seconds that a worker may take for one item, its model's loading not counted; then it is ended "
            "and replaced, and the item tried once more."
        ),
    )
