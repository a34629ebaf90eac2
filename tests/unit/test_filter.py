"""The filter keeps what passes every rule and names each rule that fails."""

import math

import pytest

from pvtt.config.settings import stage_defaults
from pvtt.stages.scoring.filter import COLUMNS, failed_rules, filter_pairs

SETTINGS = stage_defaults("filter")


def record(pair_id="A_s01__B_i1", **changed):
    measures = {"identity_p10": 0.8, "swap": 0.4, "changed": 0.9, "background_psnr": 41.0, "motion_ratio": 1.0}
    measures |= {"box_drift": 0.02, "jitter": 0.0, "source_likeness": 0.5}
    known = {
        "pair_id": pair_id,
        "status": "scored",
        "reason": "",
        "scores": {"identity": 0.9, "temporal": 0.8, "lighting": None, "overall": None},
        "quality_score": 0.86,
        "basis": ["identity", "temporal"],
        "measures": measures | changed.pop("measures", {}),
    }
    return known | changed


def test_good_pair_is_kept():
    row = filter_pairs([record()], SETTINGS).iloc[0]
    assert bool(row.kept) and row.reasons == "" and row.basis == "identity;temporal" and row.status == "scored"
    assert (row.quality_score, row.identity, row.swap) == (0.86, 0.9, 0.4)
    assert math.isnan(row.lighting) and math.isnan(row.overall) and math.isnan(row.flicker_inside)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"quality_score": 0.69}, "quality_score 0.69 < min_quality 0.7"),
        (
            {"measures": {"swap": -0.2}},
            "not swapped: likeness to the target less likeness to the source -0.2 < min_swap",
        ),
        ({"measures": {"changed": 0.0}}, "changed share of the product's pixels 0 < min_changed 0.25"),
        ({"measures": {"background_psnr": 21.5}}, "PSNR in dB 21.5 < min_background_psnr_db 30"),
        ({"measures": {"motion_ratio": 0.1}}, "stands still: motion ratio 0.1 < min_motion_ratio 0.3"),
        ({"measures": {"motion_ratio": 4.2}}, "jitters: motion ratio 4.2 > max_motion_ratio 3"),
        ({"measures": {"box_drift": 0.5}}, "drift 0.5 > max_box_drift 0.25"),
        ({"scores": {"identity": 0.3, "temporal": 0.8}}, "identity 0.3 < min_identity 0.5"),
        ({"scores": {"identity": 0.9, "temporal": 0.1}}, "temporal score 0.1 < min_temporal 0.4"),
        ({"quality_score": None}, "quality_score was not measured"),
    ],
)
def test_each_rule_rejects_alone_with_value_and_limit(changed, words):
    reasons = failed_rules(record(**changed), SETTINGS)
    assert len(reasons) == 1 and words in reasons[0]


def test_every_failed_rule_is_named():
    bad = record(quality_score=0.1, measures={"swap": -0.5, "motion_ratio": 0.0})
    row = filter_pairs([bad], SETTINGS).iloc[0]
    assert not row.kept and len(row.reasons.split(";")) == 3


def test_limits_themselves_pass():
    at = record(
        quality_score=0.7, measures={"swap": SETTINGS["min_swap"], "motion_ratio": SETTINGS["max_motion_ratio"]}
    )
    assert failed_rules(at, SETTINGS) == []


def test_gate_that_was_not_measured_is_passed_over():
    assert failed_rules(record(measures={"swap": None, "motion_ratio": None, "box_drift": None}), SETTINGS) == []


@pytest.mark.parametrize("status", ["failed", "invalid"])
def test_unscored_pair_keeps_its_reason(status):
    bad = record(status=status, reason="frames differ; 15 and 16", scores={}, measures={}, quality_score=None, basis=[])
    bad["measures"] = {}
    row = filter_pairs([bad], SETTINGS).iloc[0]
    assert not row.kept and row.reasons == f"{status}: frames differ, 15 and 16" and math.isnan(row.quality_score)


def test_new_threshold_needs_only_the_records():
    pairs = [record("a", quality_score=0.75), record("b", quality_score=0.9)]
    assert filter_pairs(pairs, SETTINGS).kept.tolist() == [True, True]
    assert filter_pairs(pairs, SETTINGS | {"min_quality": 0.8}).kept.tolist() == [False, True]


def test_table_is_sorted_typed_and_survives_parquet(tmp_path):
    table = filter_pairs([record("b"), record("a")], SETTINGS)
    assert table.pair_id.tolist() == ["a", "b"] and tuple(table.columns) == COLUMNS
    assert table.kept.dtype == bool and table.lighting.dtype == "float64"
    table.to_parquet(tmp_path / "filtered.parquet")
    empty = filter_pairs([], SETTINGS)
    assert len(empty) == 0 and tuple(empty.columns) == COLUMNS and empty.kept.dtype == bool


def test_two_scores_of_one_pair_are_an_error():
    with pytest.raises(ValueError, match="several scores of one pair: a"):
        filter_pairs([record("a"), record("a")], SETTINGS)
