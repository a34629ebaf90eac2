"""SAM 2's video predictor on frames in memory, with bounded state, and the masks of its image predictor.

Ravi et al., "SAM 2: segment anything in images and videos", ICLR 2025; package sam2 1.1.0. Differences from upstream:

- Frames come from an array. Each is converted to the model's input when it is needed, with the same operations that
  upstream applies to files (Pillow's bicubic resize, ImageNet's mean and standard deviation). No JPEG files are
  written, so there is no JPEG loss and the video is decoded once.
- Outputs of frames beyond the reach of the memory and of the object pointers are dropped. Upstream does not attend to
  them either: the masks are the same.
- The mask of a box is computed as in upstream's image predictor: same features, prompt encoder and mask decoder, three
  masks. Upstream's class is not used because it imports torchvision for two image transforms.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pvtt.stages.segmentation.sam2.cropped_video import Box, CroppedVideo

Array = np.ndarray

# Mean and standard deviation of RGB (0-1) in ImageNet, with which SAM 2 was trained.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Images:
    """The model's inputs of a video, float32 tensors (3, size, size), computed on access.

    With a `device` they are cached there as uint8 (3 MB per frame at 1024 px) for later passes; without one nothing is
    cached.
    """

    def __init__(self, video: CroppedVideo, size: int, device: Any | None) -> None:
        self._video, self._size, self._device = video, size, device
        self._cached: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self._video)

    def __getitem__(self, place: int) -> Any:
        import torch

        pixels = self._cached.get(place)
        if pixels is None:
            image = Image.fromarray(np.ascontiguousarray(self._video.image(place)))
            pixels = torch.from_numpy(np.array(image.resize((self._size, self._size)))).permute(2, 0, 1)
            if self._device is not None:
                pixels = self._cached[place] = pixels.to(self._device)
        mean, deviation = (torch.tensor(v, device=pixels.device)[:, None, None] for v in (_MEAN, _DEVIATION))
        return (pixels / 255.0 - mean) / deviation


class Predictor:
    """SAM 2 prompted with arrays; `model` is upstream's predictor. `start` creates one state per clip."""

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
        self._predicted_ious: list[float] = []  # predicted IoUs of the masks since they were last asked for
        self._original_heads = self.model._forward_sam_heads
        self.model._forward_sam_heads = self._record_iou

    def _record_iou(self, *arguments: Any, **named: Any) -> Any:
        outputs = self._original_heads(*arguments, **named)
        self._predicted_ious.append(float(outputs[2].float().max()))
        return outputs

    def start(self, video: CroppedVideo, offload_video: bool = True, offload_state: bool = False) -> dict[str, Any]:
        """Inference state of a clip, as upstream's `init_state` creates it from files.

        Parameters
        ----------
        video : CroppedVideo
        offload_video : bool
            Cache no frames on the device.
        offload_state : bool
            Keep the memory bank on the host.
        """
        import torch

        device = self.model.device
        height, width = video.size
        per_object = ("point_inputs", "mask_inputs", "output_dict", "temp_output_dict", "frames_tracked")
        return {
            "images": Images(video, self.model.image_size, None if offload_video else device),
            "num_frames": len(video),
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
        negative_points: Sequence[tuple[float, float]] = (),
        logits: Any | None = None,
    ) -> tuple[Array, Array, Any]:
        """Masks for a box and negative point prompts in one frame.

        Parameters
        ----------
        state : dict
            From `start`.
        place : int
            Index of the frame.
        box : (x0, y0, x1, y1) in px of the frame
        negative_points : (x, y) in px of the frame
            Points that are not part of the product.
        logits : tensor (l, l) or None
            Logits of a previous answer to refine.

        Returns
        -------
        masks : bool (m, h, w)
            Three masks for a box alone, one if `logits` are refined.
        ious : float32 (m,)
            Predicted IoUs.
        logits : float32 tensor (m, l, l)
            Clamped to +-32.
        """
        import torch

        model = self.model
        size = state["video_height"], state["video_width"]
        corners = np.array([box[:2], box[2:], *negative_points], np.float32) / size[::-1] * model.image_size
        labels = [2, 3] + [0] * len(negative_points)
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
        """Image embedding without memory, and the maps of higher resolution, of a frame."""
        _, _, features, _, sizes = self.model._get_image_feature(state, place, 1)
        if self.model.directly_add_no_mem_embed:
            features = [*features[:-1], features[-1] + self.model.no_mem_embed]
        maps = [x.permute(1, 2, 0).view(1, -1, *size) for x, size in zip(features, sizes, strict=True)]
        return maps[-1], maps[:-1]

    def add_mask(self, state: dict[str, Any], place: int, number: int, mask: Array) -> None:
        """Prompt an object with its mask in one frame.

        Parameters
        ----------
        state : dict
            From `start`; changed in place.
        place : int
            Index of the frame.
        number : int
            Number of the object, from 1.
        mask : bool (h, w)
            At the size of the video's images.
        """
        self.model.add_new_mask(state, place, number, mask)

    def propagate(self, state: dict[str, Any], start: int, reverse: bool) -> Iterator[tuple[int, Array, Array]]:
        """Propagate the prompts at frame `start` to the last frame, or to the first one if `reverse`.

        Yields
        ------
        Index of the frame, masks bool (k, h, w), confidences float (k,): predicted IoU x probability that the object is
        visible; 1 for the prompted frame.
        """
        import torch

        self._predicted_ious.clear()
        for place, _, logits in self.model.propagate_in_video(state, start_frame_idx=start, reverse=reverse):
            quality = np.array(self._predicted_ious or [1.0] * len(logits))
            self._predicted_ious.clear()
            object_logits = [object_output(state, index, place)["object_score_logits"] for index in range(len(logits))]
            presence = torch.cat(object_logits).float().sigmoid().flatten().cpu().numpy()
            yield place, (logits[:, 0] > 0).cpu().numpy(), quality * presence
            self._forget(state, place, start)

    def _forget(self, state: dict[str, Any], place: int, start: int) -> None:
        """Drop outputs that no later frame attends to: those far from `place` and from `start`, where the reverse pass
        begins.
        """
        memory = self.model.num_maskmem * self.model.memory_temporal_stride_for_eval
        reach = max(memory, self.model.max_obj_ptrs_in_encoder)
        for outputs in state["output_dict_per_obj"].values():
            kept = outputs["non_cond_frame_outputs"]
            for number in [n for n in kept if abs(n - place) > reach and abs(n - start) > reach]:
                del kept[number]


def object_output(state: dict[str, Any], index: int, place: int) -> dict[str, Any]:
    """The model's stored output for an object (index from 0) in the `place`-th frame."""
    outputs = state["output_dict_per_obj"][index]
    output: dict[str, Any] = outputs["cond_frame_outputs"].get(place) or outputs["non_cond_frame_outputs"][place]
    return output
