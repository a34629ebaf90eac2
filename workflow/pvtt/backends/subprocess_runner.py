"""Run programs of other Python environments with a time limit, and exchange frames as folders of PNG files.

A model with conflicting packages runs as a program with an input and an output folder. Its process group is killed when
it is done, when it exceeds its time, or when this process ends in any way: a guard process waits for the end of a pipe
that only this process holds, so that even `kill -9` leaves no GPU busy.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from pvtt.io.git import checkout_commit
from pvtt.io.images import read_rgba
from pvtt.io.video import MediaError

Array = np.ndarray

_TAIL_LINES = 12  # lines of a program's output in an error message
_TAIL_CHARACTERS = 1500  # and at most so many characters
# Environment variables that would change the imports of the other interpreter; and those that keep it offline.
_DROPPED = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
_OFFLINE = {"PYTHONNOUSERSITE": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
_INSTALLATION = re.compile(r"ModuleNotFoundError|ImportError|No module named|cannot open shared object|CUDA driver")
_GUARD = 'read -r word; [ "$word" = done ] || kill -s KILL -- "-$1"'


class ExternalError(RuntimeError):
    """A program failed.

    tail: end of its output. installation: it cannot work for any input, because the interpreter, a package or a driver
    is missing.
    """

    def __init__(self, message: str, tail: str = "", installation: bool = False) -> None:
        super().__init__(f"{message}; it said:\n{tail}" if tail else message)
        self.tail = tail
        self.installation = installation

    @property
    def out_of_memory(self) -> bool:
        """Whether the program ran out of memory."""
        return "out of memory" in self.tail.lower()


def uncacheable(error: BaseException) -> dict[str, bool]:
    """Fields of a record: a failure caused by a program, not by the data, is not cached (`"keep": false`)."""
    return {"keep": False} if isinstance(error.__cause__, ExternalError) else {}


# ---------------------------------------------------------------- running


def run(
    command: Sequence[str | Path],
    cwd: Path,
    log: Path,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a program. None of its processes keeps running, except in a session of its own.

    Parameters
    ----------
    command
        Program and arguments.
    cwd
        Working directory.
    log
        File for its output.
    timeout_s
        Time limit, s.
    environment
        Variables added to those of `clean_environment`.

    Raises
    ------
    ExternalError
        If it cannot be started, fails or exceeds the time limit.
    """
    name = Path(command[0]).name + (f" {Path(command[1]).name}" if len(command) > 1 else "")
    with open(log, "wb") as output:
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                env=clean_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ExternalError(f"{command[0]} cannot be started: {error.strerror}", installation=True) from error
        with _guarded(process):
            try:
                code = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                reason = f"{name} was stopped after {timeout_s:g} s (timeout_s)"
                raise ExternalError(reason, log_tail(log)) from None
    if code != 0:
        tail = log_tail(log)
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        raise ExternalError(f"{name} {how}", tail, installation=bool(_INSTALLATION.search(tail)))


