"""The tables behind the workflow's checkpoints."""

import os
from pathlib import Path

import pandas as pd
import pytest

from pvtt.records import plan_tables
from synthetic.records import track_frame, track_record


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Three planned pairs in two packs, and one that is not planned."""
    rows = [("A_s01", "B", 1, "planned", "p00002"), ("A_s01", "C", 2, "planned", "p00001")]
    rows += [("A_s02", "B", 1, "planned", "p00001"), ("A_s02", "C", 1, "infeasible", "")]
    path = tmp_path / "pairs.parquet"
    pd.DataFrame(rows, columns=["clip_id", "target_id", "image_index", "status", "pack"]).to_parquet(path)
    return path


def test_accepted_clips_in_the_table_s_order(tmp_path: Path):
    table = tmp_path / "clips.tsv"
    table.write_text("clip_id\tstatus\nNA_s02\taccepted\nA_s01\trejected\nA_s02\taccepted\n")
    assert plan_tables.accepted_clips(table) == ["NA_s02", "A_s02"]


def test_planned_pairs_are_read_again_when_the_plan_was_written_again(plan: Path):
    first = plan_tables.planned_pairs(plan)
    assert list(first.target_id) == ["B", "C", "B"]
    assert plan_tables.planned_pairs(str(plan)) is first, "read once"
    first.iloc[:1].to_parquet(plan)
    os.utime(plan, (1, 1))
    assert len(plan_tables.planned_pairs(plan)) == 1


def test_packs_hold_the_folders_of_their_planned_pairs(plan: Path):
    assert plan_tables.packs(plan, "<results>") == {
        "p00001": ("<results>/pairs/A_s01/C_i2", "<results>/pairs/A_s02/B_i1"),
        "p00002": ("<results>/pairs/A_s01/B_i1",),
    }
    assert plan_tables.packs(plan, "r")["p00002"] == ("r/pairs/A_s01/B_i1",)
    pd.read_parquet(plan).drop(columns="pack").to_parquet(plan)
    os.utime(plan, (2, 2))
    assert plan_tables.packs(plan, "<results>") == {}


def test_canaries_are_made_of_the_pair_of_least_rank_of_a_clip_that_moves(tmp_path: Path):
    rows = [
        ("A_s01", "B", 1, "planned", 5), ("A_s01", "C", 2, "planned", 4), ("A_s01", "D", 1, "skipped", 1),
        ("A_s02", "B", 1, "planned", 2), ("E_s01", "B", 1, "planned", 3),
    ]  # fmt: skip
    plan = pd.DataFrame(rows, columns=["clip_id", "target_id", "image_index", "status", "rank"])
    plan["source_id"], plan["pair_id"] = plan.clip_id.str[0], plan.clip_id + "__" + plan.target_id
    path = tmp_path / "pairs.parquet"
    plan.to_parquet(path)
    names = [(pair["clip_id"], pair["target_id"]) for pair in plan_tables.canary_pairs(path, 3)]
    assert names == [("A_s02", "B"), ("E_s01", "B"), ("A_s01", "C")], "without tracks by rank"
    assert plan_tables.canary_pairs(path, 0) == []
    for clip, step in (("A_s01", 4), ("E_s01", 1)):
        frames = [track_frame([k * step, 0, 20 + k * step, 10]) for k in range(5)] + [track_frame(None)]
        track_record(clip, frames=frames).write(tmp_path / "clips" / clip / "track.json")
    plan_tables._travel.cache_clear()
    [first, second] = plan_tables.canary_pairs(path, 2)
    assert first == {"clip_id": "A_s01", "source_id": "A", "target_id": "C", "image_index": "2"}
    assert second["clip_id"] == "E_s01"


def test_a_pack_asks_for_a_gpu_per_missing_score(tmp_path: Path):
    scores = [tmp_path / f"{number}.json" for number in range(4)]
    assert plan_tables.gpus_of_pack(scores, 8) == 4
    scores[0].touch()
    assert plan_tables.gpus_of_pack(scores, 8) == 3
    assert plan_tables.gpus_of_pack(scores, 2) == 2
    for score in scores:
        score.touch()
    assert plan_tables.gpus_of_pack(scores, 8) == 4, "all are made again"
