"""What is said before a run starts, what a stage's settings and version hold, and what is recorded of models."""

import os
import subprocess
import sys
import time
import types

import pytest
import yaml
from pydantic import StrictInt, create_model

from conftest import ROOT, Workflow
from fabricate import Run
from pvtt.backends import lifecycle, registry, requirements
from pvtt.backends.base import Embedded, ModelBackend
from pvtt.config import settings
from pvtt.config.base import Settings
from pvtt.config.run import RunSettings
from pvtt.config.stages.insertion import InsertionSettings
from pvtt.models import devices
from pvtt.records import provenance

STAGE = "insertion"


class Painter(ModelBackend):
    """A model backend that nothing is behind."""

    name = "painter"
    version = "3"
    packages = ("json", "nosuchpackage")
    needs = ("painter-1b", "painter-text")


class Steps(Settings):
    """Settings of a backend."""

    steps: StrictInt = 3


class Judge(ModelBackend):
    name = "judge"
    version = "1"
    environment = "judging"
    packages = ()


def entry(licence, commercial):
    return {
        "repository": "maker/thing",
        "commit": "e" * 40,
        "licence": licence,
        "commercial": commercial,
        "files": ["config.json"],
    }


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A models' folder with two models, neither of which is there; no GPU, no wish for a device."""
    place = tmp_path / "models"
    place.mkdir()
    listed = {"painter-1b": entry("Paint-NC", False), "painter-text": entry("MIT", True)}
    (place / "models.yaml").write_text(yaml.safe_dump(listed))
    monkeypatch.setenv("PVTT_MODELS", str(place))
    monkeypatch.delenv("PVTT_DEVICE", raising=False)
    monkeypatch.setattr(devices, "gpu_available", lambda: False)
    return place


@pytest.fixture
def painter(monkeypatch):
    """The stage's settings with `Painter` chosen."""
    module = types.ModuleType("painting_studio")
    module.Painter, module.Judge = Painter, Judge
    monkeypatch.setitem(sys.modules, "painting_studio", module)
    return settings.resolve({"insertion": {"backend": "painting_studio:Painter"}})


def bring(home, *names):
    for name in names:
        (home / name).mkdir()
        (home / name / "config.json").write_text("{}")


class TestPreflight:
    def test_embedded_backends_lack_nothing(self, home):
        resolved = settings.resolve({"commercial_only": True})
        assert requirements.check_requirements(resolved) == []
        assert {requirements.environment(stage, resolved[stage]) for stage in registry.STAGES} == {"core"}
        assert {requirements.gpus_needed(stage, resolved[stage]) for stage in registry.STAGES} == {0}

    def test_everything_is_said_at_once(self, home, painter):
        found = requirements.check_requirements(painter)
        assert [text.split(": ", 1)[0] for text in found] == ["insertion.painter"] * 3 + ["insertion"]
        assert found[0].endswith("package nosuchpackage is not installed; run: make models")
        assert found[1].endswith("painter-1b/config.json is missing; run: pvtt models fetch painter-1b")
        assert found[2].endswith("painter-text/config.json is missing; run: pvtt models fetch painter-text")
        assert found[3].endswith("no GPU is seen; run with --config device=cpu, or with --profile slurm")

    def test_packages_are_the_environments_where_jobs_have_their_own(self, home, painter):
        bring(home, "painter-1b", "painter-text")
        assert requirements.check_requirements(painter, local=False, own_environments=True) == []

    def test_a_gpu_is_asked_for_only_here_and_only_when_it_is_wanted(self, home, painter, monkeypatch):
        def gpu_is_missed(**how):
            return any("no GPU" in text for text in requirements.check_requirements(painter, **how))

        assert gpu_is_missed() and not gpu_is_missed(local=False)
        assert requirements.gpus_needed(STAGE, painter[STAGE]) == 1
        monkeypatch.setenv("PVTT_DEVICE", "cpu")
        assert not gpu_is_missed() and requirements.gpus_needed(STAGE, painter[STAGE]) == 0
        monkeypatch.setenv("PVTT_DEVICE", "cuda")
        assert gpu_is_missed()
        monkeypatch.setattr(devices, "gpu_available", lambda: True)
        assert not gpu_is_missed()

    def test_commercial_only_lists_what_refuses(self, home, painter):
        found = requirements.check_requirements(painter | {"commercial_only": True})
        refusals = [text for text in found if "commercial_only is set" in text]
        assert len(refusals) == 1 and "no commercial use is allowed by painter-1b (Paint-NC)" in refusals[0]

    def test_a_model_that_is_not_registered(self, home, painter, monkeypatch):
        monkeypatch.setattr(Painter, "needs", ("painter-2b",))
        assert any(
            "no model 'painter-2b'" in text
            for text in requirements.check_requirements(painter | {"commercial_only": True})
        )

    def test_stages_with_several_backends(self, home, painter, monkeypatch):
        import pvtt.stages.insertion

        monkeypatch.setattr(
            pvtt.stages.insertion,
            "used_backends",
            lambda stage: [Painter(stage), Judge(stage), Judge(stage)],
            raising=False,
        )
        assert [part.name for part in registry.selected_backends(STAGE, painter[STAGE])] == [
            "painter",
            "judge",
            "judge",
        ]
        assert any(
            "different environments, judging and models" in text for text in requirements.check_requirements(painter)
        )
        assert requirements.environment(STAGE, painter[STAGE]) == "models"


