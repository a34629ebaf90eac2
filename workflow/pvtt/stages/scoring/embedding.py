"""Identity by image embeddings: what the backends dinov2, clip and siglip share.

Each crop stands on grey, is padded to a square that the model's centre crop takes whole, and goes through the image
processor that the model was published with (`preprocessor_config.json`; its Pillow form, which needs no torchvision).
The feature is the model's pooled image embedding, scaled to length 1. Two features are compared by their cosine,
mapped to 0..1 by a straight line from `floor` (0) to 1 (1): a model's cosines of unlike pictures lie about its floor,
which differs from model to model. The cosines themselves are kept in the measures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.backends.base import ModelBackend
from pvtt.models import registry
from pvtt.models.registry import ModelError
from pvtt.stages.scoring.base import Crop

_GREY = 128


class Embedder(ModelBackend):
    """Base of the backends that compare embeddings; one of them says its name and how its model is called."""

    name: str
    version = "1"
    packages = ("torch", "transformers")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.own: Mapping[str, Any] = settings[self.name]
        self._network: Any = None
        self._processor: Any = None
        self._device = "cpu"

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The model of these settings."""
        return (self.own["model"],)

    def load(self, device: str = "cpu") -> None:
        """Read config.json, preprocessor_config.json and model.safetensors; half precision on a GPU, else float32."""
        import torch
        from transformers import AutoImageProcessor
        from transformers.utils import logging

        logging.set_verbosity_error()  # the half that is not loaded is no news
        logging.disable_progress_bar()
        folder = registry.require(self.own["model"])
        self._processor = AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
        self._device = device
        dtype = torch.float16 if device.startswith("cuda") else torch.float32
        network, report = self._open(folder, dtype=dtype, local_files_only=True, output_loading_info=True)
        if report["missing_keys"]:
            lacking = ", ".join(sorted(report["missing_keys"])[:3])
            raise ModelError(f"{self.own['model']}: {folder} is no weights file of this model; it lacks {lacking}")
        self._network = network.eval().to(device)

    def close(self) -> None:
        """Release the network."""
        self._network = self._processor = None

    def embed(self, crops: Sequence[Crop]) -> list[np.ndarray]:
        """Feature of each crop: float32 (d,), of length 1."""
        import torch

        found: list[np.ndarray] = []
        size = self.own["batch"]
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
        """Cosine of two features, -1..1."""
        return float(np.clip(a @ b, -1, 1))

    def similarity(self, a: np.ndarray, b: np.ndarray) -> float:
        """Likeness 0..1: the cosine above `floor`, over what is left from there to 1."""
        floor = self.own["floor"]
        return float(np.clip((self.cosine(a, b) - floor) / (1 - floor), 0, 1))

    def square(self, crop: Crop) -> np.ndarray:
        """The crop in the middle of a grey square, uint8 (s, s, 3) RGB, so wide that a centre crop cuts only grey."""
        height, width = crop.image.shape[:2]
        side = round(max(height, width) * _cut(self._processor))
        board = np.full((side, side, 3), _GREY, np.uint8)
        top, left = (side - height) // 2, (side - width) // 2
        board[top : top + height, left : left + width] = crop.image
        return board

    def _open(self, folder: Path, **options: Any) -> Any:
        """The network of a folder."""
        raise NotImplementedError

    def _features(self, pixels: Any) -> Any:
        """Pooled embeddings (n, d) of prepared pixels (n, 3, h, w)."""
        raise NotImplementedError


def _cut(processor: Any) -> float:
    """How many times larger the resized picture is than the centre crop that the network sees; 1 without a crop."""
    known = json.loads(processor.to_json_string())
    if not known.get("do_center_crop"):
        return 1.0
    shortest = known["size"].get("shortest_edge") or min(known["size"]["height"], known["size"]["width"])
    return max(1.0, shortest / min(known["crop_size"]["height"], known["crop_size"]["width"]))
