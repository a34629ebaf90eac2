"""Insertion: a known square into a known box gives a known frame."""

import json
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from pvtt.config.settings import stage_defaults
from pvtt.imaging.colour import to_linear, to_srgb
from pvtt.imaging.geometry import box_of, dilated
from pvtt.imaging.shadow import N_COPIES, shade, shadow_copies
from pvtt.io.images import write_png
from pvtt.io.video import count_frames, read_masks, read_video, write_masks, write_video
from pvtt.stages.insertion import clip_model, insert_product, measure_clip
from pvtt.stages.insertion.base import InsertionError, Request
from pvtt.stages.insertion.color_consensus import consensus_color_gain
from pvtt.stages.insertion.composite import Backend, compose
from pvtt.stages.insertion.compositing import restore_background
from pvtt.stages.insertion.illumination import measure_light
from pvtt.stages.insertion.layer import prefilter, render_layer
from pvtt.stages.insertion.placement import adapted_size, align_to_ground
from pvtt.stages.insertion.trajectory import Trajectory
from synthetic.records import background_record, cutout_record, track_frame, track_record

N, H, W = 12, 160, 224
THROWN = 2
PLAIN = {"colour_strength": 0.0, "feather_px": 0.0}


def square_cutout(side=80, colour=(30, 160, 220), width=None):
    cutout = np.zeros((side + 20, (width or side) + 20, 4), np.uint8)
    cutout[10:-10, 10:-10] = [*colour, 255]
    return cutout


def clip(step=5, shadow=0.0, side=40):
    """Source, background, masks and boxes of a red square moving right over a grey ramp."""
    x = np.arange(W)
    plain = np.repeat(np.repeat((120 + 0.4 * x).astype(np.uint8)[None, :, None], H, 0), 3, 2)
    source, masks, boxes = [], [], []
    for index in range(N):
        left, top = 50 + step * index, 60
        mask = np.zeros((H, W), bool)
        mask[top : top + side, left : left + side] = True
        copies = shadow_copies(mask.astype(np.float32))
        frame = to_srgb(to_linear(plain) * np.exp(-shadow * copies[THROWN])[..., None])
        frame[mask] = [200, 40, 40]
        source.append(frame)
        masks.append(mask)
        boxes.append((float(left), float(top), float(left + side), float(top + side)))
    return np.stack(source), np.stack([plain] * N), np.stack(masks), boxes


def request_of(source, background, masks, boxes, cutout):
    region = masks | (np.asarray(source) != background).any(-1)
    points = np.zeros((0, N, 2))
    return Request(lambda: iter(source), lambda: iter(background), masks, region, boxes, points, cutout, 24.0, 1)


def inserted(request, **changes):
    insertion = Backend(stage_defaults("insertion") | changes).insert(request)
    pairs = list(insertion.frames)
    return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs]), insertion


def test_a_square_lands_where_the_source_was_with_its_colour():
    source, background, masks, boxes = clip()
    frames, seen, insertion = inserted(request_of(source, background, masks, boxes, square_cutout()), **PLAIN)
    for index in range(N):
        assert np.abs(np.subtract(box_of(seen[index]), boxes[index])).max() <= 0.5
        assert np.allclose(insertion.boxes[index], boxes[index], atol=0.01)
        inside = frames[index][62:98, int(boxes[index][0]) + 2 : int(boxes[index][2]) - 2]
        assert np.abs(inside.astype(int) - [30, 160, 220]).max() <= 1


def test_elsewhere_the_source_is_untouched():
    source, background, masks, boxes = clip()
    source = source.copy()
    source[:, 5:15, 5:15] = 77
    request = request_of(source, background, masks, boxes, square_cutout())
    request.region[:, 5:15, 5:15] = False
    frames, _, _ = inserted(request, **PLAIN)
    far = np.ones((N, H, W), bool)
    for index, box in enumerate(boxes):
        far[index, 40:120, int(box[0]) - 25 : int(box[2]) + 25] = False
    assert np.array_equal(frames[far], source[far])


