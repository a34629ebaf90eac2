"""Settings of the stage `dataset`."""

from __future__ import annotations

from pydantic import Field, StrictFloat, StrictStr

from pvtt.config.base import Settings


class DatasetSettings(Settings):
    """The published dataset."""

    name: StrictStr = Field(
        "Product replacement pairs", min_length=1, description="Name of the dataset, the title of its card."
    )
    version: StrictStr = Field("1.0", min_length=1, description="Version written into the annotations.")
    test_share: StrictFloat = Field(
        0.1, ge=0, le=1, description="Share of the products, chosen by hash, that the split hint puts into test."
    )
    material_notice: StrictStr = Field(
        (
            "The source videos and product photos belong to their sellers. Clear their use before you "
            "redistribute anything of this dataset."
        ),
        description="Sentence of the card about the rights in the source material.",
    )
