"""Every rule once: its outputs are deleted in a finished run and it makes them again, the same, from its inputs."""

import json

import pandas as pd
import pytest

from pvtt.backends import stages

pytestmark = pytest.mark.xdist_group("run")


def wildcards(workflow):
    """Names of things that exist in the run."""
    pairs = pd.read_parquet(workflow.results / "pairs.parquet")
    pair = pairs[pairs.status == "planned"].iloc[0]
    return {
        "clip": pair.clip_id,
        "product": pair.source_id,
        "target": pair.target_id,
        "image": pair.image_index,
        "pair": f"{pair.clip_id}/{pair.target_id}_i{pair.image_index}",
    }


def content(path):
    """What must not change: a record without the seconds it took, a table, or the bytes."""
    if path.suffix == ".json":
        record = json.loads(path.read_text())
        if isinstance(record, dict):
            scores = [canary.get("score") or {} for canary in record.get("canaries") or []]
            for part in (record, *scores):
                part.get("provenance", {}).pop("seconds", None)
        return record
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_csv()
    return path.read_bytes()


OF_ONE_ITEM = {
    "probe_product": ["catalogue/{product}.json"],
    "detect_shots": ["shots/{product}.json"],
    "cut_clip": ["clips/{clip}/video.mp4", "clips/{clip}/clip.json"],
    "segment_clip": ["clips/{clip}/masks.mkv", "clips/{clip}/track.json", "clips/{clip}/mask_measures.json"],
    "remove_product": ["clips/{clip}/background.mp4", "clips/{clip}/region.mkv", "clips/{clip}/background.json"],
    "measure_clip": ["clips/{clip}/clip_model.npz"],
    "measure_flow": ["clips/{clip}/source_flow.npz"],
    "cut_out_product": ["products/{target}/{image}.png", "products/{target}/{image}.json"],
    "insert_product": ["pairs/{pair}/insert.mp4", "pairs/{pair}/insert_mask.mkv", "pairs/{pair}/insert.json"],
    "score_pair": ["pairs/{pair}/score.json"],
}
OF_THE_RUN = {
    "build_catalogue": ["catalogue.tsv"],
    "list_clips": ["clips.tsv"],
    "judge_masks": ["mask_verdicts.tsv"],
    "plan_pairs": ["pairs.parquet"],
    "score_canaries": ["canaries.json"],
    "judge_pairs": ["filtered.parquet", "canary_verdicts.json"],
    "publish_dataset": ["dataset/annotations/pairs.json", "dataset/annotations/quality_scores.json"],
    "write_report": ["report/index.html", "report/summary.html"],
}


@pytest.mark.parametrize("rules", [OF_ONE_ITEM, OF_THE_RUN], ids=["of one item", "of the run"])
def test_rules_make_their_outputs_again(own_run, rules):
    names = wildcards(own_run)
    paths = [own_run.results / output.format(**names) for outputs in rules.values() for output in outputs]
    before = [content(path) for path in paths]
    for path in paths:
        path.unlink()
    targets = [str(path.relative_to(own_run.folder)) for path in paths]
    # An empty store: what is there already would only be taken.
    ran = own_run.run(*targets, "--allowed-rules", *rules, "--config", "store=empty")
    assert ran == dict.fromkeys(rules, 1)
    for path, expected in zip(paths, before, strict=True):
        assert content(path) == expected, path


def test_every_rule_is_here():
    assert {*OF_ONE_ITEM, *OF_THE_RUN, "gather_pack"} == {rule for stage in stages.TABLE for rule in stage.rules}