class TestVersion:
    def test_embedded_ones_are_their_backends(self, home):
        for stage in registry.STAGES:
            chosen = settings.stage_defaults(stage)
            if not hasattr(sys.modules[registry.package(stage)], "version"):
                assert registry.stage_version(stage, chosen) == registry.selected_backends(stage, chosen)[0].version

    def test_models_and_their_commits_are_part_of_it(self, home, painter):
        version = registry.stage_version(STAGE, painter[STAGE])
        assert version == f"3, painter-1b@{'e' * 40}, painter-text@{'e' * 40}"


class TestSettingsOfOthers:
    @pytest.fixture
    def schema(self, monkeypatch):
        """`magic`, `wand` and `owl` have settings in the stage's; `wand` reads those of `magic` too."""
        parts = {name: (Steps, Steps()) for name in ("magic", "wand", "owl")}
        grown = create_model("Grown", __base__=InsertionSettings, also=(list[str], []), **parts)
        monkeypatch.setattr(
            settings, "RunSettings", create_model("Run", __base__=RunSettings, insertion=(grown, grown()))
        )
        classes = {"magic": Painter, "wand": type("Wand", (Painter,), {"settings_of": ("magic",)}), "owl": Painter}
        found, known = registry.backend_class, registry.available
        names = registry.selectable_names
        monkeypatch.setattr(registry, "selectable_names", lambda stage: names(stage) | set(classes))
        monkeypatch.setattr(registry, "available", lambda stage: [*known(stage), *classes])
        monkeypatch.setattr(
            registry, "backend_class", lambda stage, name: classes[name] if name in classes else found(stage, name)
        )

    @pytest.mark.parametrize(
        ("chosen", "kept"),
        [
            ({}, set()),
            ({"backend": "magic"}, {"magic"}),
            ({"backend": "magic", "also": ["owl"]}, {"magic", "owl"}),
            ({"backend": "wand"}, {"magic", "wand"}),
        ],
    )
    def test_only_those_of_the_chosen_stay(self, schema, chosen, kept):
        resolved = settings.resolve({"insertion": chosen | {"magic": {"steps": 9}}})["insertion"]
        assert {key for key, value in resolved.items() if isinstance(value, dict)} == kept
        assert "magic" not in kept or resolved["magic"] == {"steps": 9}

    def test_mistakes_in_them_are_still_found(self, schema):
        with pytest.raises(settings.SettingsError, match=r"insertion\.magic\.steps"):
            settings.resolve({"insertion": {"magic": {"steps": "many"}}})

    def test_settings_that_are_no_backends_stay(self):
        assert settings.resolve({})["verdicts"]["pairs"]["weights"]["identity"] == 0.3


