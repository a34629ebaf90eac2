"""Tiny Qwen2.5-VL and Qwen3-VL in their published checkpoint format, randomly initialised.

Weights are random except for what makes the answer a digit: one direction of the residual stream is large and
constant, and the output rows of the digits 1 to 5 point along it. Which digit, depends on the random rest.
`python tests/backends/tiny/vlm.py FOLDER` writes both, and models.yaml beside them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
MARKS += ("<|video_pad|>",)
FILES = ("config.json", "preprocessor_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
IDS = {"qwen2.5-vl-7b": "qwen2_5_vl", "qwen3-vl-8b": "qwen3_vl"}
_WIDTH = 64


def build(folder: Path, seed: int = 0) -> None:
    """Both below a models' folder, with their entries."""
    from backends.tiny.embedders import register

    for name, kind in IDS.items():
        build_vlm(folder / name, kind, seed)
    register(folder, dict.fromkeys(IDS, FILES))


def build_vlm(folder: Path, kind: str = "qwen2_5_vl", seed: int = 0, digits: bool = True) -> None:
    """One model of `kind`, qwen2_5_vl or qwen3_vl; without `digits` its answers are spread over all tokens."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(folder)
    marks = {mark: tokenizer.convert_tokens_to_ids(mark) for mark in MARKS}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _model(kind, len(tokenizer), marks)
        if digits:
            _answer_digits(model, [tokenizer.convert_tokens_to_ids(digit) for digit in "12345"])
        model.save_pretrained(folder)
    patch = 14 if kind == "qwen2_5_vl" else 16
    processor: dict[str, Any] = {"image_processor_type": "Qwen2VLImageProcessor", "patch_size": patch}
    processor |= {"temporal_patch_size": 2, "merge_size": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    processor |= {"min_pixels": 4 * patch**2 * 4, "max_pixels": 64 * patch**2 * 4}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")


def _tokenizer(folder: Path) -> Any:
    """Byte-level BPE without merges: every byte is a token, and every digit so too."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE({byte: index for index, byte in enumerate(alphabet)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in MARKS])
    made = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    made.save_pretrained(folder)
    return made


def _model(kind: str, tokens: int, marks: dict[str, int]) -> Any:
    import transformers as t

    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    text = {"vocab_size": tokens, "hidden_size": _WIDTH, "intermediate_size": 96, "num_hidden_layers": 2, **heads}
    text |= {"max_position_embeddings": 16384, "rope_parameters": _rope()}
    text |= {"bos_token_id": marks["<|endoftext|>"], "eos_token_id": marks["<|im_end|>"]}
    ids = {name: marks[f"<|{mark}|>"] for name, mark in _PLACES.items()}
    sight: dict[str, Any] = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2}
    sight["out_hidden_size"] = _WIDTH
    if kind == "qwen2_5_vl":
        sight |= {"fullatt_block_indexes": [1]}
        config = t.Qwen2_5_VLConfig(text_config=text, vision_config=sight, **ids)
        return t.Qwen2_5_VLForConditionalGeneration(config).eval()
    sight |= {"deepstack_visual_indexes": [0], "num_position_embeddings": 64}
    config = t.Qwen3VLConfig(text_config=text | {"head_dim": 16}, vision_config=sight, **ids)
    return t.Qwen3VLForConditionalGeneration(config).eval()


_PLACES = {
    "image_token_id": "image_pad",
    "video_token_id": "video_pad",
    "vision_start_token_id": "vision_start",
    "vision_end_token_id": "vision_end",
}


def _rope() -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}


def _answer_digits(model: Any, digits: list[int]) -> None:
    import torch

    with torch.no_grad():
        for parameter in model.model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(6)
        table, out = model.model.language_model.embed_tokens.weight, model.lm_head.weight
        table[:, 0] = 8 * float(table[:, 1:].norm(dim=1).mean())
        out.normal_(0, 0.4)
        out[:, 0] = -3.0
        out[digits, 0] = 3.0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    build(Path(sys.argv[1]))
