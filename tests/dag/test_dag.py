"""The DAG without running it: job counts of whole feeds, of presets and of what changes in a finished run."""

import json
import os
import re

import pytest

from conftest import ROOT
from fabricate import Run
from forked import snakemake, workflow
from pvtt.config import settings

AGGREGATES = {"judge_pairs": 1, "publish_dataset": 1, "write_report": 1, "all": 1}
CANARIES = {"score_canaries": 1}


def of_clips(number):
    """The jobs that measure what the pairs of a number of clips share."""
    return {"measure_clip": number, "measure_flow": number}


def counts_in(text):
    """Job counts that Snakemake says, rule -> number."""
    counts = dict(re.findall(r"^([a-z_]+)\s+(\d+)$", text, re.MULTILINE))
    counts.pop("total", None)
    return {rule: int(number) for rule, number in counts.items()}


def dry_run(run, *arguments):
    """Job counts of a dry run, rule -> number."""
    status, text = workflow(run.folder, "-n", "--quiet", "rules", *arguments)
    assert status == 0, text
    return counts_in(text)


def touch(run, *arguments):
    """Let Snakemake note the parameters and inputs of what is there, without running anything."""
    status, text = workflow(run.folder, "--touch", *arguments)
    assert status == 0, text


@pytest.fixture
def finished(tmp_path):
    """A run of three products with two clips each, one without video, one without photos; everything is done."""
    run = Run(tmp_path)
    for product, clips, photos in (("A", 2, 1), ("B", 2, 2), ("C", 0, 1), ("D", 1, 0)):
        run.add_product(product, clips, photos)
    run.finish_shots(*"ABCD")
    run.finish_pairs(run.finish_plan(*"ABCD"))
    return run


def test_a_fresh_feed_starts_with_probing_and_shots(tmp_path):
    run = Run(tmp_path)
    run.add_product("A", 2, 1)
    run.add_product("B", 0, 3)
    counts = dry_run(run)
    expected = {"probe_product": 2, "build_catalogue": 1, "detect_shots": 1, "list_clips": 1, "cut_out_product": 4}
    assert expected.items() <= counts.items()
    assert "insert_product" not in counts


def test_a_planned_run_shows_every_pair(tmp_path):
    run = Run(tmp_path)
    run.add_product("A", 2, 1)
    run.add_product("B", 3, 2)
    run.finish_shots("A", "B")
    plan = run.finish_plan("A", "B", strategy="all")
    assert len(plan) == 2 * 2 + 3
    assert (
        dry_run(run)
        == AGGREGATES
        | {
            "remove_product": 5,
            "insert_product": 7,
            "score_pair": 7,
            "gather_pack": 1,
        }
        | of_clips(5)
        | CANARIES
    )
    without = dry_run(run, "--config", "canaries=0")
    assert without == AGGREGATES | {
        "remove_product": 5,
        "insert_product": 7,
        "score_pair": 7,
        "gather_pack": 1,
    } | of_clips(5)


def test_nothing_to_do(finished):
    assert dry_run(finished) == {} or dry_run(finished) == {"all": 1}


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
    # The pair of least rank, of which the canaries are made, is a new one.
    assert dry_run(finished) == AGGREGATES | expected | CANARIES


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


rule everything:
    default_target: True
    input:
        rules.pvtt_all.input