class TestProvenance:
    def test_models_and_the_strictest_licence_are_recorded(self, home, painter):
        record = provenance.provenance(Painter(painter[STAGE]), {}, {}, provenance.Stopwatch())
        assert [model.id for model in record.models] == ["painter-1b", "painter-text"]
        first = {"repository": "maker/thing", "commit": "e" * 40, "licence": "Paint-NC", "commercial": False}
        assert record.models[0].model_dump() == {"id": "painter-1b"} | first
        assert record.licence == "Paint-NC"

    def test_seconds_are_those_of_the_work(self):
        class Heavy(Embedded):
            name = "heavy"

            def load(self, device="cpu"):
                time.sleep(0.4)

        watch = provenance.Stopwatch()
        with lifecycle.load_model(Heavy({}), "cpu"):
            time.sleep(0.05)
        assert 0.05 <= watch.seconds < 0.4

    def test_models_of_others_that_took_part(self, home):
        class Plain(Embedded):
            name, version = "plain", "1"

        record = provenance.provenance(Plain({}), {}, {}, provenance.Stopwatch(), further=["painter-text"])
        assert record.licence == "MIT" and len(record.models) == 1
        assert provenance.provenance(Plain({}), {}, {}, provenance.Stopwatch()).licence == "Apache-2.0"


class TestDevices:
    def test_the_run_s_device(self, monkeypatch):
        monkeypatch.setattr(devices, "gpu_available", lambda: True)
        monkeypatch.setenv("PVTT_DEVICE", "cpu")
        devices.set_device("auto")
        assert devices.selected_device() == "cpu"
        monkeypatch.delenv("PVTT_DEVICE")
        assert devices.selected_device() == "cuda"
        devices.set_device("cpu")
        assert devices.requested_device() == devices.selected_device() == "cpu"


PAINTER = """
from pathlib import Path
from pvtt.backends.base import ModelBackend


class Painter(ModelBackend):
    name, version, packages, needs = "painter", "3", (), ("painter-1b",)

    def problems(self):
        with open(Path(__file__).with_suffix(".asked"), "a") as stream:
            stream.write("asked\\n")
        return super().problems()
"""


@pytest.mark.slow
@pytest.mark.xdist_group("run")
class TestWorkflow:
    """The same through Snakemake: nothing is planned, and nothing is run, when something is missing."""

    @pytest.fixture
    def run(self, home, tmp_path, monkeypatch):
        run = Run(tmp_path)
        run.add_product("A", 2, 1)
        (tmp_path / "studio.py").write_text(PAINTER)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "workflow"), str(tmp_path)]))
        return Workflow(run.folder)

    def dry(self, run, *config):
        chosen = 'insertion={"backend": "studio:Painter"}'
        done = run.snakemake("-n", "--cores", "1", "--config", chosen, *config, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_what_is_missing_stops_a_dry_run(self, run, home):
        code, text = self.dry(run)
        assert code != 0 and "the chosen backends cannot run:" in text
        assert "painter-1b/config.json is missing; run: pvtt models fetch painter-1b" in text
        assert "no GPU is seen; run with --config device=cpu" in text
        assert "probe_product" not in text

    def test_a_complete_one_is_planned(self, run, home):
        bring(home, "painter-1b")
        code, text = self.dry(run, "device=cpu")
        assert code == 0 and "probe_product" in text, text
        code, text = self.dry(run, "device=cpu", "commercial_only=true")
        assert code != 0 and "no commercial use is allowed by painter-1b (Paint-NC)" in text

    def test_on_a_cluster_this_machine_needs_no_gpu(self, run, home):
        bring(home, "painter-1b")
        chosen = 'insertion={"backend": "studio:Painter"}'
        done = run.snakemake("-n", "--executor", "slurm", "--jobs", "2", "--config", chosen, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_the_models_folder_is_a_setting(self, run, home, monkeypatch):
        bring(home, "painter-1b")
        monkeypatch.delenv("PVTT_MODELS")
        code, text = self.dry(run, "device=cpu", f"models={home}")
        assert code == 0, text

    def test_jobs_do_not_ask_again(self, run, home):
        bring(home, "painter-1b")
        arguments = ("--cores", "1", "--until", "probe_product", "--config")
        chosen = 'insertion={"backend": "studio:Painter"}'
        run.snakemake(*arguments, chosen, "device=cpu", check=False)
        assert (run.folder / "studio.asked").read_text() == "asked\n"

    def test_the_command(self, home):
        command = [sys.executable, "-m", "pvtt", "models", "list", "painter-1b"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "Paint-NC" in done.stdout
