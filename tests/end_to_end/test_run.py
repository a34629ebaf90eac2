"""The whole workflow on a generated feed: what is published, what runs again and what does not."""

import json
import shutil
from collections import Counter
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

from pvtt.config.settings import load_schema
from pvtt.io import images
from pvtt.io import video as media

pytestmark = pytest.mark.xdist_group("run")
AGGREGATES = {"judge_pairs": 1, "publish_dataset": 1, "write_report": 1, "all": 1}


def pairs_json(workflow):
    return json.loads((workflow.results / "dataset/annotations/pairs.json").read_text())


def planned(workflow):
    pairs = pd.read_parquet(workflow.results / "pairs.parquet")
    return pairs[pairs.status == "planned"]


def test_every_row_and_shot_is_accounted_for(finished_run):
    catalogue = pd.read_csv(finished_run.results / "catalogue.tsv", sep="\t", keep_default_na=False)
    feed = pd.read_csv(finished_run.catalogue, keep_default_na=False)
    assert list(catalogue.product_id) == list(feed.id)
    for table in (catalogue, pd.read_csv(finished_run.results / "clips.tsv", sep="\t", keep_default_na=False)):
        assert set(table.status) <= {"accepted", "rejected"}
        assert (table.reason[table.status == "rejected"] != "").all()


def test_clip_masks_background_and_result_have_the_same_frames(finished_run):
    pairs = planned(finished_run)
    assert len(pairs) > 0
    for pair in pairs.itertuples():
        clip = finished_run.results / "clips" / pair.clip_id
        folder = finished_run.results / "pairs" / pair.clip_id / f"{pair.target_id}_i{pair.image_index}"
        frames = media.count_frames(clip / "video.mp4")
        assert json.loads((clip / "clip.json").read_text())["n_frames"] == frames
        assert media.read_masks(clip / "masks.mkv").shape[1] == frames
        assert media.count_frames(clip / "background.mp4") == frames
        assert json.loads((folder / "insert.json").read_text())["status"] == "done"
        assert media.count_frames(folder / "insert.mp4") == frames
        assert media.read_masks(folder / "insert_mask.mkv").shape[1] == frames


def test_the_dataset_is_valid_and_whole(finished_run):
    record = pairs_json(finished_run)
    jsonschema.validate(record, load_schema("pairs_json"))
    assert record["total_pairs"] == len(record["pairs"]) > 0
    dataset = finished_run.results / "dataset"
    for pair in record["pairs"]:
        count = pair["metadata"]["frame_count"]
        for video in (pair["source"]["video"], pair["output"]["video"], pair["output"]["background"]):
            assert media.count_frames(dataset / video) == count
        assert len(list((dataset / pair["output"]["masks"]).glob("*.png"))) == count
        assert images.read_rgba(dataset / pair["target"]["product_image"])[..., 3].min() == 0
        assert pair["metadata"]["quality_score"] >= 0.7


def test_scores_are_measured_or_null(finished_run):
    for pair in planned(finished_run).itertuples():
        folder = finished_run.results / "pairs" / pair.clip_id / f"{pair.target_id}_i{pair.image_index}"
        score = json.loads((folder / "score.json").read_text())
        assert score["status"] == "scored"
        assert score["scores"]["lighting"] is None and score["scores"]["overall"] is None
        assert score["scores"]["identity"] is not None and score["scores"]["temporal"] is not None


def test_canaries_are_judged_and_nowhere_published(finished_run):
    verdicts = json.loads((finished_run.results / "canary_verdicts.json").read_text())["canaries"]
    assert len(verdicts) == 9 and finished_run.jobs["score_canaries"] == 1
    judged = {verdict["kind"]: verdict for verdict in verdicts if verdict["kept"] is not None}
    assert {"unchanged", "empty_hole", "black", "shifted_mask", "no_shadow"} <= judged.keys()
    assert judged["black"]["right"] and judged["unchanged"]["right"]
    statistics = json.loads((finished_run.results / "dataset/annotations/statistics.json").read_text())["canaries"]
    assert statistics["right"] + len(statistics["wrong"]) == sum(verdict["right"] is not None for verdict in verdicts)
    assert not list((finished_run.results / "dataset").rglob("*canar*"))
    filtered = pd.read_parquet(finished_run.results / "filtered.parquet")
    assert set(filtered.pair_id) == set(planned(finished_run).pair_id)


