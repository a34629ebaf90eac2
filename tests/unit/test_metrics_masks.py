"""Measures of regions, transitions, tracks and ranks against values worked out by hand and against scikit-learn."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pvtt.metrics import (
    Detections,
    alpha_error,
    auroc,
    base_band,
    boundary_f,
    match_cuts,
    match_gradual,
    position_error,
    precision_recall,
    presence_accuracy,
    scale_error,
    selective,
    spearman,
    tapvid,
)


def square(side, top, left, shape=(100, 100)):
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_boundary_f_within_and_beyond_the_tolerance():
    # 0.008 of a diagonal of 141 px is 1.13, rounded up to 2 px.
    truth = square(40, 20, 20)
    assert boundary_f(truth, truth) == 1.0
    assert boundary_f(square(44, 18, 18), truth) > 0.95
    assert boundary_f(square(50, 15, 15), truth) == 0.0


def contour_pixels(mask):
    """Contour by the definition of seg2bmap, pixel by pixel."""
    height, width = mask.shape
    neighbours = [(0, 1), (1, 0), (1, 1)]
    return [
        (y, x)
        for y in range(height)
        for x in range(width)
        if any(y + a < height and x + b < width and mask[y, x] != mask[y + a, x + b] for a, b in neighbours)
    ]


def test_boundary_f_by_brute_force():
    noise = gaussian_filter(np.random.default_rng(2).normal(0, 1, (60, 80)), 5)
    truth, result = noise > 0.01, noise + np.linspace(-0.02, 0.05, 80) > 0.01
    lines = [np.array(contour_pixels(mask)) for mask in (result, truth)]
    apart = np.linalg.norm(lines[0][:, None] - lines[1][None], axis=2)
    radius = np.ceil(0.008 * np.hypot(60, 80))
    precision, recall = (apart.min(1) <= radius).mean(), (apart.min(0) <= radius).mean()
    assert 0.3 < precision < 0.95
    assert boundary_f(result, truth) == pytest.approx(2 * precision * recall / (precision + recall))


def test_boundary_f_of_empty_masks():
    empty, full = np.zeros((50, 50), bool), square(10, 10, 10, (50, 50))
    assert boundary_f(empty, empty) == 1.0
    assert boundary_f(empty, full) == boundary_f(full, empty) == 0.0


def test_presence():
    result, truth = np.zeros((4, 5, 5), bool), np.zeros((4, 5, 5), bool)
    result[:2, 0, 0], truth[1:3, 4, 4] = True, True
    assert presence_accuracy(result, truth) == 0.5


def test_alpha_error():
    truth = np.zeros((10, 100), np.uint8)
    result = truth.copy()
    result[0], result[1] = 255, 51
    expected = {"sad": (100 + 20) / 1000, "mse": 0.1 + 0.1 * 0.04, "mae": 0.12}
    assert alpha_error(result, truth) == pytest.approx(expected)


def test_place_and_size():
    truth = square(30, 20, 20)
    assert position_error(square(30, 23, 24), truth) == pytest.approx(5 / (30 * np.sqrt(2)))
    assert scale_error(square(60, 0, 0), truth) == pytest.approx(1.0)
    assert scale_error(square(15, 0, 0), truth) == pytest.approx(1.0)
    assert scale_error(truth, truth) == position_error(truth, truth) == 0


def test_hard_cuts_one_to_one():
    assert match_cuts([10, 51, 90], [11, 50, 70], []) == Detections(2, 1, 1)
    # One found cut cannot serve two true ones, and the best matching is taken.
    assert match_cuts([10, 11], [11, 12], []) == Detections(2, 0, 0)
    assert match_cuts([10], [10, 11], []) == Detections(1, 0, 1)
    # Inside a true gradual transition it counts neither way; just after it, it does.
    assert match_cuts([30, 36], [], [(28, 34)]) == Detections(0, 1, 0)


def test_gradual_transitions_by_overlap():
    assert match_gradual([(10, 19)], [(10, 19)]) == Detections(1, 0, 0)
    assert match_gradual([(10, 12)], [(10, 19)]) == Detections(1, 0, 0)  # 3 of 10
    assert match_gradual([(10, 11)], [(10, 19)]) == Detections(0, 1, 1)  # 2 of 10
    assert match_gradual([(10, 19), (11, 18)], [(10, 19)]) == Detections(1, 1, 0)
    assert match_gradual([], []) == Detections()


def test_figures_of_counts():
    counts = Detections(6, 2, 0) + Detections(0, 0, 6)
    assert (counts.precision, counts.recall) == (0.75, 0.5)
    assert counts.f1 == pytest.approx(0.6)
    assert Detections().f1 is None


def test_auroc_with_ties():
    assert auroc([1, 2, 3, 4], [False, False, True, True]) == 1.0
    assert auroc([1, 1, 1], [True, False, True]) == 0.5
    # Pairs (positive, negative): 3 > 1, 3 > 2, 2 > 1, 2 = 2.
    assert auroc([3, 2, 1, 2], [True, True, False, False]) == pytest.approx(3.5 / 4)
    assert auroc([1, 2], [True, True]) is None


def test_auroc_is_that_of_scikit_learn():
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 12, 200) / 12
    positive = rng.random(200) < 0.2 + 0.5 * scores
    assert auroc(scores, positive) == pytest.approx(sklearn_metrics.roc_auc_score(positive, scores))


def test_spearman_of_a_monotone_curve():
    x = np.arange(1, 8)
    assert spearman(x, x**3) == pytest.approx(1.0)
    assert spearman(x, -x) == pytest.approx(-1.0)
    # Ranks 1, 2, 3 against 1, 3, 2: 1 - 6 * 2 / (3 * 8).
    assert spearman([1, 2, 3], [10, 30, 20]) == pytest.approx(0.5)
    assert spearman([1, 2, 3], [5, 5, 5]) is None


def test_selection():
    chosen = selective([0.9, 0.7, 0.1, 0.3], [True, True, False, False])
    assert chosen == pytest.approx({"share": 0.5, "accepted": 0.8, "all": 0.5})
    assert selective([0.4], [False])["accepted"] is None
    assert precision_recall([True, True, False, False], [True, False, True, True]) == (0.5, pytest.approx(1 / 3))
    assert precision_recall([False], [False]) == (None, None)


def test_tapvid_of_a_constant_error():
    # 512 x 256: 3 px to the right are 1.5 px at 256 x 256, within 2, 4, 8 and 16.
    truth = np.tile(np.array([100.0, 100.0]), (2, 10, 1))
    visible = np.ones((2, 10), bool)
    queries = np.array([[0, 100, 100], [4, 100, 100]])
    found = tapvid(truth + np.array([3, 0]), truth, visible, queries, (512, 256))
    assert found == pytest.approx({"delta": 0.8, "aj": 0.8, "oa": 1.0})
    assert tapvid(truth, truth, visible, queries, (512, 256)) == {"delta": 1.0, "aj": 1.0, "oa": 1.0}


def test_tapvid_of_lost_and_hidden_points():
    # One point, query at 0, nine frames count: visible in 1-6, hidden in 7-9; followed right in 1-4, lost in 5-6, and
    # wrongly said to be seen in 7-8.
    truth = np.zeros((1, 10, 2))
    visible = np.array([[True] * 7 + [False] * 3])
    paths = truth.copy()
    paths[0, [5, 6, 9]] = np.nan
    found = tapvid(paths, truth, visible, np.array([[0, 0, 0]]), (256, 256))
    assert found == pytest.approx({"delta": 4 / 6, "aj": 4 / (6 + 2), "oa": 5 / 9})


def test_tapvid_needs_something_to_count():
    with pytest.raises(ValueError, match="visible"):
        tapvid(np.zeros((1, 3, 2)), np.zeros((1, 3, 2)), np.ones((1, 3), bool), np.array([[2, 0, 0]]), (256, 256))


def test_the_base_band_is_what_lies_at_the_foot_and_is_no_product():
    truth = square(40, 20, 20)
    assert base_band(truth, truth) == 0.0
    plate = truth.copy()
    plate[60:64, 20:60] = True  # 4 rows below the foot, whose lowest eighth has 5 rows
    assert base_band(plate, truth) == pytest.approx(4 / 9)
    above = truth.copy()
    above[10:20] = True
    assert base_band(above, truth) == 0.0
    assert base_band(np.zeros_like(truth), truth) is None and base_band(truth, np.zeros_like(truth)) is None
