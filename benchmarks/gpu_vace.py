"""Time and memory of Wan VACE at full size with random weights, beside plain Diffusers in the same run.

    PYTHONPATH=workflow python benchmarks/gpu_vace.py --model 1.3b 14b --json gpu_vace.json

needs a GPU and the `models` environment, no weights: speed does not depend on them, quality does, and is not looked at.
Per model it makes the first pair of a clip, a second pair of the same clip (what depends on the clip alone is kept) and
the same pair by Diffusers' own WanVACEPipeline, with the same parts, steps and inputs. `--model tiny` runs on a CPU and
only proves that the script works. Loading and the text encoder are not in the times.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from pvtt.config.stages.insertion import VaceInsertionSettings
from pvtt.stages.wan.engine import Engine, GenerationRequest
from pvtt.stages.wan.pipeline import pipeline_class
from pvtt.stages.wan.prompts import MAX_TOKENS

# The configurations of the published transformers (the 1.3B: Wan-AI/Wan2.1-VACE-1.3B-diffusers; the 14B: its defaults).
TRANSFORMERS: dict[str, dict[str, Any]] = {
    "tiny": {"num_attention_heads": 2, "attention_head_dim": 12, "ffn_dim": 32, "num_layers": 2, "vace_layers": [0, 1]},
    "1.3b": {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30, "vace_layers": list(range(0, 30, 2))},
    "14b": {"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40, "vace_layers": list(range(0, 40, 5))},
}
VAES = {"tiny": {"base_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}}
TEXT_DIM = 4096


class RandomEngine(Engine):
    """The engine around random parts and random embeddings."""

    parts: Any = None

    def _load(self, folder: Path) -> Any:
        return self.parts

    def _encode(self, text: str) -> Any:
        generator = torch.Generator().manual_seed(len(text))
        return torch.randn(1, MAX_TOKENS, TEXT_DIM, generator=generator).to(self._dtype)


def build(name: str, device: str) -> Any:
    """A pipeline of random parts on the device; bfloat16 on a GPU, with what Diffusers keeps in float32 kept so."""
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanVACETransformer3DModel

    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            transformer = WanVACETransformer3DModel(text_dim=TEXT_DIM, **TRANSFORMERS[name]).eval()
    finally:
        torch.set_default_dtype(before)
    exact = transformer._keep_in_fp32_modules
    for key, parameter in transformer.named_parameters():
        if any(part in key.split(".") for part in exact):
            parameter.data = parameter.data.float()
    with torch.device(device):
        vae = AutoencoderKLWan(**VAES.get(name, {})).eval()
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    return pipeline_class()(None, None, vae, scheduler, transformer)


def timed(device: str, work: Any) -> dict[str, float]:
    """Seconds and peak memory (GB, 0 on a CPU) of a call."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else 0.0
    return {"seconds": round(time.perf_counter() - start, 3), "peak_gb": round(peak, 2)}


def plain_call(engine: Engine, frames: np.ndarray, mask: np.ndarray, reference: np.ndarray, steps: int) -> None:
    """The same window by Diffusers' own pipeline, as its documentation has it: 8-bit images, 128 in the mask."""
    from diffusers import WanVACEPipeline
    from PIL import Image

    own = engine.pipe
    plain = WanVACEPipeline(None, None, own.vae, own.scheduler, own.transformer)
    plain.set_progress_bar_config(disable=True)
    filled = np.where(mask[..., None], np.uint8(128), frames)
    positive, negative = engine.embeddings("a product")
    plain(
        video=[Image.fromarray(frame) for frame in filled],
        mask=[Image.fromarray(one.astype(np.uint8) * 255) for one in mask],
        reference_images=Image.fromarray(reference),
        prompt_embeds=positive.to(engine.device),
        negative_prompt_embeds=negative.to(engine.device),
        height=frames.shape[1],
        width=frames.shape[2],
        num_frames=len(frames),
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(1),
    )


def measure(name: str, options: argparse.Namespace, device: str) -> dict[str, Any]:
    """One model's row: first pair, second pair, plain Diffusers, and the ratios."""
    settings = VaceInsertionSettings.of(
        {
            "steps": options.steps,
            "store_prompts": False,
            "compile": options.compile,
            "attention": options.attention,
        }
    )
    RandomEngine.parts = build(name, device)
    engine = RandomEngine("random", settings, device)
    rng = np.random.default_rng(0)
    height, width = options.height, options.width
    frames = rng.integers(0, 255, (options.frames, height, width, 3), dtype=np.uint8)
    mask = np.zeros(frames.shape[:3], bool)
    mask[:, height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = True
    first, second = rng.integers(0, 255, (2, height, width, 3), dtype=np.uint8)
    if options.warm_up:  # kernels are chosen, and blocks compiled, before anything is timed; another clip's latents
        engine.generate(frames[::-1].copy(), mask, GenerationRequest("a product", 9, first))
        plain_call(engine, frames, mask, first, options.steps)
    row: dict[str, Any] = {"model": name, "device": torch.cuda.get_device_name() if device == "cuda" else "CPU"}
    row |= {"frames": options.frames, "width": width, "height": height, "steps": options.steps}
    row["parameters_b"] = round(sum(part.numel() for part in engine.pipe.transformer.parameters()) / 1e9, 3)
    row["first_pair"] = timed(device, lambda: engine.generate(frames, mask, GenerationRequest("a product", 1, first)))
    row["second_pair"] = timed(device, lambda: engine.generate(frames, mask, GenerationRequest("a product", 2, second)))
    row["plain_diffusers"] = timed(device, lambda: plain_call(engine, frames, mask, second, options.steps))
    plain = row["plain_diffusers"]["seconds"]
    row["ratio_first"] = round(row["first_pair"]["seconds"] / plain, 3)
    row["ratio_second"] = round(row["second_pair"]["seconds"] / plain, 3)
    RandomEngine.parts = None
    engine.close()
    return row


def main(arguments: list[str] | None = None) -> list[dict[str, Any]]:
    """Measure, print a line per model, write the rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=list(TRANSFORMERS), default=["1.3b", "14b"])
    parser.add_argument("--frames", type=int, default=81)
    parser.add_argument("--width", type=int, default=832)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--attention", default="")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--no-warm-up", dest="warm_up", action="store_false")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and options.model != ["tiny"]:
        parser.error("no GPU is at hand; --model tiny runs on a CPU")
    entry = {"repository": "", "commit": "0", "licence": "", "commercial": True, "files": []}
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "models.yaml").write_text(yaml.safe_dump({"random": entry}))
        os.environ["PVTT_MODELS"] = home
        rows = [measure(name, options, device) for name in options.model]
    for row in rows:
        print(json.dumps(row))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return rows


if __name__ == "__main__":
    main()
