"""Tiny DINOv2, CLIP and SigLIP in their published checkpoint format, randomly initialised.

`python tests/backends/tiny/embedders.py FOLDER` writes all three, and models.yaml beside them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
FILES = ("config.json", "preprocessor_config.json", "model.safetensors")


def build_dinov2(folder: Path, seed: int = 0) -> None:
    """Dinov2Model, 2 layers of 32, 28 px crops out of 32 px."""
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=28, patch_size=7
    )
    processor = _processor("BitImageProcessor", {"shortest_edge": 32}, 28)
    processor |= {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    _save(folder, Dinov2Model, config, processor, seed)


def build_clip(folder: Path, seed: int = 0) -> None:
    """CLIPModel, both halves, 2 layers of 32, 32 px."""
    from transformers import CLIPConfig, CLIPModel

    both = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config=both | {"vocab_size": 100, "max_position_embeddings": 16, "projection_dim": 24},
        vision_config=both | {"image_size": 32, "patch_size": 8, "projection_dim": 24},
        projection_dim=24,
    )
    _save(folder, CLIPModel, config, _processor("CLIPImageProcessor", {"shortest_edge": 32}, 32), seed)


def build_siglip(folder: Path, seed: int = 0) -> None:
    """SiglipModel, both halves, 2 layers of 32, 32 px."""
    from transformers import SiglipConfig, SiglipModel

    both = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = SiglipConfig(
        text_config=both | {"vocab_size": 100, "max_position_embeddings": 16},
        vision_config=both | {"image_size": 32, "patch_size": 8},
    )
    processor = _processor("SiglipImageProcessor", {"height": 32, "width": 32}, None)
    _save(folder, SiglipModel, config, processor | {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, seed)


BUILDERS = {
    "dinov2-base": build_dinov2,
    "clip-vit-large-patch14": build_clip,
    "siglip-base-patch16-384": build_siglip,
}


def register(models: Path, names: dict[str, tuple[str, ...]]) -> None:
    """Add entries of ids and their files to the models.yaml of a models' folder."""
    import yaml

    path = models / "models.yaml"
    entries = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    common = {"commit": "0" * 40, "licence": "Apache-2.0", "commercial": True}
    entries |= {name: {"repository": f"tiny/{name}", **common, "files": list(files)} for name, files in names.items()}
    path.write_text(yaml.safe_dump(entries), encoding="utf-8")


def build(folder: Path, seed: int = 0) -> None:
    """All three below a models' folder, with their entries."""
    for name, builder in BUILDERS.items():
        builder(folder / name, seed)
    register(folder, dict.fromkeys(BUILDERS, FILES))


def _processor(kind: str, size: dict[str, int], crop: int | None) -> dict[str, object]:
    known: dict[str, object] = {"image_processor_type": kind, "do_resize": True, "size": size, "resample": 3}
    known |= {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "do_convert_rgb": True}
    if crop:
        known |= {"do_center_crop": True, "crop_size": {"height": crop, "width": crop}}
    return known | {"image_mean": MEAN, "image_std": STD}


def _save(folder: Path, kind: type, config: object, processor: dict[str, object], seed: int) -> None:
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        kind(config).eval().save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
