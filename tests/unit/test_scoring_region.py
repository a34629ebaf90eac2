"""Region measures of a pair: each has a known answer on drawn frames."""

import numpy as np
import pytest

from pvtt.stages.scoring.region import REGION_MEASURES, region_measures, tearing

HEIGHT, WIDTH = 120, 160
RED, BLUE, SKIN = (190, 40, 40), (40, 60, 190), (224, 172, 142)


def ground():
    noise = np.random.default_rng(0).integers(-6, 7, (HEIGHT, WIDTH, 1))
    return np.clip(np.array([120, 150, 125]) + noise, 0, 255).astype(np.uint8)


def box(y0, y1, x0, x1):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y0:y1, x0:x1] = True
    return mask


OLD = box(40, 80, 50, 90)


def painted(*layers):
    image = ground()
    for mask, colour in layers:
        image[mask] = colour
    return image


def measured(result, new=OLD, old=OLD, source=None, n_frames=3):
    source = painted((old, RED)) if source is None else source
    sample = {"source": source, "result": result, "source_mask": old, "insert_mask": new}
    return region_measures([sample] * n_frames, np.stack([old] * n_frames), np.stack([new] * n_frames))


def test_a_clean_swap_leaves_nothing():
    found = measured(painted((OLD, BLUE)))
    assert set(found) == set(REGION_MEASURES)
    assert found["residue"] == found["residue_colour"] == found["changed_outside"] == found["tearing"] == 0
    assert found["support"] == found["size_ratio"] == 0
    assert found["rim"] < 1
    assert found["hand_covered"] is None


@pytest.mark.parametrize("height", [5, 10])
def test_leftovers_are_relative_to_the_old_products_area(height):
    new = box(40 + 2 * height, 80, 50, 90)  # the new one is lower: its rim of 3 px hides some of what is left
    strip = box(40, 40 + height, 50, 90)
    found = measured(painted((strip, RED), (new, BLUE)), new)
    assert found["residue"] == pytest.approx(strip.sum() / OLD.sum(), abs=0.02)
    assert found["residue_colour"] == pytest.approx(strip.sum() / OLD.sum(), abs=0.02)


def test_a_repainted_leftover_of_its_colour_is_seen_by_colour_alone():
    new, strip = box(55, 80, 50, 90), box(40, 50, 50, 90)
    found = measured(painted((strip, (165, 30, 30)), (new, BLUE)), new)
    assert found["residue"] == 0
    assert found["residue_colour"] > 0.15


def test_what_the_mask_missed_is_looked_for_beside_it():
    whole = box(34, 80, 50, 90)  # the mask lacks six rows
    found = measured(painted((box(34, 40, 50, 90), RED), (OLD, BLUE)), source=painted((whole, RED)))
    assert 0.05 < found["residue"] < 0.2


def test_a_pale_plate_round_the_product_raises_the_rim():
    plate = box(37, 83, 47, 93)
    found = measured(painted((plate, (235, 235, 230)), (OLD, BLUE)))
    assert found["rim"] > 15
    source = painted((plate, (235, 235, 230)), (OLD, RED))  # the source's product has one, too
    assert measured(painted((plate, (235, 235, 230)), (OLD, BLUE)), source=source)["rim"] < 1


def test_tearing_sees_a_changing_form_and_neither_motion_nor_growth():
    moving = np.stack([box(20 + 2 * k, 50 + 3 * k, 30 + 4 * k, 60 + 5 * k) for k in range(6)])
    assert tearing(moving) < 0.05
    torn = moving.copy()
    torn[3, 26:42, 42:58] = False
    assert tearing(torn) > 0.15
    assert tearing(np.zeros_like(moving)) is None


def test_support_and_size_are_relative_to_the_old_product():
    new = box(20, 60, 50, 70)
    found = measured(painted((new, BLUE)), new)
    assert found["support"] == 0.5
    assert found["size_ratio"] == -1


def test_a_covered_finger_counts_and_a_free_one_does_not():
    old = OLD & ~box(40, 60, 65, 75)  # a finger lies over the product, from above
    finger = box(20, 60, 65, 75)
    source = painted((old, RED), (finger, SKIN))
    assert measured(painted((OLD, BLUE)), OLD, old, source)["hand_covered"] == pytest.approx(1, abs=0.1)
    kept = old.copy()
    assert measured(painted((kept, BLUE), (finger, SKIN)), kept, old, source)["hand_covered"] == 0


def test_changes_away_from_both_products_are_a_share_of_the_frame():
    far = box(0, 12, 0, 160)
    assert measured(painted((OLD, BLUE), (far, BLUE)))["changed_outside"] == pytest.approx(0.1)


def test_a_scene_without_a_source_product_has_only_what_can_be_measured():
    nothing = np.zeros_like(OLD)
    found = measured(painted((OLD, BLUE)), OLD, nothing, ground())
    assert found["residue"] is found["support"] is found["size_ratio"] is found["hand_covered"] is None
    assert found["rim"] < 2
