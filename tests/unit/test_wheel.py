"""The library installed from a wheel, away from the checkout."""

import os
import subprocess
import sys

import pytest

from conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Run Python with the library of a wheel that was built here; the folder it is installed in comes first."""
    folder = tmp_path_factory.mktemp("wheel")
    # A copy, so that the checkout gets no build folder.
    (folder / "source").mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "setup.py", "pyproject.toml", "README.md",
         "LICENSE", "MANIFEST.in", "config", "resources/*.yaml", "resources/calibration", "workflow"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    subprocess.run(["cp", "--parents", *listed.split(), str(folder / "source")], cwd=ROOT, check=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *alone, "-w", str(folder), str(folder / "source")], check=True)
    (wheel,) = folder.glob("pvtt-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)], check=True)

    def python(*arguments):
        environment = os.environ | {"PYTHONPATH": str(folder / "site")}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    return python


def test_its_commands_work(installed):
    assert str(installed("-c", "import pvtt; print(pvtt.__file__)")).strip().endswith("site/pvtt/__init__.py")
    assert installed("-m", "pvtt", "--version").startswith("pvtt ")
    assert "dinov2-base" in installed("-m", "pvtt", "models", "list")


def test_it_has_the_files_that_it_reads(installed):
    code = (
        "from pvtt.config import settings\n"
        "from pvtt.io.project_files import project_or_own_file\n"
        "from pvtt.reporting.estimate.unit_costs import costs\n"
        "from pvtt.stages.pairs.taxonomy import Taxonomy\n"
        "found = settings.resolve(settings.read())\n"
        "Taxonomy.read(project_or_own_file(found['pairs']['taxonomy']))\n"
        "settings.load_schema('track'), costs()['assumptions']\n"
        "print(found['pairs']['taxonomy'])"
    )
    assert installed("-c", code).strip() == "config/taxonomy.yaml"


def test_its_templates_are_inside(installed):
    code = (
        "import pathlib, pvtt\n"
        "print(*sorted(p.suffix for p in pathlib.Path(pvtt.__file__).parent.rglob('*') if p.suffix != '.py'))"
    )
    suffixes = set(installed("-c", code).split())
    checkout = {path.suffix for path in (ROOT / "workflow/pvtt").rglob("*") if path.is_file()} - {".py"}
    assert {".html", ".css", ".js"} <= suffixes and checkout <= suffixes
