"""Qwen2.5-VL or Qwen3-VL in this process, with the same requests as an endpoint gets.

The prompt is written in the models' chat format (ChatML). Text is tokenised apart from the format's special tokens, so
that a title cannot inject one. Images go through the published image processor in its Pillow form, since the combined
processor needs torchvision for its video part.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from pvtt.backends.base import ModelBackend
from pvtt.config.stages.scoring import ScoringSettings
from pvtt.models import registry
from pvtt.models.registry import ModelError
from pvtt.stages.scoring.judges.base import TOP, Answer, JudgeError, Question


class Backend(ModelBackend[ScoringSettings]):
    """Qwen-VL in this process; see the module."""

    settings_type = ScoringSettings
    name = "qwen"
    version = "1"
    packages = ("torch", "transformers")

    def __init__(self, settings: ScoringSettings | Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.own = self.settings.qwen
        self._network: Any = None
        self._tokenizer: Any = None
        self._processor: Any = None
        self._device = "cpu"

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Name of the model in models.yaml."""
        return (self.own.model,)

    @property
    def asked_model(self) -> str:
        """Name and commit of the model."""
        return f"{self.own.model}@{registry.model(self.own.model).commit}"

    def load(self, device: str = "cpu") -> None:
        """Load the weights: bfloat16 on a GPU, float32 on the CPU."""
        import torch
        from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        folder = registry.require(self.own.model)
        local = {"local_files_only": True}
        self._tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        self._processor = AutoImageProcessor.from_pretrained(folder, backend="pil", **local)
        dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
        network, report = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, output_loading_info=True, **local
        )
        if report["missing_keys"]:
            lacking = ", ".join(sorted(report["missing_keys"])[:3])
            raise ModelError(f"{self.own.model}: {folder} is no weights folder of this model; it lacks {lacking}")
        self._network, self._device = network.eval().to(device), device

    def close(self) -> None:
        """Release the network."""
        self._network = self._tokenizer = self._processor = None

    def ask(self, question: Question) -> Answer:
        """See `JudgeBackend.ask`."""
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
            raise JudgeError(f"{self.own.model}: not enough memory on {self._device} ({error})") from error
        values, tokens = torch.log_softmax(logits, -1).topk(min(TOP, logits.numel()))
        texts = [self._tokenizer.decode([token]) for token in tokens.tolist()]
        top = tuple((text, round(value, 6)) for text, value in zip(texts, values.tolist(), strict=True))
        return Answer(texts[0], top, _facts(inputs, started))

    def _inputs(self, question: Question) -> dict[str, Any]:
        """Inputs of the network: tokens, with one placeholder per merged patch of each image, and the patches."""
        import torch

        pictures = [_decoded(part) for part in question.parts if isinstance(part, bytes)]
        seen = self._processor(images=pictures, return_tensors="pt")
        merged = self._processor.merge_size**2
        lengths = iter((seen["image_grid_thw"].prod(1) // merged).tolist())
        place = self._network.config.image_token_id
        tokens = self._special("<|im_start|>system\n") + self._text(question.system)
        tokens += self._special("<|im_end|>\n<|im_start|>user\n")
        for part in question.parts:
            if isinstance(part, str):
                tokens += self._text(part)
            else:
                tokens += self._special("<|vision_start|>") + [place] * next(lengths) + self._special("<|vision_end|>")
        tokens += self._special("<|im_end|>\n<|im_start|>assistant\n")
        ids = torch.tensor([tokens])
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        # Without it Qwen2.5-VL positions image tokens as text, without a warning.
        inputs["mm_token_type_ids"] = (ids == place).int()
        inputs |= {
            "pixel_values": seen["pixel_values"].to(self._network.dtype),
            "image_grid_thw": seen["image_grid_thw"],
        }
        return {name: value.to(self._device) for name, value in inputs.items()}

    def _special(self, text: str) -> list[int]:
        """Tokens of a text of ours, with special tokens of the chat format."""
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return tokens

    def _text(self, text: str) -> list[int]:
        """Tokens of a text from outside; special tokens in it are tokenised as plain text."""
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        return tokens

    def _generated(self, inputs: Mapping[str, Any], max_tokens: int) -> str:
        out = self._network.generate(**inputs, max_new_tokens=max_tokens, do_sample=False)
        answer = out[0, inputs["input_ids"].shape[1] :]
        return str(self._tokenizer.decode(answer, skip_special_tokens=True))


def _decoded(jpeg: bytes) -> np.ndarray:
    """Decode a JPEG file to uint8 (h, w, 3), RGB."""
    image: np.ndarray = cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return image


def _facts(inputs: Mapping[str, Any], started: float) -> dict[str, Any]:
    seconds = round(time.perf_counter() - started, 3)
    return {"prompt_tokens": int(inputs["input_ids"].shape[1]), "seconds": seconds}
