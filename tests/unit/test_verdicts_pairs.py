"""Pair verdicts: a pair is kept when it passes every limit, and each limit that it fails is named."""

import math
from collections import defaultdict
from dataclasses import replace

import pandas as pd
import pytest

from pvtt.config.settings import stage_defaults
from pvtt.config.stages.verdicts import ScoreWeights
from pvtt.records.results import Scores
from pvtt.stages.verdicts.directions import DIRECTIONS, ClipState
from pvtt.stages.verdicts.pairs import COLUMNS, judge_pair, judge_pairs, quality_score
from synthetic.records import background_record, calibration, mask_verdict_record, score_record, term

SETTINGS = stage_defaults("verdicts")["pairs"]
WEIGHTS = SETTINGS["weights"]
A, B = "A_s01__C_i1", "B_s01__C_i1"
GOOD_CLIP = ClipState(False, mask_verdict_record(), background_record(measures={"seam": 2.0}), True)
CLIPS = defaultdict(lambda: GOOD_CLIP)


def record(pair_id="A_s01__B_i1", **changed):
    measures = {"identity_p10": 0.8, "swap": 0.4, "changed": 0.9, "background_psnr": 41.0, "motion_ratio": 1.0}
    measures |= {"box_drift": 0.02, "jitter": 0.0, "source_likeness": 0.5}
    scores = changed.pop("scores", {"identity": 0.9, "temporal": 0.8})
    return score_record(pair_id, scores=scores, measures=measures | changed.pop("measures", {}), **changed)


def test_good_pair_is_kept():
    row = judge_pairs([record()], SETTINGS, CLIPS).iloc[0]
    assert bool(row.kept) and row.reasons == "" and row.basis == "identity;temporal" and row.status == "scored"
    assert (row.quality_score, row.identity, row.swap) == (0.86, 0.9, 0.4)
    assert math.isnan(row.lighting) and math.isnan(row.overall) and math.isnan(row.flicker_inside)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"scores": {"identity": 0.69, "temporal": 0.69}}, "quality_score 0.69 < min_quality 0.7"),
        (
            {"measures": {"swap": -0.2}},
            "not swapped: likeness to the target less likeness to the source -0.2 < min_swap",
        ),
        ({"measures": {"changed": 0.0}}, "changed share of the product's pixels 0 < min_changed 0.25"),
        ({"measures": {"background_psnr": 21.5}}, "PSNR in dB 21.5 < min_background_psnr_db 30"),
        ({"measures": {"motion_ratio": 0.1}}, "stands still: motion ratio 0.1 < min_motion_ratio 0.3"),
        ({"measures": {"motion_ratio": 4.2}}, "jitters: motion ratio 4.2 > max_motion_ratio 3"),
        ({"measures": {"box_drift": 0.5}}, "drift 0.5 > max_box_drift 0.25"),
        ({"scores": {"identity": 0.49, "temporal": 0.8, "overall": 1.0}}, "identity 0.49 < min_identity 0.5"),
        ({"scores": {"identity": 1.0, "temporal": 0.39}}, "temporal score 0.39 < min_temporal 0.4"),
        ({"scores": {"identity": None, "temporal": None}}, "quality_score was not measured"),
    ],
)
def test_each_rule_rejects_alone_with_value_and_limit(changed, words):
    reasons = judge_pair(record(**changed), SETTINGS).reasons
    assert len(reasons) == 1 and words in reasons[0]


def test_every_failed_rule_is_named():
    bad = record(scores={"identity": 0.6, "temporal": 0.6}, measures={"swap": -0.5, "motion_ratio": 0.0})
    row = judge_pairs([bad], SETTINGS, CLIPS).iloc[0]
    assert not row.kept and len(row.reasons.split(";")) == 3


def test_limits_themselves_pass():
    at = record(scores={"identity": 0.7, "temporal": 0.7}, measures={"swap": 0.05, "motion_ratio": 3.0})
    assert judge_pair(at, SETTINGS).reasons == []


def test_gate_that_was_not_measured_is_passed_over():
    assert judge_pair(record(measures={"swap": None, "motion_ratio": None, "box_drift": None}), SETTINGS).kept


@pytest.mark.parametrize("status", ["failed", "invalid"])
def test_unscored_pair_keeps_its_reason(status):
    bad = score_record(status=status, reason="frames differ; 15 and 16")
    row = judge_pairs([bad], SETTINGS, CLIPS).iloc[0]
    assert not row.kept and row.reasons == f"{status}: frames differ, 15 and 16" and math.isnan(row.quality_score)


def test_new_threshold_needs_only_the_records():
    pairs = [record(A, scores={"identity": 0.75, "temporal": 0.75}), record(B)]
    assert judge_pairs(pairs, SETTINGS, CLIPS).kept.tolist() == [True, True]
    assert judge_pairs(pairs, SETTINGS | {"min_quality": 0.8}, CLIPS).kept.tolist() == [False, True]


def test_table_is_sorted_typed_and_survives_parquet(tmp_path):
    table = judge_pairs([record(B), record(A)], SETTINGS, CLIPS)
    assert table.pair_id.tolist() == [A, B] and tuple(table.columns) == COLUMNS
    assert table.kept.dtype == bool and table.lighting.dtype == "float64"
    assert table.attrs["weights"] == {"identity": 0.3, "temporal": 0.2, "lighting": 0.2, "overall": 0.3}
    table.to_parquet(tmp_path / "filtered.parquet")
    assert pd.read_parquet(tmp_path / "filtered.parquet").attrs == table.attrs
    empty = judge_pairs([], SETTINGS, CLIPS)
    assert len(empty) == 0 and tuple(empty.columns) == COLUMNS and empty.kept.dtype == bool


