"""An interrupted run cancels all of its SLURM jobs, by their common name."""

from types import SimpleNamespace

import pytest

from pvtt.execution.cluster import cancel_submitted_jobs


@pytest.fixture
def scancel(tmp_path, monkeypatch):
    """A stand-in for scancel that writes down its arguments and fails when the folder holds a file `fail`."""
    program = tmp_path / "scancel"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ -e {tmp_path}/fail ] && echo "no controller" >&2\n'
        f"[ ! -e {tmp_path}/fail ]\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("LOGNAME", "someone")
    return tmp_path


def run_of(**executor):
    return SimpleNamespace(scheduler=SimpleNamespace(_executor=SimpleNamespace(**executor)))


def test_the_jobs_of_the_run_are_cancelled(scancel):
    cancel_submitted_jobs(run_of(run_uuid="1234"))
    assert (scancel / "calls").read_text() == "--name=1234 --user=someone\n"


@pytest.mark.parametrize("workflow", [run_of(), SimpleNamespace(), SimpleNamespace(scheduler=None)])
def test_without_a_run_on_slurm_nothing_is_called(scancel, workflow):
    cancel_submitted_jobs(workflow)
    assert not (scancel / "calls").exists()


def test_a_failed_scancel_names_the_run(scancel, capsys):
    (scancel / "fail").touch()
    cancel_submitted_jobs(run_of(run_uuid="1234"))
    assert "squeue --name=1234" in (said := capsys.readouterr().err) and "no controller" in said
