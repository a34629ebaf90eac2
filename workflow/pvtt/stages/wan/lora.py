"""Merge a LoRA (Hu et al., ICLR 2022) into a Wan transformer, completely or not at all.

Common loaders match layers by name and skip those that do not fit: a LoRA for another model size then has no effect,
without any error. Here a layer that does not fit is an error. Layers may have the names of Diffusers or of Wan's own
code, with any prefix, with dots or underscores.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvtt.models.registry import ModelError

_PART = re.compile(r"^(?P<layer>.+?)\.(?:lora_)?(?P<part>A|B|down|up)(?:\.(?!weight$)[^.]+)?\.weight$")
_ALPHA = re.compile(r"^(?P<layer>.+)\.alpha$")
_SIDE = {"A": "down", "down": "down", "B": "up", "up": "up"}
_PREFIXES = ("lora_unet_", "lora_transformer_")
# Diffusers' name of a layer -> Wan's own.
_OWN_NAMES = [
    (r"\.attn1\.to_out\.0$", ".self_attn.o"),
    (r"\.attn2\.to_out\.0$", ".cross_attn.o"),
    (r"\.attn1\.to_([qkv])$", r".self_attn.\1"),
    (r"\.attn2\.to_([qkv])$", r".cross_attn.\1"),
    (r"\.ffn\.net\.0\.proj$", ".ffn.0"),
    (r"\.ffn\.net\.2$", ".ffn.2"),
    (r"^(vace_blocks\.\d+)\.proj_in$", r"\1.before_proj"),
    (r"^(vace_blocks\.\d+)\.proj_out$", r"\1.after_proj"),
    (r"^condition_embedder\.text_embedder\.linear_1$", "text_embedding.0"),
    (r"^condition_embedder\.text_embedder\.linear_2$", "text_embedding.2"),
    (r"^condition_embedder\.time_embedder\.linear_1$", "time_embedding.0"),
    (r"^condition_embedder\.time_embedder\.linear_2$", "time_embedding.2"),
    (r"^condition_embedder\.time_proj$", "time_projection.1"),
    (r"^proj_out$", "head.head"),
]


def merge_lora(transformer: Any, path: Path, strength: float = 1.0) -> int:
    """Add the weight changes of a LoRA file to a transformer, in place.

    Parameters
    ----------
    transformer : torch.nn.Module
    path : Path
        A safetensors file.
    strength : float
        Factor on the changes.

    Returns
    -------
    int
        Number of changed layers.

    Raises
    ------
    ModelError
        If the file is not a LoRA or any of its layers does not fit the transformer. No weight is changed then.
    """
    layers, alphas, default_alpha = _read(path)
    linear = _linear_layers(transformer)
    fitting, misfits = {}, []
    for name, sides in layers.items():
        target = _find(name, linear)
        if target is None:
            misfits.append(f"{name} is not in the model")
        elif set(sides) != {"down", "up"}:
            misfits.append(f"{name} has only its {next(iter(sides))} matrix")
        elif (found := (sides["up"].shape[0], sides["down"].shape[1])) != tuple(target.weight.shape):
            misfits.append(
                f"{name} changes {found[0]} x {found[1]} weights, the model has {tuple(target.weight.shape)}"
            )
        else:
            fitting[name] = target
    if misfits:
        shown = "; ".join(misfits[:3]) + ("; ..." if len(misfits) > 3 else "")
        counts = f"{len(fitting)} of its {len(layers)} layers fit the model, so 0 were merged"
        raise ModelError(f"LoRA {path}: {counts}: {shown}; it belongs to another model")
    for name, target in fitting.items():
        rank = layers[name]["down"].shape[0]
        scale = strength * float(alphas.get(name, default_alpha or rank)) / rank
        _add(target.weight, layers[name], scale)
    return len(fitting)


def _add(weight: Any, sides: Mapping[str, Any], scale: float) -> None:
    import torch

    with torch.no_grad():
        up, down = (sides[side].to(weight.device, torch.float32) for side in ("up", "down"))
        weight.copy_((weight.float() + scale * (up @ down)).to(weight.dtype))


def _read(path: Path) -> tuple[dict[str, dict[str, Any]], dict[str, float], float | None]:
    """Matrices by layer and side, alphas by layer, and the alpha of the rest where the file names one."""
    from safetensors import SafetensorError, safe_open

    layers: dict[str, dict[str, Any]] = {}
    alphas: dict[str, float] = {}
    strange = []
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            for key in file.keys():  # noqa: SIM118 - not a dictionary
                if match := _PART.match(key):
                    layers.setdefault(match["layer"], {})[_SIDE[match["part"]]] = file.get_tensor(key)
                elif match := _ALPHA.match(key):
                    alphas[match["layer"]] = float(file.get_tensor(key))
                else:
                    strange.append(key)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"LoRA {path} cannot be read: {error}") from error
    if strange or not layers:
        example = f", such as {strange[0]}" if strange else ""
        raise ModelError(f"LoRA {path}: {len(layers)} layers, and {len(strange)} keys that are none{example}; 0 merged")
    adapter = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    named = [value for key, value in adapter.items() if key.split(".")[-1] == "lora_alpha"]
    return layers, alphas, float(named[0]) if named else None


def _linear_layers(transformer: Any) -> dict[str, Any]:
    """Linear layers under both of their names, dots as underscores."""
    from torch import nn

    found = {}
    for name, module in transformer.named_modules():
        if isinstance(module, nn.Linear):
            own = name
            for pattern, replacement in _OWN_NAMES:
                own = re.sub(pattern, replacement, own)
            found[name.replace(".", "_")] = found[own.replace(".", "_")] = module
    return found


def _find(name: str, linear: Mapping[str, Any]) -> Any | None:
    """The layer of a name in the file, whatever stands in front of it."""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    parts = name.split(".")
    for start in range(len(parts)):
        found = linear.get("_".join(parts[start:]))
        if found is not None:
            return found
    return None
