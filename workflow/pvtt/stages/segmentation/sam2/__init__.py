"""Open-vocabulary segmentation: Grounding DINO detects the product, SAM 2 segments and tracks it.

After Ren et al., "Grounded SAM: assembling open-world models for diverse visual tasks", arXiv 2401.14159. Boxes are
detected in frames spread over the clip. The frame that shows the product best is segmented, one object per instance,
with negative point prompts in the holes of rings. The masks are propagated in both directions. A small product is
segmented a second time in a crop that follows it. The models' own scores are returned as evidence for the quality
check. The stage passes decoded frames, so no second decoder (decord) reads the clip. Precision: bfloat16 on a GPU,
float32 on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from pvtt.backends.base import ModelBackend
from pvtt.config.stages.segmentation import SegmentationSettings
from pvtt.models import registry
from pvtt.stages.segmentation.base import Segmentation
from pvtt.stages.segmentation.concavity_filling import estimate_hull_prior
from pvtt.stages.segmentation.photo_evidence import missing_colour, open_form_fill, sample_numbers, shape_gap
from pvtt.stages.segmentation.prompts import detection_text
from pvtt.stages.segmentation.sam2.box_selection import BoxSelection, rate_similarity, select_box
from pvtt.stages.segmentation.sam2.cropped_video import CroppedVideo, crop_around_product
from pvtt.stages.segmentation.sam2.grounding import Detector
from pvtt.stages.segmentation.sam2.predictor import Predictor
from pvtt.stages.segmentation.sam2.tracker import Prompts, Sam2Tracker

Array = np.ndarray

# The package's configuration of each published checkpoint; an entry of the registry may name another one.
_CONFIGS = {
    "sam2.1-hiera-tiny": "configs/sam2.1/sam2.1_hiera_t.yaml",
    "sam2.1-hiera-small": "configs/sam2.1/sam2.1_hiera_s.yaml",
    "sam2.1-hiera-base-plus": "configs/sam2.1/sam2.1_hiera_b+.yaml",
    "sam2.1-hiera-large": "configs/sam2.1/sam2.1_hiera_l.yaml",
}


class Backend(ModelBackend[SegmentationSettings]):
    """Grounding DINO and SAM 2.1; see the module docstring. Settings: `segmentation.sam2`."""

    settings_type = SegmentationSettings
    name = "sam2"
    version = "1"
    packages = ("torch", "transformers", "sam2")

    def __init__(self, settings: SegmentationSettings | Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._own, self._samples = self.settings.sam2, self.settings.sampled_frames
        self._detector: Any = None
        self._model: Any = None
        self._device = "cpu"

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The detector's and the segmenter's ids."""
        return self._own.detector, self._own.model

    def load(self, device: str = "cpu") -> None:
        """Load both models onto `device`; ModelError when a file is missing."""
        self._device = device
        self._detector = Detector(registry.require(self._own.detector), device)
        self._model = load_predictor(self._own.model, device)

    def close(self) -> None:
        """Release the models."""
        self._detector = self._model = None
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    def segment(self, frames: Array, references: Sequence[Array], prompt: str) -> Segmentation:
        """Detect, segment and track the product; see `base.SegmentationBackend.segment`."""
        text = detection_text(prompt)
        selection = self._select(frames, references, text)
        if selection is None:
            least = self._own.fallback_threshold
            return Segmentation.empty(
                frames, f"no box for '{text}' scores {least:g} or more in {self._samples} sampled frames"
            )
        with self._precision():
            masks, confidence, evidence = self._track(frames, selection, text)
        if not masks.any():
            return Segmentation.empty(frames, f"no mask in the box for '{text}' (frame {selection.number})")
        numbers = sample_numbers(len(frames), self._samples)
        unions: list[Array] = [np.any(masks[:, number], axis=0) for number in numbers]
        missing = missing_colour([(frames[k], mask) for k, mask in zip(numbers, unions, strict=True)], references)
        visible = [mask for mask in unions if mask.any()]
        evidence |= {"missing_colour": missing, "open_form_fill": open_form_fill(visible, prompt)}
        evidence |= {"shape_gap": shape_gap(visible, estimate_hull_prior(references))}
        return Segmentation(masks, confidence, {name: value for name, value in evidence.items() if value is not None})

    def _select(self, frames: Array, references: Sequence[Array], text: str) -> BoxSelection | None:
        own = self._own
        sampled = {number: frames[number] for number in sample_numbers(len(frames), self._samples)}
        boxes = self._detector.detect(list(sampled.items()), text, own.fallback_threshold)
        boxes = rate_similarity(boxes, sampled, references)
        return select_box(boxes, sampled, own.box_threshold, own.largest_box_share, own.max_objects)

    def _track(self, frames: Array, selection: BoxSelection, text: str) -> tuple[Array, Array, dict[str, Any]]:
        """Masks bool (k, n, h, w), confidence (n,) and evidence; tracked in a crop if the product is small."""
        tracker = Sam2Tracker(self._model, text, self._own)
        video = CroppedVideo(frames)
        prompts = tracker.prompts(video, selection.number, selection.boxes)
        masks, confidence = tracker.propagate(video, selection.number, prompts)
        cropped = self._crop_if_small(frames, masks)
        if cropped is not None:
            boxes = [cropped.box(box, selection.number) for box in selection.boxes]
            cropped_prompts = tracker.prompts(cropped, selection.number, boxes)
            cropped_result = tracker.propagate(cropped, selection.number, cropped_prompts)
            if cropped_result[0].any():
                video, prompts, (masks, confidence) = cropped, cropped_prompts, cropped_result
        evidence = self._evidence(tracker, video, selection, prompts, masks)
        return (masks if video.corners is None else paste_crops(video, masks)), confidence, evidence

    def _crop_if_small(self, frames: Array, masks: Array) -> CroppedVideo | None:
        areas = masks.any(0).mean((1, 2))
        small = (areas > 0).any() and np.median(areas[areas > 0]) < self._own.small_product_share
        return crop_around_product(frames, masks) if small else None

    def _evidence(
        self, tracker: Sam2Tracker, video: CroppedVideo, selection: BoxSelection, prompts: Prompts, masks: Array
    ) -> dict[str, Any]:
        other_detections = [one for one in selection.found if one.number != selection.number]
        checked = [other_detections[k] for k in sample_numbers(len(other_detections), self._own.checked_frames)]
        detected = [] if selection.fallback else [(one.number, video.box(one.box, one.number)) for one in checked]
        return {
            "box_score": selection.score,
            "weak_box": float(selection.fallback),
            "detected_share": len(selection.found) / min(self._samples, len(masks[0])),
            "predicted_iou": float(prompts.quality.mean()),
            "best_frame": float(selection.number),
            "objects": float(len(masks)),
            "opening_points": float(prompts.n_negative),
            "window_px": float(video.side),
            "agreement": tracker.agreement(video, masks, detected),
            "round_trip": tracker.round_trip(video, selection.number, masks, self._own.round_trip_frames),
        }

    def _precision(self) -> AbstractContextManager[Any]:
        if not self._device.startswith("cuda"):
            return nullcontext()
        import torch

        autocast: AbstractContextManager[Any] = torch.autocast("cuda", dtype=torch.bfloat16)
        return autocast


