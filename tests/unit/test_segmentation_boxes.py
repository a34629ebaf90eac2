"""Choice among detected boxes, windows around small products, points in openings: exact small cases."""

import cv2
import numpy as np
import pytest

from pvtt.stages.segmentation.sam2.box_selection import (
    Candidate,
    box_iou,
    frame_scores,
    is_truncated,
    rate_similarity,
    select_box,
    select_instances,
)
from pvtt.stages.segmentation.sam2.cropped_video import CroppedVideo, crop_around_product
from pvtt.stages.segmentation.sam2.negative_points import negative_prompts

HEIGHT, WIDTH = 96, 160


def noise(seed=0, low=90, high=170):
    return np.random.default_rng(seed).integers(low, high, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def pick(candidates, count=1, **changes):
    settings = {"threshold": 0.35, "max_area_share": 0.9, "max_instances": 4} | changes
    return select_box(candidates, {k: noise() for k in range(count)}, **settings)


def test_the_largest_box_above_the_threshold_is_the_product():
    small, large, weak = (10, 10, 30, 30), (60, 20, 110, 70), (20, 5, 140, 85)
    choice = pick([Candidate(0, small, 0.9), Candidate(0, large, 0.5), Candidate(0, weak, 0.3)])
    assert choice.boxes[0] == large
    assert (choice.score, choice.fallback) == (0.5, False)


def test_without_a_strong_box_the_best_of_the_weak_ones_counts():
    choice = pick([Candidate(0, (20, 5, 140, 85), 0.22), Candidate(0, (10, 10, 30, 30), 0.3)])
    assert choice.boxes == [(10, 10, 30, 30)]
    assert choice.fallback


def test_a_box_around_the_whole_frame_is_the_scene():
    whole = Candidate(0, (1, 1, 159, 95), 0.9)
    assert pick([whole]) is None
    assert pick([]) is None
    assert pick([whole, Candidate(0, (10, 10, 30, 30), 0.25)]).boxes == [(10, 10, 30, 30)]


def test_the_best_frame_is_sharp_large_and_uncut():
    frames = {k: noise() for k in range(4)}
    frames[1] = cv2.GaussianBlur(frames[1], (0, 0), 3)
    box = (40, 20, 90, 70)
    found = [Candidate(0, (0, 20, 50, 70), 0.6), Candidate(1, box, 0.6), Candidate(2, (60, 40, 75, 55), 0.6)]
    found.append(Candidate(3, box, 0.5))
    value = frame_scores(found, frames)
    assert int(value.argmax()) == 3
    assert select_box(found, frames, 0.35, 0.9, 4).number == 3
    assert is_truncated((0, 20, 50, 70), (HEIGHT, WIDTH)) and not is_truncated(box, (HEIGHT, WIDTH))


def test_a_still_clip_takes_the_first_of_equal_frames():
    box = (40, 20, 90, 70)
    choice = pick([Candidate(k, box, 0.6) for k in range(3)], 3)
    assert choice.number == 0
    assert [one.number for one in choice.found] == [0, 1, 2]


def test_each_earring_is_an_instance_and_the_box_around_both_is_none():
    left, right, both = (20, 20, 50, 60), (80, 22, 112, 60), (18, 18, 114, 62)
    found = [Candidate(0, left, 0.6), Candidate(0, right, 0.55), Candidate(0, both, 0.5)]
    assert pick(found).boxes == [right, left]
    assert pick(found[:2]).boxes == [right, left]
    assert pick(found, max_instances=1).boxes == [right]


def test_parts_and_doubles_are_no_instances():
    main = Candidate(0, (20, 20, 90, 80), 0.6)
    part, double = Candidate(0, (40, 40, 60, 60), 0.5), Candidate(0, (22, 20, 92, 80), 0.55)
    tiny = Candidate(0, (120, 10, 130, 20), 0.5)
    assert select_instances(main, [main, part, double, tiny]) == [main]


def test_the_photo_decides_among_boxes():
    frame = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    frame[10:40, 10:40], frame[30:80, 80:150] = (190, 40, 30), (30, 60, 190)
    photo = np.zeros((40, 40, 4), np.uint8)
    photo[...] = (190, 40, 30, 255)
    boxes = [Candidate(0, (10, 10, 40, 40), 0.5), Candidate(0, (80, 30, 150, 80), 0.5)]
    rated = rate_similarity(boxes, {0: frame}, [photo])
    assert rated[0].similarity > 0.9 and rated[1].similarity < 0.1
    assert select_box(rated, {0: frame}, 0.35, 0.9, 4).boxes == [(10, 10, 40, 40)]
    assert select_box(boxes, {0: frame}, 0.35, 0.9, 4).boxes[0] == (80, 30, 150, 80)


def test_the_overlap_of_boxes():
    assert box_iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 1, 1), (2, 2, 3, 3)) == 0


