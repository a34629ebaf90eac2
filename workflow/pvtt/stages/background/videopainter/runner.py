"""Runs VideoPainter on one job folder: `python videopainter_runner.py JOB/job.json`, in VideoPainter's environment.

The job names folders of PNG frames and masks (255 = paint), all of the model's size, the first frame without the
product, and the folder to write to; `pvtt.stages.background.videopainter` writes it. Frames are generated in windows of
`window` frames. Each window starts with the frame that the previous window generated there; the overlap is cross-faded.
This program imports only torch, numpy, PIL and the diffusers fork.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def main(path: str) -> None:
    """Run the job described in the JSON file `path`."""
    with open(path, encoding="utf-8") as stream:
        job = json.load(stream)
    frames, masks = read(job["frames"]), read(job["masks"])
    wanted = (job["height"], job["width"], 3)
    for name, images in (("frames", frames), ("masks", masks)):
        if not images or any(image.shape != wanted for image in images):
            raise SystemExit(f"{name}: {wanted[1]}x{wanted[0]} RGB images are needed in {job[name]}")
    if len(frames) != len(masks):
        raise SystemExit(f"{len(frames)} frames but {len(masks)} masks")
    n_frames = len(frames)
    starts = window_starts(n_frames, job["window"], job["overlap"])
    # Whole windows: the last frame goes on standing.
    missing = starts[-1] + job["window"] - n_frames
    frames, masks = frames + frames[-1:] * missing, masks + masks[-1:] * missing
    first = np.asarray(Image.open(job["first"]).convert("RGB"))
    pipe = load(job)
    painted: dict[int, np.ndarray] = {}
    for start in starts:
        print(f"frames {start} to {start + job['window'] - 1} of {n_frames}", flush=True)
        lead = first if start == 0 else painted[start]
        part = slice(start, start + job["window"])
        faded_in(painted, start, paint(pipe, job, frames[part], masks[part], lead))
    os.makedirs(job["output"], exist_ok=True)
    for index in range(n_frames):
        Image.fromarray(painted[index]).save(os.path.join(job["output"], f"{index:05d}.png"), compress_level=1)


def read(folder: str) -> list[np.ndarray]:
    """Images of a folder in the order of their names, uint8 (h, w, 3), RGB."""
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted(Path(folder).glob("*.png"))]


def window_starts(n_frames: int, window: int, overlap: int) -> list[int]:
    """First frames of windows of `window` frames that cover `n_frames`; neighbours share `overlap` frames."""
    more = max(0, -(-(n_frames - window) // (window - overlap)))
    return [(window - overlap) * index for index in range(more + 1)]


def load(job: dict[str, Any]) -> Any:
    """The pipeline on its device, loaded from local files only."""
    import torch
    from diffusers import CogvideoXBranchModel, CogVideoXDPMScheduler, CogVideoXI2VDualInpaintAnyLPipeline

    dtype = getattr(torch, job["dtype"])
    branch = CogvideoXBranchModel.from_pretrained(job["branch"], torch_dtype=dtype, local_files_only=True)
    pipe = CogVideoXI2VDualInpaintAnyLPipeline.from_pretrained(
        job["model"], branch=branch, torch_dtype=dtype, local_files_only=True
    )
    pipe.scheduler = CogVideoXDPMScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing")
    if job["offload"] and job["device"] != "cpu":
        pipe.enable_model_cpu_offload(device=job["device"])
    else:
        pipe.to(job["device"])
    pipe.vae.enable_slicing()
    return pipe


def paint(
    pipe: Any, job: dict[str, Any], frames: list[np.ndarray], masks: list[np.ndarray], first: np.ndarray
) -> np.ndarray:
    """Generate one window: uint8 (window, h, w, 3), RGB, changed where `masks` are 255.

    `frames`, `masks` and `first` (the complete first frame) are uint8 (h, w, 3).
    """
    import torch

    pairs = zip(frames, masks, strict=True)
    video = [Image.fromarray(np.where(mask > 127, 0, frame).astype(np.uint8)) for frame, mask in pairs]
    holes = [Image.fromarray(np.where(mask > 127, 255, 0).astype(np.uint8)) for mask in masks]
    video[0] = Image.fromarray(first)
    holes[0] = Image.fromarray(np.zeros_like(first))
    result = pipe(
        prompt=job["prompt"],
        image=video[0],
        video=video,
        masks=holes,
        height=job["height"],
        width=job["width"],
        num_frames=job["window"],
        stride=job["window"],
        num_inference_steps=job["steps"],
        guidance_scale=job["guidance_scale"],
        use_dynamic_cfg=True,
        strength=1.0,
        replace_gt=True,
        mask_add=True,
        id_pool_resample_learnable=False,
        generator=torch.Generator().manual_seed(job["seed"]),
        output_type="np",
    ).frames[0]
    result = np.asarray(result)
    if len(result) != job["window"]:
        raise SystemExit(f"the pipeline gave {len(result)} frames, not {job['window']}")
    if not np.isfinite(result).all():
        raise SystemExit("the pipeline gave values that are no numbers")
    images: np.ndarray = np.rint(np.clip(result, 0, 1) * 255).astype(np.uint8)
    return images


def faded_in(painted: dict[int, np.ndarray], start: int, window: np.ndarray) -> None:
    """Add a window's frames to `painted`, keyed by frame number; frames that exist already are cross-faded."""
    shared = sum(start + index in painted for index in range(len(window)))
    for index, image in enumerate(window):
        weight = index / shared if index < shared else 1.0
        before = painted.get(start + index, image)
        mixed = (1 - weight) * before + weight * image.astype(np.float32)
        painted[start + index] = np.rint(mixed).astype(np.uint8)


if __name__ == "__main__":
    main(sys.argv[1])
