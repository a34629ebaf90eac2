"""Commits of checkouts, read from git's files."""

import pytest

from pvtt.io.git import checkout_commit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def git(tmp_path):
    folder = tmp_path / ".git"
    (folder / "refs" / "heads").mkdir(parents=True)
    return folder


def test_a_detached_checkout(tmp_path, git):
    (git / "HEAD").write_text(f"{COMMIT}\n")
    assert checkout_commit(tmp_path) == COMMIT


def test_a_checkout_on_a_branch(tmp_path, git):
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert checkout_commit(tmp_path) is None, "no commit yet"
    (git / "packed-refs").write_text(
        f"# pack-refs with: peeled\n{'f' * 40} refs/heads/other\n{COMMIT} refs/heads/main\n"
    )
    assert checkout_commit(tmp_path) == COMMIT
    (git / "refs" / "heads" / "main").write_text(f"{'a' * 40}\n")
    assert checkout_commit(tmp_path) == "a" * 40


def test_no_checkout(tmp_path):
    assert checkout_commit(tmp_path) is None
