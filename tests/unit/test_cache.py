"""The store: what a key depends on, entries that are whole or absent, links, copies and what goes wrong."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pvtt.execution import cache, job
from pvtt.execution.task import NamedList, Task
from pvtt.io import files


@pytest.fixture
def task(tmp_path, monkeypatch):
    """A task with named, listed and unnamed inputs and three outputs; a store in the folder `store`."""
    monkeypatch.setenv("PVTT_STORE", str(tmp_path / "store"))
    (tmp_path / "in").mkdir()
    for name in ("loose", "video", "one", "two"):
        (tmp_path / "in" / name).write_text(f"content of {name}")
    (tmp_path / "in/record.json").write_text(json.dumps({"status": "done", "provenance": {"seconds": 1.5}}))
    paths = {name: str(tmp_path / "in" / name) for name in ("loose", "video", "one", "two", "record.json")}
    inputs = {"video": paths["video"], "record": paths["record.json"], "photos": [paths["one"], paths["two"]]}
    flat = [paths["loose"], paths["video"], paths["record.json"], paths["one"], paths["two"]]
    outputs = {name: str(tmp_path / f"results/a/{name}") for name in ("insert.mp4", "mask.mkv", "insert.json")}
    params = {
        "settings": {"grow_px": 4, "share": 0.5, "names": ["x"]},
        "version": "composite 1",
        "beside": ["raw.json"],
    }
    return Task(
        rule="insert_product",
        script="insert_product.py",
        input=NamedList(flat, inputs),
        output=NamedList(outputs.values(), {name.split(".")[1]: path for name, path in outputs.items()}),
        params=NamedList(params.values(), params),
        wildcards=NamedList(["A_s01", "B"], {"clip": "A_s01", "target": "B"}),
        resources=NamedList([1], {"gpu": 1}),
        log=NamedList([str(tmp_path / "log")]),
    )


def write_outputs(task, text="made"):
    for path in map(Path, task.output):
        if path.suffix == ".json":
            files.write_json(path, {"status": "done", "text": text})
        else:
            with files.atomic_path(path) as aside:
                aside.write_text(f"{text} {path.name}")


def kept(task, text="made"):
    """The task's entry, made and kept."""
    task.input_mtimes, task.key = cache.fingerprint_mtime(task), cache.compute_key(task)
    write_outputs(task, text)
    cache.save(task)
    return cache.entry_folder(task)


def read(task):
    return [Path(path).read_bytes() for path in task.output]


def delete_outputs(task):
    for path in task.output:
        Path(path).unlink()


def moved(task, folder):
    """The same task with its outputs in another results folder."""
    paths = {name: str(folder / Path(path).name) for name, path in task.output.names.items()}
    return replace(task, output=NamedList(paths.values(), paths))


# ---------------------------------------------------------------- keys


def params(task, **changes):
    values = task.params.names | changes
    return replace(task, params=NamedList(values.values(), values))


@pytest.mark.parametrize(
    "change",
    [
        lambda task: replace(task, rule="score_pair"),
        lambda task: replace(task, wildcards=NamedList(["A_s02", "B"], {"clip": "A_s02", "target": "B"})),
        lambda task: replace(task, wildcards=NamedList(["A_s01", "B"], {"clip": "A_s01", "image": "B"})),
        lambda task: params(task, version="composite 2"),
        lambda task: params(task, settings={"grow_px": 5, "share": 0.5, "names": ["x"]}),
        lambda task: params(task, settings={"grow_px": 4, "share": 0.5, "names": ["y"]}),
        lambda task: params(task, prompt=""),
        lambda task: replace(
            task, input=NamedList(task.input[:-1], task.input.names | {"photos": task.input.photos[:1]})
        ),
        lambda task: replace(task, input=NamedList(task.input, task.input.names | {"photos": task.input.photos[::-1]})),
        lambda task: replace(task, input=NamedList(task.input, task.input.names | {"video": task.input[0]})),
        lambda task: replace(task, output=NamedList(task.output[:2], {})),
    ],
)
def test_a_key_depends_on_rule_wildcards_params_roles_and_outputs(task, change):
    assert cache.compute_key(change(task)) != cache.compute_key(task)


