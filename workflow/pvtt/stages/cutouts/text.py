"""Text in a photo, as evidence about its cut-out: charts, and photos with captions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pvtt.backends.base import CpuNetwork
from pvtt.config.stages.products import ProductsSettings
from pvtt.models.text import MODEL, PACKAGES, TextReader, text_mask


class TextEvidence(CpuNetwork[ProductsSettings, TextReader]):
    """rapidocr on the whole photo."""

    settings_type = ProductsSettings
    name = "text"
    version = "1"
    environment = "models"
    packages = PACKAGES
    needs = (MODEL,)

    def problems(self) -> list[str]:
        """As of every backend; the packages have a smaller target of their own."""
        return [text.replace("run: make models", "run: make text, or make models") for text in super().problems()]

    def open_network(self) -> TextReader:
        """Both networks."""
        return TextReader()

    def measure(self, image: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> dict[str, float]:
        """Measures of the text in a photo.

        Parameters
        ----------
        image : uint8 (h, w, 3) RGB
        alpha : uint8 (h, w)
            128 and more is product.

        Returns
        -------
        dict of float
            `text_share`: share of the cut-out's area under lines of text; `text_outside`: share of the photo's area
            under lines of text beside the cut-out. Both 0 to 1.
        """
        text, product = text_mask(self.network.read(image), image.shape), alpha >= 128
        return {
            "text_share": round(float((text & product).sum() / max(1, product.sum())), 4),
            "text_outside": round(float((text & ~product).mean()), 4),
        }

    def reason_against(self, measures: dict[str, float]) -> str:
        """Why a cut-out with these measures is rejected, with the number and its limit; empty if it is accepted."""
        if measures["text_share"] > self.settings.max_text_share:
            return (
                f"text or a chart: {measures['text_share']:.0%} of the cut-out is text "
                f"(max_text_share {self.settings.max_text_share:.0%})"
            )
        if measures["text_outside"] > self.settings.max_text_outside:
            return (
                f"a caption or a chart: text beside the cut-out covers {measures['text_outside']:.1%} of the photo "
                f"(max_text_outside {self.settings.max_text_outside:.1%})"
            )
        return ""
