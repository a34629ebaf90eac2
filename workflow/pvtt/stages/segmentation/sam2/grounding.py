"""Text-prompted detection: Grounding DINO through transformers.

Liu et al., "Grounding DINO: marrying DINO with grounded pre-training for open-set object detection", ECCV 2024. The
model runs in float32 on every device, as it sees a few frames per clip. It uses PyTorch's implementation of deformable
attention, so no kernel is compiled or downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.stages.segmentation.sam2.box_selection import Candidate

Array = np.ndarray


class Detector:
    """Grounding DINO from a local folder of its repository's files."""

    def __init__(self, folder: Path, device: str) -> None:
        from transformers import (
            AutoTokenizer,
            GroundingDinoForObjectDetection,
            GroundingDinoImageProcessorPil,
            GroundingDinoProcessor,
        )
        from transformers.utils import logging

        logging.disable_progress_bar()
        local: dict[str, Any] = {"local_files_only": True}
        # The image processor on Pillow gives the same boxes with and without torchvision.
        images = GroundingDinoImageProcessorPil.from_pretrained(folder, **local)
        self._processor = GroundingDinoProcessor(images, AutoTokenizer.from_pretrained(folder, **local))
        model = GroundingDinoForObjectDetection.from_pretrained(folder, disable_custom_kernels=True, **local)
        self._model = model.float().eval().to(device)
        self._device = device

    def detect(self, frames: Sequence[tuple[int, Array]], text: str, threshold: float) -> list[Candidate]:
        """Detect boxes whose score for a word of `text` is above `threshold`.

        Parameters
        ----------
        frames : pairs of frame number and uint8 (h, w, 3) RGB
        text : str
            Noun phrases in lower case, each closed by ".".
        threshold : float in [0, 1]

        Returns
        -------
        Boxes in px, clipped to the frame; boxes narrower or lower than 1 px are dropped.
        """
        return [one for number, frame in frames for one in self._in_frame(number, frame, text, threshold)]

    def _in_frame(self, number: int, frame: Array, text: str, threshold: float) -> list[Candidate]:
        import torch

        height, width = frame.shape[:2]
        inputs = self._processor(images=frame, text=text, return_tensors="pt", truncation=True).to(self._device)
        with torch.inference_mode():
            outputs = self._model(**inputs)
        [found] = self._processor.post_process_grounded_object_detection(
            outputs, inputs.input_ids, threshold=threshold, target_sizes=[(height, width)]
        )
        boxes = np.clip(found["boxes"].float().cpu().numpy(), 0, [width, height, width, height]).tolist()
        rows = zip(boxes, found["scores"].float().cpu().numpy(), strict=True)
        kept = [(box, score) for box, score in rows if box[2] - box[0] >= 1 and box[3] - box[1] >= 1]
        return [Candidate(number, (x0, y0, x1, y1), float(score)) for (x0, y0, x1, y1), score in kept]