def test_sub_pixel_positions_and_shrinking_keep_the_centre():
    layer = prefilter(square_cutout(200), 200)
    for centre in ((50.0, 40.0), (50.25, 40.5), (50.7, 39.9)):
        alpha = render_layer(layer, centre, (31.5, 31.5), 0.0, (0, 0, 100, 80))[..., 3].astype(float)
        y, x = np.mgrid[:80, :100]
        assert (alpha * (x + 0.5)).sum() / alpha.sum() == pytest.approx(centre[0], abs=0.02)
        assert (alpha * (y + 0.5)).sum() / alpha.sum() == pytest.approx(centre[1], abs=0.02)
        assert alpha.sum() == pytest.approx(31.5**2, rel=0.02)


def test_shrinking_does_not_alias():
    cutout = square_cutout(200)
    cutout[10:-10, 10:-10, :3] = np.where(np.arange(200) % 2, 255, 0)[None, :, None]
    rgba = render_layer(prefilter(cutout, 200), (30.0, 30.0), (30.0, 30.0), 0.0, (0, 0, 60, 60))
    middle = rgba[18:42, 18:42, 0]
    assert middle.mean() == pytest.approx(0.5, abs=0.02) and middle.std() < 0.06


def test_a_turn_is_drawn_about_the_centre():
    rgba = render_layer(
        prefilter(square_cutout(40, width=80), 80), (50.0, 50.0), (40.0, 20.0), np.pi / 2, (0, 0, 100, 100)
    )
    assert box_of(rgba[..., 3] > 0.5) == (40, 30, 60, 70)


def test_blending_is_in_linear_light():
    canvas = np.full((40, 40, 3), 255, np.uint8)
    rgba = np.zeros((40, 40, 4), np.float32)
    rgba[10:30, 10:30] = [0, 0, 0, 0.5]
    none = np.zeros((40, 40), np.float32)
    frame, seen = compose(canvas, canvas, rgba, np.ones(3), none, ((0, 0, 40, 40), np.zeros(N_COPIES)))
    assert (frame[10:30, 10:30] == 188).all()
    assert (frame[:10] == 255).all()
    assert not seen.any()


def test_the_longer_side_is_kept_and_capped():
    still = Trajectory(np.full((N, 2), 100.0), np.ones(N), np.zeros(N), (40.0, 30.0), 0)
    assert adapted_size(still, 4.0, (W, H), 1.0) == pytest.approx((40, 10))
    assert adapted_size(still, 0.5, (W, H), 1.0) == pytest.approx((20, 40))
    assert adapted_size(still, 0.5, (W, H), 0.1) == pytest.approx((8, 16))


def test_both_products_stand_on_the_same_ground():
    centres = np.full((N, 2), 100.0)
    turned = np.linspace(0, np.pi / 2, N)
    path = Trajectory(centres, np.linspace(1, 2, N), turned, (40.0, 20.0), 0)
    same = align_to_ground(path, 20.0)
    assert np.allclose(same.centres, centres)
    # 20 px higher: its middle goes up by 10, and its foot by 0.15 x 20 since a lying product reaches nearer.
    tall = align_to_ground(path, 40.0)
    assert np.allclose(tall.centres[0], [100, 87]) and tall.size == (40.0, 40.0)
    assert np.allclose(tall.centres[-1], [126, 100])
    assert np.allclose(align_to_ground(path, 40.0, top=77.0).centres[0], [100, 97])


def test_what_was_in_front_stays_in_front():
    source, background, masks, boxes = clip(step=0)
    bar = np.s_[:, 70:90]
    for index in range(5, 8):
        source[index][bar] = [240, 200, 40]
        background[index][bar] = [240, 200, 40]
        masks[index][bar] = False
    frames, seen, insertion = inserted(request_of(source, background, masks, boxes, square_cutout()), **PLAIN)
    assert insertion.measures["occluded_frames"] == 3
    assert np.abs(frames[6][60:100, 72:88].astype(int) - [240, 200, 40]).max() <= 2
    assert not seen[6][:, 72:88].any()
    assert seen[6][65:95, 54:66].all() and seen[3][65:95, 54:86].all()
    assert np.abs(frames[3][65:95, 54:86].astype(int) - [30, 160, 220]).max() <= 1


