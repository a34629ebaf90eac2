"""Settings of the stage `background`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from pvtt.config.base import Settings
from pvtt.config.wan import NegativePrompt, Prompt, WanSettings


class ProPainterSettings(Settings):
    """ProPainter, a program of an environment of its own."""

    checkout: StrictStr = Field(
        "",
        description=(
            "Folder of the checkout with inference_propainter.py; empty is the folder propainter among the models."
        ),
    )
    python: StrictStr = Field(
        "", description="Python of ProPainter's environment; empty is the one that runs the job, as with --sdm conda."
    )
    memory_gb: StrictFloat = Field(
        24,
        ge=3,
        description=(
            "Memory of the GPU in GB; clips that need more are painted in chunks, larger frames made smaller."
            " Halved once when the program runs out of it."
        ),
    )
    subvideo_length: StrictInt = Field(80, ge=20, description="Most frames that are worked on at once.")
    overlap_frames: StrictInt = Field(
        10, ge=0, le=20, description="Frames that two chunks of a clip share and fade over."
    )
    neighbor_length: StrictInt = Field(10, ge=2, description="Neighbouring frames that a frame is painted from.")
    ref_stride: StrictInt = Field(10, ge=1, description="Every how many frames one is taken as a distant reference.")
    raft_iter: StrictInt = Field(20, ge=1, description="Iterations of the optical flow.")
    mask_dilation_px: StrictInt = Field(
        4,
        ge=0,
        description="How far the program grows the mask once more, so that no pixel at its rim is taken for ground.",
    )
    timeout_s: StrictFloat = Field(
        3600, gt=0, description="Seconds after which one run of the program is stopped and the clip fails."
    )


class VideoPainterSettings(Settings):
    """VideoPainter, a program of an environment of its own."""

    checkout: StrictStr = Field(
        "",
        description=(
            "Folder of the checkout whose diffusers/src is used; empty is the diffusers fork that is "
            "installed in the environment."
        ),
    )
    python: StrictStr = Field(
        "", description="Python of VideoPainter's environment; empty is the one that runs the job, as with --sdm conda."
    )
    prompt: StrictStr = Field(
        (
            "An empty scene. The bare surface and the background continue without any object on them, in "
            "soft, even, natural light. The camera and the scene stay as they are."
        ),
        description="What the scene without the product looks like; it must not name the product.",
    )
    steps: StrictInt = Field(50, ge=1, description="Denoising steps.")
    guidance_scale: StrictFloat = Field(
        6.0,
        ge=1,
        description="Strength of the prompt (classifier-free guidance, which the pipeline raises over the steps).",
    )
    frame_step: StrictInt = Field(
        3,
        ge=1,
        description=(
            "Every how many frames one is painted; the model was trained on 8 frames per second. The frames "
            "between take their ground from these by the camera's motion."
        ),
    )
    overlap_frames: Literal[1, 5, 9, 13, 17, 21, 25] = Field(
        9,
        description=(
            "Painted frames that two windows of 49 share and fade over; whole latent frames, so that the "
            "windows' masks agree."
        ),
    )
    seed: StrictInt = Field(0, ge=0, description="Seed of the noise.")
    offload: StrictBool = Field(
        False, description="Keep on the GPU only the part of the model that works, for GPUs with less than 40 GB."
    )
    max_grid: StrictFloat = Field(
        1.5,
        gt=0,
        description=(
            "Largest pattern on the grid of latent cells in the painted ground, beyond what the scene has "
            "beside it, in grey levels (RMS)."
        ),
    )
    retries: StrictInt = Field(
        1,
        ge=0,
        le=5,
        description="How often a clip with a grid is painted again, with another seed, before it is refused.",
    )
    timeout_s: StrictFloat = Field(
        7200, gt=0, description="Seconds after which one run of the program is stopped and the clip fails."
    )


class VaceRemovalSettings(WanSettings):
    """Removal by Wan VACE without a reference (backend vace)."""

    first_keys: ClassVar[tuple[str, ...]] = (*WanSettings.first_keys, "seed")

    prompt: Prompt = Field(
        "An empty scene without any product, only the surface and the background, in natural light, sharp and still.",
        description="Words for the scene without its product.",
    )
    negative_prompt: NegativePrompt = (
        "product, object, person, hand, shadow of an object, text, watermark, subtitles, blurry, low "
        "quality, compression artefacts, flicker"
    )
    seed: StrictInt = Field(0, ge=0, description="Seed of the noise.")


class BackgroundSettings(Settings):
    """Removal of the product from a clip."""

    backend: StrictStr = Field(
        "plate",
        description=(
            "What removes the product; `plate` (CPU, temporal plate and inpainting) or another backend by name."
        ),
    )
    grow_px: StrictInt = Field(
        10,
        ge=0,
        le=100,
        description=(
            "How far the product's mask is grown on every side, for its soft rim and compression around it, "
            "in pixels of a frame of 720 lines; in smaller frames less, down to 6."
        ),
    )
    shadow_extent: StrictFloat = Field(
        2.0,
        ge=0,
        le=3,
        description=(
            "How far from the product its shadow is taken away, as a multiple of the square root of the "
            "mask's area; 0 keeps the shadow."
        ),
    )
    feather_px: StrictFloat = Field(
        4, ge=0, le=50, description="Width of the soft transition inside the grown mask, in pixels."
    )
    texture_level: StrictFloat = Field(
        2.5,
        ge=0,
        le=255,
        description=(
            "Detail of the ground, in grey levels, from which on unseen ground gets the detail of patches on "
            "its smooth surface."
        ),
    )
    max_coverage: StrictFloat = Field(
        0.7,
        gt=0,
        le=1,
        description=(
            "Share of the frame that product and shadow may cover in any frame; above it the removal is refused."
        ),
    )
    propainter: ProPainterSettings = ProPainterSettings()
    videopainter: VideoPainterSettings = VideoPainterSettings()
    vace: VaceRemovalSettings = VaceRemovalSettings()
