"""Files of the project that the library reads: schemas, registry of models, costs, taxonomy, configuration.

They lie in the checkout, at the paths that users know. A wheel has copies of them inside the package (`setup.py`).
"""

from __future__ import annotations

from pathlib import Path

_INSTALLED = Path(__file__).parents[1] / "project"
_CHECKOUT = Path(__file__).parents[3]


def project_file(name: str | Path) -> Path:
    """Find a file or folder of the project.

    Parameters
    ----------
    name
        Path relative to the checkout, such as `resources/models.yaml`. An absolute path stays as it is.

    Returns
    -------
    Path
        Its place: in the installed package where that has copies, else in the checkout. It need not exist.
    """
    return (_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT) / name


def project_or_own_file(name: str | Path) -> Path:
    """Find a file that a setting names: one of the project, else one relative to the working directory."""
    found = project_file(name)
    return found if found.is_file() else Path(name).absolute()
