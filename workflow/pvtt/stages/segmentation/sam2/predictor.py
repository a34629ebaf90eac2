"""SAM 2's video predictor on frames in memory, with state that does not grow, and its image predictor's masks.

Ravi et al., "SAM 2: segment anything in images and videos", ICLR 2025; package sam2 1.1.0. What differs from upstream:

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
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pvtt.stages.segmentation.sam2.cropped_video import Box, Clip

Array = np.ndarray

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Images:
    """The model's inputs of a clip, float32 tensors (3, size, size), made when asked for.

    With a `device` they stay on it as uint8 (3 MB a frame at 1024 px) for further passes; without, nothing is kept.
    """

    def __init__(self, clip: Clip, size: int, device: Any | None) -> None:
        self._clip, self._size, self._device = clip, size, device
        self._kept: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self._clip)

    def __getitem__(self, place: int) -> Any:
        import torch

        pixels = self._kept.get(place)
        if pixels is None:
            image = Image.fromarray(np.ascontiguousarray(self._clip.image(place)))
            pixels = torch.from_numpy(np.array(image.resize((self._size, self._size)))).permute(2, 0, 1)
            if self._device is not None:
                pixels = self._kept[place] = pixels.to(self._device)
        mean, deviation = (torch.tensor(v, device=pixels.device)[:, None, None] for v in (_MEAN, _DEVIATION))
        return (pixels / 255.0 - mean) / deviation


class Predictor:
    """SAM 2 with prompts from arrays; `model` is upstream's predictor. One state per clip, made by `start`."""

    def __init__(self, config: str, checkpoint: Path, device: str, overrides: Sequence[str] = ()) -> None:
        """Build the package's configuration, changed by Hydra's `overrides`, with the weights of a checkpoint."""
        from sam2 import build_sam, sam2_video_predictor

        # Upstream's bar is for a terminal; in a log file it is thousands of lines.
        sam2_video_predictor.tqdm = partial(sam2_video_predictor.tqdm, disable=None)
        self.model = build_sam.build_sam2_video_predictor(
            config, str(checkpoint), device=device, hydra_overrides_extra=list(overrides)
        )
        self.model.fill_hole_area = 0  # small holes are those of chains and rings; upstream fills them on CUDA alone
        self.model.non_overlap_masks = True
        self._heard: list[float] = []  # predicted IoUs of the masks since they were last asked for
        self._heads = self.model._forward_sam_heads
        self.model._forward_sam_heads = self._listen

    def _listen(self, *arguments: Any, **named: Any) -> Any:
        outputs = self._heads(*arguments, **named)
        self._heard.append(float(outputs[2].float().max()))
        return outputs

    def start(self, clip: Clip, offload_video: bool = True, offload_state: bool = False) -> dict[str, Any]:
        """State of a clip, as upstream's `init_state` makes it of files.

        `offload_video` keeps nothing of the frames on the device, `offload_state` keeps the memory on the host.
        """
        import torch

        device = self.model.device
        height, width = clip.size
        per_object = ("point_inputs", "mask_inputs", "output_dict", "temp_output_dict", "frames_tracked")
        return {
            "images": Images(clip, self.model.image_size, None if offload_video else device),
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

    def masks_of_box(
        self,
        state: dict[str, Any],
        place: int,
        box: Box,
        outside: Sequence[tuple[float, float]] = (),
        logits: Any | None = None,
    ) -> tuple[Array, Array, Any]:
        """Masks for a box [x0, y0, x1, y1] and points (x, y) `outside` of the product, in px of the `place`-th frame.

        Returns masks bool (m, h, w), their predicted IoUs float (m,), their logits, a tensor (m, l, l). Three masks of
        a box alone; one when it is refined from the logits (l, l) of a former answer.
        """
        import torch

        model = self.model
        size = state["video_height"], state["video_width"]
        corners = np.array([box[:2], box[2:], *outside], np.float32) / size[::-1] * model.image_size
        labels = [2, 3] + [0] * len(outside)
        with torch.inference_mode():
            image, high = self._features(state, place)
            sparse, dense = model.sam_prompt_encoder(
                points=(
                    torch.tensor(corners[None], dtype=torch.float32, device=model.device),
                    torch.tensor([labels], dtype=torch.int32, device=model.device),
                ),
                boxes=None,
                masks=None if logits is None else logits[None, None],
            )
            low, ious, _, _ = model.sam_mask_decoder(
                image_embeddings=image,
                image_pe=model.sam_prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=logits is None,
                repeat_image=False,
                high_res_features=high,
            )
            full = torch.nn.functional.interpolate(low.float(), size, mode="bilinear", align_corners=False)
        return (full[0] > 0).cpu().numpy(), ious[0].float().cpu().numpy(), low[0].float().clamp(-32, 32)

    def _features(self, state: dict[str, Any], place: int) -> tuple[Any, list[Any]]:
        """Image embedding without memory, and the finer maps, of a frame."""
        _, _, features, _, sizes = self.model._get_image_feature(state, place, 1)
        if self.model.directly_add_no_mem_embed:
            features = [*features[:-1], features[-1] + self.model.no_mem_embed]
        maps = [x.permute(1, 2, 0).view(1, -1, *size) for x, size in zip(features, sizes, strict=True)]
        return maps[-1], maps[:-1]

    def add_mask(self, state: dict[str, Any], place: int, number: int, mask: Array) -> None:
        """Prompt object `number` (from 1) with its mask, bool (h, w), in the `place`-th frame."""
        self.model.add_new_mask(state, place, number, mask)

    def follow(self, state: dict[str, Any], start: int, reverse: bool) -> Iterator[tuple[int, Array, Array]]:
        """Carry the prompts at `start` to the clip's end, or to its beginning.

        Yields place, masks bool (k, h, w), confidences float (k,): predicted IoU x probability of being there; of the
        prompt itself 1.
        """
        import torch

        self._heard.clear()
        for place, _, logits in self.model.propagate_in_video(state, start_frame_idx=start, reverse=reverse):
            quality = np.array(self._heard or [1.0] * len(logits))
            self._heard.clear()
            there = [output_of(state, index, place)["object_score_logits"] for index in range(len(logits))]
            seen = torch.cat(there).float().sigmoid().flatten().cpu().numpy()
            yield place, (logits[:, 0] > 0).cpu().numpy(), quality * seen
            self._forget(state, place, start)

    def _forget(self, state: dict[str, Any], place: int, start: int) -> None:
        """Drop outputs that no later frame attends to: far from `place` and from `start`, where the way back begins."""
        memory = self.model.num_maskmem * self.model.memory_temporal_stride_for_eval
        reach = max(memory, self.model.max_obj_ptrs_in_encoder)
        for outputs in state["output_dict_per_obj"].values():
            kept = outputs["non_cond_frame_outputs"]
            for number in [n for n in kept if abs(n - place) > reach and abs(n - start) > reach]:
                del kept[number]


def output_of(state: dict[str, Any], index: int, place: int) -> dict[str, Any]:
    """What the model holds of an object (index from 0) in the `place`-th frame."""
    outputs = state["output_dict_per_obj"][index]
    return outputs["cond_frame_outputs"].get(place) or outputs["non_cond_frame_outputs"][place]
