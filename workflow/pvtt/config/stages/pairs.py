"""Settings of the stage `pairs`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr

from pvtt.config.base import Settings


class Quotas(Settings):
    """Largest share of the planned pairs (0 to 1) per difficulty; null sets no limit."""

    easy: StrictFloat | None = Field(None, ge=0, le=1, description="Share of easy pairs.")
    medium: StrictFloat | None = Field(None, ge=0, le=1, description="Share of medium pairs.")
    hard: StrictFloat | None = Field(None, ge=0, le=1, description="Share of hard pairs.")
    expert: StrictFloat | None = Field(None, ge=0, le=1, description="Share of expert pairs.")


class PairFilter(Settings):
    """Clips and products by their ids."""

    clips: tuple[StrictStr, ...] = Field((), description="Clip ids.")
    sources: tuple[StrictStr, ...] = Field((), description="Ids of the products that are replaced.")
    targets: tuple[StrictStr, ...] = Field((), description="Ids of the products that are inserted.")


class FeasibilityLimits(Settings):
    """What is not even tried."""

    max_box_coverage: StrictFloat | None = Field(
        0.5, description="Largest mean share of the frame that the product's box may cover; null sets no limit."
    )
    max_box_y_std_px: StrictFloat | None = Field(
        None,
        description=(
            "Largest vertical standard deviation of the box centre in pixels (good model runs had up to 16); "
            "null sets no limit."
        ),
    )
    min_visible_share: StrictFloat = Field(
        0.3, description="Least share of the clip's frames in which the product is visible."
    )


class PairsSettings(Settings):
    """Which target product goes into which clip."""

    strategy: Literal["single", "sample", "all"] = Field(
        "single", description="Photos per target, single (the main one), sample (`photos` of them, by hash) or all."
    )
    photos: StrictInt = Field(
        2,
        ge=1,
        description="Number of photos per target when the strategy is sample; the main photo is always among them.",
    )
    taxonomy: StrictStr = Field(
        "config/taxonomy.yaml",
        description=(
            "File with categories, subcategories and forms, from which a pair's difficulty follows; relative "
            "to this project, or else to the working directory."
        ),
    )
    quotas: Quotas = Quotas()
    pack_pairs: StrictInt = Field(
        96,
        ge=1,
        description=(
            "Pairs of a pack, which is one job of a cluster; a multiple of a node's GPUs. Packs that are "
            "there never change."
        ),
    )
    include: PairFilter = Field(PairFilter(), description="Only these take part; empty lists mean all.")
    exclude: PairFilter = Field(PairFilter(), description="These never take part.")
    feasible: FeasibilityLimits = FeasibilityLimits()