def load_predictor(name: str, device: str) -> Predictor:
    """SAM 2 video predictor of a registry entry on `device`.

    The entry has exactly one `.pt` file, upstream's checkpoint `{"model": weights}`. Its `config` names a configuration
    of the package sam2, its `overrides` are Hydra overrides.

    Raises
    ------
    ModelError
        A file is missing, or the entry does not have one checkpoint and a configuration.
    """
    folder = registry.require(name)
    entry = registry.model(name)
    checkpoints = [file.path for file in entry.files if file.path.endswith(".pt")]
    config = entry.about.get("config", _CONFIGS.get(name))
    if len(checkpoints) != 1 or config is None:
        raise registry.ModelError(f"{name}: its entry in models.yaml needs one .pt file and a `config` of package sam2")
    return Predictor(config, folder / checkpoints[0], device, entry.about.get("overrides", []))


def paste_crops(video: CroppedVideo, masks: Array) -> Array:
    """Masks of a video's crops, bool (k, n, side, side), pasted into full frames, bool (k, n, h, w)."""
    full_masks = np.zeros((*masks.shape[:2], *video.frames.shape[1:3]), bool)
    for plane, cropped_plane in zip(full_masks, masks, strict=True):
        for number in range(len(video)):
            video.crop(plane[number], number)[:] = cropped_plane[number]
    return full_masks
