"""Mask measures: each has a known answer on drawn masks."""

import numpy as np
import pytest

from pvtt.config.settings import stage_defaults
from pvtt.stages.segmentation import qa
from pvtt.stages.segmentation.base import Segmentation
from pvtt.stages.segmentation.photo_evidence import missing_colour
from pvtt.stages.verdicts import judge_mask
from synthetic.records import masks_record

HEIGHT, WIDTH = 120, 160
LIMITS = stage_defaults("verdicts")["masks"]


def scene(tops, side=40, colour=(200, 30, 30)):
    """Frames and masks of a square at rows `tops`; None: not there."""
    noise = np.random.default_rng(0).integers(-5, 6, (HEIGHT, WIDTH, 1))
    frames = np.repeat(np.clip(150 + noise, 0, 255).astype(np.uint8).repeat(3, axis=2)[None], len(tops), axis=0)
    masks = np.zeros((len(tops), HEIGHT, WIDTH), bool)
    for frame, mask, top in zip(frames, masks, tops, strict=True):
        if top is not None:
            mask[top : top + side, 60 : 60 + side] = True
            frame[mask] = colour
    return frames, masks


def judged(frames, masks):
    """The record of masks with a sure backend, and the verdict on it."""
    found = qa.measure_masks(frames, Segmentation(masks[None], np.ones(len(masks)), {"agreement": 0.95}))
    record = masks_record(status=found.status, reason=found.reason, measures=found.measures)
    return record.measures, judge_mask(record, LIMITS | {"min_score": 0.3})


def test_right_masks_are_accepted_with_a_high_score():
    measures, verdict = judged(*scene([30, 31, 32, 33]))
    assert (verdict.status, verdict.reason) == ("accepted", "")
    assert verdict.score > 0.9
    assert measures["mean_area"] == pytest.approx(1600 / (HEIGHT * WIDTH), abs=1e-4)
    assert measures["agreement"] == 0.95


def test_no_mask_fails_with_the_backends_words():
    frames, masks = scene([None, None])
    found = qa.measure_masks(frames, Segmentation(masks[None][:0], np.zeros(2), note="all is grey"))
    assert found == qa.MaskMeasures("failed", "no product found: all is grey", {})
    empty = qa.measure_masks(frames, Segmentation(masks[None], np.zeros(2)))
    assert empty.reason == "no product found: all masks are empty"


def test_area_jumps_and_visibility_are_shares_of_steps_and_frames():
    frames, masks = scene([30, 30, None, 30, 30])
    measures = qa.measure(frames, masks[None])
    assert measures["visible_share"] == 0.8
    assert measures["area_jump_share"] == 0.5
    assert (
        qa.measure(*[part[:1] if k == 0 else part[None, :1] for k, part in enumerate((frames, masks))])[
            "area_jump_share"
        ]
        == 0
    )


def test_a_mask_off_its_object_loses_separability_and_edges():
    frames, masks = scene([30, 30, 30])
    right = qa.measure(frames, masks[None])
    wrong = qa.measure(frames, np.roll(masks, (10, -50), (1, 2))[None])
    assert right["separability"] > 0.9 and right["edge_support"] > 0.95
    assert wrong["separability"] < 0.2 and wrong["edge_support"] < 0.8


def test_masks_that_jump_about_lose_their_neighbours():
    frames, masks = scene([30] * 6)
    jumping = masks.copy()
    jumping[1::2] = np.roll(masks[1::2], 30, 2)
    steady, jumpy = qa.measure(frames, masks[None]), qa.measure(frames, jumping[None])
    assert steady["neighbour_iou"] == 1 and steady["flicker"] == 0
    assert jumpy["neighbour_iou"] == pytest.approx(10 / 70, abs=0.02)
    assert jumpy["flicker"] > 1


def test_a_ragged_contour_is_measured():
    frames, masks = scene([30, 30])
    ragged = masks.copy()
    ragged[:, 30:70:2, 80:100] = False
    assert qa.measure(frames, masks[None])["raggedness"] == pytest.approx(1, abs=0.1)
    assert qa.measure(frames, ragged[None])["raggedness"] > 2


def test_thinness_is_the_contour_over_the_area():
    frames, masks = scene([30, 30])
    assert qa.measure(frames, masks[None])["thinness"] == pytest.approx(4 * 39 / 1600, abs=1e-3)


def test_frames_without_the_product_do_not_count_in_the_confidence():
    frames, masks = scene([None, 30, 31, 32])
    confidence = np.array([0.0, 0.9, 1.0, 0.8])
    assert qa.measure_masks(frames, Segmentation(masks[None], confidence)).measures["confidence"] == pytest.approx(0.9)


def test_the_reduced_mask_keeps_what_is_half_covered():
    mask = np.zeros((8, 8), bool)
    mask[:4, :5] = True
    assert qa.reduced_mask(mask, 4).tolist() == [[True, True, True, False]] * 2 + [[False] * 4] * 2
    assert qa.reduced_mask(mask, 8) is mask


def test_a_band_from_side_to_side_is_no_product():
    frames, masks = scene([30, 31, 32, 33])
    masks[:, 50:70, :] = True
    frames[masks] = (200, 30, 30)
    measures, verdict = judged(frames, masks)
    assert verdict.status == "rejected" and measures["side_to_side"] == 1.0
    assert "from left to right" in verdict.reason


def test_a_mask_that_leaves_out_a_part_of_the_photo_is_told():
    frame = np.full((360, 480, 3), 200, np.uint8)
    frame[100:200, 100:200], frame[200:300, 100:200] = (20, 40, 200), (210, 160, 40)
    whole, half = np.zeros((2, 360, 480), bool)
    whole[100:300, 100:200] = half[100:200, 100:200] = True
    photo = np.dstack([frame, np.where(whole, 255, 0).astype(np.uint8)])[90:310, 90:210]
    assert missing_colour([(frame, whole)], [photo]) == pytest.approx(0, abs=0.02)
    assert missing_colour([(frame, half)], [photo]) == pytest.approx(0.5, abs=0.03)
    assert missing_colour([(frame, half)], []) is None


@pytest.mark.parametrize(("pixels", "share"), [(12, 1.0), (11, 0.0)])
def test_a_product_is_visible_from_twelve_pixels(pixels, share):
    frames, masks = scene([None, None])
    masks[:, 50, 60 : 60 + pixels] = True
    assert qa.measure(frames, masks[None])["visible_share"] == share


@pytest.mark.parametrize(("second", "share"), [(80, 0.0), (79, 1.0)])
def test_an_area_jumps_where_it_changes_by_over_a_fifth(second, share):
    frames, masks = scene([None, None])
    masks[0, 50, 20:120] = masks[1, 50, 20 : 20 + second] = True
    assert qa.measure(frames, masks[None])["area_jump_share"] == share


def test_one_jump_in_five_steps_counts_by_the_tenth_percentile():
    frames, masks = scene([30] * 6)
    masks[3:] = np.roll(masks[3:], 20, 2)
    measures = qa.measure(frames, masks[None])
    # IoUs 1/3 and four times 1; flicker: two strips of 20 x 40 px, a pixel less on each side, and four times 0.
    assert measures["neighbour_iou"] == pytest.approx(1 / 3 + 0.4 * 2 / 3, abs=1e-6)
    assert measures["flicker"] == pytest.approx(0.6 * 2 * 18 * 38 / 1600, abs=1e-6)