def test_where_the_product_is_absent_the_background_stays():
    source, background, masks, boxes = clip()
    masks[:4], boxes[:4], source[:4] = False, [None] * 4, background[:4]
    frames, seen, insertion = inserted(request_of(source, background, masks, boxes, square_cutout()), **PLAIN)
    assert np.array_equal(frames[:4], background[:4])
    assert not seen[:4].any() and seen[4:].any((1, 2)).all()
    assert insertion.boxes[:4] == [None] * 4


def test_the_shadow_is_measured_and_carried_to_the_new_outline():
    source, background, masks, boxes = clip(shadow=0.8)
    light = measure_light(source, background, masks, 0.0)
    outline = masks[0].astype(np.float32)
    old, truth = shade(outline, light.shadow), np.exp(-0.8 * shadow_copies(outline)[THROWN])
    outside = ~cv2.dilate(masks[0].astype(np.uint8), np.ones((7, 7))).astype(bool)
    assert truth[outside].min() < 0.8
    assert np.abs(old - truth)[outside].max() < 0.06
    narrow = square_cutout(80, width=40)
    frames, seen, _ = inserted(request_of(source, background, masks, boxes, narrow), **PLAIN)
    x0, y0, x1, y1 = box_of(seen[0])
    darker = background[0].astype(int) - frames[0]
    assert darker[y1 + 1 : y1 + 3, x0:x1].mean() > 10
    assert np.abs(darker[: y0 - 4]).max() == 0


def test_without_a_shadow_none_is_made():
    source, background, masks, _ = clip()
    assert measure_light(source, background, masks, 0.5).shadow.sum() < 0.01


def test_an_empty_clip_gets_a_contact_shadow():
    _, background, masks, boxes = clip(step=0)
    nothing = np.zeros_like(masks)
    request = request_of(background, background, nothing, boxes, square_cutout())
    frames, seen, _ = inserted(request, **PLAIN)
    assert np.abs(np.subtract(box_of(seen[0]), boxes[0])).max() <= 0.5
    assert frames[0][101:104, 60:80].mean() < background[0][101:104, 60:80].mean() - 4
    left = shade(masks[0].astype(np.float32), measure_light(background, background, nothing, 0.3).shadow)
    assert 0.65 < left.min() < 0.8


def test_exposure_is_followed():
    source, background, masks, boxes = clip(step=0)
    gains = np.linspace(1, 0.5, N)
    dim = [np.stack([to_srgb(to_linear(f) * g) for f, g in zip(v, gains, strict=True)]) for v in (source, background)]
    frames, _, insertion = inserted(request_of(*dim, masks, boxes, square_cutout()), **PLAIN)
    level = to_linear(frames[:, 70:90, 60:80]).mean((1, 2, 3))
    assert np.allclose(level / level[0], gains, rtol=0.04)
    assert insertion.measures["shadow"] < 0.01


def test_colours_are_drawn_towards_the_scene():
    source, background, masks, boxes = clip(step=0)
    warm = [np.stack([to_srgb(to_linear(f) * [0.5, 0.46, 0.4]) for f in v]) for v in (source, background)]
    photo = square_cutout(colour=(200, 200, 200))
    kept, _, _ = inserted(request_of(*warm, masks, boxes, photo), **PLAIN)
    drawn, _, _ = inserted(request_of(*warm, masks, boxes, photo), colour_strength=1.0)
    before, after = kept[0][80, 70].astype(int), drawn[0][80, 70].astype(int)
    assert after.mean() < before.mean()
    assert after[0] - after[2] > before[0] - before[2] + 5


