"""Identity by CLIP (Radford et al., ICML 2021): the image encoder's projected embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pvtt.stages.scoring.embedding import Embedder


class Backend(Embedder):
    """CLIP's image embedding; the text encoder is not loaded."""

    name = "clip"

    def _open(self, folder: Path, **options: Any) -> Any:
        from transformers import CLIPVisionModelWithProjection

        return CLIPVisionModelWithProjection.from_pretrained(folder, **options)

    def _features(self, pixels: Any) -> Any:
        return self._network(pixel_values=pixels).image_embeds