"""


def test_another_workflow_can_use_this_one(finished, tmp_path):
    """Through `module:`, from another folder; the rules behind both checkpoints are planned."""
    (tmp_path / "Snakefile").write_text(OUTER.format(root=ROOT, run=finished))
    (finished.results / "pairs/A_s01/B_i1/insert.mp4").unlink()
    profile = ("--workflow-profile", str(ROOT / "profiles/default"))
    status, text = snakemake(tmp_path, "-n", "--cores", "1", "--quiet", "rules", *profile)
    assert status == 0 and counts_in(text)["pvtt_insert_product"] == 1, text


def test_a_lost_report_is_written_again_alone(finished):
    (finished.results / "report/index.html").unlink()
    assert dry_run(finished) == {"write_report": 1, "all": 1}


def test_a_changed_photo_redoes_what_shows_it(finished):
    finished.write("feed/C_1.jpg")
    counts = dry_run(finished)
    assert counts["cut_out_product"] == 1 and counts["probe_product"] == 1
    assert "cut_clip" not in counts and "segment_clip" not in counts


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
    touch(finished, "--forceall", "all")
    for verdicts, rules in (
        ({"masks": {"min_score": 0.7}}, {"judge_masks": 1, "plan_pairs": 1}),
        ({"pairs": {"weights": {"overall": 0.1}}}, {}),
    ):
        assert dry_run(finished, "--config", f"verdicts={json.dumps(verdicts)}") == AGGREGATES | rules


@pytest.mark.slow
def test_a_moved_feed_re_runs_no_job_that_reads_its_files(finished):
    """Only the catalogue's table names folders: it and the tables, the dataset and the report after it are new."""
    touch(finished, "--forceall", "all")
    (finished.folder / "feed").rename(finished.folder / "moved")
    config = ("--config", "catalogue=moved/products.csv")
    assert dry_run(finished, *config) == AGGREGATES | dict.fromkeys(
        ("build_catalogue", "list_clips", "judge_masks", "plan_pairs"), 1
    )
    # Behind the first checkpoint: the clips and their masks stay as well.
    (finished.results / "catalogue.tsv").write_text("moved")
    touch(finished, "results/clips.tsv", *config)
    assert dry_run(finished, *config) == AGGREGATES | {"plan_pairs": 1}


def test_results_of_an_earlier_version_are_refused(finished):
    (finished.results / "format.json").unlink()
    status, text = workflow(finished.folder, "-n")
    assert status != 0 and "holds results of format 1" in text


def preset_of(name):
    """A preset's file and what it says of the pairs."""
    path = ROOT / f"config/presets/{name}.yaml"
    config = settings.resolve(settings.read([path]))
    return path, {"max_pairs": config["max_pairs"], **config["pairs"]}


@pytest.mark.parametrize(("preset", "pairs"), [("poc", 3_600), ("small", 20_800)])
def test_presets_plan_as_many_pairs_as_they_say(tmp_path, preset, pairs):
    run = Run(tmp_path)
    run.clips = {f"P{number:02d}": 4 if number < 41 else 3 for number in range(53)}
    run.photos = dict.fromkeys(run.clips, 2)
    run.results.mkdir()
    plan = run.plan(**preset_of(preset)[1])
    planned = plan[plan.status == "planned"]
    assert sum(run.clips.values()) == planned.clip_id.nunique() == 200
    assert len(planned) == pairs and planned.pack.nunique() == -(-pairs // 96)


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "pairs"), [("poc", 12), ("small", 24)])
def test_presets_schedule_the_jobs_of_their_plan(tmp_path, preset, pairs):
    path, said = preset_of(preset)
    run = Run(tmp_path)
    for product in "ABC":
        run.add_product(product, 2, 2)
    run.finish_shots(*"ABC")
    run.finish_plan(*"ABC", **said)
    assert (
        dry_run(run, "--configfile", str(path))
        == AGGREGATES
        | {
            "remove_product": 6,
            "insert_product": pairs,
            "score_pair": pairs,
            "gather_pack": 1,
        }
        | of_clips(6)
        | CANARIES
    )


@pytest.mark.parametrize(
    ("wrong", "words"),
    [("shot=x", "did you mean 'shots'"), ('segmentation={"backend": "nosuch"}', "no backend 'nosuch'")],
)
def test_unknown_keys_and_backends_fail_before_the_dag(finished, wrong, words):
    status, text = workflow(finished.folder, "-n", "--config", wrong)
    assert status != 0 and words in text
