"""Calibrations: marks and probabilities with known answers, and fits to drawn items."""

import numpy as np
import pytest

from pvtt.config.settings import read, resolve, stage_defaults
from pvtt.io.project_files import project_file
from pvtt.metrics.ranking import auroc
from pvtt.stages import segmentation
from pvtt.stages.verdicts import chosen_calibration, judge_mask, judge_masks, masks_calibration, read_calibration
from pvtt.stages.verdicts.calibrated import NoCalibrationError, marks, probability, weakest
from pvtt.stages.verdicts.fitting import FitError, fit_calibration, validate
from synthetic.records import PROVENANCE, calibration, masks_record, term

ABOUT = {"good": "drawn", "backend": "classical", "versions": {}, "data": None}


def drawn(count=240, seed=0, groups=12):
    """Items whose `edge` tells good from bad, `noise` tells nothing, and `error` is worse when it is high."""
    random = np.random.default_rng(seed)
    good = random.random(count) < 0.4
    edge = random.normal(good * 1.6, 1)
    error = random.normal(good * -1.0, 1)
    items = [
        {"edge": float(a), "error": float(b), "noise": float(c), "constant": 3.0}
        for a, b, c in zip(edge, error, random.normal(size=count), strict=True)
    ]
    return items, good.tolist(), [f"v{k % groups}" for k in range(count)]


BETTER = {"edge": 1, "error": -1, "noise": 1, "constant": 1}


def test_marks_are_linear_between_the_ends_and_never_outside():
    terms = [term("up", 2, 4), term("down", 4, 2)]
    assert marks(terms, {"up": 3, "down": 3}).tolist() == [0.5, 0.5]
    assert marks(terms, {"up": 9, "down": 9}).tolist() == [1, 0]
    assert marks(terms, {"up": -9, "down": -9}).tolist() == [0, 1]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "text"])
def test_what_is_no_number_has_the_mark_of_absence(value):
    assert marks([term("up", 0, 1)], {"up": value}).tolist() == [0.25]
    assert marks([term("up", 0, 1)], {}).tolist() == [0.25]


def test_probability_is_the_logistic_of_the_weighted_marks():
    model = calibration(term("a", 0, 1, 2.0), term("b", 1, 0, 3.0), offset=-1.0)
    assert probability(model, {"a": 1, "b": 1}) == pytest.approx(1 / (1 + np.exp(-1)))
    assert probability(model, {"a": 0, "b": 0}) == pytest.approx(1 / (1 + np.exp(-2)))


def test_isotonic_knots_replace_the_probability_linearly():
    model = calibration(term("a", 0, 1, 0.0), isotonic=[(0.2, 0.0), (0.8, 0.6)])  # the sum is 0: 0.5
    assert probability(model, {"a": 1}) == pytest.approx(0.3)


def test_weakest_measures_cost_most():
    model = calibration(term("a", 0, 1, 2.0), term("b", 0, 1, 3.0), term("c", 0, 1, 1.0))
    assert weakest(model, {"a": 0, "b": 0.9, "c": 1}) == ["a", "b"]


def test_a_fit_finds_the_measures_that_tell_and_leaves_out_the_rest():
    items, good, groups = drawn()
    found = fit_calibration("drawn", items, good, groups, BETTER, **ABOUT)
    weights = {one.measure: one.weight for one in found.terms}
    assert weights["edge"] > weights["error"] > 3 * weights.get("noise", 0)
    assert "constant" not in weights
    fresh, truth, _ = drawn(seed=1)
    chance = [probability(found, item) for item in fresh]
    assert auroc(chance, truth) > 0.87
    kept = np.array(chance) >= found.threshold
    assert kept.sum() > 20
    assert np.array(truth)[kept].mean() > 0.8


def test_a_better_measure_never_lowers_the_probability():
    items, good, groups = drawn(count=80)
    found = fit_calibration("drawn", items, good, groups, {"edge": -1, "error": 1, "noise": 1}, **ABOUT)
    grid = np.linspace(-4, 4, 50)
    for measure, side in (("edge", -1), ("error", 1), ("noise", 1)):
        chances = [probability(found, {"edge": 0.0, "error": 0.0, "noise": 0.0} | {measure: value}) for value in grid]
        assert (np.diff(chances) * side >= -1e-12).all()


def test_the_threshold_reaches_the_precision_on_left_out_groups_or_keeps_nothing():
    items, good, groups = drawn()
    found = fit_calibration("drawn", items, good, groups, BETTER, precision=0.9, **ABOUT)
    assert found.validation.precision >= 0.9
    low, high = found.validation.precision_interval
    assert low < found.validation.precision <= high
    assert found.validation.groups == 12
    blind = fit_calibration("drawn", items, good, groups, {"noise": 1}, precision=0.95, **ABOUT)
    assert blind.validation.kept < 20  # noise cannot reach it


def test_probabilities_are_calibrated_on_fresh_items():
    items, good, groups = drawn(count=800)
    found = fit_calibration("drawn", items, good, groups, BETTER, **ABOUT)
    fresh, truth, _ = drawn(count=800, seed=2)
    chance = np.array([probability(found, item) for item in fresh])
    for low, high in ((0, 0.3), (0.3, 0.7), (0.7, 1.01)):
        inside = (chance >= low) & (chance < high)
        assert abs(np.mean(np.array(truth)[inside]) - chance[inside].mean()) < 0.12