@contextmanager
def _guarded(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill the process group of a session leader when the block ends, or when this process ends before that."""
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "guard", str(process.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with suppress(BrokenPipeError):
            guard.communicate(b"done\n")


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment variables without those that lead to packages of this interpreter, and with hubs offline."""
    kept = {key: value for key, value in os.environ.items() if key not in _DROPPED}
    return kept | _OFFLINE | dict(extra or {})


def log_tail(log: Path) -> str:
    """Last lines of the output of a program; of a progress bar, the last state."""
    text = log.read_bytes()[-64_000:].decode("utf-8", "replace")
    lines = [line.split("\r")[-1].rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    return "\n".join([line for line in lines if line][-_TAIL_LINES:])[-_TAIL_CHARACTERS:]


# ---------------------------------------------------------------- frames in folders


def write_frames(folder: Path, frames: Iterable[Array]) -> int:
    """Write frames to a folder as 00000.png, 00001.png and so on.

    Parameters
    ----------
    folder : Path
        It is created if it does not exist.
    frames : iterable of uint8 (h, w, 3) RGB, uint8 (h, w), or bool (h, w)
        Bool is written as 0 and 255.

    Returns
    -------
    int
        Number of frames.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = -1
    for count, frame in enumerate(frames):
        pixels = frame.astype(np.uint8) * 255 if frame.dtype == bool else frame
        Image.fromarray(pixels).save(folder / f"{count:05d}.png", compress_level=1)
    return count + 1


def frame_paths(folder: Path, n_frames: int, size: tuple[int, int], log: Path | None = None) -> list[Path]:
    """PNG files of a folder by name; ExternalError unless there are `n_frames` of `size` (width, height)."""
    tail = log_tail(log) if log is not None and log.is_file() else ""
    paths = sorted(folder.glob("*.png"))
    if len(paths) != n_frames:
        raise ExternalError(f"{len(paths)} frames were written to {folder.name}/, not {n_frames}", tail)
    for path in paths:
        try:
            with Image.open(path) as image:
                found = image.size
        except OSError:
            raise ExternalError(f"{folder.name}/{path.name} cannot be read as an image", tail) from None
        if found != size:
            wrong = f"{found[0]}x{found[1]} pixels, not {size[0]}x{size[1]}"
            raise ExternalError(f"{folder.name}/{path.name} has {wrong}", tail)
    return paths


def read_frame(path: Path) -> Array:
    """Read a frame, uint8 (h, w, 3), RGB; ExternalError if it is damaged."""
    try:
        return np.ascontiguousarray(read_rgba(path)[..., :3])
    except MediaError as error:
        raise ExternalError(str(error)) from error


# ---------------------------------------------------------------- what is installed


@contextmanager
def scratch_dir(title: str, fault: type[Exception]) -> Iterator[TemporaryDirectory[str]]:
    """Temporary folder under TMPDIR for the program `title`; on an error, it is deleted at the end of the block.

    Otherwise it is deleted when it is closed or garbage-collected. An ExternalError is raised as `fault`, except for an
    error of the installation.
    """
    place = TemporaryDirectory(prefix=f"pvtt-{title.lower()}-", ignore_cleanup_errors=True)
    try:
        yield place
    except ExternalError as error:
        place.cleanup()
        if error.installation:
            raise
        raise fault(f"{title}: {error}") from error
    except BaseException:
        place.cleanup()
        raise


def interpreter(setting: str) -> str:
    """Path of the Python of another environment: the setting, or the current interpreter if it is empty."""
    return setting or sys.executable


def interpreter_problems(key: str, setting: str, modules: Sequence[str], mend: str) -> list[str]:
    """Check an interpreter and its modules, one sentence per problem; `key` names the setting."""
    python = interpreter(setting)
    if shutil.which(python) is None:
        return [f"{key}: {python} is no program; set it to the Python of the environment, or {mend}"]
    code = "import importlib.util as u, sys; print(*[m for m in sys.argv[1:] if u.find_spec(m) is None])"
    try:
        done = subprocess.run(
            [python, "-c", code, *modules],
            capture_output=True,
            text=True,
            env=clean_environment(),
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return [f"{key}: {python} does not answer; set it to the Python of the environment, or {mend}"]
    if done.returncode != 0:
        return [f"{key}: {python} is not a working Python; set it to the Python of the environment, or {mend}"]
    return [f"{key}: {python} lacks the package {name}; {mend}" for name in done.stdout.split()]


def checkout_problems(key: str, folder: Path, files: Sequence[str], commit: str, mend: str) -> list[str]:
    """Check a checkout for missing files and a wrong commit, one sentence per problem."""
    missing = [f"{key}: {folder / file} is missing; {mend}" for file in files if not (folder / file).is_file()]
    found = checkout_commit(folder)
    if found is not None and not found.startswith(commit):
        missing.append(f"{key}: {folder} is at commit {found[:10]}, not {commit[:10]}; run: git checkout {commit}")
    return missing
