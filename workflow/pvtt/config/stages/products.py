"""Settings of the stage `products`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr

from pvtt.config.base import Settings


class NetworkLimits(Settings):
    """What a network's output must be like for a cut-out."""

    min_peak: StrictFloat = Field(
        0.5,
        ge=0,
        le=1,
        description=(
            "Least probability that the network must give some pixel of the photo; below it no product is there."
        ),
    )
    max_uncertain: StrictFloat = Field(
        0.6,
        ge=0,
        le=1,
        description=(
            "Largest share of uncertain pixels, with a probability from 8/255 to 247/255, among those with any; "
            "above it the network saw no clear product."
        ),
    )


class RembgSettings(NetworkLimits):
    """Cut-outs by rembg's networks."""

    model: Literal["birefnet-general", "isnet-general-use"] = Field(
        "birefnet-general",
        description=(
            "The network, run from its local ONNX file; isnet-general-use is lighter. Other models of the "
            "package have other licences or upload the photo, so they are not taken."
        ),
    )


class U2NetSettings(NetworkLimits):
    """Cut-outs by U2-Net."""


class ProductsSettings(Settings):
    """Cut-outs of the product photos."""

    backend: StrictStr = Field(
        "classical",
        description=(
            "Method that separates the product from its background; classical needs no weights and is made "
            "for studio photos. auto takes the best one whose weights and packages are there: rembg, else u2net, "
            "else classical."
        ),
    )
    min_side_px: StrictInt = Field(64, ge=1, description="Photos whose short side is smaller are rejected.")
    work_px: StrictInt = Field(
        512,
        ge=128,
        le=1024,
        description=(
            "Long side at which a photo without a uniform background is segmented, before its edge is refined"
            " at full size."
        ),
    )
    min_ground_uniformity: StrictFloat = Field(
        0.8,
        ge=0,
        le=1,
        description=(
            "Least share of the photo's border that fits one smooth background, for a cut-out by background colour."
        ),
    )
    min_confidence: StrictFloat = Field(
        0.75,
        ge=0,
        le=1,
        description=(
            "Least confidence of a cut-out from a photo without a uniform background; below it the photo is "
            "rejected as too cluttered."
        ),
    )
    min_area: StrictFloat = Field(
        0.005,
        ge=0,
        le=1,
        description="Least share of the photo that the product covers; below it the cut-out is taken as empty.",
    )
    max_area: StrictFloat = Field(
        0.9,
        ge=0,
        le=1,
        description=(
            "Largest share of the photo that the product covers; above it the cut-out is taken as the full frame."
        ),
    )
    max_border_contact: StrictFloat = Field(
        0.02, ge=0, le=1, description="Largest share of the photo's border that the cut-out touches."
    )
    min_main_part: StrictFloat = Field(
        0.3,
        ge=0,
        le=1,
        description=(
            "Least share of the cut-out's area in its largest part; below it the cut-out is taken as fragments."
        ),
    )
    max_parts: StrictInt = Field(
        4,
        ge=1,
        description=(
            "Largest number of separate parts, each at least 1 % of the cut-out; above it the cut-out is "
            "taken as fragments."
        ),
    )
    text: Literal["none", "rapidocr"] = Field(
        "none",
        description=(
            "Networks that read the text in a photo; the shares of the cut-out and of the rest of the photo under text "
            "are the measures `text_share` and `text_outside`."
        ),
    )
    max_text_share: StrictFloat = Field(
        0.3,
        ge=0,
        le=1,
        description=(
            "Largest share of the cut-out under text, where `text` is set: labels cover up to 0.24 of a product, the "
            "words of a table more than 0.4."
        ),
    )
    max_text_outside: StrictFloat = Field(
        0.012,
        ge=0,
        le=1,
        description=(
            "Largest share of the photo under text beside the cut-out, where `text` is set: such photos are charts or "
            "have captions."
        ),
    )
    rembg: RembgSettings = RembgSettings()
    u2net: U2NetSettings = U2NetSettings()
