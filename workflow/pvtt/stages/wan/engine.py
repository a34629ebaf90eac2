"""A VACE model on its device: loads once, makes many windows, computes what it can only once."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.models import registry
from pvtt.models.registry import ModelError
from pvtt.stages.wan.lora import merge_lora
from pvtt.stages.wan.pipeline import Keys, pipeline_class
from pvtt.stages.wan.prompts import MAX_TOKENS, Prompts, identity_of
from pvtt.stages.wan.tensor_cache import Memo, digest
from pvtt.stages.wan.windows import SIDE, STEP

Array = np.ndarray

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "ftfy")


@dataclass(frozen=True)
class Task:
    """What is to be made in a clip, whatever the window.

    `reference` is uint8 (H, W, 3) of the window's size, or None; `guide` uint8 (H, W, 4), shown where it is opaque and
    the first window's first frame is masked.
    """

    prompt: str
    seed: int
    reference: Array | None = None
    guide: Array | None = None


class Engine:
    """A loaded VACE model. `settings` are a backend's own: see `insertion.vace` in the configuration."""

    def __init__(self, model: str, settings: Mapping[str, Any], device: str, lora: Path | None = None) -> None:
        """Load `model`, an id of models.yaml, and merge a LoRA; ModelError when its files cannot be used."""
        import torch

        self.settings, self.device = settings, device
        self._folder = registry.require(model)
        on_gpu = device.startswith("cuda")
        self._dtype = number_type(device)
        try:
            self.pipe = self._load(self._folder)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{model}: {self._folder} cannot be loaded: {error}") from error
        self.memo = Memo(settings["cache_mb"])
        self.pipe.prepare(self.memo)
        self._set_up(on_gpu and settings["offload"] == "model")
        self.merged = merge_lora(self._transformers()[0], lora) if lora else 0
        if settings["compile"]:
            for transformer in self._transformers():
                transformer.compile_repeated_blocks(fullgraph=True)
        identity = identity_of(self._folder, registry.model(model).commit, f"{self._dtype} {torch.device(device).type}")
        store = registry.root() / "prompts" / model if settings["store_prompts"] else None
        self.prompts = Prompts(self._encode, store, identity)

    def _load(self, folder: Path) -> Any:
        import torch
        from diffusers import AutoencoderKLWan
        from diffusers.utils import logging

        logging.disable_progress_bar()
        local: dict[str, Any] = {"local_files_only": True}
        vae = AutoencoderKLWan.from_pretrained(folder, subfolder="vae", dtype=torch.float32, **local)
        parts: dict[str, Any] = {"vae": vae, "text_encoder": None, "tokenizer": None}
        return pipeline_class().from_pretrained(folder, dtype=self._dtype, **parts, **local)

    def _transformers(self) -> list[Any]:
        return [part for part in (self.pipe.transformer, self.pipe.transformer_2) if part is not None]

    def _set_up(self, offload: bool) -> None:
        pipe = self.pipe
        grid = (
            pipe.vae_scale_factor_temporal,
            pipe.vae_scale_factor_spatial * self._transformers()[0].config.patch_size[1],
        )
        if grid != (STEP, SIDE):
            raise ModelError(
                f"{self._folder}: a token covers {grid} frames and pixels, not {(STEP, SIDE)}: no Wan 2.1 VAE"
            )
        for part in (pipe.vae, *self._transformers()):
            part.eval()
        pipe.set_progress_bar_config(disable=True)
        shift = next((name for name in ("flow_shift", "shift") if name in pipe.scheduler.config), None)
        if shift:
            pipe.scheduler = pipe.scheduler.from_config(pipe.scheduler.config, **{shift: self.settings["flow_shift"]})
        if self.settings["attention"]:
            for transformer in self._transformers():
                transformer.set_attention_backend(self.settings["attention"])
        if self.settings["vae_tiling"]:
            pipe.vae.enable_tiling()
        if offload:
            pipe.enable_model_cpu_offload(device=self.device)
        else:
            pipe.to(self.device)

    # ------------------------------------------------------------ prompts

    def _encode(self, text: str) -> Any:
        import torch

        if self.pipe.text_encoder is None:
            self._load_text_encoder()
        with torch.no_grad():
            return self.pipe.encode_prompt(
                text, do_classifier_free_guidance=False, max_sequence_length=MAX_TOKENS, device=self.device
            )[0]

    def _load_text_encoder(self) -> None:
        from transformers import AutoTokenizer, UMT5EncoderModel

        place, local = self._folder / "text_encoder", {"local_files_only": True}
        encoder = UMT5EncoderModel.from_pretrained(place, dtype=self._dtype, **local).eval().to(self.device)
        tokenizer = AutoTokenizer.from_pretrained(self._folder / "tokenizer", **local)
        self.pipe.register_modules(text_encoder=encoder, tokenizer=tokenizer)

    def embeddings(self, prompt: str) -> tuple[Any, Any]:
        """Embeddings of a prompt and of the negative prompt (None without guidance); the encoder does not stay."""
        guided = self.settings["guidance"] > 1
        found = self.prompts(prompt), self.prompts(self.settings["negative_prompt"]) if guided else None
        if self.pipe.text_encoder is not None and not self.settings["keep_text_encoder"]:
            self.pipe.register_modules(text_encoder=None, tokenizer=None)
            _free()
        return found

    # ------------------------------------------------------------ windows

    def make(self, frames: Array, mask: Array, task: Task, number: int = 0, reusable: bool = True) -> Array:
        """Make the masked part of window `number` anew: uint8 (F, H, W, 3) RGB.

        `frames` is uint8 (F, H, W, 3) RGB with F = 4k + 1 and sides of multiples of 16, `mask` bool (F, H, W), True
        where the model paints; it sees neutral grey there, never the frames. `reusable` says that frames and mask can
        come again, so what is computed from them alone is kept. ValueError for any other shape.
        """
        import torch

        check_window(frames, mask, task.reference)
        video, guide = _video(frames, mask, task.guide if number == 0 else None)
        masked = torch.from_numpy(np.repeat(mask[None, None], 3, 1)).to(torch.float32)
        self.pipe.latent_keys = _keys(frames, mask, guide, reusable)
        positive, negative = self.embeddings(task.prompt)
        with torch.no_grad():
            made: Array = self.pipe(
                video=video,
                mask=masked,
                reference_images=None if task.reference is None else _signed(task.reference[None])[0, :, 0],
                prompt_embeds=positive.to(self.device),
                negative_prompt_embeds=None if negative is None else negative.to(self.device),
                height=frames.shape[1],
                width=frames.shape[2],
                num_frames=len(frames),
                num_inference_steps=self.settings["steps"],
                guidance_scale=self.settings["guidance"],
                conditioning_scale=float(self.settings["conditioning_scale"]),
                generator=torch.Generator().manual_seed((task.seed + 1_000_003 * number) % 2**63),
                output_type="np",
            ).frames[0]
        if made.shape != frames.shape:
            raise RuntimeError(f"the model made frames of shape {made.shape}, not {frames.shape}")
        levels: Array = np.rint(made * 255).astype(np.uint8)
        return levels

    def close(self) -> None:
        """Release the model."""
        self.pipe = None
        _free()