# ---------------------------------------------------------------- windows


def test_a_window_follows_a_small_product_and_stays_inside():
    frames = np.stack([noise(k) for k in range(20)])
    masks = np.zeros((1, 20, HEIGHT, WIDTH), bool)
    for t in range(20):
        if t != 7:
            masks[0, t, 40:46, 4 * t : 4 * t + 8] = True
    near = crop_around_product(frames, masks)
    assert near.size == (64, 64)
    corners = near.corners
    assert (corners >= 0).all() and (corners[:, 0] <= WIDTH - 64).all() and (corners[:, 1] <= HEIGHT - 64).all()
    assert corners[19, 0] > corners[0, 0]
    for t in range(20):
        assert np.array_equal(near.image(t), frames[t, corners[t, 1] :, corners[t, 0] :][:64, :64])
        assert near.crop(masks[0, t], t).sum() == masks[0, t].sum()
    assert near.box((50, 40, 58, 46), 10) == (
        50 - corners[10, 0],
        40 - corners[10, 1],
        58 - corners[10, 0],
        46 - corners[10, 1],
    )


def test_a_large_or_absent_product_gets_no_window():
    frames = np.stack([noise()] * 2)
    masks = np.zeros((1, 2, HEIGHT, WIDTH), bool)
    assert crop_around_product(frames, masks) is None
    masks[0, :, 10:60, 10:60] = True
    assert crop_around_product(frames, masks) is None


def test_chosen_frames_of_a_clip():
    frames = np.stack([noise(k) for k in range(4)])
    part = CroppedVideo(frames, [3, 1])
    assert len(part) == 2 and part.size == (HEIGHT, WIDTH)
    assert np.array_equal(part.image(0), frames[3])


# ---------------------------------------------------------------- openings


def ring_picture(inside=(150, 155, 160)):
    image = np.full((200, 240, 3), (150, 155, 160), np.uint8)
    disc = lambda radius: cv2.circle(np.zeros((200, 240), np.uint8), (120, 100), radius, 1, -1) > 0  # noqa: E731
    image[disc(60)] = (190, 150, 40)
    image[disc(40)] = inside
    return image, disc(60), disc(60) & ~disc(40)


BOX = (59, 39, 181, 161)


def test_a_point_lies_in_the_hole_of_a_mask():
    image, _, ring = ring_picture()
    [(x, y)] = negative_prompts(image, ring, BOX, "mug.")
    assert np.hypot(x - 120, y - 100) < 12


def test_a_hole_of_another_colour_than_the_ground_belongs_to_the_product():
    image, _, ring = ring_picture((20, 20, 200))
    assert negative_prompts(image, ring, BOX, "ring.") == []


def test_the_filled_middle_of_a_ring_is_opened_where_it_shows_the_ground():
    image, disc, _ = ring_picture()
    [(x, y)] = negative_prompts(image, disc, BOX, "ring. gold ring.")
    assert np.hypot(x - 120, y - 100) < 3
    assert negative_prompts(image, disc, BOX, "watch.") == []
    assert negative_prompts(ring_picture((20, 20, 200))[0], disc, BOX, "ring.") == []


def test_a_box_without_surroundings_or_of_no_size_has_no_points():
    image, disc, _ = ring_picture()
    assert negative_prompts(image, disc, (0, 0, 240, 200), "ring.") in ([], [pytest.approx((120, 100), abs=3)])
    assert negative_prompts(image, disc, (5, 5, 6, 6), "ring.") == []
