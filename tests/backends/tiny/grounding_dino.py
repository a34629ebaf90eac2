"""A tiny Grounding DINO of random weights, a transformers folder as the hub's repositories are."""

from __future__ import annotations

import sys
from pathlib import Path

FILES = ("config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json")
WORDS = ("ring", "gold", "mug", "serum", "product", "red", "disc", "stoneware", "birch", "face", "earrings", "earring")

ENTRY = {"repository": "IDEA-Research/grounding-dino-tiny", "commit": "0" * 40, "licence": "Apache-2.0"}
ENTRY |= {"commercial": True, "files": list(FILES)}


def vocabulary() -> list[str]:
    """Words with the special tokens at BERT's own numbers, which Grounding DINO has fixed in its code."""
    words = [f"[unused{k}]" for k in range(1030)]
    places = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1010: ",", 1012: ".", 1029: "?"}
    for place, word in places.items():
        words[place] = word
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return words + list(WORDS) + list(letters) + [f"##{letter}" for letter in letters]


def build(folder: Path, seed: int = 0) -> None:
    """Write the model into `folder`: Swin of one block a stage, BERT of one layer, two decoder layers, 64-px images.

    Random as they are, its scores are high and its boxes lie anywhere.
    """
    import torch
    from transformers import (
        BertTokenizerFast,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessorPil,
    )

    folder.mkdir(parents=True, exist_ok=True)
    names = vocabulary()
    swin = {"model_type": "swin", "image_size": 64, "embed_dim": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]}
    swin |= {"window_size": 4, "out_features": ["stage2", "stage3", "stage4"]}
    bert = {"model_type": "bert", "vocab_size": len(names), "hidden_size": 32, "num_hidden_layers": 1}
    bert |= {"num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 128}
    config = GroundingDinoConfig(
        backbone_config=swin,
        text_config=bert,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=20,
        max_text_len=64,
        fusion_droppath=0.0,
        fusion_dropout=0.0,
    )
    torch.manual_seed(seed)
    GroundingDinoForObjectDetection(config).eval().save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True).save_pretrained(folder)
    size = {"shortest_edge": 64, "longest_edge": 96}
    GroundingDinoImageProcessorPil(size=size).save_pretrained(folder)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
