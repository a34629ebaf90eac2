"""SAM 2.1, smaller than its tiny configuration, random or hastily taught, in upstream's checkpoint format."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.stages.segmentation.sam2.cropped_video import CroppedVideo
from pvtt.stages.segmentation.sam2.predictor import Images

Array = np.ndarray

CONFIG = "configs/sam2.1/sam2.1_hiera_t.yaml"
FILE = "sam2.1_hiera_tiny.pt"
_ATTENTION = "++model.memory_attention.layer"
OVERRIDES = [
    "++model.image_size=128",
    f"{_ATTENTION}.self_attention.feat_sizes=[8,8]",
    f"{_ATTENTION}.cross_attention.feat_sizes=[8,8]",
    "++model.memory_attention.num_layers=1",
    "++model.image_encoder.trunk.embed_dim=16",
    "++model.image_encoder.trunk.stages=[1,1,2,1]",
    "++model.image_encoder.trunk.global_att_blocks=[3]",
    "++model.image_encoder.neck.backbone_channel_list=[128,64,32,16]",
]

ENTRY = {"repository": "facebook/sam2.1-hiera-tiny", "commit": "0" * 40, "licence": "Apache-2.0", "commercial": True}
ENTRY |= {"files": [FILE], "config": CONFIG, "overrides": OVERRIDES}


def build(folder: Path, seed: int = 0, lessons: Sequence[tuple[Array, Array]] = (), steps: int = 120) -> None:
    """Write `sam2.1_hiera_tiny.pt`, `{"model": state_dict}`, into `folder`; it loads with CONFIG and OVERRIDES.

    The masks are noise, but the model holds every object for present, so that they are not empty. With `lessons`,
    frames uint8 (n, h, w, 3) RGB and masks bool (n, h, w), it learns by heart to mask what they show, whatever it is
    prompted with: about 10 s on one core, enough for the QA to accept clips that it was taught.
    """
    import torch
    from sam2.build_sam import build_sam2_video_predictor

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = build_sam2_video_predictor(CONFIG, None, device="cpu", hydra_overrides_extra=list(OVERRIDES))
    torch.nn.init.constant_(model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias, 4.0)
    if lessons:
        _teach(model, lessons, steps)
    torch.save({"model": model.state_dict()}, folder / FILE)


def _teach(model: Any, lessons: Sequence[tuple[Array, Array]], steps: int) -> None:
    import torch
    from torch.nn import functional

    for layer in model.memory_attention.layers:  # the memory adds nothing to a frame's own features
        for part in (layer.self_attn.out_proj, layer.cross_attn_image.out_proj, layer.linear2):
            torch.nn.init.zeros_(part.weight)
            torch.nn.init.zeros_(part.bias)
    images, masks = _examples(model.image_size, lessons)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(steps):
        chosen = torch.randint(len(images), (2,))
        _, features, places, sizes = model._prepare_backbone_features(model.forward_image(images[chosen]))
        maps = [x.permute(1, 2, 0).view(2, -1, *size) for x, size in zip(features, sizes, strict=True)]
        if step % 3:  # as while it follows
            seen, points = model.memory_attention.norm(features[-1] + 0.1 * places[-1]), None
        else:  # as when it is given a box
            labels = torch.tensor([[2, 3]] * 2, dtype=torch.int32)
            points = {"point_coords": torch.rand(2, 2, 2) * model.image_size, "point_labels": labels}
            seen = features[-1] + model.no_mem_embed
        seen = seen.permute(1, 2, 0).view_as(maps[-1])
        _, logits, ious, _, _, _, there = model._forward_sam_heads(seen, points, None, maps[:-1], True)
        logits, wanted = logits.clamp(-30, 30), masks[chosen].expand_as(logits)
        found = logits.sigmoid()
        dice = 1 - (2 * (found * wanted).sum((2, 3)) + 1) / ((found + wanted).sum((2, 3)) + 1)
        loss = 2 * functional.binary_cross_entropy_with_logits(logits, wanted) + dice.mean()
        loss = loss + ((ious - 0.97) ** 2).mean() + 0.1 * functional.softplus(4 - there).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()


def _examples(size: int, lessons: Sequence[tuple[Array, Array]]) -> tuple[Any, Any]:
    """Up to 16 frames of each lesson as the model's input, and their masks at its size."""
    import torch

    images, masks = [], []
    for frames, truth in lessons:
        inputs = Images(CroppedVideo(frames), size, None)
        for number in range(0, len(frames), -(-len(frames) // 16)):
            images.append(inputs[number])
            mask = torch.from_numpy(truth[number])[None, None].float()
            masks.append(torch.nn.functional.interpolate(mask, (size, size), mode="area")[0])
    return torch.stack(images), torch.stack(masks)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
