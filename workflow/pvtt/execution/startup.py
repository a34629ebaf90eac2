"""What a run needs before its first job: folders of models and cached results, the device, a check of the backends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvtt.backends import requirements
from pvtt.execution import cache
from pvtt.execution.job import share_library
from pvtt.models import devices, registry


def prepare(settings: Mapping[str, Any]) -> None:
    """Set the models' folder, the device and the results cache of a run, for this process and the jobs that it starts.

    Parameters
    ----------
    settings
        The resolved settings of the run.
    """
    share_library()
    if settings["models"]:
        registry.set_root(settings["models"])
    devices.set_device(settings["device"])
    cache.set_root(settings["store"] or f"{settings['results']}/store")


def waiting_jobs() -> int:
    """Jobs of one machine that may wait for a warm worker at a time: one for each worker, and one to follow."""
    return max(1, len(devices.visible_gpus())) + 1


def missing_requirements(settings: Mapping[str, Any], local: bool, own_environments: bool) -> str:
    """Say why the chosen backends cannot run; empty when they can.

    `local`: jobs run on this machine. `own_environments`: their packages come with their conda environments.
    """
    lacking = requirements.check_requirements(settings, local=local, own_environments=own_environments)
    return "the chosen backends cannot run:\n  " + "\n  ".join(lacking) if lacking else ""
