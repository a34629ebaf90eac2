"""Settings of the stage `background`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from pvtt.config.base import Settings
from pvtt.config.wan import NegativePrompt, Prompt, WanSettings


class ProPainterSettings(Settings):
    """ProPainter, a program in an environment of its own."""

    checkout: StrictStr = Field(
        "",
        description=(
            "Folder of the checkout with inference_propainter.py; empty takes `propainter` in the models' folder."
        ),
    )
    python: StrictStr = Field(
        "", description="Python of ProPainter's environment; empty is the one that runs the job, as with --sdm conda."
    )
    memory_gb: StrictFloat = Field(
        24,
        ge=3,
        description=(
            "GPU memory in GB. Clips that need more are processed in chunks, and larger frames are reduced. "
            "Halved once when the program runs out of memory."
        ),
    )
    subvideo_length: StrictInt = Field(80, ge=20, description="Largest number of frames that are processed at once.")
    overlap_frames: StrictInt = Field(
        10, ge=0, le=20, description="Frames that two chunks of a clip share; they are cross-faded."
    )
    neighbor_length: StrictInt = Field(
        10, ge=2, description="Number of neighbouring frames that a frame is inpainted from."
    )
    ref_stride: StrictInt = Field(10, ge=1, description="Distance between distant reference frames, in frames.")
    raft_iter: StrictInt = Field(20, ge=1, description="Iterations of the optical flow.")
    mask_dilation_px: StrictInt = Field(
        4,
        ge=0,
        description="Further dilation of the mask by the program, so that no pixel at its edge counts as background.",
    )
    timeout_s: StrictFloat = Field(
        3600, gt=0, description="Seconds after which one run of the program is stopped and the clip fails."
    )


class VideoPainterSettings(Settings):
    """VideoPainter, a program in an environment of its own."""

    checkout: StrictStr = Field(
        "",
        description=(
            "Folder of the checkout whose diffusers/src is used; empty takes the diffusers fork that is "
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
            "Distance between generated frames, in frames; the model was trained on 8 frames per second. The "
            "frames between take the background from them by the camera's motion."
        ),
    )
    overlap_frames: Literal[1, 5, 9, 13, 17, 21, 25] = Field(
        9,
        description=(
            "Generated frames that two windows of 49 share; they are cross-faded. Whole latent frames, so "
            "that the windows' masks agree."
        ),
    )
    seed: StrictInt = Field(0, ge=0, description="Seed of the noise.")
    offload: StrictBool = Field(
        False, description="Keep only the active part of the model on the GPU, for GPUs with less than 40 GB."
    )
    max_grid: StrictFloat = Field(
        1.5,
        gt=0,
        description=(
            "Largest grid pattern of latent cells in the generated background, above that of the scene beside"
            " it, in grey levels (RMS)."
        ),
    )
    retries: StrictInt = Field(
        1,
        ge=0,
        le=5,
        description="Number of further attempts, each with another seed, for a clip with a grid; then it is refused.",
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
            "Backend that removes the product; `plate` (CPU, temporal plate and inpainting) or another one by name."
        ),
    )
    grow_px: StrictInt = Field(
        10,
        ge=0,
        le=100,
        description=(
            "Growth of the product's mask on every side, for its soft edge and the compression around it, in "
            "pixels of a frame of 720 lines; less in smaller frames, down to 6."
        ),
    )
    shadow_extent: StrictFloat = Field(
        2.0,
        ge=0,
        le=3,
        description=(
            "Distance from the product up to which its shadow is removed, as a multiple of the square root of"
            " the mask's area; 0 keeps the shadow."
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
            "Detail of the background, in grey levels, from which inpainted background gets the detail of "
            "patches on its smooth surface."
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
