"""Settings that all backends that run Wan VACE share."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from pvtt.config.base import Settings

# Types of the settings whose defaults differ between the backends.
Prompt = Annotated[StrictStr, Field(min_length=1)]
NegativePrompt = Annotated[StrictStr, Field(description="What guidance leads away from.")]
Steps = Annotated[StrictInt, Field(ge=1, le=200, description="Denoising steps; time grows with them.")]
BlockPx = Annotated[
    Literal[16, 32, 48, 64],
    Field(
        description="Side of the blocks that one masked pixel masks as a whole, in the model's pixels; a token has 16."
    ),
]


class WanSettings(Settings):
    """Which Wan VACE model generates, and how; each backend adds what it does with it."""

    first_keys: ClassVar[tuple[str, ...]] = ("model", "prompt", "negative_prompt")

    model: Literal["wan2.1-vace-1.3b", "wan2.1-vace-14b", "wan2.2-vace-fun-a14b"] = Field(
        "wan2.1-vace-1.3b", description="Which VACE model, by its id in resources/models.yaml."
    )
    prompt: Prompt
    negative_prompt: NegativePrompt
    steps: Steps = 30
    guidance: StrictFloat = Field(
        5.0,
        ge=1,
        le=20,
        description="Strength of classifier-free guidance by the words; 1 is none and takes half of the time.",
    )
    conditioning_scale: StrictFloat = Field(
        1.0, ge=0, le=2, description="Weight of the video and of the reference image that the model gets."
    )
    flow_shift: StrictFloat = Field(
        3.0, gt=0, le=20, description="Shift of the noise schedule; 3 is for 480 lines, 5 for 720."
    )
    max_area: StrictInt = Field(
        399360,
        ge=256,
        le=2073600,
        description=(
            "Pixels of the frame that the model works on, width times height; sides become multiples of 16 "
            "and never grow. 399360 is 832 x 480."
        ),
    )
    window_frames: StrictInt = Field(
        81,
        ge=5,
        le=257,
        description="Most frames that are generated at once, 4k + 1; longer clips are generated in windows.",
    )
    overlap_frames: StrictInt = Field(
        9,
        ge=0,
        le=129,
        description=(
            "Frames that a window takes over from the one before and blends with it, 4k + 1; 0 makes the "
            "windows independent."
        ),
    )
    block_px: BlockPx = 32
    keep_text_encoder: StrictBool = Field(
        False,
        description=(
            "Whether the text encoder (11 GB in bfloat16) stays loaded after a prompt; else it is loaded for "
            "every new one."
        ),
    )
    store_prompts: StrictBool = Field(
        True, description="Whether embeddings of prompts are kept in the models' folder, so that each is computed once."
    )
    cache_mb: StrictInt = Field(
        1024,
        ge=0,
        le=65536,
        description=(
            "Memory for the latents of clips that come again, in megabytes; a window of 81 frames at 832 x "
            "480 takes 50."
        ),
    )
    compile: StrictBool = Field(
        False, description="Whether the transformer's blocks are compiled; pays from some ten windows of one shape on."
    )
    attention: StrictStr = Field(
        "", description="Diffusers' attention backend, such as _flash_3 or sage; empty takes PyTorch's own."
    )
    offload: Literal["none", "model"] = Field(
        "none",
        description=(
            "Where unused parts of the model are kept; `model` keeps them in the host's memory, for GPUs that"
            " cannot hold both transformers of Wan2.2."
        ),
    )
    vae_tiling: StrictBool = Field(
        False, description="Whether the VAE works in tiles; less memory, not the same result."
    )
