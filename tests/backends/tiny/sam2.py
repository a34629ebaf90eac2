"""SAM 2.1, its tiny configuration made smaller, at 128 px with random weights, in upstream's checkpoint format."""

from __future__ import annotations

import sys
from pathlib import Path

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


def build(folder: Path, seed: int = 0) -> None:
    """Write `sam2.1_hiera_tiny.pt`, `{"model": state_dict}`, into `folder`; it loads with CONFIG and OVERRIDES.

    The masks are noise, but the model holds every object for present, so that they are not empty.
    """
    import torch
    from sam2.build_sam import build_sam2_video_predictor

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = build_sam2_video_predictor(CONFIG, None, device="cpu", hydra_overrides_extra=list(OVERRIDES))
    torch.nn.init.constant_(model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias, 4.0)
    torch.save({"model": model.state_dict()}, folder / FILE)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