def test_two_scores_of_one_pair_are_an_error():
    with pytest.raises(ValueError, match=f"several scores of one pair: {A}"):
        judge_pairs([record(A), record(A)], SETTINGS, CLIPS)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"identity": 1.0, "temporal": 0.5, "lighting": None, "overall": None}, (0.8, ["identity", "temporal"])),
        ({"identity": 0.9, "temporal": 0.8, "lighting": 0.5, "overall": 0.6}, (0.71, list(WEIGHTS))),
        ({"identity": 0.4, "temporal": None, "lighting": None, "overall": None}, (0.4, ["identity"])),
        ({"identity": None, "temporal": None, "lighting": None, "overall": None}, (None, [])),
    ],
)
def test_quality_is_over_what_was_measured(scores, expected):
    assert quality_score(Scores.model_validate(scores), ScoreWeights()) == expected


def test_a_score_of_weight_zero_is_no_basis():
    assert quality_score(Scores(identity=0.5, temporal=1.0, lighting=None, overall=None), ScoreWeights(temporal=0)) == (
        0.5,
        ["identity"],
    )


def test_new_weights_need_only_the_records():
    uneven = record(scores={"identity": 1.0, "temporal": 0.5, "lighting": None, "overall": None})
    assert judge_pair(uneven, SETTINGS).quality_score == 0.8
    assert judge_pair(uneven, SETTINGS | {"weights": WEIGHTS | {"temporal": 0.9}}).quality_score == 0.625


def test_the_limits_are_these():
    assert {name: value for name, value in SETTINGS.items() if name != "calibration"} == {
        "min_quality": 0.7,
        "min_swap": 0.05,
        "min_changed": 0.25,
        "min_background_psnr_db": 30,
        "min_motion_ratio": 0.3,
        "max_motion_ratio": 3.0,
        "max_box_drift": 0.25,
        "min_temporal": 0.4,
        "min_identity": 0.5,
        "weights": {"identity": 0.3, "temporal": 0.2, "lighting": 0.2, "overall": 0.3},
    }


def kept(score, clip=GOOD_CLIP, calibrations=None):
    """The directions in which a pair is kept."""
    row = judge_pairs([score], SETTINGS, defaultdict(lambda: clip), calibrations).iloc[0]
    assert bool(row.kept) == bool(row.kept_forward)
    return [direction for direction in DIRECTIONS if row[f"kept_{direction}"]]


def test_a_good_pair_of_a_good_clip_serves_every_direction():
    assert kept(record()) == ["forward", "reverse", "insert", "remove"]


def test_a_poor_product_costs_only_the_forward_direction():
    assert kept(record(scores={"identity": 0.45, "temporal": 0.8})) == ["reverse", "insert", "remove"]


def test_a_product_that_was_not_replaced_serves_its_clip_alone():
    assert kept(record(measures={"swap": -0.5})) == ["insert", "remove"]
    failed = record(status="failed", reason="no memory", scores={"identity": None, "temporal": None})
    assert kept(failed) == ["insert", "remove"]


@pytest.mark.parametrize(
    ("change", "directions"),
    [
        ({"empty": True}, ["forward"]),
        ({"masks": mask_verdict_record(status="rejected", reason="poor", score=0.2)}, ["forward"]),
        ({"background": None}, ["forward", "reverse"]),
        ({"background": background_record(status="failed", reason="all covered")}, ["forward", "reverse"]),
        ({"cut_out": False}, ["forward", "remove"]),
    ],
)
def test_directions_need_what_the_clip_has(change, directions):
    assert kept(record(), replace(GOOD_CLIP, **change)) == directions


def test_a_calibration_takes_the_place_of_the_limits_of_its_direction():
    forward = calibration(term("swap", 0, 1, 4.0), term("plate_seam", 4, 0, 2.0), offset=-2.0, threshold=0.6)
    row = judge_pairs([record()], SETTINGS, CLIPS, {"forward": forward}).iloc[0]
    assert row.p_good_forward == pytest.approx(1 / (1 + math.exp(-(-2 + 4 * 0.4 + 2 * 0.5))), abs=1e-4)
    assert row.kept_forward and math.isnan(row.p_good_reverse) and row.kept_reverse
    assert kept(record(scores={"identity": 0.1, "temporal": 0.1}), calibrations={"forward": forward})[0] == "forward"
    poor = judge_pairs([record(measures={"swap": 0.1})], SETTINGS, CLIPS, {"forward": forward}).iloc[0]
    assert not poor.kept
    assert poor.reasons == "probability of a good pair 0.35 < 0.60, weakest: swap 0.1, plate_seam 2"
    other = forward.model_copy(update={"backend": "dinov2"})  # learnt from other scores: it says nothing
    assert math.isnan(judge_pairs([record()], SETTINGS, CLIPS, {"forward": other}).iloc[0].p_good_forward)
    failed = record(status="failed", reason="no memory")
    assert judge_pairs([failed], SETTINGS, CLIPS, {"forward": forward}).iloc[0].reasons == "failed: no memory"
