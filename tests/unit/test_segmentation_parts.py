"""Building blocks of the classical segmentation, each against an exact answer."""

import cv2
import numpy as np
import pytest

from pvtt.imaging import color_histograms
from pvtt.imaging.guided_filter import GuidedFilter
from pvtt.imaging.morphology import (
    border_contact,
    components,
    flood,
    largest_components,
    remove_small_objects_and_holes,
    ring,
    signed_distance,
)
from pvtt.stages.segmentation import motion
from pvtt.stages.segmentation.classical import pixel_labeling
from pvtt.stages.segmentation.classical.feature_matching import PhotoMatcher
from pvtt.stages.segmentation.classical.instances import split_instances
from pvtt.stages.segmentation.classical.overlay import detect_overlays
from pvtt.stages.segmentation.classical.propagation import (
    ColorModels,
    MaskPropagator,
    stability_score,
    unmix_contour,
)
from pvtt.stages.segmentation.classical.saliency import estimate_saliency
from pvtt.stages.segmentation.classical.shadow_edges import closed_contours
from pvtt.stages.segmentation.classical.skin import foreign_skin
from pvtt.stages.segmentation.concavity_filling import HullPrior, estimate_hull_prior, fill_concavities
from pvtt.stages.segmentation.track import build_track, track_points


