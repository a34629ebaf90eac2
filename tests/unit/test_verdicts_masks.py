"""Mask verdicts: each limit can reject, and the score follows from the marks."""

import pytest

from pvtt.config import settings
from pvtt.config.settings import stage_defaults
from pvtt.io.files import read_json
from pvtt.records.mask_verdicts import read_mask_verdicts, write_mask_verdicts
from pvtt.records.results import MaskVerdict
from pvtt.stages.verdicts.masks import WORDS, judge_mask, judge_masks, judge_measures
from synthetic.records import masks_record

SETTINGS = stage_defaults("verdicts")["masks"]
# Measure -> where it rejects and where it is good.
LIMITS = {
    "visible_share": (0.5, 0.75),
    "mean_area": (0.0008, 0.004),
    "largest_area": (0.75, 0.6),
    "area_jump_share": (0.10, 0.0),
    "neighbour_iou": (0.6, 0.85),
    "flicker": (0.12, 0.02),
    "border_contact": (0.35, 0.15),
    "side_to_side": (0.5, 0.1),
    "separability": (0.4, 0.75),
    "edge_support": (0.35, 0.7),
    "raggedness": (1.3, 1.1),
    "thinness": (0.25, 0.1),
    "confidence": (0.75, 0.92),
    "agreement": (0.6, 0.9),
    "ambiguity": (0.5, 0.1),
    "ambiguity_unseen": (0.25, 0.05),
    "skin_share": (0.4, 0.2),
    "open_form_fill": (0.7, 0.55),
    "missing_colour": (0.45, 0.25),
    "shape_gap": (0.16, 0.05),
    "likeness": (0.4, 0.65),
}
GOOD = {name: good for name, (_, good) in LIMITS.items()}


def record(measures, status="measured", reason="", clip="A_s01"):
    return masks_record(clip, status=status, reason=reason, measures=measures)


def test_every_limit_is_a_setting_with_this_value():
    found = {name: value for name, value in SETTINGS.items() if isinstance(value, dict)}
    assert found == {name: {"reject": reject, "good": good} for name, (reject, good) in LIMITS.items()}
    assert set(WORDS) == set(LIMITS)
    assert (SETTINGS["min_score"], SETTINGS["min_mark"]) == (0.8, 0.01)


@pytest.mark.parametrize("name", list(LIMITS))
def test_every_limit_rejects_alone_and_says_so(name):
    reject, good = LIMITS[name]
    beyond = reject + 0.1 * (reject - good)
    verdict = judge_mask(record(GOOD | {name: beyond}), SETTINGS)
    side = "least" if good > reject else "most"
    assert verdict.status == "rejected"
    assert verdict.reason == f"{WORDS[name]} is {beyond:.3g} (at {side} {reject:g})"
    assert judge_mask(record(GOOD | {name: reject}), SETTINGS | {"min_score": 0}).status == "accepted"


def test_good_measures_are_accepted_and_others_do_not_count():
    expected = MaskVerdict(clip_id="A_s01", status="accepted", reason="", score=1.0, judged_by="limits")
    assert judge_mask(record(GOOD | {"round_trip": 0.0}), SETTINGS) == expected


def test_the_score_is_the_geometric_mean_of_the_marks():
    # Marks 1 and 0.25: (0.25) ** 0.5.
    measures = {"agreement": 0.95, "likeness": 0.4625}
    assert judge_measures(measures, SETTINGS | {"min_score": 0}) == ("", 0.5)
    # A mark of 0 counts as 0.01.
    assert judge_measures({"agreement": 0.9, "likeness": 0.4}, SETTINGS | {"min_score": 0})[1] == 0.1


def test_a_low_score_rejects_and_names_the_weakest_measure():
    middle = {name: (reject + good) / 2 for name, (reject, good) in LIMITS.items()}
    verdict = judge_mask(record(middle | {"flicker": 0.11}), SETTINGS | {"min_score": 0.6})
    assert verdict.status == "rejected"
    words = "pixels that flicker, share of the area is 0.11 (at most 0.12)"
    assert verdict.reason == f"score 0.46 (limit 0.60), weakest: {words}"
    assert judge_mask(record(middle), SETTINGS | {"min_score": 0.5}).status == "accepted"
    assert judge_mask(record(middle), SETTINGS | {"min_score": 0.5001}).status == "rejected"


def test_an_empty_scene_is_accepted_and_a_failure_keeps_its_reason():
    empty, failed = record({"empty": True}, "empty"), record({}, "failed", "no product found: all is grey", "B_s01")
    assert [verdict.plain() for verdict in judge_masks([empty, failed], SETTINGS)] == [
        {"clip_id": "A_s01", "status": "accepted", "reason": "", "score": 1.0, "judged_by": "limits"},
        {
            "clip_id": "B_s01",
            "status": "rejected",
            "reason": "no product found: all is grey",
            "score": 0.0,
            "judged_by": "limits",
        },
    ]


def test_a_changed_limit_needs_only_the_record():
    jumpy = record(GOOD | {"area_jump_share": 0.15})
    assert judge_mask(jumpy, SETTINGS).status == "rejected"
    changed = SETTINGS | {"area_jump_share": {"reject": 0.3, "good": 0.0}}
    assert judge_mask(jumpy, changed).status == "accepted"


def test_verdicts_come_back_as_they_were_and_a_clips_file_is_written_where_it_changes(tmp_path):
    verdicts = judge_masks([record(GOOD), record({}, "failed", "no frames", "B_s01")], SETTINGS)
    write_mask_verdicts(tmp_path, verdicts)
    assert list(read_mask_verdicts(tmp_path).values()) == verdicts
    paths = [tmp_path / "clips" / clip / "mask_verdict.json" for clip in ("A_s01", "B_s01")]
    assert [read_json(path) for path in paths] == [verdict.plain() for verdict in verdicts]
    before = [path.stat().st_ino for path in paths]
    write_mask_verdicts(tmp_path, [verdicts[0], verdicts[1].model_copy(update={"reason": "no frame"})])
    after = [path.stat().st_ino for path in paths]
    assert before[0] == after[0] and read_json(paths[1])["reason"] == "no frame"
    write_mask_verdicts(tmp_path, [])
    assert read_mask_verdicts(tmp_path) == {} == read_mask_verdicts(tmp_path / "none")


def test_limits_that_cannot_be_told_apart_are_refused():
    with pytest.raises(settings.SettingsError, match=r"verdicts\.masks\.flicker: reject and good are both 0\.02"):
        settings.resolve({"verdicts": {"masks": {"flicker": {"reject": 0.02}}}})


@pytest.mark.parametrize(
    ("config", "old", "new"),
    [
        ({"filter": {"min_quality": 0.8}}, "filter.min_quality", "verdicts.pairs.min_quality"),
        ({"filter": {}}, "filter", "verdicts.pairs"),
        ({"segmentation": {"min_score": 0.7}}, "segmentation.min_score", "verdicts.masks.min_score"),
        ({"scoring": {"weights": {"overall": 1}}}, "scoring.weights.overall", "verdicts.pairs.weights.overall"),
    ],
)
def test_an_old_key_is_refused_with_its_new_name(config, old, new):
    with pytest.raises(settings.SettingsError, match=rf"  {old} is now {new}$"):
        settings.resolve(config)
