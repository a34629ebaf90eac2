"""Settings of the stage `scoring`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr
from pydantic_core import PydanticCustomError

from pvtt.config.base import Settings


def _unlike(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise PydanticCustomError("repeated", "Input should name each backend once")
    return names


class JudgingSettings(Settings):
    """What any judge is shown and told."""

    frames: StrictInt = Field(
        4, ge=1, description="Frames of each video that a judge sees, evenly spaced among those sampled for identity."
    )
    frame_side_px: StrictInt = Field(448, ge=28, description="Longer side to which these frames are reduced.")
    photos: StrictInt = Field(4, ge=1, description="Photos of the target that a judge sees, at most.")
    title: StrictBool = Field(
        False, description="Whether the judge is told the target's title, cleaned and marked as data."
    )
    explain: StrictBool = Field(
        False,
        description=(
            "Whether grades with one sentence of reason each are asked for as well, for readers only; about "
            "300 tokens more per pair."
        ),
    )
    min_digit_mass: StrictFloat = Field(
        0.8,
        gt=0,
        le=1,
        description="Share of the answer's probability that the digits 1 to 5 must hold; below it there is no score.",
    )


class EmbeddingSettings(Settings):
    """An identity backend that compares embeddings of pictures."""

    model: StrictStr = Field(description="Id of the model in resources/models.yaml.")
    floor: StrictFloat = Field(
        ge=-1,
        lt=1,
        description=(
            "Cosine of two pictures of unlike products, which counts as likeness 0; a cosine of 1 is likeness 1. "
            "Set it on pairs of products of your own."
        ),
    )
    batch: StrictInt = Field(16, ge=1, description="Crops that go through the model at once.")


class OpenAISettings(Settings):
    """The judge openai."""

    base_url: StrictStr = Field(
        "",
        description=(
            "Address of the endpoint, such as http://HOST:8000/v1; empty takes the environment variable "
            "PVTT_JUDGE_URL, so that another address scores nothing anew."
        ),
    )
    model: StrictStr = Field(
        "", description="Name under which the endpoint serves the model; give another model another name."
    )
    api_key_env: StrictStr = Field(
        "",
        description=(
            "Environment variable that holds the endpoint's key; empty for none. The key itself stands nowhere else."
        ),
    )
    timeout_s: StrictFloat = Field(120, gt=0, description="Longest wait for one answer.")
    retries: StrictInt = Field(
        4, ge=0, le=20, description="Further attempts after no answer, a server's error or a damaged answer."
    )
    backoff_s: StrictFloat = Field(
        2, ge=0, description="Wait before the first further attempt; it doubles each time, to a minute at most."
    )


class QwenSettings(Settings):
    """The judge qwen."""

    model: StrictStr = Field(
        "qwen2.5-vl-7b", description="Id of the model in resources/models.yaml, a Qwen2.5-VL or Qwen3-VL."
    )


class ScoringSettings(Settings):
    """Measures and scores of every pair; limits and weights are those of `verdicts.pairs`."""

    backend: StrictStr = Field(
        "classical",
        description=(
            "Features that say whether two crops show the same product; classical needs no weights, dinov2, "
            "clip and siglip do."
        ),
    )
    also: Annotated[tuple[StrictStr, ...], AfterValidator(_unlike)] = Field(
        (),
        description=(
            "Further identity backends, such as [clip, siglip], whose figures are recorded in the measures "
            "under their names beside the one that gives the score."
        ),
    )
    judge: StrictStr = Field(
        "none",
        description=(
            "Vision-language model that gives lighting and overall; openai asks an endpoint (docs/judge.md), "
            "qwen runs in the job; with none these two stay null."
        ),
    )
    judging: JudgingSettings = JudgingSettings()
    identity_frames: StrictInt = Field(
        12,
        ge=1,
        description=(
            "Frames of a clip, evenly spaced among those that show the product, that are compared with the "
            "product's photos."
        ),
    )
    flow_side_px: StrictInt = Field(
        240, ge=64, description="Short side to which frames are reduced for optical flow and warping error."
    )
    flow_pairs: StrictInt = Field(
        28,
        ge=1,
        description=(
            "Pairs of neighbouring frames, evenly spaced in a clip, on which motion and warping error are measured."
        ),
    )
    grow_px: StrictInt = Field(
        24,
        ge=0,
        description=(
            "Margin around both masks that may change without counting as damaged background, in pixels of a "
            "clip 480 high, scaled with the short side."
        ),
    )
    dinov2: EmbeddingSettings = Field(
        EmbeddingSettings(model="dinov2-base", floor=0.0), description="The identity backend dinov2."
    )
    clip: EmbeddingSettings = Field(
        EmbeddingSettings(model="clip-vit-large-patch14", floor=0.6), description="The identity backend clip."
    )
    siglip: EmbeddingSettings = Field(
        EmbeddingSettings(model="siglip-base-patch16-384", floor=0.5),
        description="The identity backend siglip; SigLIP 2 of a fixed resolution loads as well.",
    )
    openai: OpenAISettings = OpenAISettings()
    qwen: QwenSettings = QwenSettings()
