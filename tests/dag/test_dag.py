"""The DAG without running it: job counts of whole feeds, of presets and of what changes in a finished run."""

import json
import os
import re
import subprocess
import sys

import pytest

from conftest import ROOT, Workflow
from fabricate import Run

AGGREGATES = {"judge_pairs": 1, "publish_dataset": 1, "write_report": 1, "all": 1}


def of_clips(number):
    """The jobs that measure what the pairs of a number of clips share."""
    return {"measure_clip": number, "measure_flow": number}


def dry_run(run, *arguments):
    """Job counts of a dry run, rule -> number."""
    done = Workflow(run.folder).snakemake("-n", "--cores", "1", "--quiet", "rules", *arguments)
    counts = dict(re.findall(r"^([a-z_]+)\s+(\d+)$", done.stdout + done.stderr, re.MULTILINE))
    counts.pop("total", None)
    return {rule: int(number) for rule, number in counts.items()}


@pytest.fixture
def finished(tmp_path):
    """A run of three products with two clips each, one without video, one without photos; everything is done."""
    run = Run(tmp_path)
    for product, clips, photos in (("A", 2, 1), ("B", 2, 2), ("C", 0, 1), ("D", 1, 0)):
        run.add_product(product, clips, photos)
    run.finish_shots(*"ABCD")
    run.finish_pairs(run.finish_plan(*"ABCD"))
    return run


@pytest.mark.slow
def test_a_fresh_feed_starts_with_probing_and_shots(tmp_path):
    run = Run(tmp_path)
    run.add_product("A", 2, 1)
    run.add_product("B", 0, 3)
    counts = dry_run(run)
    expected = {"probe_product": 2, "build_catalogue": 1, "detect_shots": 1, "list_clips": 1, "cut_out_product": 4}
    assert expected.items() <= counts.items()
    assert "insert_product" not in counts


@pytest.mark.slow
def test_a_planned_run_shows_every_pair(tmp_path):
    run = Run(tmp_path)
    run.add_product("A", 2, 1)
    run.add_product("B", 3, 2)
    run.finish_shots("A", "B")
    plan = run.finish_plan("A", "B", strategy="all")
    assert len(plan) == 2 * 2 + 3
    assert dry_run(run) == AGGREGATES | {
        "remove_product": 5,
        "insert_product": 7,
        "score_pair": 7,
        "gather_pack": 1,
    } | of_clips(5)


def test_nothing_to_do(finished):
    assert dry_run(finished) == {} or dry_run(finished) == {"all": 1}


@pytest.mark.slow
def test_a_new_product_schedules_its_own_clips_and_the_new_pairs(finished):
    finished.add_product("N", 2, 1)
    first = dry_run(finished)
    assert first.pop("all", 1) == 1
    assert first == {
        "probe_product": 1, "build_catalogue": 1, "detect_shots": 1, "list_clips": 1, "cut_out_product": 1,
        "judge_masks": 1, "plan_pairs": 1, **dict.fromkeys(("judge_pairs", "publish_dataset", "write_report"), 1),
    }  # fmt: skip
    finished.finish_shots("N")
    second = dry_run(finished)
    assert second["cut_clip"] == second["segment_clip"] == 2
    assert "insert_product" not in second and "remove_product" not in second
    plan = finished.finish_plan("N")
    new = plan[(plan.source_id == "N") | (plan.target_id == "N")]
    # Two clips of N with A, B and C; the five old clips with N.
    assert len(new) == 2 * 3 + 5
    # The new pairs are a new pack; the old one is left alone.
    expected = {"remove_product": 2, "insert_product": 11, "score_pair": 11, "gather_pack": 1} | of_clips(2)
    assert dry_run(finished) == AGGREGATES | expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        ("pairs/A_s01/B_i1/insert.mp4", {"insert_product": 1, "score_pair": 1}),
        ("pairs/A_s01/B_i1/score.json", {"score_pair": 1}),
        ("clips/A_s01/background.mp4", {"remove_product": 1, "measure_clip": 1, "insert_product": 2, "score_pair": 2}),
    ],
)
def test_a_lost_result_is_made_again_alone(finished, lost, expected):
    (finished.results / lost).unlink()
    assert dry_run(finished) == AGGREGATES | expected | {"gather_pack": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lost", "rule"),
    [
        ("products/A/1.png", "cut_out_product"),
        ("shots/A.json", "detect_shots"),
        ("catalogue/A.json", "probe_product"),
        ("catalogue.tsv", "build_catalogue"),
        ("clips.tsv", "list_clips"),
        ("clips/A_s01/masks.mkv", "segment_clip"),
        ("clips/A_s01/region.mkv", "remove_product"),
        ("clips/A_s01/clip_model.npz", "measure_clip"),
        ("clips/A_s01/source_flow.npz", "measure_flow"),
    ],
)
def test_any_lost_result_is_asked_for(finished, lost, rule):
    (finished.results / lost).unlink()
    assert dry_run(finished)[rule] == 1


OUTER = """
module pvtt:
    snakefile: "{root}/Snakefile"
    config: {{"catalogue": "{run.folder}/feed/products.csv", "results": "{run.results}"}}


use rule * from pvtt as pvtt_*
"""