def texture(height=120, width=160, seed=1):
    small = np.random.default_rng(seed).integers(0, 255, (height // 6, width // 6, 3)).astype(np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def square(shape=(60, 80), top=20, left=30, side=20):
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_log_ratio_speaks_for_the_colour_of_each_side():
    image = np.full((20, 40, 3), (30, 60, 200), np.uint8)
    image[:, 20:] = (210, 200, 40)
    bins = color_histograms.bin_indices(image)
    left = np.zeros((20, 40))
    left[:, :20] = 1
    product, ground = color_histograms.histogram(bins, left), color_histograms.histogram(bins, 1 - left)
    odds = color_histograms.pixel_log_odds(color_histograms.log_ratio(product, ground), bins)
    assert (odds[:, :15] > 3).all() and (odds[:, 25:] < -3).all()
    assert color_histograms.bhattacharyya(product, product) == pytest.approx(1)
    assert color_histograms.bhattacharyya(product, ground) < 0.01


def test_histograms_are_densities_even_without_weights():
    bins = color_histograms.bin_indices(texture())
    for weights in (np.ones(bins.shape[:2]), np.zeros(bins.shape[:2])):
        histogram = color_histograms.histogram(bins, weights)
        assert histogram[: color_histograms.BINS**3].sum() == pytest.approx(1)
        assert histogram[color_histograms.BINS**3 :].sum() == pytest.approx(1)


def test_a_shadow_is_explained_by_its_ground_and_a_brighter_patch_is_not():
    def flat(level):
        return color_histograms.histogram(
            color_histograms.bin_indices(np.full((9, 9, 3), level, np.uint8)), np.ones((9, 9))
        )

    lit = flat(200)
    assert color_histograms.bhattacharyya(
        color_histograms.add_shadows(lit), flat(160)
    ) > 2 * color_histograms.bhattacharyya(lit, flat(160))
    assert color_histograms.bhattacharyya(color_histograms.add_shadows(lit), flat(240)) < 0.05


def test_reference_histogram_ignores_what_is_transparent():
    photo = np.zeros((40, 40, 4), np.uint8)
    photo[..., 0] = 255
    photo[10:30, 10:30] = (0, 0, 255, 255)
    blue = color_histograms.histogram(
        color_histograms.bin_indices(np.full((9, 9, 3), (0, 0, 255), np.uint8)), np.ones((9, 9))
    )
    assert color_histograms.bhattacharyya(color_histograms.reference_histogram([photo]), blue) > 0.98
    assert color_histograms.reference_histogram([]) is None
    assert color_histograms.reference_histogram([np.zeros((9, 9, 4), np.uint8)]) is None


def test_only_skin_that_touches_the_border_is_a_hand():
    image = np.full((120, 160, 3), (90, 110, 160), np.uint8)
    image[40:60, :50] = (215, 160, 130)
    image[80:100, 80:110] = (215, 160, 130)
    hand = foreign_skin(image, None)
    assert hand[45:55, 5:45].all() and not hand[80:100, 80:110].any() and not hand[:30].any()


def test_an_arm_is_foreign_though_a_sleeve_parts_it_from_the_border():
    skin, sleeve, ground = (215, 160, 130), (40, 120, 80), (190, 195, 205)
    image = np.full((120, 160, 3), ground, np.uint8)
    image[50:70, :30], image[50:70, 30:90] = sleeve, skin
    image[90:105, 110:130] = skin
    golden = photo_of(skin)
    alone = foreign_skin(image, None)
    known = foreign_skin(image, estimate_hull_prior([golden]).color_likelihood)
    assert not alone.any(), "without photos only what touches the border is foreign"
    assert known[55:65, 40:80].all() and not known[88:107, 108:132].any()


def test_skin_that_the_photos_do_not_show_is_foreign():
    image = np.full((120, 160, 3), (190, 195, 205), np.uint8)
    image[50:70, 40:90] = (215, 160, 130)
    assert foreign_skin(image, estimate_hull_prior([photo_of((20, 40, 200))]).color_likelihood)[55:65, 45:85].all()
    assert not foreign_skin(image, estimate_hull_prior([photo_of((215, 160, 130))]).color_likelihood).any()


def photo_of(colour, hole=False):
    photo = np.zeros((60, 60, 4), np.uint8)
    photo[5:55, 5:55] = (*colour, 255)
    if hole:
        photo[10:50, 10:50, 3] = 0
    return photo


def test_edges_close_off_a_pale_object_and_soft_edges_its_shadow():
    image = np.full((120, 200, 3), 200, np.float32)
    shadow = cv2.GaussianBlur(square((120, 200), 60, 90, 40).astype(np.float32), (0, 0), 6)
    image *= 1 - 0.35 * shadow[..., None]
    pale = square((120, 200), 40, 60, 40)
    image[pale] = 225
    outer = np.ones((120, 200), bool)
    outer[10:-10, 10:-10] = False
    closed, soft = closed_contours(np.rint(image).astype(np.uint8), outer)
    assert closed[45:75, 65:95].all() and not closed[:25].any() and not closed[:, :45].any()
    assert not soft[45:75, 65:95].any() and soft[75:95, 110:125].mean() > 0.8
    noise = np.random.default_rng(1).integers(0, 255, (120, 200, 3)).astype(np.uint8)
    assert not any(part.any() for part in closed_contours(noise, outer)), "a ground of strong texture tells nothing"


@pytest.mark.parametrize(
    ("label", "photo", "whole"),
    [
        ((240, 240, 240), [(200, 90, 30), (240, 240, 240)], True),
        ((240, 240, 240), [(200, 90, 30), (20, 60, 200)], False),
    ],
    ids=["a label that the photos show", "a colour that they do not"],
)
def test_a_bite_is_filled_where_the_photos_explain_it(label, photo, whole):
    image = np.full((100, 100, 3), 240, np.uint8)
    body = square((100, 100), 20, 20, 60)
    image[body] = (200, 90, 30)
    bite = square((100, 100), 40, 55, 25)
    bite[:, 80:] = False
    image[bite] = label
    cutout = photo_of(photo[0])
    cutout[20:40, 20:40, :3] = photo[1]
    found = fill_concavities(body & ~bite, image, estimate_hull_prior([cutout]))
    assert (found ^ (body if whole else body & ~bite)).sum() <= 8


def test_an_opening_stays_open_in_a_product_that_has_one():
    image = np.full((100, 100, 3), 200, np.uint8)
    frame = square((100, 100), 20, 20, 60) & ~square((100, 100), 30, 30, 40)
    image[frame] = (200, 90, 30)
    assert (fill_concavities(frame, image, estimate_hull_prior([photo_of((200, 90, 30), hole=True)])) == frame).all()
    assert (fill_concavities(frame, image, None) == frame).all()


def test_the_gap_to_the_photos_shapes_is_nought_between_them():
    hull_prior = HullPrior(np.array([0.6, 0.9]), np.zeros(color_histograms.BINS**3))
    assert [round(hull_prior.gap(median_solidity), 6) for median_solidity in (0.5, 0.6, 0.75, 0.9, 1.0)] == [
        0.1,
        0,
        0,
        0,
        0.1,
    ]
    assert hull_prior.median_solidity == pytest.approx(0.75) and hull_prior.is_solid


def test_a_contour_moves_to_where_a_pixel_is_half_product():
    truth = square((60, 80), 20, 30, 20)
    sharp = np.full((240, 320, 3), 60.0)
    sharp[80:160, 120:200] = (200, 80, 40)
    image = np.rint(cv2.resize(sharp, (80, 60), interpolation=cv2.INTER_AREA)).astype(np.uint8)
    for wrong in (
        cv2.dilate(truth.astype(np.uint8), np.ones((3, 3))) > 0,
        cv2.erode(truth.astype(np.uint8), np.ones((3, 3))) > 0,
    ):
        assert (wrong ^ truth).sum() > 70 and (unmix_contour(image, wrong) ^ truth).sum() <= 4
    assert (unmix_contour(np.full((60, 80, 3), 90, np.uint8), truth) == truth).all(), "two of one colour tell nothing"


def test_the_guided_filter_keeps_constants_and_its_own_guide():
    image = texture()
    guided = GuidedFilter(image, smoothing=0.001)
    assert guided(np.full(image.shape[:2], 0.7, np.float32)) == pytest.approx(0.7, abs=1e-3)
    plane = image[..., 1].astype(np.float32) / 255
    assert np.abs(guided(plane) - plane).max() < 0.02


def test_labels_follow_the_edges_of_the_image():
    image = np.full((60, 80, 3), 90, np.uint8)
    truth = square()
    image[truth] = (200, 60, 60)
    weak = np.where(np.roll(truth, 2, 1), 1.0, -1.0).astype(np.float32)
    found = pixel_labeling.mean_field(weak, GuidedFilter(image), coupling=6) > 0.5
    assert (found ^ truth).sum() < (np.roll(truth, 2, 1) ^ truth).sum()


def test_signed_distance_of_a_square():
    distance = signed_distance(square())
    assert distance[30, 40] == pytest.approx(9.5, abs=0.6)
    assert distance[20, 40] == pytest.approx(0.5, abs=0.1) and distance[19, 40] == pytest.approx(-0.5, abs=0.1)
    assert distance[9, 40] == pytest.approx(-10.5, abs=0.5)
    assert (signed_distance(np.zeros((5, 5), bool)) == -1000).all()


def test_specks_and_pinholes_go_and_the_rest_stays():
    mask = square()
    mask[5, 5] = True
    mask[30, 40] = False
    assert (remove_small_objects_and_holes(mask, 4) == square()).all()


def test_main_parts_keeps_what_is_near_or_of_like_size():
    mask = square((100, 200), 40, 20, 20)
    near, alike, far = square((100, 200), 44, 41, 3), square((100, 200), 40, 150, 15), square((100, 200), 5, 100, 3)
    assert (largest_components(mask | near | alike | far) == (mask | near | alike)).all()


def test_stability_is_the_share_of_the_sure_part():
    assert stability_score(np.array([[0.95, 0.95, 0.5, 0.01]])) == pytest.approx(2 / 3)
    assert stability_score(np.zeros((2, 2))) == 0


def test_border_contact_and_ring():
    assert border_contact(square()) == 0
    edge = square((40, 40), 0, 10, 10)
    assert border_contact(edge) == pytest.approx(10 / 36)
    around = ring(square(), 3, 6)
    assert not around[square()].any() and around[15, 40] and not around[17, 40] and not around[12, 40]


def test_saliency_marks_the_odd_square_and_not_the_ground():
    image = np.full((120, 160, 3), 140, np.uint8)
    image[40:80, 60:100] = (200, 40, 40)
    salient, ground = estimate_saliency(image)
    inside = square((120, 160), 44, 64, 32)
    assert salient[inside].mean() > 0.9 and salient[:30].mean() < 0.1
    assert ground[inside].mean() < 0.2 and ground[:30].mean() > 0.9


def test_flow_and_warp_undo_a_shift():
    image = texture(120, 160)
    moved = np.roll(image, 4, 1)
    flow = motion.Flow()(image, moved)
    assert np.median(flow[20:-20, 20:-20, 0]) == pytest.approx(4, abs=0.3)
    assert np.median(flow[20:-20, 20:-20, 1]) == pytest.approx(0, abs=0.3)
    carried = motion.warp(np.roll(square((120, 160), 40, 60, 30), 4, 1).astype(np.float32), flow) > 0.5
    assert (carried ^ square((120, 160), 40, 60, 30)).sum() < 60


def test_an_overlay_that_disappears_is_found_while_it_lasts():
    scene = texture(180, 260)
    frames = [scene[10 : 10 + 120, 2 * t : 2 * t + 160].copy() for t in range(14)]
    frames = [cv2.GaussianBlur(frame, (0, 0), 9) for frame in frames]
    for frame in frames[:7]:
        frame[10:40, 90:150] = (255, 255, 0)
    zone = detect_overlays(frames)
    assert zone[:7, 12:38, 92:148].mean() > 0.9
    assert not zone[7:].any() and not zone[:, 60:].any()


def test_moving_things_are_no_overlay():
    frames = [np.full((120, 160, 3), 120, np.uint8) for _ in range(12)]
    for t, frame in enumerate(frames):
        frame[30:80, 8 * t : 8 * t + 40] = (220, 160, 130)
    assert not detect_overlays(frames).any()


def test_the_place_of_a_photo_is_found_and_of_a_strange_one_not():
    photo = np.dstack([texture(90, 90, 5), np.full((90, 90), 255, np.uint8)])
    frame = np.full((240, 320, 3), 120, np.uint8)
    frame[100:190, 150:240] = photo[..., :3]
    corners = PhotoMatcher([photo]).match(frame)
    assert np.abs(corners - [[150, 100], [240, 100], [240, 190], [150, 190]]).max() < 3
    assert PhotoMatcher([np.dstack([texture(90, 90, 9), photo[..., 3]])]).match(frame) is None
    assert PhotoMatcher([np.zeros((20, 20, 4), np.uint8)]).match(frame) is None


def test_objects_that_merge_for_long_are_one():
    apart = np.stack([square((60, 80), 20, 10, 12) | square((60, 80), 20, 50, 12)] * 4)
    objects = split_instances(apart, 0)
    assert objects.shape[0] == 2 and objects[0, :, 20:32, 10:22].all() and not objects[0, :, :, 40:].any()
    merged = apart.copy()
    merged[1:, 24:28, 10:62] = True
    assert split_instances(merged, 0).shape[0] == 1
    assert split_instances(np.zeros((2, 8, 8), bool), 0).shape == (1, 2, 8, 8)


def test_points_move_with_the_product():
    scene, product = texture(120, 160, 2), texture(40, 40, 3)
    frames = np.repeat(scene[None], 5, axis=0)
    masks = np.zeros((1, 5, 120, 160), bool)
    for t in range(5):
        frames[t, 40:80, 40 + 3 * t : 80 + 3 * t] = product
        masks[0, t, 40:80, 40 + 3 * t : 80 + 3 * t] = True
    points = track_points(frames, list(masks[0]))
    assert 8 <= len(points) <= 32
    steps = [b[0] - a[0] for p in points for a, b in zip(p["xy"], p["xy"][1:], strict=False) if a and b]
    assert len(steps) > 20 and np.median(steps) == pytest.approx(3, abs=0.5)
    track = build_track(frames, masks)
    assert track["frames"][2]["box"] == [46, 40, 86, 80]
    assert track["objects"] == [{"id": 1, "visible_frames": 5, "mean_area": round(1600 / 19200, 6)}]


@pytest.mark.parametrize(
    ("height", "depth", "median", "filled"),
    [(10, 6, 0.98, True), (40, 20, 0.8, False)],
    ids=["less than 3 % of the hull above the photos", "20 % of the hull above the photos"],
)
def test_a_concavity_is_filled_only_up_to_the_solidity_of_the_photos_and_three_percent(height, depth, median, filled):
    image = np.full((100, 100, 3), 128, np.uint8)
    mask = square((100, 100), 20, 20, 60)
    mask[30 : 30 + height, 80 - depth : 80] = False
    prior = HullPrior(np.array([median]), np.ones(color_histograms.BINS**3))
    found = fill_concavities(mask, image, prior)
    assert found[31 : 29 + height, 80 - depth : 79].all() if filled else (found == mask).all()


def test_the_foreground_model_takes_eight_percent_of_each_frame():
    frame = np.full((120, 160, 3), (90, 120, 90), np.uint8)
    mask = square((120, 160), 40, 60, 40)
    frame[mask] = (200, 30, 40)
    red, blue, scene = (
        color_histograms.histogram(color_histograms.bin_indices(np.full((9, 9, 3), colour, np.uint8)), np.ones((9, 9)))
        for colour in ((200, 30, 40), (30, 40, 200), (90, 120, 90))
    )
    foreground = (red + blue) / 2
    propagator = MaskPropagator(frame, mask, ColorModels(foreground, foreground, scene))
    found, confidence = propagator.step(frame, np.zeros((120, 160), bool))
    assert (found ^ mask).sum() < 20 and confidence > 0.9
    is_blue = np.flatnonzero(blue[: color_histograms.BINS**3] > 1e-9)
    assert propagator.models.recent[is_blue].sum() == pytest.approx(0.5 * 0.92, abs=0.005)


def test_a_flood_takes_the_components_that_hold_a_seed():
    mask = square((40, 60), 5, 5, 10) | square((40, 60), 20, 40, 10) | square((40, 60), 15, 15, 5)
    seeds = square((40, 60), 8, 8, 2) | square((40, 60), 0, 50, 3)
    assert (flood(mask, seeds, 4) == square((40, 60), 5, 5, 10)).all()
    assert (flood(mask, seeds, 8) == square((40, 60), 5, 5, 10) | square((40, 60), 15, 15, 5)).all()
    parts = components(mask, 4)
    assert len(parts) == 4 and sorted(parts.areas[1:].tolist()) == [25, 100, 100]
    assert not parts.select(np.ones(4, bool))[~mask].any(), "component 0 is never selected"
