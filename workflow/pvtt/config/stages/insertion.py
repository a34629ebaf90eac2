"""Settings of the stage `insertion`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from pvtt.config.base import Settings
from pvtt.config.wan import BlockPx, NegativePrompt, Prompt, Steps, WanSettings


class VideoAnyDoorSettings(Settings):
    """VideoAnyDoor, or any program that keeps the contract of docs/videoanydoor.md."""

    command: StrictStr = Field(
        "",
        description=(
            "Command that makes one pair; {job} stands for the job's folder. It must be set to use this "
            "backend, as VideoAnyDoor's own code is not released."
        ),
    )
    grow: StrictFloat = Field(
        0.25,
        ge=0,
        le=2,
        description=(
            "Margin around the product's box in which the program's frames are used, for shadow and "
            "reflection, as a share of the box's longer side; outside it the clip stays as it is."
        ),
    )
    max_frames: StrictInt = Field(
        300, ge=1, description="Longest clip that the program takes, in frames; longer ones fail with a reason."
    )
    licence: StrictStr = Field(
        "unknown", description="Licence of the program and its weights, for the record of where a pair comes from."
    )
    commercial: StrictBool = Field(
        False,
        description=(
            "Whether that licence allows commercial use; a run with commercial_only refuses the program otherwise."
        ),
    )
    timeout_s: StrictFloat = Field(
        3600, gt=0, description="Seconds after which the program is stopped and the pair fails."
    )


class WanInsertionSettings(WanSettings):
    """What the backends that insert by Wan VACE share."""

    prompt: Prompt = Field(
        "A product video. {product} stands in the scene, sharp and detailed, with the light and the shadows of the "
        "scene.",
        description="Words for the model; {product} becomes the target's title, subcategory and category.",
    )
    negative_prompt: NegativePrompt = (
        "blurry, low quality, compression artefacts, overexposed, watermark, subtitles, text, distorted "
        "shape, duplicate product, flicker, frozen picture"
    )
    grow_px: StrictInt = Field(
        10,
        ge=0,
        le=200,
        description=("Growth of the region on every side, in pixels of a frame of 720 lines; less in smaller frames."),
    )
    feather_px: StrictFloat = Field(
        6.0,
        ge=0,
        le=50,
        description=(
            "Width of the transition to the untouched frame, inside the generated region, in pixels of a "
            "frame of 720 lines."
        ),
    )


class VaceInsertionSettings(WanInsertionSettings):
    """Insertion by Wan VACE (backend vace)."""

    first_keys: ClassVar[tuple[str, ...]] = (*WanSettings.first_keys, "region", "grow_px", "edges", "feather_px")

    region: Literal["box", "square", "mask", "adapted"] = Field(
        "box",
        description=(
            "Region that the model generates: the source product's `box`, that box widened to a `square`, its"
            " `mask`, or its box `adapted` to the cut-out's aspect. The first three are the clip's own, so "
            "its latents serve all of its pairs."
        ),
    )
    edges: StrictBool = Field(
        False, description="Whether the model sees the cut-out's edges, at their place, in the first frame."
    )


class InsertAnywhereSettings(WanInsertionSettings):
    """Insertion as by InsertAnywhere, VACE-14B with its LoRA (backend insertanywhere)."""

    first_keys: ClassVar[tuple[str, ...]] = (
        "model",
        "lora",
        "prompt",
        "negative_prompt",
        "grow_px",
        "feather_px",
    )

    model: Literal["wan2.1-vace-1.3b", "wan2.1-vace-14b"] = Field(
        "wan2.1-vace-14b", description="The VACE model that the LoRA belongs to, by its id in resources/models.yaml."
    )
    lora: StrictStr = Field(
        "",
        description=(
            "Path of the LoRA's safetensors file; empty takes the one of insertanywhere-lora in the models' folder."
        ),
    )
    steps: Steps = 50
    block_px: BlockPx = 16


class InsertionSettings(Settings):
    """Insertion of another product into a clip."""

    backend: StrictStr = Field(
        "composite",
        description="Backend that inserts the product; `composite` (CPU, tracked compositing) or another one by name.",
    )
    control: Literal["boxes", "ends", "points"] = Field(
        "boxes",
        description=(
            "Trajectory of the new product: the source's box in every frame (boxes), only its first and last "
            "box (ends), or its key points (points)."
        ),
    )
    smooth_s: StrictFloat = Field(
        0.1,
        ge=0,
        le=2,
        description="Length over which the path of boxes or points is smoothed, in seconds; 0 takes it as it is.",
    )
    max_side: StrictFloat = Field(
        0.95,
        gt=0,
        le=1,
        description="Largest width and height of the new product as a share of the frame's; a larger one is shrunk.",
    )
    colour_strength: StrictFloat = Field(
        0.5,
        ge=0,
        le=1,
        description=(
            "Strength with which the product's colours are matched to the cast of the scene's light; 0 keeps "
            "the photo's."
        ),
    )
    colour_photos: StrictInt = Field(
        3,
        ge=1,
        le=100,
        description=(
            "Number of photos whose mean gives a product's colours, as each photo has its own light: the "
            "inserted one and the first others. 1 takes each photo's own colours."
        ),
    )
    default_shadow: StrictFloat = Field(
        0.3,
        ge=0,
        le=0.9,
        description="Strength of the soft contact shadow in clips that show no product to take the shadow from.",
    )
    feather_px: StrictFloat = Field(
        1.0,
        ge=0,
        le=20,
        description=(
            "Width of the blur that fits the cut-out's edges to the video's sharpness, in pixels of a frame "
            "of 720 lines; less in smaller frames."
        ),
    )
    videoanydoor: VideoAnyDoorSettings = VideoAnyDoorSettings()
    vace: VaceInsertionSettings = VaceInsertionSettings()
    insertanywhere: InsertAnywhereSettings = InsertAnywhereSettings()