def number_type(device: str) -> Any:
    """What transformer and text encoder compute in: bfloat16 on a GPU, float32 on a CPU; the VAE is always float32."""
    import torch

    return torch.bfloat16 if device.startswith("cuda") else torch.float32


def check_window(frames: Array, mask: Array, reference: Array | None) -> None:
    """ValueError unless the shapes are exactly such as the model can hold."""
    n, height, width = frames.shape[:3]
    if frames.dtype != np.uint8 or frames.shape[3:] != (3,):
        raise ValueError(f"frames are {frames.dtype} {frames.shape}, not uint8 (F, H, W, 3)")
    if n % STEP != 1 or height % SIDE or width % SIDE:
        raise ValueError(f"a window of {n} frames of {width}x{height}; it needs 4k + 1 frames and multiples of {SIDE}")
    if mask.dtype != bool or mask.shape != (n, height, width):
        raise ValueError(f"the mask is {mask.dtype} {mask.shape}, not bool {(n, height, width)}")
    if reference is not None and reference.shape != (height, width, 3):
        raise ValueError(f"the reference has the shape {reference.shape}, not {(height, width, 3)}")


def _keys(frames: Array, mask: Array, guide: Array | None, reusable: bool) -> Keys:
    area = digest(np.packbits(mask), np.array(mask.shape))
    filled = f"neutral {mask.shape}" if guide is None else None
    if not reusable:
        return Keys(None, filled, area)
    seen = frames.copy()
    seen[mask] = 0
    return Keys(f"kept {digest(seen)} {area}", filled, f"mask {area}")


def _signed(frames: Array) -> Any:
    """Frames uint8 (F, H, W, 3) as float32 (1, 3, F, H, W) from -1 to 1."""
    import torch

    video = torch.from_numpy(np.ascontiguousarray(frames.transpose(3, 0, 1, 2))[None])
    return 2.0 * (video.to(torch.float32) / 255.0) - 1.0


def _video(frames: Array, mask: Array, guide: Array | None) -> tuple[Any, Array | None]:
    """The video as the model sees it: 0, which is 127.5 of 255, wherever the mask is, but for the guide."""
    import torch

    video = _signed(frames)
    video.masked_fill_(torch.from_numpy(mask)[None, None], 0.0)
    if guide is None:
        return video, None
    shown = (guide[..., 3] > 127) & mask[0]
    if not shown.any():
        return video, None
    drawn = _signed(guide[None, ..., :3])
    video[:, :, :1] = torch.where(torch.from_numpy(shown)[None, None, None], drawn, video[:, :, :1])
    return video, guide


def _free() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