@pytest.mark.slow
def test_another_workflow_can_use_this_one(finished, tmp_path):
    """Through `module:`, from another folder; the rules behind both checkpoints are planned."""
    (tmp_path / "Snakefile").write_text(OUTER.format(root=ROOT, run=finished))
    (finished.results / "pairs/A_s01/B_i1/insert.mp4").unlink()
    command = [sys.executable, "-m", "snakemake", "pvtt_all", "-n", "--cores", "1", "--quiet", "rules"]
    command += ["--workflow-profile", str(ROOT / "profiles/default")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    assert re.search(r"^pvtt_insert_product +1$", text, re.MULTILINE), text


@pytest.mark.slow
def test_a_lost_report_is_written_again_alone(finished):
    (finished.results / "report/index.html").unlink()
    assert dry_run(finished) == {"write_report": 1, "all": 1}


@pytest.mark.slow
def test_a_changed_photo_redoes_what_shows_it(finished):
    finished.write("feed/C_1.jpg")
    counts = dry_run(finished)
    assert counts["cut_out_product"] == 1 and counts["probe_product"] == 1
    assert "cut_clip" not in counts and "segment_clip" not in counts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("insertion", "rules"),
    [
        ("{}", {"cut_out_product": 1, "remove_product": 1, "measure_clip": 1, "insert_product": 1}),
        ('{"colour_photos": 1}', {"remove_product": 1, "measure_clip": 1, "insert_product": 1}),
        ('{"backend": "baselines.paste:Backend"}', {"remove_product": 1, "insert_product": 1}),
    ],
)
def test_other_photos_are_asked_for_by_backends_that_read_them(tmp_path, monkeypatch, insertion, rules):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "benchmarks"), prepend=os.pathsep)
    run = Run(tmp_path)
    run.add_product("A", 1, 1)
    run.add_product("B", 0, 2)
    run.finish_shots("A", "B")
    run.finish_plan("A", "B")
    (run.results / "products/B/2.png").unlink()
    pair = "results/pairs/A_s01/B_i1/insert.mp4"
    assert dry_run(run, "--nolock", pair, "--config", f"insertion={insertion}") == rules


@pytest.mark.slow
def test_new_weights_at_the_same_path_make_the_pairs_anew(finished, monkeypatch):
    backend = """
from pvtt.stages.insertion.composite import Backend as Composite

class Backend(Composite):
    files = ("lora.safetensors",)
"""
    (finished.folder / "studio.py").write_text(backend)
    monkeypatch.setenv("PYTHONPATH", str(finished.folder), prepend=os.pathsep)
    lora = finished.folder / "lora.safetensors"
    lora.touch()
    os.utime(lora, (1, 1))
    pair = "results/pairs/A_s01/B_i1/insert.mp4"
    chosen = ("--rerun-triggers", "mtime", "--config", 'insertion={"backend": "studio:Backend"}')
    assert dry_run(finished, "--nolock", pair, *chosen) == {}
    os.utime(lora)
    assert dry_run(finished, "--nolock", pair, *chosen) == {"insert_product": 1}


def test_a_new_limit_or_weight_schedules_judging_planning_dataset_and_report_only(finished):
    # Snakemake notes the parameters of what it touches.
    Workflow(finished.folder).snakemake("--touch", "--forceall", "--cores", "1", "--quiet", "all")
    for verdicts, rules in (
        ({"masks": {"min_score": 0.7}}, {"judge_masks": 1, "plan_pairs": 1}),
        ({"pairs": {"weights": {"overall": 0.1}}}, {}),
    ):
        assert dry_run(finished, "--config", f"verdicts={json.dumps(verdicts)}") == AGGREGATES | rules


@pytest.mark.slow
def test_a_moved_feed_re_runs_no_job_that_reads_its_files(finished):
    """Only the catalogue's table names folders: it and the tables, the dataset and the report after it are new."""
    workflow = Workflow(finished.folder)
    workflow.snakemake("--touch", "--forceall", "--cores", "1", "--quiet", "all")
    (finished.folder / "feed").rename(finished.folder / "moved")
    config = ("--config", "catalogue=moved/products.csv")
    assert dry_run(finished, *config) == AGGREGATES | dict.fromkeys(
        ("build_catalogue", "list_clips", "judge_masks", "plan_pairs"), 1
    )
    # Behind the first checkpoint: the clips and their masks stay as well.
    (finished.results / "catalogue.tsv").write_text("moved")
    workflow.snakemake("--touch", "--cores", "1", "results/clips.tsv", *config)
    assert dry_run(finished, *config) == AGGREGATES | {"plan_pairs": 1}


def test_results_of_an_earlier_version_are_refused(finished):
    (finished.results / "format.json").unlink()
    done = Workflow(finished.folder).snakemake("-n", check=False)
    assert done.returncode != 0 and "holds results of format 1" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "pairs"), [("poc", 3_600), ("small", 20_800)])
def test_presets_give_the_planned_number_of_jobs(tmp_path, preset, pairs):
    run = Run(tmp_path)
    for number in range(53):
        run.add_product(f"P{number:02d}", 4 if number < 41 else 3, 2)
    assert sum(run.clips.values()) == 200
    products = list(run.clips)
    run.finish_shots(*products)
    settings = {"poc": {"strategy": "single", "max_pairs": 3_600}, "small": {"strategy": "sample", "photos": 2}}
    run.finish_plan(*products, **settings[preset])
    counts = dry_run(run, "--configfile", str(ROOT / f"config/presets/{preset}.yaml"))
    clips = counts.pop("remove_product")
    assert clips == 200
    packs = -(-pairs // 96)
    assert counts == AGGREGATES | {"insert_product": pairs, "score_pair": pairs, "gather_pack": packs} | of_clips(200)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [("shot=x", "did you mean 'shots'"), ('segmentation={"backend": "nosuch"}', "no backend 'nosuch'")],
)
def test_unknown_keys_and_backends_fail_before_the_dag(finished, wrong, words):
    done = Workflow(finished.folder).snakemake("-n", "--config", wrong, check=False)
    assert done.returncode != 0 and words in done.stdout + done.stderr
