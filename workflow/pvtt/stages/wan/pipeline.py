"""Diffusers' WanVACEPipeline with exact shapes, an exact neutral fill, and latents that are computed once.

Upstream resizes a video of another size than asked for and pads a shorter one without a word, and takes 8-bit images,
which have no 127.5. Here tensors go in, and any other shape is an error. What the masks leave of the video ("kept"),
what they cover ("filled") and the masks themselves are encoded apart and memoised by the keys that the caller gives;
the results are those of upstream bit for bit (a test compares them).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pvtt.stages.wan.tensor_cache import Memo


@dataclass(frozen=True)
class Keys:
    """Keys of what may be used again; None is computed anew."""

    kept: str | None = None
    filled: str | None = None
    mask: str | None = None


@cache
def pipeline_class() -> Any:
    """The class; made here because importing Diffusers takes seconds and is not possible everywhere."""
    import torch
    from diffusers import WanVACEPipeline
    from diffusers.pipelines.wan.pipeline_wan_vace import retrieve_latents

    class ExactVACEPipeline(WanVACEPipeline):
        """Takes `video` and `mask` as tensors (1, 3, F, H, W), -1 to 1 and 0 or 1, and one reference or none."""

        def prepare(self, memo: Memo) -> None:
            """Give it the memory for latents."""
            self._memo, self.latent_keys = memo, Keys()

        def check_inputs(self, *arguments: Any, **named: Any) -> None:
            """Upstream checks kinds of images; `preprocess_conditions` checks the tensors."""

        def preprocess_conditions(
            self,
            video: Any,
            mask: Any,
            reference_images: Any,
            *sizes: Any,
        ) -> tuple[Any, Any, list[list[Any]]]:
            """As upstream's, without any change of size; ValueError for any other shape than was asked for."""
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
            """Control latents (1, 2z, R + f, h, w) of kept and filled video, R references in front."""
            device = device or self._execution_device
            kept = self._memo.get(self.latent_keys.kept, device, lambda: self._latents(video * (1 - mask), device))
            filled = self._memo.get(self.latent_keys.filled, device, lambda: self._latents(video * mask, device))
            parts = [torch.cat([kept, filled], 1)]
            for image in reference_images[0]:
                latents = self._latents(image[None, :, None], device)
                parts.insert(0, torch.cat([latents, torch.zeros_like(latents)], 1))
            return torch.cat(parts, 2)

        def prepare_masks(self, mask: Any, reference_images: Any = None, generator: Any = None) -> Any:
            """Mask latents (1, 64, R + f, h, w), 0 at the references."""
            plain = super().prepare_masks
            latents = self._memo.get(self.latent_keys.mask, mask.device, lambda: plain(mask, [[]], generator))
            count = len(reference_images[0])
            return torch.cat([torch.zeros_like(latents[:, :, :count]), latents], 2) if count else latents

        def _latents(self, video: Any, device: Any) -> Any:
            """Normalised latents of a video (1, 3, F, H, W), in the type of the VAE."""
            shape, names = (1, self.vae.config.z_dim, 1, 1, 1), ("latents_mean", "latents_std")
            mean, std = (torch.tensor(getattr(self.vae.config, name), device=device).view(shape) for name in names)
            found = retrieve_latents(self.vae.encode(video.to(self.vae.dtype)), None, sample_mode="argmax")
            return ((found.float() - mean) * (1.0 / std)).to(self.vae.dtype)

    return ExactVACEPipeline
