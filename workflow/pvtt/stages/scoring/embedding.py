"""Identity by image embeddings: the base class of the backends dinov2, clip and siglip.

Each crop is padded with grey to a square that survives the model's centre crop, and goes through the model's published
image processor (`preprocessor_config.json`; in its Pillow form, which needs no torchvision). The feature is the pooled
image embedding, normalised to length 1. The similarity of two features is their cosine, mapped linearly from
`floor`..1 to 0..1: the cosine of unrelated images is about `floor`, which differs between models. The cosines
themselves are stored in the measures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.backends.base import ModelBackend
from pvtt.config.stages.scoring import EmbeddingSettings, ScoringSettings
from pvtt.models import registry
from pvtt.models.registry import ModelError
from pvtt.stages.scoring.base import Crop

_GREY = 128  # grey level, 0-255, of the padding


class Embedder(ModelBackend[ScoringSettings]):
    """Base class; a backend adds its name and the call of its model."""

    settings_type = ScoringSettings
    name: str
    version = "1"
    packages = ("torch", "transformers")

    def __init__(self, settings: ScoringSettings | Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.own: EmbeddingSettings = getattr(self.settings, self.name)
        self._network: Any = None
        self._processor: Any = None
        self._device = "cpu"

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Name of the model in models.yaml."""
        return (self.own.model,)

    def load(self, device: str = "cpu") -> None:
        """Load the weights and the image processor: float16 on a GPU, float32 on the CPU."""
        import torch
        from transformers import AutoImageProcessor
        from transformers.utils import logging

        logging.set_verbosity_error()  # it would warn about the text encoder, which is not loaded
        logging.disable_progress_bar()
        folder = registry.require(self.own.model)
        self._processor = AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
        self._device = device
        dtype = torch.float16 if device.startswith("cuda") else torch.float32
        network, report = self._open(folder, dtype=dtype, local_files_only=True, output_loading_info=True)
        if report["missing_keys"]:
            lacking = ", ".join(sorted(report["missing_keys"])[:3])
            raise ModelError(f"{self.own.model}: {folder} is no weights file of this model; it lacks {lacking}")
        self._network = network.eval().to(device)

    def close(self) -> None:
        """Release the network."""
        self._network = self._processor = None

    def embed(self, crops: Sequence[Crop]) -> list[np.ndarray]:
        """Feature of each crop: float32 (d,), of unit length."""
        import torch

        found: list[np.ndarray] = []
        size = self.own.batch
        with torch.inference_mode():
            for start in range(0, len(crops), size):
                squares = [self.square(crop) for crop in crops[start : start + size]]
                pixels = self._processor(images=squares, return_tensors="pt")["pixel_values"]
                pixels = pixels.to(self._device, self._network.dtype)
                features = self._features(pixels).float()
                features = torch.nn.functional.normalize(features, dim=-1)
                found += list(features.cpu().numpy())
        return found

    def cosine(self, a: np.ndarray, b: np.ndarray) -> float:
        """Cosine of two features.

        Parameters
        ----------
        a, b : float32 (d,)
            Of unit length.

        Returns
        -------
        float in [-1, 1]
        """
        return float(np.clip(a @ b, -1, 1))

    def similarity(self, a: np.ndarray, b: np.ndarray) -> float:
        """Similarity of two features: (cosine - floor) / (1 - floor), clipped.

        Parameters
        ----------
        a, b : float32 (d,)
            Of unit length.

        Returns
        -------
        float in [0, 1]
        """
        floor = self.own.floor
        return float(np.clip((self.cosine(a, b) - floor) / (1 - floor), 0, 1))

    def square(self, crop: Crop) -> np.ndarray:
        """The crop in a grey square, uint8 (s, s, 3), RGB, large enough that the centre crop removes only padding."""
        height, width = crop.image.shape[:2]
        side = round(max(height, width) * _cut(self._processor))
        board = np.full((side, side, 3), _GREY, np.uint8)
        top, left = (side - height) // 2, (side - width) // 2
        board[top : top + height, left : left + width] = crop.image
        return board

    def _open(self, folder: Path, **options: Any) -> Any:
        """Load the network from a folder."""
        raise NotImplementedError

    def _features(self, pixels: Any) -> Any:
        """Pooled embeddings (n, d) of processed pixels (n, 3, h, w)."""
        raise NotImplementedError


def _cut(processor: Any) -> float:
    """Side of the resized image over the side of the centre crop that the network gets; 1 without a crop."""
    known = json.loads(processor.to_json_string())
    if not known.get("do_center_crop"):
        return 1.0
    shortest = known["size"].get("shortest_edge") or min(known["size"]["height"], known["size"]["width"])
    return max(1.0, float(shortest / min(known["crop_size"]["height"], known["crop_size"]["width"])))