def test_a_coloured_ground_is_not_taken_for_the_light():
    source, background, masks, boxes = clip(step=0)
    wood = [np.stack([to_srgb(to_linear(f) * [0.9, 0.5, 0.25]) for f in v]) for v in (source, background)]
    request = request_of(*wood, masks, boxes, square_cutout(colour=(200, 200, 200)))
    drawn, _, _ = inserted(request, colour_strength=1.0)
    assert np.ptp(drawn[0][80, 70].astype(int)) <= 2


def test_the_background_is_taken_in_the_region_only():
    source, background, masks, _ = clip()
    noisy, region = background[0] + 1, masks[0].copy()
    region[100:110, 20:30] = True  # a faint change that no threshold would find
    frame = restore_background(source[0], noisy, region)
    assert np.array_equal(frame[region], noisy[region])
    far = ~dilated(region, 10)
    assert far.any() and np.array_equal(frame[far], source[0][far])
    assert np.array_equal(restore_background(source[0], noisy, np.zeros_like(region)), source[0])


def test_an_empty_cutout_is_an_error():
    with pytest.raises(InsertionError, match="no opaque pixel"):
        prefilter(np.zeros((20, 20, 4), np.uint8), 100)


def lit(cutout, *gain):
    """A cut-out as another light shows it: a gain per channel, or one for all, in linear light."""
    return np.dstack([to_srgb(to_linear(cutout[..., :3]) * np.float32(gain)), cutout[..., 3]])


def test_photos_that_agree_change_nothing():
    source, background, masks, boxes = clip()
    request = request_of(source, background, masks, boxes, square_cutout())
    alone, _, insertion = inserted(request)
    agreeing, _, _ = inserted(replace(request, other_cutouts=(square_cutout(120),)))
    assert np.array_equal(alone, agreeing) and insertion.measures["colour_gain"] == [1, 1, 1]


def test_the_result_has_the_agreed_colours():
    source, background, masks, boxes = clip()
    dark = lit(square_cutout(colour=(90, 120, 60)), 0.8)
    request = request_of(source, background, masks, boxes, dark)
    request = replace(request, other_cutouts=(lit(dark, 1.5), lit(dark, 1.5)))
    frames, _, insertion = inserted(request, **PLAIN)
    gain = consensus_color_gain(dark, request.other_cutouts)
    assert gain == pytest.approx(gain[0], rel=0.03) and 1.25 < gain[0] < 1.32
    assert insertion.measures["colour_gain"] == pytest.approx(gain, abs=1e-4)
    inside = to_linear(frames[0][65:95, 55:85]).mean((0, 1))
    assert inside == pytest.approx(to_linear(dark[40, 40, :3]) * gain, rel=0.02)


# ---------------------------------------------------------------- the stage


def write_clip(folder, *, background=True, **arguments):
    source, plain, masks, boxes = clip(**arguments)
    folder.mkdir(parents=True)
    rate = Fraction(30000, 1001)
    write_video(folder / "video.mp4", source, rate)
    if background:
        write_video(folder / "background.mp4", plain, rate)
        write_masks(folder / "region.mkv", masks | (source != plain).any(-1), rate)
        background_record().write(folder / "background.json")
    else:
        (folder / "background.mp4").write_bytes(b"")
        (folder / "region.mkv").write_bytes(b"")
        background_record(status="failed", reason="too large").write(folder / "background.json")
    write_masks(folder / "masks.mkv", masks, rate)
    frames = [track_frame([round(side) for side in box]) for box in boxes]
    points = [{"xy": [[box[0] + 10, box[1] + 10] for box in boxes]}]
    track = {"n_frames": N, "fps": "30000/1001", "width": W, "height": H, "frames": frames, "points": points}
    track_record(**track).write(folder / "track.json")


PAIR = {
    "pair_id": "A_s01__B_i1",
    "clip_id": "A_s01",
    "source_id": "A",
    "target_id": "B",
    "image_index": 1,
    "seed": 5,
}