@pytest.mark.parametrize("name", ["loose", "video", "one", "two"])
def test_a_key_depends_on_the_content_of_every_input(task, tmp_path, name):
    before, path = cache.compute_key(task), tmp_path / "in" / name
    path.write_text("content of nobody")
    changed = cache.compute_key(task)
    path.write_text("")
    assert len({before, changed, cache.compute_key(task)}) == 3


def test_a_key_depends_on_what_a_record_says_but_for_its_provenance(task, tmp_path):
    before, path = cache.compute_key(task), tmp_path / "in/record.json"
    path.write_text(json.dumps({"provenance": {"seconds": 9, "pvtt": "2"}, "status": "done"}, indent=3))
    assert cache.compute_key(task) == before
    path.write_text(json.dumps({"status": "failed", "provenance": {"seconds": 1.5}}))
    changed = cache.compute_key(task)
    path.write_text("")
    assert len({before, changed, cache.compute_key(task)}) == 3


def test_a_key_does_not_depend_on_paths_times_the_script_or_the_machine(task, tmp_path):
    before = cache.compute_key(task)
    shutil.copytree(tmp_path / "in", tmp_path / "elsewhere")
    os.utime(tmp_path / "elsewhere/video", (1, 1))

    def elsewhere(value):
        if isinstance(value, list):
            return [elsewhere(part) for part in value]
        return str(tmp_path / "elsewhere" / Path(value).name)

    inputs = NamedList(elsewhere(task.input), {name: elsewhere(value) for name, value in task.input.names.items()})
    other = replace(
        moved(task, tmp_path / "other"),
        input=inputs, script="edited.py", threads=8, resources=NamedList(), log=NamedList([str(tmp_path / "log2")]),
    )  # fmt: skip
    assert cache.compute_key(other) == before


def test_equal_numbers_and_another_order_give_the_same_key(task):
    settings = {"names": ("x",), "share": 0.50, "grow_px": 4.0}
    assert cache.compute_key(params(task, settings=settings)) == cache.compute_key(task)
    assert cache.compute_key(params(task, settings=settings | {"grow_px": True})) != cache.compute_key(task)


def test_a_key_stays_what_it_was(tmp_path):
    """Entries of earlier versions must be found: whoever changes how keys are made pays for everything again."""
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    task = Task(
        rule="cut_out_product", script="", input=NamedList([str(tmp_path / "photo.jpg")]), output=NamedList(["1.png"]),
        params=NamedList([{"grow_px": 2}], {"settings": {"grow_px": 2}}), wildcards=NamedList(["A"], {"product": "A"}),
        resources=NamedList(), log=NamedList(),
    )  # fmt: skip
    assert cache.compute_key(task) == "2efb4fda89813a4e0c9e75e493f0aed4"


# ---------------------------------------------------------------- taking and keeping


def test_what_is_kept_is_taken_as_links_and_says_what_it_is(task):
    folder = kept(task)
    before = read(task)
    delete_outputs(task)
    assert cache.restore(task) and read(task) == before
    assert all(Path(path).stat().st_nlink == 2 for path in task.output)
    entry = files.read_json(folder / "entry.json")
    assert (entry["key"], entry["rule"], entry["version"]) == (task.key, "insert_product", "composite 1")
    assert entry["wildcards"] == {"clip": "A_s01", "target": "B"}
    assert [file["name"] for file in entry["files"]] == ["0.mp4", "1.mkv", "2.json"]
    assert folder.relative_to(cache.root()).parts == ("insert_product", task.key[:2], task.key)
    assert sorted(path.name for path in folder.parent.iterdir()) == [task.key]


def test_nothing_is_taken_that_is_not_there(task):
    task.key = cache.compute_key(task)
    assert not cache.restore(task)
    assert not any(Path(path).exists() for path in task.output)


def test_a_replaced_result_leaves_the_store_as_it_was(task):
    kept(task)
    before = read(task)
    write_outputs(task, "another")
    delete_outputs(task)
    assert cache.restore(task) and read(task) == before


