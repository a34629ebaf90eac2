"""State of git checkouts, read from their files; git need not be installed."""

from __future__ import annotations

from pathlib import Path


def checkout_commit(folder: Path) -> str | None:
    """Commit that a git checkout is at, detached or on a branch; None if the folder is not a checkout with a commit."""
    git = folder / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head or None
        reference = head.removeprefix("ref: ")
        if (git / reference).is_file():
            return (git / reference).read_text(encoding="utf-8").strip()
        packed = (git / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(" " + reference)), None)
    except OSError:
        return None