def test_the_report_names_every_pair_and_its_media_exist(finished_run):
    page = (finished_run.results / "report/index.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    assert all(pair.pair_id in page for pair in planned(finished_run).itertuples())
    assert list((finished_run.results / "report/media").glob("*"))


def test_a_second_run_a_copied_checkout_and_a_lost_snakemake_folder_cost_nothing(own_run):
    assert set(own_run.run()) <= {"all"}
    shutil.rmtree(own_run.folder / ".snakemake")
    assert set(own_run.run()) <= {"all"}


def test_a_new_product_runs_its_own_clips_and_the_new_pairs(own_run):
    before = planned(own_run)
    kept = {pair["pair_id"] for pair in pairs_json(own_run)["pairs"]}
    rows = pd.read_csv(own_run.catalogue, keep_default_na=False)
    donor = rows[(rows.images != "") & (rows.video == "")].iloc[0].copy()
    photo = own_run.catalogue.parent / donor.images.split(";")[0]
    image = images.read_rgb(photo)
    images.write_png(photo.with_name("new.png"), image[:, ::-1])
    donor["id"], donor["images"] = "NEWP001", str(photo.with_name("new.png").relative_to(own_run.catalogue.parent))
    pd.concat([rows, donor.to_frame().T]).to_csv(own_run.catalogue, index=False)
    jobs = own_run.run()
    after = planned(own_run)
    new = after[~after.pair_id.isin(before.pair_id)]
    assert set(before.pair_id) < set(after.pair_id) and set(new.target_id) == {"NEWP001"}
    assert jobs == Counter(
        AGGREGATES
        | {"probe_product": 1, "build_catalogue": 1, "list_clips": 1, "cut_out_product": 1, "plan_pairs": 1}
        | {"insert_product": len(new), "score_pair": len(new), "gather_pack": 1}
        | {rule: 1 for rule in ("score_canaries",) if rule in jobs}  # a new pair may take the place of theirs
    )
    assert kept <= {pair["pair_id"] for pair in pairs_json(own_run)["pairs"]}


def test_a_new_threshold_runs_the_filter_alone(own_run):
    jobs = own_run.run("--config", 'verdicts={"pairs": {"min_quality": 0.99}}')
    assert jobs == Counter(AGGREGATES)
    assert pairs_json(own_run)["total_pairs"] == 0


def test_a_failed_pair_is_a_record_and_the_run_goes_on(own_run):
    pair = planned(own_run).iloc[0]
    cutout = own_run.results / "products" / pair.target_id / f"{pair.image_index}.png"
    others = planned(own_run).query("target_id != @pair.target_id")
    cutout.write_bytes(b"not a picture")
    own_run.run("--config", "max_failure_rate=1")
    folder = own_run.results / "pairs" / pair.clip_id / f"{pair.target_id}_i{pair.image_index}"
    record = json.loads((folder / "insert.json").read_text())
    assert record["status"] == "failed" and cutout.name in record["reason"]
    assert (folder / "insert.mp4").stat().st_size == 0
    assert json.loads((folder / "score.json").read_text())["status"] == "failed"
    assert pair.pair_id not in {kept["pair_id"] for kept in pairs_json(own_run)["pairs"]}
    assert len(others) == 0 or pairs_json(own_run)["total_pairs"] > 0


def test_too_many_failures_fail_the_run(own_run):
    for cutout in Path(own_run.results / "products").glob("*/*.png"):
        cutout.write_bytes(b"not a picture")
    done = own_run.snakemake("--cores", "2", "--config", "max_failure_rate=0.5", check=False)
    assert done.returncode != 0
    assert "max_failure_rate" in done.stdout + done.stderr
