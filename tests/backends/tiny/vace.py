"""Tiny Wan VACE models with random weights, in the format of the Diffusers repositories.

`build` writes a whole pipeline folder, `build_lora` a LoRA for its transformer as Diffusers saves one. Sizes are the
least that the architecture takes; what the pipeline relies on is kept: 16 latent channels, an eighth of the side, a
quarter of the frames, patches of 2 x 2.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

WIDTH = 24  # channels of the transformer, 2 heads of 12
TEXT = 16
LAYERS = 2
VACE_LAYERS = (0, 1)
PARTS = ("to_q", "to_k", "to_v", "to_out.0")

BASE_FILES = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "tokenizer/tokenizer.json",
    "tokenizer/tokenizer_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
)
LORA_FILE = "pytorch_lora_weights.safetensors"
WORDS = ("a", "the", "product", "video", "scene", "empty", "watch", "ring", "shoe", "cup", "in", "light", "shadow")


def build(folder: Path, seed: int = 0, two_stage: bool = False, heads: int = 2) -> None:
    """Write a pipeline folder; `two_stage` adds the second transformer of Wan2.2."""
    import torch
    from diffusers import UniPCMultistepScheduler, WanVACEPipeline

    torch.manual_seed(seed)
    encoder = _text_encoder()
    vae, transformer = _vae(), _transformer(heads)
    second = _transformer(heads) if two_stage else None
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    pipeline = WanVACEPipeline(
        tokenizer=_tokenizer(),
        text_encoder=encoder,
        vae=vae,
        scheduler=scheduler,
        transformer=transformer,
        transformer_2=second,
        boundary_ratio=0.875 if two_stage else None,
    )
    pipeline.save_pretrained(folder)


def files(two_stage: bool = False) -> list[str]:
    """Files that `build` writes and the loader opens, relative to the folder."""
    second = [name.replace("transformer/", "transformer_2/") for name in BASE_FILES if name.startswith("transformer/")]
    return [*BASE_FILES, *(second if two_stage else [])]


def build_lora(folder: Path, heads: int = 2, rank: int = 2, prefix: str = "transformer", layers: int = LAYERS) -> int:
    """Write a LoRA of the attention layers into `folder`; return the number of layers it holds."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(1)
    width, matrices = heads * WIDTH // 2, {}
    for group, count in (("blocks", layers), ("vace_blocks", len(VACE_LAYERS))):
        for index in range(count):
            for part in PARTS:
                name = f"{prefix}.{group}.{index}.attn1.{part}"
                matrices[f"{name}.lora_A.weight"] = torch.randn(rank, width, generator=generator)
                matrices[f"{name}.lora_B.weight"] = torch.randn(width, rank, generator=generator)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(matrices, folder / LORA_FILE)
    return len(matrices) // 2


def register(home: Path, entries: dict[str, list[str]]) -> None:
    """Write or add to `home`/models.yaml: files by model id, as of models without published digests."""
    import yaml

    path = home / "models.yaml"
    known = yaml.safe_load(path.read_text()) if path.is_file() else {}
    own = {"repository": "tests/tiny", "commit": "0" * 40, "licence": "Apache-2.0", "commercial": True}
    path.write_text(yaml.safe_dump(known | {name: own | {"files": listed} for name, listed in entries.items()}))


def _text_encoder():
    from transformers import UMT5Config, UMT5EncoderModel

    config = UMT5Config(
        vocab_size=64, d_model=TEXT, d_kv=8, d_ff=16, num_layers=1, num_heads=2, relative_attention_num_buckets=8
    )
    return UMT5EncoderModel(config).eval()


def _tokenizer():
    from transformers import T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)] + [(f"▁{word}", -3.0) for word in WORDS]
    return T5Tokenizer(vocab=pieces, extra_ids=0)


def _vae():
    from diffusers import AutoencoderKLWan

    return AutoencoderKLWan(base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1).eval()


def _transformer(heads: int):
    from diffusers import WanVACETransformer3DModel

    return WanVACETransformer3DModel(
        num_attention_heads=heads,
        attention_head_dim=WIDTH // 2,
        text_dim=TEXT,
        freq_dim=16,
        ffn_dim=32,
        num_layers=LAYERS,
        rope_max_seq_len=32,
        vace_layers=list(VACE_LAYERS),
    ).eval()


if __name__ == "__main__":
    build(Path(sys.argv[1]))
    print(json.dumps(files(), indent=1))
