"""Qwen2.5-VL or Qwen3-VL in this process, asked as an endpoint would be.

The prompt is written in the models' own chat format (ChatML), user's text apart from its marks, so that a text cannot
spell a mark. Pictures go through the published image processor in its Pillow form; the whole processor would ask for
torchvision, because of its video half.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from pvtt.backends.base import ModelBackend
from pvtt.models import registry
from pvtt.models.registry import ModelError
from pvtt.stages.scoring.judges.base import TOP, Answer, JudgeError, Question


class Backend(ModelBackend):
    """Qwen-VL in process; see the module."""

    name = "qwen"
    version = "1"
    packages = ("torch", "transformers")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.own: Mapping[str, Any] = settings["qwen"]
        self._network: Any = None
        self._tokenizer: Any = None
        self._processor: Any = None
        self._device = "cpu"

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The model of these settings."""
        return (self.own["model"],)

    @property
    def asked_model(self) -> str:
        """The model's id and commit."""
        return f"{self.own['model']}@{registry.model(self.own['model']).commit}"

    def load(self, device: str = "cpu") -> None:
        """Read the model's folder; bfloat16 on a GPU, float32 on the CPU."""
        import torch
        from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        folder = registry.require(self.own["model"])
        local = {"local_files_only": True}
        self._tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        self._processor = AutoImageProcessor.from_pretrained(folder, backend="pil", **local)
        dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
        network, report = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, output_loading_info=True, **local
        )
        if report["missing_keys"]:
            lacking = ", ".join(sorted(report["missing_keys"])[:3])
            raise ModelError(f"{self.own['model']}: {folder} is no weights folder of this model; it lacks {lacking}")
        self._network, self._device = network.eval().to(device), device

    def close(self) -> None:
        """Release the network."""
        self._network = self._tokenizer = self._processor = None

    def ask(self, question: Question) -> Answer:
        """The most probable answer, and the alternatives of its first token."""
        import torch

        started = time.perf_counter()
        inputs = self._inputs(question)
        out_of_memory = torch.cuda.OutOfMemoryError
        try:
            with torch.inference_mode():
                if question.max_tokens > 1:
                    return Answer(self._generated(inputs, question.max_tokens), (), _facts(inputs, started))
                logits = self._network(**inputs, logits_to_keep=1).logits[0, -1].float()
        except out_of_memory as error:
            raise JudgeError(f"{self.own['model']}: not enough memory on {self._device} ({error})") from error
        values, tokens = torch.log_softmax(logits, -1).topk(min(TOP, logits.numel()))
        texts = [self._tokenizer.decode([token]) for token in tokens.tolist()]
        top = tuple((text, round(value, 6)) for text, value in zip(texts, values.tolist(), strict=True))
        return Answer(texts[0], top, _facts(inputs, started))

    def _inputs(self, question: Question) -> dict[str, Any]:
        """Tokens and patches; each picture's place is widened to as many tokens as it has merged patches."""
        import torch

        pictures = [_decoded(part) for part in question.parts if isinstance(part, bytes)]
        seen = self._processor(images=pictures, return_tensors="pt")
        merged = self._processor.merge_size**2
        lengths = iter((seen["image_grid_thw"].prod(1) // merged).tolist())
        place = self._network.config.image_token_id
        tokens = self._marks("<|im_start|>system\n") + self._text(question.system)
        tokens += self._marks("<|im_end|>\n<|im_start|>user\n")
        for part in question.parts:
            if isinstance(part, str):
                tokens += self._text(part)
            else:
                tokens += self._marks("<|vision_start|>") + [place] * next(lengths) + self._marks("<|vision_end|>")
        tokens += self._marks("<|im_end|>\n<|im_start|>assistant\n")
        ids = torch.tensor([tokens])
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        # Without it Qwen2.5-VL places pictures as if they were text, and says nothing.
        inputs["mm_token_type_ids"] = (ids == place).int()
        inputs |= {
            "pixel_values": seen["pixel_values"].to(self._network.dtype),
            "image_grid_thw": seen["image_grid_thw"],
        }
        return {name: value.to(self._device) for name, value in inputs.items()}

    def _marks(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False)

    def _text(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)

    def _generated(self, inputs: Mapping[str, Any], max_tokens: int) -> str:
        out = self._network.generate(**inputs, max_new_tokens=max_tokens, do_sample=False)
        return self._tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def _decoded(jpeg: bytes) -> np.ndarray:
    """uint8 (h, w, 3) RGB."""
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _facts(inputs: Mapping[str, Any], started: float) -> dict[str, Any]:
    seconds = round(time.perf_counter() - started, 3)
    return {"prompt_tokens": int(inputs["input_ids"].shape[1]), "seconds": seconds}
