"""Checks before the first job of a run: files, checkouts, packages, GPU, licences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvtt.backends import registry as backends
from pvtt.models import devices
from pvtt.models import registry as models


def check_requirements(settings: Mapping[str, Any], local: bool = True, own_environments: bool = False) -> list[str]:
    """Check the requirements of the chosen backends.

    Parameters
    ----------
    settings
        Resolved settings of the run.
    local
        Whether jobs run on this machine, which then needs the GPU.
    own_environments
        Whether Snakemake deploys environments (`--sdm conda`); packages of this interpreter are then not checked.

    Returns
    -------
    list of str
        One sentence per problem with its solution; empty if the run can start.
    """
    found = []
    for stage in backends.STAGES:
        parts = backends.selected_backends(stage, settings[stage])
        for backend in parts:
            found += [f"{stage}.{backend.name}: {text}" for text in _missing(backend, own_environments)]
        if local and any(part.gpu for part in parts) and not _gpu():
            found.append(f"{stage}: no GPU is seen; run with --config device=cpu, or with --profile slurm")
        if settings["commercial_only"]:
            found += [text for part in parts for text in _license_conflicts(stage, part)]
        if len(environments := _environments(parts)) > 1:
            names = " and ".join(sorted(environments))
            found.append(f"{stage}: its backends need different environments, {names}; choose those of one")
    return list(dict.fromkeys(found))


def environment(stage: str, settings: Mapping[str, Any]) -> str:
    """Name (in `envs/`) of the environment of the jobs of a stage; `core` if no backend needs another one."""
    return next(iter(_environments(backends.selected_backends(stage, settings))), "core")


def gpus_needed(stage: str, settings: Mapping[str, Any]) -> int:
    """GPUs per job of a stage: 1 if a backend uses one and the run is not limited to the CPU, else 0."""
    return int(
        devices.requested_device() != "cpu" and any(part.gpu for part in backends.selected_backends(stage, settings))
    )


def uses_workers(stage: str, settings: Mapping[str, Any]) -> bool:
    """Whether jobs of a stage use warm workers: if it runs a model, on any device."""
    return any(part.gpu for part in backends.selected_backends(stage, settings))


def _missing(backend: Any, own_environments: bool) -> list[str]:
    found = backend.problems() if hasattr(backend, "problems") else []
    elsewhere = f"make {backend.environment}"
    return [text for text in found if not (own_environments and text.endswith(elsewhere))]


def _gpu() -> bool:
    return devices.requested_device() == "cpu" or devices.gpu_available()


def _license_conflicts(stage: str, backend: Any) -> list[str]:
    known = models.registry()
    used = [known[name] for name in backend.needs if name in known]
    reasons = [f"{model.id} ({model.licence})" for model in used if not model.commercial]
    if not getattr(backend, "commercial", True):
        reasons.append(str(backend.licence))
    if not reasons:
        return []
    return [
        f"{stage}.{backend.name}: commercial_only is set, and no commercial use is allowed by {', '.join(reasons)}; "
        "choose another backend"
    ]


def _environments(parts: list[Any]) -> list[str]:
    return list(dict.fromkeys(part.environment for part in parts if part.environment != "core"))
