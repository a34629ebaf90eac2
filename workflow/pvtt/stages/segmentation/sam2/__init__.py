"""Segmentation by words: Grounding DINO finds the product, SAM 2 masks and follows it.

After Ren et al., "Grounded SAM: assembling open-world models for diverse visual tasks", arXiv 2401.14159. Boxes are
sought in frames spread over the clip; the frame that shows the product best gives the masks, one object per instance,
without the ground inside rings; they are carried both ways. A product of less than a small share of the frame is
segmented a second time through a window that follows it. What the models say of their own work is returned as evidence
for the QA. Frames come decoded from the stage, so no second decoder (decord) reads the clip. bfloat16 on a GPU, float32
on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from pvtt.backends.base import ModelBackend
from pvtt.models import registry
from pvtt.stages.segmentation.base import Segmentation, nothing
from pvtt.stages.segmentation.concavity_filling import photographed
from pvtt.stages.segmentation.photo_evidence import missing_colour, open_form_fill, sample_numbers, shape_gap
from pvtt.stages.segmentation.prompts import detection_text
from pvtt.stages.segmentation.sam2.box_selection import Choice, choose, with_likeness
from pvtt.stages.segmentation.sam2.cropped_video import Clip, windowed
from pvtt.stages.segmentation.sam2.grounding import Detector
from pvtt.stages.segmentation.sam2.predictor import Predictor
from pvtt.stages.segmentation.sam2.tracker import Follower, Prompts

Array = np.ndarray

# The package's configuration of each published checkpoint; an entry of the registry may name another one.
_CONFIGS = {
    "sam2.1-hiera-tiny": "configs/sam2.1/sam2.1_hiera_t.yaml",
    "sam2.1-hiera-small": "configs/sam2.1/sam2.1_hiera_s.yaml",
    "sam2.1-hiera-base-plus": "configs/sam2.1/sam2.1_hiera_b+.yaml",
    "sam2.1-hiera-large": "configs/sam2.1/sam2.1_hiera_l.yaml",
}


class Backend(ModelBackend):
    """Grounding DINO and SAM 2.1; see the module's text. Settings: `segmentation.sam2`."""

    name = "sam2"
    version = "1"
    packages = ("torch", "transformers", "sam2")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._own: Mapping[str, Any] = settings["sam2"]
        self._samples = int(settings["sampled_frames"])
        self._detector: Any = None
        self._model: Any = None
        self._device = "cpu"

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The detector's and the segmenter's ids."""
        return self._own["detector"], self._own["model"]

    def load(self, device: str = "cpu") -> None:
        """Load both models onto `device`; ModelError when a file is missing."""
        self._device = device
        self._detector = Detector(registry.require(self._own["detector"]), device)
        self._model = load_predictor(self._own["model"], device)

    def close(self) -> None:
        """Release the models."""
        self._detector = self._model = None
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    def segment(self, frames: Array, references: Sequence[Array], prompt: str) -> Segmentation:
        """Find and follow the product; see `base.SegmentationBackend.segment`."""
        text = detection_text(prompt)
        choice = self._choice(frames, references, text)
        if choice is None:
            least = self._own["fallback_threshold"]
            return nothing(frames, f"no box for '{text}' scores {least:g} or more in {self._samples} sampled frames")
        with self._precision():
            masks, confidence, evidence = self._follow(frames, choice, text)
        if not masks.any():
            return nothing(frames, f"no mask in the box for '{text}' (frame {choice.number})")
        numbers = sample_numbers(len(frames), self._samples)
        unions: list[Array] = [np.any(masks[:, number], axis=0) for number in numbers]
        missing = missing_colour([(frames[k], mask) for k, mask in zip(numbers, unions, strict=True)], references)
        shown = [mask for mask in unions if mask.any()]
        evidence |= {"missing_colour": missing, "open_form_fill": open_form_fill(shown, prompt)}
        evidence |= {"shape_gap": shape_gap(shown, photographed(references))}
        return Segmentation(masks, confidence, {name: value for name, value in evidence.items() if value is not None})

    def _choice(self, frames: Array, references: Sequence[Array], text: str) -> Choice | None:
        own = self._own
        sampled = {number: frames[number] for number in sample_numbers(len(frames), self._samples)}
        boxes = self._detector.detect(list(sampled.items()), text, own["fallback_threshold"])
        boxes = with_likeness(boxes, sampled, references)
        return choose(boxes, sampled, own["box_threshold"], own["largest_box_share"], own["max_objects"])

    def _follow(self, frames: Array, choice: Choice, text: str) -> tuple[Array, Array, dict[str, Any]]:
        """Masks bool (k, n, h, w), confidence (n,) and evidence, through a window where the product is small."""
        follower = Follower(self._model, text, self._own)
        clip = Clip(frames)
        prompts = follower.prompts(clip, choice.number, choice.boxes)
        masks, confidence = follower.follow(clip, choice.number, prompts)
        near = self._near(frames, masks)
        if near is not None:
            boxes = [near.box(box, choice.number) for box in choice.boxes]
            closer = follower.prompts(near, choice.number, boxes)
            followed = follower.follow(near, choice.number, closer)
            if followed[0].any():
                clip, prompts, (masks, confidence) = near, closer, followed
        evidence = self._evidence(follower, clip, choice, prompts, masks)
        return (masks if clip.corners is None else pasted(clip, masks)), confidence, evidence

    def _near(self, frames: Array, masks: Array) -> Clip | None:
        areas = masks.any(0).mean((1, 2))
        small = (areas > 0).any() and np.median(areas[areas > 0]) < self._own["small_product_share"]
        return windowed(frames, masks) if small else None

    def _evidence(
        self, follower: Follower, clip: Clip, choice: Choice, prompts: Prompts, masks: Array
    ) -> dict[str, Any]:
        others = [one for one in choice.found if one.number != choice.number]
        checked = [others[k] for k in sample_numbers(len(others), self._own["checked_frames"])]
        detected = [] if choice.fallback else [(one.number, clip.box(one.box, one.number)) for one in checked]
        return {
            "box_score": choice.score,
            "weak_box": float(choice.fallback),
            "detected_share": len(choice.found) / min(self._samples, len(masks[0])),
            "predicted_iou": float(prompts.quality.mean()),
            "best_frame": float(choice.number),
            "objects": float(len(masks)),
            "opening_points": float(prompts.openings),
            "window_px": float(clip.side),
            "agreement": follower.agreement(clip, masks, detected),
            "round_trip": follower.round_trip(clip, choice.number, masks, self._own["round_trip_frames"]),
        }

    def _precision(self) -> AbstractContextManager[Any]:
        if not self._device.startswith("cuda"):
            return nullcontext()
        import torch

        return torch.autocast("cuda", dtype=torch.bfloat16)


def load_predictor(name: str, device: str) -> Predictor:
    """SAM 2 video predictor of a registry entry on `device`.

    The entry's one `.pt` file is upstream's checkpoint, `{"model": weights}`; its `config` names the package's
    configuration and `overrides` are Hydra's, for other sizes.
    """
    folder = registry.require(name)
    entry = registry.model(name)
    checkpoints = [file.path for file in entry.files if file.path.endswith(".pt")]
    config = entry.about.get("config", _CONFIGS.get(name))
    if len(checkpoints) != 1 or config is None:
        raise registry.ModelError(f"{name}: its entry in models.yaml needs one .pt file and a `config` of package sam2")
    return Predictor(config, folder / checkpoints[0], device, entry.about.get("overrides", []))


def pasted(clip: Clip, masks: Array) -> Array:
    """Masks of a clip's windows, bool (k, n, side, side), in their whole frames, bool (k, n, h, w)."""
    whole = np.zeros((*masks.shape[:2], *clip.frames.shape[1:3]), bool)
    for plane, seen in zip(whole, masks, strict=True):
        for number in range(len(clip)):
            clip.seen(plane[number], number)[:] = seen[number]
    return whole
