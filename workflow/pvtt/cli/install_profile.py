"""Link the repository's SLURM profile to where Snakemake looks for it.

Run it as `python -m pvtt.cli.install_profile profiles/slurm`.

`snakemake --profile slurm` searches the working directory and the user's configuration folder, not `profiles/`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def link_profile(profile: Path, home: Path) -> str:
    """Link `home`/<name> to `profile` and return a message. Another profile of this name is not overwritten."""
    profile = profile.resolve()
    link = home / profile.name
    if link.is_symlink() and link.resolve() == profile:
        return f"{link} already points to {profile}"
    if link.is_symlink() and not link.exists():
        link.unlink()
    if link.exists() or link.is_symlink():
        return f"{link} is another profile and was left alone; run with --profile {profile} instead"
    home.mkdir(parents=True, exist_ok=True)
    link.symlink_to(profile, target_is_directory=True)
    return f"linked {link} to {profile}: snakemake --profile {profile.name}"


def _home() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "snakemake"


if __name__ == "__main__":
    print(link_profile(Path(sys.argv[1]), _home()))
