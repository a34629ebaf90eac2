"""SAM 2's video predictor on frames in memory, with state that does not grow, and its image predictor's masks.

Ravi et al., "SAM 2: segment anything in images and videos", ICLR 2025; package sam2 1.1.0. This module imports torch
and sam2: only `sam2.py` reaches it, by naming the class to the package's own builder. What it changes:

- Frames are taken from an array and made into the model's input one at a time, as upstream makes it of files
  (Pillow's bicubic resize, ImageNet's mean and deviation); no folder of JPEGs is written, so nothing is lost to JPEG
  and no video is decoded a second time.
- Outputs of frames beyond the reach of the memory and of the object pointers are dropped. Nothing that upstream
  attends to is lost: the masks are the same.
- The mask of a box is upstream's image predictor's: the same features, prompt encoder and mask decoder, three masks.
  That predictor's class imports torchvision for two image transforms, which are not needed here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from sam2 import sam2_video_predictor
from sam2.sam2_video_predictor import SAM2VideoPredictor

from pvtt.segmentation.windows import Box, Clip

Array = np.ndarray

_MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
_DEVIATION = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
# Upstream's bar is for a terminal; in a log file it is thousands of lines.
sam2_video_predictor.tqdm = partial(sam2_video_predictor.tqdm, disable=None)


class Images:
    """The model's inputs of a clip, float32 (3, size, size), made when asked for.

    With a `device` they stay on it as uint8 (3 MB a frame at 1024 px) for further passes; without, nothing is kept.
    """

    def __init__(self, clip: Clip, size: int, device: torch.device | None) -> None:
        self._clip, self._size, self._device = clip, size, device
        self._kept: dict[int, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self._clip)

    def __getitem__(self, place: int) -> torch.Tensor:
        pixels = self._kept.get(place)
        if pixels is None:
            image = Image.fromarray(np.ascontiguousarray(self._clip.image(place)))
            pixels = torch.from_numpy(np.array(image.resize((self._size, self._size)))).permute(2, 0, 1)
            if self._device is not None:
                pixels = self._kept[place] = pixels.to(self._device)
        return (pixels / 255.0 - _MEAN.to(pixels.device)) / _DEVIATION.to(pixels.device)


class Predictor(SAM2VideoPredictor):
    """SAM 2 with prompts from arrays; one state per clip, made by `start`."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._heard: list[float] = []  # predicted IoUs of the masks since they were last asked for

    def start(self, clip: Clip, offload_video: bool = True, offload_state: bool = False) -> dict[str, Any]:
        """State of a clip, as upstream's `init_state` makes it of files.

        `offload_video` keeps nothing of the frames on the device, `offload_state` keeps the memory on the host.
        """
        device = self.device
        height, width = clip.size
        per_object = ("point_inputs", "mask_inputs", "output_dict", "temp_output_dict", "frames_tracked")
        return {
            "images": Images(clip, self.image_size, None if offload_video else device),
            "num_frames": len(clip),
            "offload_video_to_cpu": offload_video,
            "offload_state_to_cpu": offload_state,
            "video_height": height,
            "video_width": width,
            "device": device,
            "storage_device": torch.device("cpu") if offload_state else device,
            "cached_features": {},
            "constants": {},
            "obj_id_to_idx": OrderedDict(),
            "obj_idx_to_id": OrderedDict(),
            "obj_ids": [],
            **{f"{name}_per_obj": {} for name in per_object},
        }

    @torch.inference_mode()
    def masks_of_box(
        self,
        state: dict[str, Any],
        place: int,
        box: Box,
        outside: Sequence[tuple[float, float]] = (),
        logits: torch.Tensor | None = None,
    ) -> tuple[Array, Array, torch.Tensor]:
        """Masks for a box [x0, y0, x1, y1] and points (x, y) `outside` of the product, in px of the `place`-th frame.

        Returns masks bool (m, h, w), their predicted IoUs float (m,), their logits (m, l, l). Three masks of a box
        alone; one when it is refined from the logits (l, l) of a former answer.
        """
        _, _, features, _, sizes = self._get_image_feature(state, place, 1)
        if self.directly_add_no_mem_embed:
            features = [*features[:-1], features[-1] + self.no_mem_embed]
        maps = [x.permute(1, 2, 0).view(1, -1, *size) for x, size in zip(features, sizes, strict=True)]
        height, width = state["video_height"], state["video_width"]
        corners = torch.tensor([[*box[:2]], [*box[2:]], *map(list, outside)], dtype=torch.float32, device=self.device)
        corners = corners / torch.tensor([width, height], device=self.device) * self.image_size
        labels = torch.tensor([[2, 3] + [0] * len(outside)], dtype=torch.int32, device=self.device)
        sparse, dense = self.sam_prompt_encoder(
            points=(corners[None], labels), boxes=None, masks=None if logits is None else logits[None, None]
        )
        low, ious, _, _ = self.sam_mask_decoder(
            image_embeddings=maps[-1],
            image_pe=self.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=logits is None,
            repeat_image=False,
            high_res_features=maps[:-1],
        )
        full = torch.nn.functional.interpolate(low.float(), (height, width), mode="bilinear", align_corners=False)
        return (full[0] > 0).cpu().numpy(), ious[0].float().cpu().numpy(), low[0].float().clamp(-32, 32)

    def follow(self, state: dict[str, Any], start: int, reverse: bool) -> Iterator[tuple[int, Array, Array]]:
        """Carry the prompts at `start` to the clip's end, or to its beginning.

        Yields place, masks bool (k, h, w), confidences float (k,): predicted IoU x probability of being there; of the
        prompt itself 1.
        """
        self._heard.clear()
        for place, _, logits in self.propagate_in_video(state, start_frame_idx=start, reverse=reverse):
            quality = np.array(self._heard or [1.0] * len(logits))
            self._heard.clear()
            there = [self._output(state, index, place)["object_score_logits"] for index in range(len(logits))]
            seen = torch.cat(there).float().sigmoid().flatten().cpu().numpy()
            yield place, (logits[:, 0] > 0).cpu().numpy(), quality * seen
            self._forget(state, place, start)

    @staticmethod
    def _output(state: dict[str, Any], index: int, place: int) -> dict[str, Any]:
        outputs = state["output_dict_per_obj"][index]
        return outputs["cond_frame_outputs"].get(place) or outputs["non_cond_frame_outputs"][place]

    def _forget(self, state: dict[str, Any], place: int, start: int) -> None:
        """Drop outputs that no later frame attends to: far from `place` and from `start`, where the way back begins."""
        reach = max(self.num_maskmem * self.memory_temporal_stride_for_eval, self.max_obj_ptrs_in_encoder)
        for outputs in state["output_dict_per_obj"].values():
            kept = outputs["non_cond_frame_outputs"]
            for number in [n for n in kept if abs(n - place) > reach and abs(n - start) > reach]:
                del kept[number]

    def _forward_sam_heads(self, *arguments: Any, **named: Any) -> Any:
        outputs = super()._forward_sam_heads(*arguments, **named)
        self._heard.append(float(outputs[2].float().max()))
        return outputs
