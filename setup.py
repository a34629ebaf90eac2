"""Puts copies of the project's files that the library reads into the wheel; everything else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
CALIBRATIONS = "resources/calibration"  # a checkout may have none
FILES = ("workflow/schemas", "resources/models.yaml", "resources/costs.yaml", CALIBRATIONS, "config")


class BuildWithProjectFiles(build_py):
    """Also copies `FILES` to `pvtt/project`, where `pvtt.io.project_files` looks for them."""

    def run(self) -> None:
        """Build the package, then copy; an editable install reads the checkout itself."""
        super().run()
        if self.editable_mode:
            return
        for name in FILES:
            target = Path(self.build_lib, "pvtt", "project", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target, dirs_exist_ok=True)
            elif (ROOT / name).exists() or name != CALIBRATIONS:
                shutil.copyfile(ROOT / name, target)


setup(cmdclass={"build_py": BuildWithProjectFiles})
