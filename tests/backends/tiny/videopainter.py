"""A stand-in for VideoPainter's checkout: modules, classes and call signatures of its diffusers fork, no network.

Its pipeline checks what it is given as the real one would need it, and paints the first frame's ground into the masks.
A torch of a few names stands beside it, so that the runner's protocol runs without any of that environment.
"""

from __future__ import annotations

import sys
from pathlib import Path

TORCH = """
bfloat16, float32 = "bfloat16", "float32"


class Generator:
    def __init__(self, device="cpu"):
        self.device = device

    def manual_seed(self, seed):
        self.seed = seed
        return self
"""

DIFFUSERS = """
import json, os
from types import SimpleNamespace

import numpy as np


def log(**facts):
    with open(os.environ["STANDIN_LOG"], "a") as stream:
        print(json.dumps(facts), file=stream)


class CogVideoXDPMScheduler:
    @classmethod
    def from_config(cls, config, **changes):
        made = cls()
        made.config = dict(config) | changes
        return made


class CogvideoXBranchModel:
    @classmethod
    def from_pretrained(cls, path, torch_dtype=None, local_files_only=False):
        assert local_files_only and os.path.exists(os.path.join(path, "config.json")), path
        made = cls()
        made.dtype = torch_dtype
        return made


class CogVideoXI2VDualInpaintAnyLPipeline:
    @classmethod
    def from_pretrained(cls, path, branch=None, torch_dtype=None, local_files_only=False):
        assert local_files_only and os.path.exists(os.path.join(path, "model_index.json")), path
        assert isinstance(branch, CogvideoXBranchModel) and branch.dtype == torch_dtype
        made = cls()
        made.scheduler = SimpleNamespace(config={"timestep_spacing": "linspace"})
        made.vae = SimpleNamespace(enable_slicing=lambda: None)
        made.dtype = torch_dtype
        return made

    def to(self, device):
        self.device = device
        return self

    def __call__(
        self, image, prompt=None, negative_prompt=None, height=480, width=720, num_frames=49, num_inference_steps=50,
        timesteps=None, guidance_scale=6, use_dynamic_cfg=False, num_videos_per_prompt=1, eta=0.0, generator=None,
        latents=None, prompt_embeds=None, negative_prompt_embeds=None, output_type="pil", return_dict=True,
        attention_kwargs=None, callback_on_step_end=None, callback_on_step_end_tensor_inputs=["latents"],
        max_sequence_length=226, video=None, masks=None, masked_video_latents=None, strength=1.0, control_mode=None,
        conditioning_scale=1.0, mask_background=False, add_first=False, wo_text=False,
        id_pool_resample_learnable=False, mask_add=False, replace_gt=False, stride=24, prev_clip_weight=0.0,
    ):
        assert isinstance(self.scheduler, CogVideoXDPMScheduler)
        assert self.scheduler.config["timestep_spacing"] == "trailing"
        assert self.device == "cpu" and self.dtype == "float32"
        assert (len(video) - num_frames) // stride + 1 == 1 and len(video) == len(masks) == num_frames
        assert num_frames % 4 == 1 and height % 16 == width % 16 == 0
        assert all(i.mode == "RGB" and i.size == (width, height) for i in [image, *video, *masks])
        frames, holes = (np.stack([np.asarray(i) for i in images]) for images in (video, masks))
        assert set(np.unique(holes)) <= {0, 255}
        assert not holes[0].any(), "the first frame is known"
        assert np.array_equal(np.asarray(image), frames[0])
        assert not frames[1:][holes[1:] > 0].any(), "black where it is painted"
        cells = holes[1:, ..., 0].reshape(-1, 4, height // 16, 16, width // 16, 16)
        assert (cells == cells[:, :1, :, :1, :, :1]).all(), "whole tokens of whole latent frames"
        red = (frames[0, ..., 0] > 185) & (frames[0, ..., 1] < 60)
        assert not red.any(), "the product is gone from the first frame"
        assert strength == 1.0 and replace_gt and mask_add and use_dynamic_cfg and not id_pool_resample_learnable
        assert prompt and output_type == "np" and guidance_scale > 1 and not mask_background
        size = {"height": height, "width": width}
        log(frames=num_frames, **size, seed=generator.seed, steps=num_inference_steps, prompt=prompt)
        painted = np.where(holes > 0, frames[:1], frames).astype(np.float32) / 255
        if os.environ.get("STANDIN") == "grid" or os.environ.get("STANDIN") == "grid once" and generator.seed == 0:
            wave = 0.03 * np.sin(2 * np.pi * np.arange(width) / 8)[None, None, :, None]
            painted = np.where(holes > 0, painted + wave, painted)
        if os.environ.get("STANDIN") == "nan":
            painted[1] = np.nan
        if os.environ.get("STANDIN") == "memory":
            raise RuntimeError("CUDA out of memory")
        return SimpleNamespace(frames=painted[None])
"""


def build(folder: Path, seed: int = 0) -> None:
    """Write the checkout into `folder`."""
    source = folder / "diffusers" / "src"
    pipelines = source / "diffusers" / "pipelines" / "cogvideo"
    pipelines.mkdir(parents=True)
    (source / "torch.py").write_text(TORCH)
    (source / "diffusers" / "__init__.py").write_text(DIFFUSERS)
    (pipelines / "pipeline_cogvideox_inpainting_i2v_branch_anyl.py").write_text("")


def build_weights(branch: Path, base: Path) -> None:
    """The files that are looked for, empty: the branch's folder `branch` and the base model's `base`."""
    place = branch / "VideoPainter" / "checkpoints" / "branch"
    place.mkdir(parents=True)
    base.mkdir(parents=True)
    for path in (place / "config.json", place / "diffusion_pytorch_model.safetensors", base / "model_index.json"):
        path.write_text("{}")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
