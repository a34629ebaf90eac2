"""The whole configuration of a run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from pvtt.config.base import Settings
from pvtt.config.stages.background import BackgroundSettings
from pvtt.config.stages.catalogue import CatalogueSettings
from pvtt.config.stages.dataset import DatasetSettings
from pvtt.config.stages.insertion import InsertionSettings
from pvtt.config.stages.pairs import PairsSettings
from pvtt.config.stages.products import ProductsSettings
from pvtt.config.stages.report import ReportSettings
from pvtt.config.stages.scoring import ScoringSettings
from pvtt.config.stages.segmentation import SegmentationSettings
from pvtt.config.stages.serving import ServingSettings
from pvtt.config.stages.shots import ShotsSettings
from pvtt.config.stages.verdicts import VerdictsSettings


class RunSettings(Settings):
    """The configuration of a run: its own keys, and the settings of every stage."""

    catalogue: StrictStr = Field(
        "resources/demo/products.csv",
        description=(
            "The catalogue: a CSV or TSV file (columns id, category, subcategory, title, platform, video, "
            "images, empty) or a folder of <ID>/{video.mp4,image_*.jpg,metadata.json}; paths inside are "
            "relative to it."
        ),
    )
    results: StrictStr = Field("results", description="Folder where everything is written.")
    store: StrictStr = Field(
        "",
        description=(
            "Folder of the results cache, which keeps results of expensive jobs under the digest of all their"
            " inputs, so that nothing is computed twice. Empty takes `store` in the results folder; several "
            "results folders may share one."
        ),
    )
    max_pairs: StrictInt | None = Field(
        None, ge=0, description="Cap on the planned pairs, chosen by hash; null for no cap."
    )
    max_failure_rate: StrictFloat = Field(
        0.2,
        ge=0,
        le=1,
        description="The run fails when more than this share of the pairs could not be made or were invalid.",
    )
    canaries: StrictInt = Field(
        1,
        ge=0,
        description=(
            "Clips of whose pairs canaries are made: results whose right verdict is known (docs/run.md); 0 for none."
        ),
    )
    models: StrictStr = Field(
        "",
        description=(
            "Folder of the models' files; empty takes the environment variable PVTT_MODELS, or ~/.cache/pvtt/models."
        ),
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description=(
            "Where models run; auto takes a GPU where there is one, and refuses a GPU backend on a machine without."
        ),
    )
    commercial_only: StrictBool = Field(
        False, description="Refuses backends whose models' licences do not allow commercial use."
    )
    checks: CatalogueSettings = CatalogueSettings()
    shots: ShotsSettings = ShotsSettings()
    products: ProductsSettings = ProductsSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    background: BackgroundSettings = BackgroundSettings()
    pairs: PairsSettings = PairsSettings()
    insertion: InsertionSettings = InsertionSettings()
    scoring: ScoringSettings = ScoringSettings()
    verdicts: VerdictsSettings = VerdictsSettings()
    dataset: DatasetSettings = DatasetSettings()
    report: ReportSettings = ReportSettings()
    serving: ServingSettings = ServingSettings()
