"""A VACE model on its device: loads it once and generates windows; reuses embeddings and latents."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.config.wan import WanSettings
from pvtt.io.arrays import BoolArray, Float32Array, UInt8Array
from pvtt.models import registry
from pvtt.models.registry import ModelError
from pvtt.stages.wan.lora import merge_lora
from pvtt.stages.wan.pipeline import LatentKeys, pipeline_class
from pvtt.stages.wan.prompts import MAX_TOKENS, PromptCache, encoder_identity
from pvtt.stages.wan.tensor_cache import TensorCache, digest
from pvtt.stages.wan.windows import LATENT_FRAMES, TOKEN_PX

_SEED_STEP = 1_000_003  # distance between the seeds of successive windows
PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "ftfy")


@dataclass(frozen=True)
class GenerationRequest:
    """What to generate in a clip; the same for all of its windows.

    prompt: text. seed: of the noise; each window gets its own from it. reference: uint8 (H, W, 3), RGB, of the window's
    size, or None. guide: uint8 (H, W, 4), RGBA, or None; the model sees it in the first frame of the clip, where it is
    opaque and the frame is masked.
    """

    prompt: str
    seed: int
    reference: UInt8Array | None = None
    guide: UInt8Array | None = None


class Engine:
    """A loaded VACE model.

    Parameters
    ----------
    model : str
        Id in models.yaml.
    settings : WanSettings
        Settings of the backend, such as `insertion.vace` of the configuration.
    device : str
        Device of torch, such as "cuda:0".
    lora : Path or None
        LoRA that is merged into the model.

    Raises
    ------
    ModelError
        If the files of the model or the LoRA cannot be used.
    """

    def __init__(self, model: str, settings: WanSettings, device: str, lora: Path | None = None) -> None:
        import torch

        self.settings, self.device = settings, device
        self._folder = registry.require(model)
        on_gpu = device.startswith("cuda")
        self._dtype = compute_dtype(device)
        try:
            self.pipe = self._load(self._folder)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{model}: {self._folder} cannot be loaded: {error}") from error
        self.latents = TensorCache(settings.cache_mb)
        self.pipe.set_cache(self.latents)
        self._set_up(on_gpu and settings.offload == "model")
        self.merged = merge_lora(self._transformers()[0], lora) if lora else 0
        if settings.compile:
            for transformer in self._transformers():
                transformer.compile_repeated_blocks(fullgraph=True)
        identity = encoder_identity(
            self._folder, registry.model(model).commit, f"{self._dtype} {torch.device(device).type}"
        )
        store = registry.root() / "prompts" / model if settings.store_prompts else None
        self.prompts = PromptCache(self._encode, store, identity)

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
        if grid != (LATENT_FRAMES, TOKEN_PX):
            raise ModelError(
                f"{self._folder}: a token covers {grid} frames and px, not {(LATENT_FRAMES, TOKEN_PX)}; no Wan 2.1 VAE"
            )
        for part in (pipe.vae, *self._transformers()):
            part.eval()
        pipe.set_progress_bar_config(disable=True)
        shift = next((name for name in ("flow_shift", "shift") if name in pipe.scheduler.config), None)
        if shift:
            pipe.scheduler = pipe.scheduler.from_config(pipe.scheduler.config, **{shift: self.settings.flow_shift})
        if self.settings.attention:
            for transformer in self._transformers():
                transformer.set_attention_backend(self.settings.attention)
        if self.settings.vae_tiling:
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
        """Embeddings of a prompt and of the negative prompt (None without guidance).

        The text encoder is released afterwards unless `keep_text_encoder` is set.
        """
        guided = self.settings.guidance > 1
        found = self.prompts(prompt), self.prompts(self.settings.negative_prompt) if guided else None
        if self.pipe.text_encoder is not None and not self.settings.keep_text_encoder:
            self.pipe.register_modules(text_encoder=None, tokenizer=None)
            _free()
        return found

    # ------------------------------------------------------------ windows

    def generate(
        self, frames: UInt8Array, mask: BoolArray, request: GenerationRequest, number: int = 0, reusable: bool = True
    ) -> UInt8Array:
        """Generate the masked part of a window.

        Parameters
        ----------
        frames : uint8 (F, H, W, 3), RGB
            F = 4k + 1, sides multiples of 16 px.
        mask : bool (F, H, W)
            Where the model generates. It sees neutral grey there, never the frames.
        request : GenerationRequest
        number : int
            Index of the window in the clip.
        reusable : bool
            Whether the same frames and mask may come again; their latents are then cached.

        Returns
        -------
        uint8 (F, H, W, 3), RGB

        Raises
        ------
        ValueError
            If the shapes or dtypes are different.
        """
        import torch

        check_window(frames, mask, request.reference)
        video, guide = _model_video(frames, mask, request.guide if number == 0 else None)
        masked = torch.from_numpy(np.repeat(mask[None, None], 3, 1)).to(torch.float32)
        self.pipe.latent_keys = _latent_keys(frames, mask, guide, reusable)
        positive, negative = self.embeddings(request.prompt)
        with torch.no_grad():
            generated: Float32Array = self.pipe(
                video=video,
                mask=masked,
                reference_images=None if request.reference is None else _to_signed(request.reference[None])[0, :, 0],
                prompt_embeds=positive.to(self.device),
                negative_prompt_embeds=None if negative is None else negative.to(self.device),
                height=frames.shape[1],
                width=frames.shape[2],
                num_frames=len(frames),
                num_inference_steps=self.settings.steps,
                guidance_scale=self.settings.guidance,
                conditioning_scale=float(self.settings.conditioning_scale),
                generator=torch.Generator().manual_seed((request.seed + _SEED_STEP * number) % 2**63),
                output_type="np",
            ).frames[0]
        if generated.shape != frames.shape:
            raise RuntimeError(f"the model generated frames of shape {generated.shape}, not {frames.shape}")
        return np.rint(generated * 255).astype(np.uint8)

    def close(self) -> None:
        """Release the model."""
        self.pipe = None
        _free()


def compute_dtype(device: str) -> Any:
    """Dtype of transformer and text encoder: bfloat16 on a GPU, float32 on a CPU; the VAE is always float32."""
    import torch

    return torch.bfloat16 if device.startswith("cuda") else torch.float32


def check_window(frames: UInt8Array, mask: BoolArray, reference: UInt8Array | None) -> None:
    """Check that the model can represent these shapes exactly (see `Engine.generate`).

    Parameters
    ----------
    frames : uint8 (F, H, W, 3) RGB
        F = 4k + 1, sides multiples of 16 px.
    mask : bool (F, H, W)
    reference : uint8 (H, W, 3) RGB, or None

    Raises
    ------
    ValueError
        If a shape is different, or the dtype of the frames or the mask.
    """
    n, height, width = frames.shape[:3]
    if frames.dtype != np.uint8 or frames.shape[3:] != (3,):
        raise ValueError(f"frames are {frames.dtype} {frames.shape}, not uint8 (F, H, W, 3)")
    if n % LATENT_FRAMES != 1 or height % TOKEN_PX or width % TOKEN_PX:
        raise ValueError(
            f"a window of {n} frames of {width}x{height}; it needs 4k + 1 frames and multiples of {TOKEN_PX} px"
        )
    if mask.dtype != bool or mask.shape != (n, height, width):
        raise ValueError(f"the mask is {mask.dtype} {mask.shape}, not bool {(n, height, width)}")
    if reference is not None and reference.shape != (height, width, 3):
        raise ValueError(f"the reference has the shape {reference.shape}, not {(height, width, 3)}")


def _latent_keys(frames: UInt8Array, mask: BoolArray, guide: UInt8Array | None, reusable: bool) -> LatentKeys:
    region = digest(np.packbits(mask), np.array(mask.shape))
    filled = f"neutral {mask.shape}" if guide is None else None
    if not reusable:
        return LatentKeys(None, filled, region)
    visible = frames.copy()
    visible[mask] = 0
    return LatentKeys(f"kept {digest(visible)} {region}", filled, f"mask {region}")


def _to_signed(frames: UInt8Array) -> Any:
    """Frames, uint8 (F, H, W, 3), as a float32 tensor (1, 3, F, H, W) in [-1, 1]."""
    import torch

    video = torch.from_numpy(np.ascontiguousarray(frames.transpose(3, 0, 1, 2))[None])
    return 2.0 * (video.to(torch.float32) / 255.0) - 1.0


def _model_video(frames: UInt8Array, mask: BoolArray, guide: UInt8Array | None) -> tuple[Any, UInt8Array | None]:
    """The video that the model sees: 0 (127.5 of 255) in the mask except for the guide; and the guide if visible."""
    import torch

    video = _to_signed(frames)
    video.masked_fill_(torch.from_numpy(mask)[None, None], 0.0)
    if guide is None:
        return video, None
    visible = (guide[..., 3] > 127) & mask[0]
    if not visible.any():
        return video, None
    drawn = _to_signed(guide[None, ..., :3])
    video[:, :, :1] = torch.where(torch.from_numpy(visible)[None, None, None], drawn, video[:, :, :1])
    return video, guide


def _free() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
