"""Nothing is computed twice: what Snakemake starts again is taken from the store."""

import json
import os
import shutil

import pandas as pd
import pytest

from conftest import ROOT, Workflow

pytestmark = pytest.mark.xdist_group("run")
KEPT = {"probe_product", "detect_shots", "cut_clip", "segment_clip", "remove_product", "cut_out_product"}
KEPT |= {"measure_clip", "measure_flow", "insert_product", "score_pair", "score_canaries"}


def entries(workflow):
    """What the store holds: entry -> what it says, when it was made included."""
    store = workflow.results / "store"
    return {str(path.relative_to(store)): path.read_text() for path in store.rglob("entry.json")}


def rules_of(names):
    return pd.Series([name.split("/")[0] for name in names], dtype=str).value_counts().to_dict()


def taken(workflow, rule):
    """Number of a rule's jobs whose log says that the result was taken."""
    folder = workflow.results / "logs"
    logs = [*(folder / rule).glob("*.log"), *folder.glob(f"{rule}.log")]
    return sum("not computed, taken from the store" in log.read_text() for log in logs)


def outputs(workflow):
    """Bytes of all results of clips, products and pairs."""
    folders = ("catalogue", "shots", "clips", "products", "pairs")
    paths = [path for folder in folders for path in (workflow.results / folder).rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in paths}


def test_every_expensive_job_is_kept(finished_run):
    ran = {rule: count for rule, count in finished_run.jobs.items() if rule in KEPT}
    assert set(ran) == KEPT and rules_of(entries(finished_run)) == ran


def test_lost_metadata_touched_sources_and_deleted_results_compute_nothing(own_run):
    kept, before = entries(own_run), outputs(own_run)
    shutil.rmtree(own_run.folder / ".snakemake")
    for path in own_run.catalogue.parent.rglob("*"):
        os.utime(path)
    pair = next((own_run.results / "pairs").glob("*/*/insert.mp4"))
    for path in (pair, pair.with_name("score.json"), own_run.results / "clips" / pair.parts[-3] / "masks.mkv"):
        path.unlink()
    jobs = own_run.run()
    assert {rule: jobs[rule] for rule in KEPT} == rules_of(kept)
    assert {rule: taken(own_run, rule) for rule in KEPT} == rules_of(kept)
    assert entries(own_run) == kept and outputs(own_run) == before
    assert set(own_run.run()) <= {"all"}


def test_an_edited_comment_computes_nothing(own_run, tmp_path):
    """Even where Snakemake is told to look at scripts."""
    kept = entries(own_run)
    for name in ("workflow", "config", "resources", "envs"):
        ignored = shutil.ignore_patterns("__pycache__", "demo")
        shutil.copytree(ROOT / name, tmp_path / "code" / name, ignore=ignored)
    shutil.copy(ROOT / "Snakefile", tmp_path / "code")
    for rule in KEPT:
        script = tmp_path / "code/workflow/scripts" / f"{rule}.py"
        script.write_text(script.read_text() + "\n# another comment\n")
    jobs = own_run.run("-s", str(tmp_path / "code/Snakefile"), "--rerun-triggers", "code", "mtime", "params", "input")
    assert {rule: jobs[rule] for rule in KEPT} == rules_of(kept)
    assert entries(own_run) == kept


def test_a_changed_setting_computes_what_depends_on_it(own_run):
    kept, before = entries(own_run), outputs(own_run)
    own_run.run("--config", 'insertion={"feather_px": 3}')
    new = {name: text for name, text in entries(own_run).items() if name not in kept}
    pairs = rules_of(kept)["insert_product"]
    assert rules_of(new) == {"insert_product": pairs, "score_pair": pairs, "score_canaries": 1}
    assert {json.loads(text)["wildcards"].get("clip") for text in new.values()} > {None}
    assert entries(own_run) == kept | new
    changed = {path.name for path, content in outputs(own_run).items() if content != before[path]}
    assert changed <= {"insert.mp4", "insert_mask.mkv", "insert.json", "score.json"} and "insert.json" in changed
    # And back: both are kept.
    own_run.run()
    assert entries(own_run) == kept | new and outputs(own_run) == before


def test_another_results_folder_takes_them_and_leaves_the_first_as_it_is(finished_run, own_run):
    """Times included, by which Snakemake judges files above the size that it compares by checksum."""
    kept, before = entries(own_run), outputs(own_run)
    for path in (own_run.results / "store").rglob("places"):  # of a copied run they are the first one's
        path.write_text(path.read_text().replace(str(finished_run.folder), str(own_run.folder)))
    times = {path: path.stat().st_mtime_ns for path in before}
    other = Workflow(own_run.folder)
    other.results = own_run.folder / "other"
    clip = next((own_run.results / "pairs").iterdir()).name
    targets = [f"other/clips/{clip}/background.mp4", f"other/clips/{clip}/mask_measures.json"]
    jobs = other.run(*targets, "--config", "results=other", "store=results/store")
    assert jobs["segment_clip"] == jobs["remove_product"] == 1 == taken(other, "segment_clip")
    assert entries(own_run) == kept and outputs(own_run) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert set(own_run.run()) <= {"all"}