@pytest.mark.parametrize("harm", ["changed", "short", "lost", "no entry", "no JSON", "less outputs"])
def test_a_damaged_entry_is_removed_and_said(task, caplog, harm):
    folder = kept(task)
    delete_outputs(task)
    if harm == "changed":
        (folder / "0.mp4").write_text("MADE insert.mp4")
    elif harm == "short":
        (folder / "1.mkv").write_text("")
    elif harm == "lost":
        (folder / "1.mkv").unlink()
    elif harm == "no entry":
        (folder / "entry.json").unlink()
    elif harm == "no JSON":
        (folder / "entry.json").write_text("{")
    else:
        entry = files.read_json(folder / "entry.json")
        files.write_json(folder / "entry.json", entry | {"files": entry["files"][:2]})
    assert cache.check(folder, 3)
    assert not cache.restore(task)
    assert not folder.exists() and not list(folder.parent.iterdir())
    assert "damaged" in caplog.text and task.key in caplog.text
    write_outputs(task)
    cache.save(task)
    assert not cache.check(folder, 3)


@pytest.mark.parametrize("after", range(4))
def test_a_kill_between_two_files_leaves_no_entry(task, monkeypatch, after):
    calls = []

    def killed(*arguments):
        if len(calls) == after:
            raise KeyboardInterrupt
        calls.append(arguments)
        return link_or_copy(*arguments)

    link_or_copy = cache.link_or_copy
    monkeypatch.setattr(cache, "link_or_copy", killed)
    monkeypatch.setattr(cache, "write_json", killed)
    monkeypatch.setattr(cache.shutil, "rmtree", lambda *_, **__: None)  # the killed leave what they have
    with pytest.raises(KeyboardInterrupt):
        kept(task)
    assert len(calls) == after
    folder = cache.entry_folder(task)
    assert not folder.exists() and not cache.restore(task)
    monkeypatch.undo()
    monkeypatch.setenv("PVTT_STORE", str(folder.parents[2]))
    cache.save(task)
    assert not cache.check(folder)


def test_of_two_writers_the_first_one_stays(task, tmp_path, monkeypatch, caplog):
    other = moved(task, tmp_path / "other")
    rename = os.rename

    def late(aside, folder):
        monkeypatch.setattr(os, "rename", rename)
        kept(other, "first")
        rename(aside, folder)

    monkeypatch.setattr(os, "rename", late)
    folder = kept(task, "second")
    assert (folder / "0.mp4").read_text() == "first insert.mp4"
    assert not cache.check(folder) and not caplog.text
    assert sorted(path.name for path in folder.parent.iterdir()) == [task.key]
    assert cache.consumers(folder) == [Path(other.output[0]), Path(task.output[0])]


def test_results_of_two_folders_share_no_times(task, tmp_path):
    kept(task)
    other = moved(task, tmp_path / "other")
    assert cache.restore(other) and read(other) == read(task)
    assert not any(os.path.samefile(mine, its) for mine, its in zip(task.output, other.output, strict=True))
    delete_outputs(other)
    delete_outputs(task)
    assert cache.restore(other)
    assert all(Path(path).stat().st_nlink == 2 for path in other.output)  # nobody else's any more


def test_a_published_link_does_not_make_a_copy(task, tmp_path):
    kept(task)
    files.link_or_copy(task.output[0], tmp_path / "dataset.mp4")
    delete_outputs(task)
    assert cache.restore(task)
    assert os.path.samefile(task.output[0], tmp_path / "dataset.mp4")


def test_files_are_copied_where_links_are_impossible(task, monkeypatch):
    def refuse(*_):
        raise OSError("links are not possible here")

    monkeypatch.setattr(os, "link", refuse)
    folder = kept(task)
    before = read(task)
    delete_outputs(task)
    assert cache.restore(task) and read(task) == before and not cache.check(folder)
    assert all(Path(path).stat().st_nlink == 1 for path in task.output)


def test_failed_items_are_kept_but_not_what_says_no(task):
    task.input_mtimes, task.key = cache.fingerprint_mtime(task), cache.compute_key(task)
    for path in task.output[:2]:
        files.write_empty(path)
    files.write_json(task.output[2], {"status": "failed", "reason": "a worker died", "keep": False})
    cache.save(task)
    assert not cache.root().exists()
    files.write_json(task.output[2], {"status": "failed", "reason": "the cut-out has no opaque pixel"})
    cache.save(task)
    delete_outputs(task)
    assert cache.restore(task) and Path(task.output[0]).stat().st_size == 0


