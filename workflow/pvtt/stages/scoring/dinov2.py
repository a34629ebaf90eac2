"""Identity by DINOv2 (Oquab et al., TMLR 2024): the class token's embedding, which separates instances of a class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pvtt.stages.scoring.embedding import Embedder


class Backend(Embedder):
    """DINOv2's class token; see the module."""

    name = "dinov2"

    def _open(self, folder: Path, **options: Any) -> Any:
        from transformers import Dinov2Model

        return Dinov2Model.from_pretrained(folder, **options)

    def _features(self, pixels: Any) -> Any:
        return self._network(pixel_values=pixels).pooler_output
