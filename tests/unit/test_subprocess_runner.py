"""Programs of other environments: what they see of ours, what is kept of what they say, what they leave."""

import sys

import numpy as np
import pytest
from PIL import Image

from pvtt.backends import subprocess_runner


def run(tmp_path, code: str, **options) -> str:
    subprocess_runner.run([sys.executable, "-c", code], tmp_path, tmp_path / "log", 20, **options)
    return subprocess_runner.log_tail(tmp_path / "log")


def test_our_packages_are_not_handed_on_and_hubs_are_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("KEPT", "yes")
    code = "import os; print([os.environ.get(k) for k in ('PYTHONPATH', 'KEPT', 'HF_HUB_OFFLINE', 'MORE')])"
    assert run(tmp_path, code, environment={"MORE": "1"}) == "[None, 'yes', '1', '1']"


def test_of_a_progress_bar_the_last_state_is_kept_and_of_much_output_the_end(tmp_path):
    assert run(tmp_path, "print('begin'); print('10%\\r50%\\r100%'); print('end')") == "begin\n100%\nend"
    said = run(tmp_path, "for i in range(5000): print('line', i)").split("\n")
    assert said[-1] == "line 4999" and len(said) == 12


def test_a_failure_says_how_and_with_which_last_words(tmp_path):
    with pytest.raises(
        subprocess_runner.ExternalError, match=r"(?s)ended with status 3; it said:\nlast words"
    ) as caught:
        run(tmp_path, "import sys; print('last words'); sys.exit(3)")
    assert not caught.value.installation and not caught.value.out_of_memory
    with pytest.raises(subprocess_runner.ExternalError, match="was ended by SIGKILL"):
        run(tmp_path, "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(subprocess_runner.ExternalError, match="cannot be started") as caught:
        subprocess_runner.run(["/nowhere/program"], tmp_path, tmp_path / "log", 1)
    assert caught.value.installation


def test_frames_come_back_as_they_went_and_wrong_ones_are_named(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (3, 6, 8, 3), np.uint8)
    assert subprocess_runner.write_frames(tmp_path / "a", frames) == 3
    paths = subprocess_runner.frame_paths(tmp_path / "a", 3, (8, 6))
    assert [path.name for path in paths] == ["00000.png", "00001.png", "00002.png"]
    assert np.array_equal(np.stack([subprocess_runner.read_frame(path) for path in paths]), frames)
    assert subprocess_runner.write_frames(tmp_path / "b", [np.eye(4, dtype=bool)]) == 1
    assert np.array_equal(subprocess_runner.read_frame(tmp_path / "b" / "00000.png")[..., 0], 255 * np.eye(4))
    with pytest.raises(subprocess_runner.ExternalError, match="3 frames were written to a/, not 4"):
        subprocess_runner.frame_paths(tmp_path / "a", 4, (8, 6))
    with pytest.raises(subprocess_runner.ExternalError, match=r"a/00000\.png has 8x6 pixels, not 6x8"):
        subprocess_runner.frame_paths(tmp_path / "a", 3, (6, 8))
    paths[1].write_bytes(paths[1].read_bytes()[:20])
    with pytest.raises(subprocess_runner.ExternalError, match=r"00001\.png cannot be read"):
        subprocess_runner.frame_paths(tmp_path / "a", 3, (8, 6))
    Image.fromarray(frames[0]).save(paths[1])


def test_an_interpreter_is_asked_for_its_modules(tmp_path):
    assert subprocess_runner.interpreter_problems("a.python", "", ["json"], "make a") == []
    (problem,) = subprocess_runner.interpreter_problems(
        "a.python", sys.executable, ["json", "no_such_module"], "make a"
    )
    assert problem == f"a.python: {sys.executable} lacks the package no_such_module; make a"
    (problem,) = subprocess_runner.interpreter_problems("a.python", "/bin/false", [], "make a")
    assert "is not a working Python" in problem
