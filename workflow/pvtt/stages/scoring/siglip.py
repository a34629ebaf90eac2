"""Identity by SigLIP (Zhai et al., ICCV 2023) or SigLIP 2 of fixed resolution: the image encoder's pooled embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pvtt.stages.scoring.embedding import Embedder


class Backend(Embedder):
    """SigLIP's image embedding; the text encoder is not loaded."""

    name = "siglip"

    def _open(self, folder: Path, **options: Any) -> Any:
        from transformers import SiglipVisionModel

        return SiglipVisionModel.from_pretrained(folder, **options)

    def _features(self, pixels: Any) -> Any:
        return self._network(pixel_values=pixels).pooler_output