def run_stage(tmp_path, status="accepted", changes=None, **arguments):
    write_clip(tmp_path / "clip", **arguments)
    write_png(tmp_path / "1.png", square_cutout())
    record = cutout_record(status=status, reason="blurred" if status != "accepted" else "")
    settings = stage_defaults("insertion") | (changes or {})
    out = tmp_path / "out"
    insert_product(tmp_path / "clip", [tmp_path / "1.png"], record, out, PAIR, settings)
    return out, json.loads((out / "insert.json").read_text())


@pytest.mark.slow
def test_a_pair_reads_what_was_measured_on_its_clip(tmp_path, monkeypatch):
    own, _ = run_stage(tmp_path / "own")
    settings = stage_defaults("insertion")
    measure_clip(tmp_path / "own/clip", {key: settings[key] for key in clip_model.SETTINGS})
    monkeypatch.setattr("pvtt.stages.insertion.composite.measure_model", None)  # measuring again is an error
    cutout, out = tmp_path / "own/1.png", tmp_path / "again"
    insert_product(tmp_path / "own/clip", [cutout], cutout_record(), out, PAIR, settings)
    for name in ("insert.mp4", "insert_mask.mkv"):
        assert (own / name).read_bytes() == (out / name).read_bytes()


def test_a_clip_that_cannot_be_measured_has_an_empty_model(tmp_path):
    write_clip(tmp_path / "clip", background=False)
    measure_clip(tmp_path / "clip", stage_defaults("insertion"))
    assert (tmp_path / "clip/clip_model.npz").stat().st_size == 0


@pytest.mark.parametrize("control", ["boxes", "ends"])
def test_stage_writes_video_masks_and_record(tmp_path, control):
    out, record = run_stage(tmp_path, changes={"control": control})
    assert record["status"] == "done" and record["control"] == control
    assert {key: record[key] for key in PAIR} == PAIR
    assert (record["n_frames"], record["width"], record["height"], record["fps"]) == (N, W, H, "30000/1001")
    assert count_frames(out / "insert.mp4") == N
    seen = read_masks(out / "insert_mask.mkv")
    assert seen.shape == (1, N, H, W)
    assert np.abs(np.subtract(box_of(seen[0, 4]), record["boxes"][4])).max() <= 1
    assert record["provenance"]["seed"] == 5
    frame = read_video(out / "insert.mp4")[4]
    assert np.abs(frame[70:90, 80:100].astype(int).mean((0, 1)) - [30, 160, 220]).max() < 45


@pytest.mark.slow
def test_stage_is_deterministic(tmp_path):
    first, _ = run_stage(tmp_path / "a")
    second, _ = run_stage(tmp_path / "b")
    for name in ("insert.mp4", "insert_mask.mkv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"background": False}, "no background: too large"),
        ({"status": "rejected"}, "rejected: blurred"),
        ({"changes": {"control": "points"}}, "at least 2 key points"),
    ],
)
def test_an_impossible_pair_is_a_record(tmp_path, arguments, reason):
    out, record = run_stage(tmp_path, **arguments)
    assert record["status"] == "failed" and reason in record["reason"]
    assert record["boxes"] == [None] * N
    assert (out / "insert.mp4").stat().st_size == 0
    assert (out / "insert_mask.mkv").stat().st_size == 0


def test_the_stage_reads_other_photos_and_skips_rejected_ones(tmp_path):
    write_clip(tmp_path / "clip")
    for name, cutout in (("1", square_cutout()), ("2", lit(square_cutout(), 0.7))):
        write_png(tmp_path / f"{name}.png", cutout)
    (tmp_path / "3.png").write_bytes(b"")
    cutouts = [tmp_path / f"{name}.png" for name in "123"]
    settings = stage_defaults("insertion")
    insert_product(tmp_path / "clip", cutouts, cutout_record(), tmp_path / "out", PAIR, settings)
    record = json.loads((tmp_path / "out/insert.json").read_text())
    assert record["status"] == "done" and max(record["measures"]["colour_gain"]) < 0.9
    inputs = record["provenance"]["inputs"]
    assert {"cutout", "other_cutout_1"} < set(inputs) and "other_cutout_2" not in inputs