def test_validation_counts_what_is_kept():
    chance, good = np.array([0.9, 0.8, 0.7, 0.2, 0.1]), np.array([True, True, False, True, False])
    found = validate(chance, good, np.array(list("aabbc")), 0.6)
    assert (found.kept, found.good, found.precision, found.recall) == (3, 3, 0.6667, 0.6667)
    assert found.precision_of_better_half == 0.6667
    assert found.auroc == 0.8333


def test_where_all_items_agree_the_interval_is_that_of_as_many_trials_as_groups():
    chance, good = np.linspace(0.6, 1, 12), np.ones(12, bool)
    found = validate(chance, good, np.array(list("aabbccddeeff")), 0.5)
    assert found.precision == 1 and found.precision_interval == [round(0.025 ** (1 / 6), 4), 1.0]
    assert validate(chance, ~good, np.array(list("aabbccddeeff")), 0.5).precision_interval == [
        0.0,
        round(1 - 0.025 ** (1 / 6), 4),
    ]
    assert validate(chance, good, np.array(list("aabbccddeeff")), 1.1).precision_interval is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda items, good, groups: (items, good, ["one"] * len(good)), "one group only"),
        (lambda items, good, groups: (items, [True] * len(good), groups), "are good; judge some of both kinds"),
        (lambda items, good, groups: ([{"constant": 1.0} for _ in items], good, groups), "none of the measures"),
    ],
)
def test_too_little_to_learn_from_is_said(change, words):
    with pytest.raises(FitError, match=words):
        fit_calibration("drawn", *change(*drawn(count=40)), BETTER, **ABOUT)


def test_a_calibration_is_found_by_name_or_path_and_read_back(tmp_path):
    own = tmp_path / "own.json"
    model = calibration(term("a", 0, 1))
    model.write(own)
    chosen = chosen_calibration(str(own), "masks-nothing")
    assert chosen["name"] == str(own)
    assert read_calibration(chosen) == model
    assert chosen_calibration("none", "masks-nothing") == {} == chosen_calibration("shipped", "masks-nothing")
    assert read_calibration({}) is None
    model.model_copy(update={"threshold": 0.6}).write(own)
    assert chosen_calibration(str(own), "masks-nothing")["digest"] != chosen["digest"]
    with pytest.raises(NoCalibrationError, match=r"lost\.json"):
        chosen_calibration(str(tmp_path / "lost.json"), "masks-nothing")


MASKS = stage_defaults("verdicts")["masks"]


def masks(backend="fabricated", version="1", **measures):
    measures = {"second_opinion": 0.9, "visible_share": 1.0} | measures
    return masks_record(measures=measures, provenance=PROVENANCE | {"backend": backend, "version": version})


def test_a_calibration_takes_the_place_of_the_limits_of_masks():
    model = calibration(term("second_opinion", 0, 1, 4.0), offset=-2.0, threshold=0.6)
    model = model.model_copy(update={"requires": ["second_opinion"], "limits": ["visible_share"]})
    bad_by_limits = masks(separability=0.1)
    assert judge_mask(bad_by_limits, MASKS).status == "rejected"
    verdict = judge_mask(bad_by_limits, MASKS, model)
    assert (verdict.status, verdict.judged_by, verdict.score) == ("accepted", "drawn", 0.832)
    poor = judge_mask(masks(second_opinion=0.5), MASKS, model)
    assert poor.reason.startswith("probability of good masks 0.50 (at least 0.60), weakest: IoU of the mask with")
    seldom = judge_mask(masks(visible_share=0.2), MASKS, model)
    assert seldom.reason.startswith("share of the frames that show the product is 0.2 (at least 0.5")


def test_a_calibration_says_nothing_about_another_backend_or_without_its_measure():
    model = calibration(term("second_opinion", 0, 1, 4.0)).model_copy(update={"requires": ["second_opinion"]})
    assert judge_mask(masks(backend="sam2"), MASKS, model).judged_by == "limits"
    assert judge_mask(masks(second_opinion=None), MASKS, model).judged_by == "limits"


def test_masks_of_another_version_are_judged_with_a_warning(caplog):
    model = calibration(term("second_opinion", 0, 1, 4.0)).model_copy(update={"versions": {"segmentation": "1, "}})
    judge_masks([masks()], MASKS, model)
    assert not caplog.records
    further = masks().model_copy(
        update={"provenance": masks().provenance.model_copy(update={"measured_by": ", hands 1"})}
    )
    judge_masks([masks(), further], MASKS, model)
    assert not caplog.records  # a further measure changes no other
    judge_masks([masks(), masks(version="2"), masks(backend="sam2", version="7")], MASKS, model)
    assert [record.getMessage() for record in caplog.records] == [
        "the calibration drawn was learnt from masks of 1, , not of 2, : its precision is not known for these; "
        "learn it anew, or set verdicts.masks.calibration to none"
    ]


def test_the_shipped_calibration_is_of_the_versions_of_the_small_tier():
    settings = resolve(read([project_file("config/presets/small-models.yaml")]))
    chosen = masks_calibration(settings)
    found = read_calibration(chosen)
    assert chosen["name"] == found.name == "masks-classical"
    assert found.versions["segmentation"] == segmentation.version(settings["segmentation"])
    assert found.validation.precision >= found.precision >= 0.9
    assert found.requires == ["second_opinion", "photo_match"]
