"""WanVACEPipeline of Diffusers with exact shapes, an exact neutral fill, and cached latents.

Upstream silently resizes a video of another size and pads a shorter one. It takes 8-bit images, which cannot represent
127.5. Here the inputs are tensors, and any other shape is an error. The video outside the masks ("kept"), the video
inside them ("filled") and the masks are encoded separately and cached by the caller's keys. The results equal those of
upstream bit for bit (a test compares them).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pvtt.stages.wan.tensor_cache import TensorCache


@dataclass(frozen=True)
class LatentKeys:
    """Cache keys of the latents; None: not cached."""

    kept: str | None = None
    filled: str | None = None
    mask: str | None = None


@cache
def pipeline_class() -> Any:
    """Define and return the pipeline class; importing Diffusers takes seconds and is not possible everywhere."""
    import torch
    from diffusers import WanVACEPipeline
    from diffusers.pipelines.wan.pipeline_wan_vace import retrieve_latents

    class ExactVACEPipeline(WanVACEPipeline):
        """`video` and `mask` are tensors (1, 3, F, H, W), in [-1, 1] and {0, 1}; at most one reference image."""

        def set_cache(self, cache: TensorCache) -> None:
            """Set the cache for latents."""
            self._cache, self.latent_keys = cache, LatentKeys()

        def check_inputs(self, *arguments: Any, **named: Any) -> None:
            """Skip the check of image types; `preprocess_conditions` checks the tensors."""

        def preprocess_conditions(
            self,
            video: Any,
            mask: Any,
            reference_images: Any,
            *sizes: Any,
        ) -> tuple[Any, Any, list[list[Any]]]:
            """As upstream, but never resizes: any shape other than the requested one is a ValueError."""
            _, height, width, num_frames, dtype, device = sizes
            wanted = (1, 3, num_frames, height, width)
            for name, tensor in (("video", video), ("mask", mask)):
                if tuple(tensor.shape) != wanted:
                    raise ValueError(f"the {name} has the shape {tuple(tensor.shape)}, not {wanted}")
            images = [] if reference_images is None else [reference_images]
            for image in images:
                if tuple(image.shape) != (3, height, width):
                    raise ValueError(f"the reference has the shape {tuple(image.shape)}, not {(3, height, width)}")
            placed = [image.to(device=device, dtype=dtype) for image in images]
            return video.to(device=device, dtype=dtype), mask.to(device=device, dtype=dtype), [placed]

        def prepare_video_latents(
            self, video: Any, mask: Any, reference_images: Any = None, generator: Any = None, device: Any = None
        ) -> Any:
            """Control latents (1, 2z, R + f, h, w): the R references, then kept and filled video."""
            device = device or self._execution_device
            kept = self._cache.get(self.latent_keys.kept, device, lambda: self._latents(video * (1 - mask), device))
            filled = self._cache.get(self.latent_keys.filled, device, lambda: self._latents(video * mask, device))
            parts = [torch.cat([kept, filled], 1)]
            for image in reference_images[0]:
                latents = self._latents(image[None, :, None], device)
                parts.insert(0, torch.cat([latents, torch.zeros_like(latents)], 1))
            return torch.cat(parts, 2)

        def prepare_masks(self, mask: Any, reference_images: Any = None, generator: Any = None) -> Any:
            """Mask latents (1, 64, R + f, h, w), 0 for the references."""
            upstream = super().prepare_masks
            latents = self._cache.get(self.latent_keys.mask, mask.device, lambda: upstream(mask, [[]], generator))
            count = len(reference_images[0])
            return torch.cat([torch.zeros_like(latents[:, :, :count]), latents], 2) if count else latents

        def _latents(self, video: Any, device: Any) -> Any:
            """Normalised latents of a video (1, 3, F, H, W), in the dtype of the VAE."""
            shape, names = (1, self.vae.config.z_dim, 1, 1, 1), ("latents_mean", "latents_std")
            mean, std = (torch.tensor(getattr(self.vae.config, name), device=device).view(shape) for name in names)
            found = retrieve_latents(self.vae.encode(video.to(self.vae.dtype)), None, sample_mode="argmax")
            return ((found.float() - mean) * (1.0 / std)).to(self.vae.dtype)

    return ExactVACEPipeline