def test_files_beside_are_kept_and_never_replaced(task, tmp_path):
    raw = tmp_path / "results/a/raw.json"
    files.write_json(raw, ["answers"])
    kept(task)
    raw.unlink()
    delete_outputs(task)
    assert cache.restore(task) and files.read_json(raw) == ["answers"]
    files.write_json(raw, ["answers", "more"])
    delete_outputs(task)
    assert cache.restore(task) and files.read_json(raw) == ["answers", "more"]


def test_a_store_that_cannot_be_written_or_read_is_a_warning(task, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PVTT_STORE", str(tmp_path / "file"))
    kept(task)
    assert "not kept" in caplog.text
    assert not cache.restore(task)
    monkeypatch.setenv("PVTT_STORE", str(tmp_path / "store"))
    folder = kept(task)
    before = read(task)

    def refuse(*_, **__):
        raise PermissionError("not yours")

    monkeypatch.setattr(cache, "file_digest", refuse)
    assert not cache.restore(task) and folder.is_dir() and "not yours" in caplog.text
    assert read(task) == before


def test_a_full_store_leaves_nothing_behind(task, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "write_json", full)
    folder = kept(task)
    assert "No space left" in caplog.text and not list(folder.parent.iterdir())


# ---------------------------------------------------------------- jobs


def run(task, text="made"):
    """Run the task as a job; whether its body ran."""
    ran = []
    job._run(task, lambda: (ran.append(1), write_outputs(task, text)))
    return bool(ran)


def test_a_job_computes_once(task):
    assert run(task)
    before = read(task)
    assert not run(task, "not again")
    delete_outputs(task)
    assert not run(task) and read(task) == before


def test_jobs_without_a_version_or_without_a_store_compute(task, monkeypatch):
    rest = {name: value for name, value in task.params.names.items() if name != "version"}
    plain = replace(task, params=NamedList(rest.values(), rest))
    assert run(plain) and run(plain) and not cache.root().exists()
    monkeypatch.delenv("PVTT_STORE")
    assert run(task) and run(task)


@pytest.mark.parametrize("change", ["delete", "replace", "touch"])
def test_nothing_is_kept_when_an_input_changes_meanwhile(task, tmp_path, change, caplog):
    """An interrupted Snakemake deletes the inputs of jobs that run; what is made without them must not come back."""
    path = tmp_path / "in/one"

    def body():
        match change:
            case "delete":
                path.unlink()
            case "replace":
                path.write_text("other content")
            case "touch":
                os.utime(path)
        write_outputs(task, "made of what is gone")

    job._run(task, body)
    assert not cache.entry_folder(task).exists()
    assert "not kept in the store: an input changed while the job ran" in caplog.text
    path.write_text("content of one")
    assert run(task) and cache.entry_folder(task).is_dir()


def test_a_failed_body_keeps_nothing(task):
    def body():
        write_outputs(task)
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        job._run(task, body)
    assert not cache.root().exists()


def test_waiting_for_a_result_loads_no_arrays():
    heavy = "{'numpy', 'cv2', 'av', 'pandas', 'torch', 'yaml', 'pydantic'}"
    code = f"import sys, pvtt.execution.job, pvtt.execution.cache; print(sorted({heavy} & set(sys.modules)))"
    path = str(Path(cache.__file__).parents[1])
    said = subprocess.check_output([sys.executable, "-c", code], text=True, env={"PYTHONPATH": path})
    assert said.strip() == "[]"


def test_what_killed_writers_left_beside_a_result_goes(tmp_path):
    kept = [".a.json", ".a.b.json", ".ab.7.json", ".a.7.txt", "a.json", "a.7.json"]
    for name in [*kept, ".a.7.json", ".a.12345.json"]:
        (tmp_path / name).touch()
    files.clear_leftovers(tmp_path / "a.json")
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


def test_what_a_killed_writer_left_is_not_written_into(tmp_path):
    """A leftover of the same process id may be a link to another file."""
    precious, target = tmp_path / "precious.json", tmp_path / "a.json"
    files.write_json(precious, {"precious": True})
    os.link(precious, tmp_path / f".a.{os.getpid()}.json")
    files.write_json(target, {})
    assert files.read_json(precious) == {"precious": True} and files.read_json(target) == {}
