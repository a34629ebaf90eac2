"""Upkeep of a store: sizes, verification and pruning, by the command `pvtt store`."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from pvtt.cli import main
from pvtt.execution import cache, cache_admin
from pvtt.execution.task import NamedList, Task
from pvtt.io import files

SIZES = {"insert.mp4": 5000, "insert.json": 300}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A results folder whose store has three pairs' entries and a score's."""
    monkeypatch.setenv("PVTT_STORE", str(tmp_path / "results/store"))
    for target in "BCD":
        keep("insert_product", target, tmp_path / "results", SIZES)
    keep("score_pair", "B", tmp_path / "results", {"score.json": 100})
    return tmp_path / "results"


def keep(rule, target, results, sizes):
    """Make and keep one entry whose files have these sizes in bytes; the entry's folder."""
    paths = [results / "pairs" / target / name for name in sizes]
    for path, size in zip(paths, sizes.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps("x" * (size - 2)))
    task = Task(
        rule=rule, script="", input=NamedList(), output=NamedList(map(str, paths)),
        params=NamedList(["1"], {"version": "1"}),
        wildcards=NamedList([target], {"target": target}), resources=NamedList(), log=NamedList(),
    )  # fmt: skip
    task.key = cache.compute_key(task)
    cache.save(task)
    return cache.entry_folder(task)


def summary(capsys, *arguments, status=0):
    assert main(["store", *map(str, arguments), "--json"]) == status
    return json.loads(capsys.readouterr().out)


def of(found, rule):
    return found["rules"][rule]


def test_sizes_by_rule_and_what_is_the_stores_alone(results, capsys):
    found = summary(capsys, results)
    assert set(found["rules"]) == {"insert_product", "score_pair"}
    of_pairs = of(found, "insert_product")
    assert (of_pairs["entries"], of_pairs["unreferenced"], of_pairs["damaged"]) == (3, 0, 0)
    # Results hold the outputs, so that the entries' own files are all that the store costs.
    assert of_pairs["bytes"] - of_pairs["exclusive_bytes"] == 3 * 5300
    shutil.rmtree(results / "pairs/C")
    of_pairs = of(summary(capsys, results / "store"), "insert_product")
    assert of_pairs["bytes"] - of_pairs["exclusive_bytes"] == 2 * 5300 and of_pairs["unreferenced"] == 1
    assert main(["store", str(results)]) == 0
    said = capsys.readouterr().out
    entries = {line.split()[0]: line.split()[1] for line in said.splitlines() if line}
    assert entries["insert_product"] == "3" and entries["score_pair"] == "1" and str(results / "store") in said


def test_prune_lists_first_and_deletes_only_what_nothing_holds(results, capsys):
    shutil.rmtree(results / "pairs/C")
    files.link_or_copy(results / "pairs/D/insert.mp4", results / "dataset.mp4")
    shutil.rmtree(results / "pairs/D")
    before = sorted((results / "store").rglob("*"))
    assert main(["store", str(results), "--prune"]) == 0
    said = capsys.readouterr().out
    assert said.count("to delete: insert_product/") == 1 and "C (1, 20" in said and "--yes" in said
    assert sorted((results / "store").rglob("*")) == before
    pruned = summary(capsys, results, "--prune", "--yes")["pruned"]
    assert len(pruned) == 1 and not Path(pruned[0]).exists()
    found = summary(capsys, results)
    assert found["total"]["entries"] == 3 and found["total"]["unreferenced"] == 0
    assert (results / "pairs/B/insert.mp4").stat().st_size == SIZES["insert.mp4"]


def test_copies_count_as_long_as_they_are_there(results, capsys, monkeypatch):
    def refuse(*_):
        raise OSError("links are not possible here")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        keep("insert_product", "E", results, SIZES)
    assert summary(capsys, results)["total"]["unreferenced"] == 0
    (results / "pairs/E/insert.mp4").write_text("another")
    assert of(summary(capsys, results), "insert_product")["unreferenced"] == 1


def test_verify_reads_every_file_and_prune_takes_the_damaged(results, capsys):
    (results / "pairs/B/insert.mp4").write_text(json.dumps("y" * 4998))  # through the link, as no writer of ours does
    assert summary(capsys, results)["total"]["damaged"] == 0
    found = summary(capsys, results, "--verify", status=1)
    assert of(found, "insert_product")["damaged"] == 1 and list(found["damage"].values()) == ["0.mp4 was changed"]
    assert main(["store", str(results), "--verify"]) == 1
    said = capsys.readouterr()
    assert "damaged: insert_product/" in said.out and "verifying" in said.err
    assert len(summary(capsys, results, "--verify", "--prune", "--yes")["pruned"]) == 1
    assert summary(capsys, results, "--verify")["total"]["entries"] == 3


def test_what_killed_writers_left_goes_after_a_day(results, capsys):
    two = next((results / "store/insert_product").iterdir())
    new, old = two / f".{'a' * 32}.{'0' * 8}", two / f".{'a' * 32}.{'1' * 8}"
    for folder in (new, old):
        folder.mkdir()
        (folder / "0.mp4").write_text("half")
    two_days_ago = time.time() - 2 * 86_400
    os.utime(old, (two_days_ago, two_days_ago))
    assert summary(capsys, results)["total"]["entries"] == 4
    assert summary(capsys, results, "--prune", "--yes")["pruned"] == [str(old)]
    assert new.is_dir() and not old.exists()


def test_a_store_that_was_emptied_is_a_store(results, capsys):
    shutil.rmtree(results / "pairs")
    assert len(summary(capsys, results, "--prune", "--yes")["pruned"]) == 4
    assert not list((results / "store").iterdir())
    assert summary(capsys, results / "store")["total"]["entries"] == 0


def test_nothing_else_is_touched(tmp_path, results, capsys):
    for name in ("notes.txt", "insert_product/notes.txt", "insert_product/other/file", "other/ab/file"):
        (results / "store" / name).parent.mkdir(parents=True, exist_ok=True)
        (results / "store" / name).write_text("mine")
    assert summary(capsys, results, "--prune", "--yes")["pruned"] == []
    assert len([path for path in (results / "store").rglob("*") if path.is_file() and path.read_text() == "mine"]) == 4
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_text("")
    for place in ("photos", "nowhere"):
        assert main(["store", str(tmp_path / place), "--prune", "--yes"]) == 1
        assert "neither a store" in capsys.readouterr().err
    assert (tmp_path / "photos/a.jpg").exists()
    assert main(["store", str(results), "--yes"]) == 1


def test_sizes_are_readable():
    sizes = {0: "0 B", 999: "999 B", 999.9: "1 kB", 12_345: "12.3 kB", 2.5e9: "2.5 GB"}
    assert {count: cache_admin.format_size(count) for count in sizes} == sizes
