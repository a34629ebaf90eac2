"""One run of the demo through the models' backends: tiny weights, real code, a judge in a server process."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

pytest.importorskip("torch", reason="torch is not installed (make models)")
pytest.importorskip("transformers", reason="transformers is not installed (make models)")
pytest.importorskip("diffusers", reason="diffusers is not installed (make models)")
pytest.importorskip("sam2", reason="package sam2 is not installed (make models)")
pytest.importorskip("rembg", reason="rembg is not installed (make models)")
pytest.importorskip("onnx", reason="onnx, which writes the tiny networks, is not installed")

from backends.tiny import models_folder
from conftest import ROOT, Workflow
from pvtt.config.settings import load_schema
from pvtt.io import video

pytestmark = pytest.mark.xdist_group("models")

DEMO = ROOT / "resources" / "demo"
PRODUCTS = ["mug_blue", "serum", "mug_orange"]
CLIP, TARGETS = "mug_blue_s01", {"serum", "mug_orange"}
JUDGE = "qwen2.5-vl-7b"
IDENTITY = ["dinov2-base", "clip-vit-large-patch14"]
MODELS = ["grounding-dino-tiny", "sam2.1-hiera-tiny", "rembg-birefnet-general", "wan2.1-vace-1.3b", *IDENTITY]
SMALL = {"steps": 2, "max_area": 128 * 80, "window_frames": 49, "overlap_frames": 5}
CONFIG = {
    "device": "cpu",
    "segmentation": {
        "backend": "sam2",
        "sam2": {"model": "sam2.1-hiera-tiny", "detector": "grounding-dino-tiny", "max_objects": 1},
    },
    "products": {"backend": "rembg"},
    "background": {"backend": "vace", "vace": SMALL},
    "insertion": {"backend": "vace", "vace": SMALL},
    "scoring": {
        "backend": "dinov2",
        "also": ["clip"],
        "judge": "openai",
        "judging": {"frames": 2, "frame_side_px": 128, "photos": 1},
        "openai": {"model": "tiny-vlm"},
    },
    # What random weights paint is no product; the dataset is to be published all the same.
    "verdicts": {
        "pairs": {
            "min_quality": 0,
            "min_swap": -1,
            "min_changed": 0,
            "min_background_psnr_db": 0,
            "min_motion_ratio": 0,
            "max_motion_ratio": 1e9,
            "max_box_drift": 1e9,
            "min_temporal": 0,
            "min_identity": 0,
        }
    },
}


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """Address of a server process with the tiny vision-language model."""
    folder = tmp_path_factory.mktemp("judge") / JUDGE
    program = Path(models_folder.__file__).with_name("vlm_server.py")
    command = [sys.executable, str(program), "--port", "0", "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}) as run:
        yield run.stdout.readline().strip()
        run.terminate()


@pytest.fixture(scope="module")
def models_run(tmp_path_factory, judge):
    """Three products of the demo, one with its video, run to the end; `jobs` counts what was run."""
    workflow = Workflow(tmp_path_factory.mktemp("models_run"))
    feed = workflow.catalogue.parent
    feed.mkdir()
    rows = pd.read_csv(DEMO / "products.csv", keep_default_na=False)
    rows = rows[rows.id.isin(PRODUCTS)].copy()
    rows.loc[rows.id != "mug_blue", "video"] = ""
    rows.to_csv(workflow.catalogue, index=False)
    for name in ("videos", "images"):
        (feed / name).symlink_to(DEMO / name)
    models = workflow.folder / "models"
    models_folder.build(models, MODELS, [models_folder.demo_lesson(CLIP)])
    config = CONFIG | {"models": str(models), "pairs": {"include": {"clips": [CLIP]}}}
    (workflow.folder / "models.json").write_text(json.dumps(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PVTT_JUDGE_URL", judge)
        workflow.jobs = workflow.run("--configfile", str(workflow.folder / "models.json"))
        yield workflow


def records(workflow, name):
    return [json.loads(path.read_text()) for path in sorted(workflow.results.glob(f"pairs/*/*/{name}"))]


def test_every_pair_of_the_clip_is_inserted(models_run):
    clip = models_run.results / "clips" / CLIP
    qa = json.loads((clip / "mask_verdict.json").read_text())
    assert (qa["status"], qa["reason"]) == ("accepted", "")
    pairs = pd.read_parquet(models_run.results / "pairs.parquet")
    planned = pairs[pairs.status == "planned"]
    assert set(planned.clip_id) == {CLIP} and set(planned.target_id) == TARGETS and len(planned) == 2
    inserted = records(models_run, "insert.json")
    assert [(entry["status"], entry["reason"]) for entry in inserted] == [("done", "")] * 2
    assert models_run.jobs["insert_product"] == models_run.jobs["score_pair"] == 2
    for pair in planned.itertuples():
        made = models_run.results / "pairs" / pair.clip_id / f"{pair.target_id}_i{pair.image_index}"
        frames = video.count_frames(clip / "video.mp4")
        assert frames == video.count_frames(clip / "background.mp4") == video.count_frames(made / "insert.mp4")
        seen = video.read_masks(made / "insert_mask.mkv")
        assert seen.shape == video.read_masks(clip / "masks.mkv").shape and seen.any()


def test_every_score_is_measured(models_run):
    found = records(models_run, "score.json")
    for record in found:
        jsonschema.validate(record, load_schema("score"))
        assert record["status"] == "scored"
        assert None not in record["scores"].values()
        assert record["judge"]["status"] == "done" and record["judge"]["model"] == "tiny-vlm"
        assert "identity_median_clip" in record["measures"]
    verdicts = pd.read_parquet(models_run.results / "filtered.parquet")
    assert set(verdicts.basis) == {"identity;temporal;lighting;overall"} and verdicts.quality_score.nunique() > 1


def test_canaries_are_scored_by_the_same_models_in_a_worker_and_no_judge_is_asked(models_run):
    record = json.loads((models_run.results / "canaries.json").read_text())
    scores = [canary["score"] for canary in record["canaries"] if canary["score"]]
    assert models_run.jobs["score_canaries"] == 1 and len(scores) >= 5
    for score in scores:
        assert score["status"] == "scored" and "judge" not in score
        assert score["provenance"]["backend"] == "dinov2" and "identity_median_clip" in score["measures"]
    told = "".join(path.read_text() for path in (models_run.results / "logs/serving").glob("*.jsonl"))
    assert "score_canaries" in told


def test_records_name_the_models_their_commits_and_licences(models_run):
    def models(pattern):
        entries = [json.loads(path.read_text()) for path in models_run.results.glob(pattern)]
        used = [entry["provenance"]["models"] for entry in entries]
        assert used and all(found == used[0] for found in used), pattern
        assert {model["commit"] for model in used[0]} == {models_folder.COMMIT}
        return {model["id"]: model["licence"] for model in used[0]}

    apache = "Apache-2.0"
    assert models("clips/*/mask_measures.json") == {"grounding-dino-tiny": apache, "sam2.1-hiera-tiny": apache}
    assert models("products/*/*.json") == {"rembg-birefnet-general": "MIT"}
    assert models(f"clips/{CLIP}/background.json") == {"wan2.1-vace-1.3b": apache}
    assert models("pairs/*/*/insert.json") == {"wan2.1-vace-1.3b": apache}
    assert models("pairs/*/*/score.json") == {"dinov2-base": apache, "clip-vit-large-patch14": "MIT"}


def test_the_card_lists_the_models(models_run):
    card = (models_run.results / "dataset" / "README.md").read_text()
    for name in MODELS:
        row = next(line for line in card.splitlines() if line.startswith(f"| {name} |"))
        assert f"tiny/{name}" in row and models_folder.COMMIT in row and "allowed" in row
    record = json.loads((models_run.results / "dataset/annotations/pairs.json").read_text())
    jsonschema.validate(record, load_schema("pairs_json"))
    assert record["total_pairs"] == 2


def test_a_second_dry_run_has_nothing_to_do(models_run):
    done = models_run.snakemake("--cores", "1", "--dry-run", "--configfile", str(models_run.folder / "models.json"))
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_missing_model_is_named_before_the_first_job(models_run, tmp_path):
    config = json.loads((models_run.folder / "models.json").read_text())
    models = tmp_path / "models"
    shutil.copytree(models_run.folder / "models", models)
    (models / "sam2.1-hiera-tiny" / "sam2.1_hiera_tiny.pt").unlink()
    (tmp_path / "models.json").write_text(json.dumps(config | {"models": str(models)}))
    done = models_run.snakemake("--dry-run", "--configfile", str(tmp_path / "models.json"), check=False)
    told = re.sub(r"\s+", " ", done.stdout + done.stderr)
    assert done.returncode != 0
    assert "sam2.1_hiera_tiny.pt is missing; run: pvtt models fetch sam2.1-hiera-tiny" in told
