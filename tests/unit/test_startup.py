"""What a run sets before its first job."""

import os
from pathlib import Path
from typing import Any

import pytest

from pvtt.backends import requirements
from pvtt.execution import cache, startup
from pvtt.models import devices, registry


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment of the test's own, in a folder of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PVTT_")}
    monkeypatch.setattr(os, "environ", kept)
    monkeypatch.chdir(tmp_path)


def settings(**changes: Any) -> dict[str, Any]:
    return {"models": None, "device": "auto", "store": None, "results": "results"} | changes


def test_the_cache_lies_in_the_results_unless_the_settings_name_another(tmp_path: Path):
    startup.prepare(settings())
    assert cache.root() == tmp_path / "results/store"
    startup.prepare(settings(store="shared"))
    assert cache.root() == tmp_path / "shared"


def test_jobs_inherit_models_device_and_library(tmp_path: Path):
    startup.prepare(settings(models="weights", device="cpu"))
    assert registry.root() == tmp_path / "weights"
    assert devices.requested_device() == "cpu"
    assert (Path(os.environ["PYTHONPATH"].split(os.pathsep)[0]) / "pvtt/execution/startup.py").is_file()


@pytest.mark.parametrize(("gpus", "jobs"), [([], 2), (["0"], 2), (["0", "1", "2"], 4)])
def test_as_many_jobs_wait_as_there_are_workers_and_one(monkeypatch: pytest.MonkeyPatch, gpus: list[str], jobs: int):
    monkeypatch.setattr(devices, "visible_gpus", lambda: gpus)
    assert startup.waiting_jobs() == jobs


def test_what_backends_lack_is_one_message(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def check(given: Any, local: bool, own_environments: bool) -> list[str]:
        asked.append((given, local, own_environments))
        return ["no torch", "no GPU"] if local else []

    monkeypatch.setattr(requirements, "check_requirements", check)
    message = startup.missing_requirements({"a": 1}, True, own_environments=False)
    assert message == "the chosen backends cannot run:\n  no torch\n  no GPU"
    assert startup.missing_requirements({"a": 1}, False, own_environments=True) == ""
    assert asked == [({"a": 1}, True, False), ({"a": 1}, False, True)]
