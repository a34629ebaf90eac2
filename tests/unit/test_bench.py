"""The benchmark: its table, its guard, its baseline method, and a run on a world of one clip made here."""

import csv
from dataclasses import asdict
from fractions import Fraction

import cv2
import numpy as np
import pytest

import bench
import calibrate
from baselines.paste import Backend as Paste
from pvtt.io import images, video
from pvtt.io.files import read_json, write_json
from pvtt.records.calibration import Calibration
from pvtt.stages.insertion.base import Request
from regression import compare, make_baseline
from stages import feed, scoring, segmentation, shots
from stages.common import Options, Outcome, guarded
from summary import direction, markdown, summarise
from synthetic.records import shots_record
from truth import World, select

pytestmark = pytest.mark.slow

SIZE = (192, 112)  # width, height
N = 52


def outcome(stage, item, figures=None, mode="isolated", **facts):
    return Outcome(stage, "some", mode, item, figures or {}, facts)


def value_of(rows, metric):
    return next(row for row in rows if row["metric"] == metric)


def test_summary_has_mean_and_spread_of_what_was_measured():
    rows = summarise([outcome("background", str(i), {"psnr_inside": v}) for i, v in enumerate((10.0, 20.0, None))])
    row = value_of(rows, "psnr_inside")
    assert (row["value"], row["n"], row["better"]) == (15.0, 2, "higher")
    assert (row["std"], row["p10"], row["p90"]) == pytest.approx((5.0, 11.0, 19.0))


def test_summary_leaves_out_errors_and_what_nobody_measured():
    broken = guarded("background", "x", lambda: {}["lost"])
    assert [o.mode for o in broken] == ["error", "timing"]
    assert "KeyError" in broken[0].facts["error"]
    assert summarise([*broken, outcome("background", "y", {"psnr_inside": None})]) == []


def test_what_was_measured_before_an_error_is_kept():
    def measure():
        yield outcome("tracks", "x", {"aj": 1.0})
        raise ValueError("then it broke")

    assert [o.mode for o in guarded("tracks", "x", measure)] == ["isolated", "error", "timing"]


def test_shots_are_pooled_over_videos():
    rows = summarise(
        [
            outcome("shots", "a", hard=[3, 1, 0], gradual=[0, 0, 0]),
            outcome("shots", "b", hard=[0, 0, 2], gradual=[1, 0, 1]),
        ]
    )
    assert value_of(rows, "hard_f1")["value"] == pytest.approx(6 / 9)
    assert value_of(rows, "hard_f1")["n"] == 5
    assert value_of(rows, "gradual_recall")["value"] == 0.5


def test_a_shots_record_is_compared_with_its_truth():
    record = shots_record(cuts=[10, 33], gradual=[[50, 57]])
    truth = {"hard": [11], "gradual": [{"first_frame": 51, "last_frame": 58}]}
    found = shots.compare(record, truth)
    assert (found["hard"].hits, found["hard"].false, found["gradual"].hits) == (1, 1, 1)


def test_segmentation_is_pooled_over_verdicts_and_sizes():
    shown = [(0.95, "accepted", 0.9, 0.02), (0.85, "accepted", 0.8, 0.1), (0.3, "rejected", 0.85, 0.1)]
    outcomes = [
        outcome("segmentation", str(i), {"j": j}, status=status, score=score, mean_area=area, empty=False)
        for i, (j, status, score, area) in enumerate(shown)
    ]
    outcomes.append(outcome("segmentation", "e", status="rejected", score=0.1, mean_area=0.0, empty=True))
    figures = segmentation.pooled(outcomes)
    assert figures["accepted"] == (pytest.approx(2 / 3), 3)
    assert figures["j_accepted"] == (pytest.approx(0.9), 2)
    assert figures["j_accepted_worst"] == (0.85, 2)
    assert figures["qa_auroc"] == (0.5, 3)
    assert figures["empty_rejected"] == (1.0, 1)
    assert figures["j [1-5 %]"] == (0.95, 1) and figures["accepted [5-15 %]"] == (0.5, 2)


@pytest.mark.parametrize("area, name", [(0.001, "<0.2 %"), (0.01, "0.2-1 %"), (0.2, "15-35 %"), (0.9, ">35 %")])
def test_buckets(area, name):
    assert segmentation.bucket(area) == name


def test_scores_are_compared_with_the_true_error():
    rows = [(0.1, 0.9, True), (0.3, 0.8, False), (0.7, 0.4, True), (0.9, 0.2, False)]
    scored = {"status": "scored", "insertion": "some"}
    outcomes = [
        outcome(
            "scoring",
            str(i),
            **scored,
            true_error=e,
            kept=kept,
            kept_forward=kept,
            kept_reverse=True,
            p_good_forward=q,
            p_good_reverse=None,
            scores={"quality_score": q, "swap": None},
        )
        for i, (e, q, kept) in enumerate(rows)
    ]
    for control, q, kept in (("true_swap", 0.9, True), ("true_swap", 0.6, False), ("unchanged", 0.7, False)):
        facts = {"status": "scored", "true_error": None, "kept": kept, "scores": {"quality_score": q}}
        outcomes.append(outcome("scoring", control, insertion=control, **facts))
    figures = scoring.pooled(outcomes)
    assert figures["spearman quality_score"] == (pytest.approx(1.0), 4)
    assert figures["auroc quality_score"] == (1.0, 4)
    assert figures["filter_precision"] == (0.5, 2) and figures["filter_recall"] == (0.5, 2)
    assert figures["verdict precision [forward]"] == (0.5, 2) and figures["verdict recall [forward]"] == (0.5, 2)
    assert figures["verdict precision [reverse]"] == (0.5, 4) and figures["verdict recall [reverse]"] == (1.0, 2)
    assert figures["auroc p_good [forward]"] == (1.0, 4) and "auroc p_good [reverse]" not in figures
    assert "spearman swap" not in figures
    assert figures["kept [true_swap]"] == (0.5, 2) and figures["kept [unchanged]"] == (0.0, 1)
    assert figures["auroc [controls]"] == (0.5, 3)


def test_table_says_what_is_better():
    rows = summarise([outcome("background", "a", {"psnr_inside": 30.0, "shadow_residue": 0.2})])
    text = "\n".join(markdown(rows))
    assert "PSNR inside, dB ↑ | 30.0" in text and "shadow left, of its contrast ↓ | 0.200" in text
    assert direction("j [1-5 %]") == "higher" and direction("s_per_frame") == "lower"


def test_guard_names_what_fell_by_more_than_its_noise():
    rows = summarise([outcome("background", "a", {"psnr_inside": 30.0, "shadow_residue": 0.2})])
    name = "background/some/isolated/"
    margins = {f"{name}psnr_inside": 0.5, f"{name}shadow_residue": 0.02}
    baseline = make_baseline({"summary": rows}, margins)
    assert compare({"summary": rows}, baseline) == []
    within = summarise([outcome("background", "a", {"psnr_inside": 29.6, "shadow_residue": 0.219})])
    assert compare({"summary": within}, baseline) == []
    worse = summarise([outcome("background", "a", {"psnr_inside": 29.4, "shadow_residue": 0.1})])
    assert [text.split(":")[0] for text in compare({"summary": worse}, baseline)] == [f"{name}psnr_inside"]
    worse = summarise([outcome("background", "a", {"psnr_inside": 40.0, "shadow_residue": 0.23})])
    assert [text.split(":")[0] for text in compare({"summary": worse}, baseline)] == [f"{name}shadow_residue"]
    assert "not measured" in compare({"summary": []}, baseline)[0]
    with pytest.raises(KeyError):
        make_baseline({"summary": rows}, {"background/some/isolated/none": 1.0})


def test_paste_fits_the_box_and_keeps_the_aspect():
    cutout = np.zeros((60, 90, 4), np.uint8)
    cutout[10:50, 5:85] = (200, 30, 30, 255)  # 80 x 40 of it are opaque
    frame = np.full((64, 96, 3), 90, np.uint8)
    boxes = [(20.0, 10.0, 60.0, 50.0), None, (80.0, 40.0, 120.0, 60.0)]
    request = Request(
        source=lambda: iter([frame] * 3),
        background=lambda: iter([frame] * 3),
        masks=np.zeros((3, 64, 96), bool),
        region=np.zeros((3, 64, 96), bool),
        boxes=boxes,
        points=np.zeros((0, 3, 2)),
        cutout=cutout,
        fps=24.0,
        seed=0,
    )
    inserted = Paste({}).insert(request)
    (first, mask), (second, nothing), (_, clipped) = inserted.frames
    expected = np.zeros((64, 96), bool)
    expected[20:40, 20:60] = True
    assert inserted.boxes[:2] == [(20.0, 20.0, 60.0, 40.0), None]
    assert (mask == expected).all() and (first[expected] == (200, 30, 30)).all() and (first[~expected] == 90).all()
    assert (second == frame).all() and not nothing.any()
    assert clipped[40:60, 80:].all() and clipped.sum() == 20 * 16


def draw(frame, x, colour):
    """A framed square with a shadow beside it: frame, mask, share of light that the shadow takes."""
    image, mask, shadow = (
        frame.astype(np.float32),
        np.zeros(frame.shape[:2], bool),
        np.zeros(frame.shape[:2], np.float32),
    )
    mask[40:80, x : x + 40] = True
    shadow[60:86, x : x + 56] = 0.4
    shadow = cv2.GaussianBlur(shadow, (0, 0), 3)
    shadow[mask] = 0
    image *= 1 - shadow[..., None]
    image[mask] = colour
    image[48:72, x + 8 : x + 32] = np.array(colour) // 3
    return np.rint(image).astype(np.uint8), mask, shadow


def write_world(root):
    """One video of one shot: a red square moves over a texture; its swap is a green one."""
    rng = np.random.default_rng(0)
    ground = cv2.resize(rng.integers(120, 170, (14, 24, 3), dtype=np.uint8), SIZE, interpolation=cv2.INTER_CUBIC)
    fps, folder = Fraction(24), root / "truth/clips/RED_s01"
    red = [draw(ground, 30 + i, (190, 40, 40)) for i in range(N)]
    green = [draw(ground, 30 + i, (40, 160, 60)) for i in range(N)]
    video.write_video(root / "videos/RED.mp4", [f for f, _, _ in red], fps)
    video.write_video(folder / "background.mp4", [ground] * N, fps)
    video.write_video(folder / "swaps/GREEN.mp4", [f for f, _, _ in green], fps)
    for name, layers in (("", red), ("swaps/GREEN", green)):
        video.write_masks(folder / f"{name or 'masks'}.mkv", np.stack([m for _, m, _ in layers]), fps)
        shadows = np.stack([np.rint(255 * s).astype(np.uint8) for _, _, s in layers])
        video.write_grey(folder / f"{name}_shadow.mkv" if name else folder / "shadow.mkv", shadows, fps)
    path = [[30 + i + 10.0, 50.0] for i in range(N)]
    boxes = [[30 + i, 40, 70 + i, 80] for i in range(N)]
    write_json(folder / "track.json", {"boxes": boxes, "points": [path], "visible": [[True] * N]})
    for product, colour in (("RED", (190, 40, 40)), ("GREEN", (40, 160, 60))):
        photo, alpha = np.full((300, 300, 3), 250, np.uint8), np.zeros((300, 300), np.uint8)
        photo[60:240, 60:240], photo[96:204, 96:204] = colour, np.array(colour) // 3
        alpha[60:240, 60:240] = 255
        images.write_jpeg(root / f"images/{product}/1.jpg", photo)
        images.write_png(root / f"truth/photos/{product}/1.png", alpha)
    clip = {"clip_id": "RED_s01", "product_id": "RED", "video": "videos/RED.mp4", "start_frame": 0, "end_frame": N}
    clip |= {"fps": "24/1", "width": SIZE[0], "height": SIZE[1], "content_rect": [0, 0, *SIZE], "tags": []}
    clip |= {"mean_area": 0.074, "empty": False, "swaps": ["GREEN"], "hand": False}
    world = {"seed": 0, "size": "test", "version": "1", "products": {}, "clips": {"RED_s01": clip}}
    write_json(root / "truth/world.json", world)
    write_json(root / "truth/cuts.json", {"RED": {"n_frames": N, "hard": [], "gradual": []}})
    columns = ["id", "category", "subcategory", "title", "platform", "video", "images", "empty"]
    with open(root / "products.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerow(["RED", "toys", "cube", "Red square", "made", "videos/RED.mp4", "images/RED/1.jpg", ""])
        writer.writerow(["GREEN", "toys", "cube", "Green square", "made", "", "images/GREEN/1.jpg", ""])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    write_world(folder / "world")
    status = bench.main(["--world", str(folder / "world"), "--out", str(folder / "out"), "--jobs", "1"])
    return status, folder / "out", read_json(folder / "out/bench.json")


def test_run_measures_every_stage(finished):
    status, out, found = finished
    assert status == 0 and found["errors"] == []
    stages = {(row["stage"], row["mode"]) for row in found["summary"]}
    assert {(stage, "isolated") for stage in ("shots", "segmentation", "background", "products", "insertion")} <= stages
    assert ("scoring", "isolated") in stages
    assert {"residue", "verdict precision [forward]"} <= {row["metric"] for row in found["summary"]}
    table = (out / "bench.md").read_text(encoding="utf-8").splitlines()
    assert any("| verdict recall [reverse] " in line for line in table)
    assert len(table) == len(found["summary"]) + 2


def test_run_knows_good_from_bad(finished):
    rows = {(r["stage"], r["backend"], r["mode"], r["metric"]): r["value"] for r in finished[2]["summary"]}
    assert rows["products", "classical", "isolated", "iou"] > 0.97
    assert rows["background", "plate", "isolated", "psnr_inside"] > 22
    assert rows["background", "plate", "isolated", "psnr_outside"] > 40
    paste = {
        metric: value
        for (stage, backend, mode, metric), value in rows.items()
        if (stage, backend, mode) == ("insertion", "paste", "isolated")
    }
    assert paste["iou"] > 0.95 and paste["position"] < 0.02 and paste["scale"] < 0.05
    assert paste["shadow"] == pytest.approx(1.0, abs=0.05)


def test_run_draws_its_pictures(finished):
    names = {path.name for path in finished[1].glob("*.png")}
    assert {"segmentation_j.png", "segmentation_qa.png", "background_psnr.png", "insertion.png", "scoring.png"} <= names
    assert images.read_rgb(finished[1] / "contact.png").shape[1] == 3 * 484


def test_clips_can_be_chosen(finished):
    clips = World(finished[1].parent / "world").clips()
    assert select(clips * 5, [], 2) == [clips[0], clips[0]]
    assert [clip.clip_id for clip in select(clips, ["RED_s01"], None)] == ["RED_s01"]
    with pytest.raises(ValueError, match="no clip BLUE_s01; there are RED_s01"):
        select(clips, ["BLUE_s01"], None)


@pytest.mark.parametrize("wrong", [["--stages", "shot"], ["--backend", "insertion"], []])
def test_command_line_says_what_is_wrong(wrong, tmp_path, capsys):
    world = ["--world", str(tmp_path)] if wrong else []
    with pytest.raises(SystemExit):
        bench.parse([*world, "--out", str(tmp_path), *wrong])
    assert "error:" in capsys.readouterr().err


def test_masks_of_a_part_are_not_trusted(tmp_path):
    about = {"video": "videos/A.mp4", "frame": 3}
    stills = {"a.png": about | {"trust": "good"}, "b.png": about | {"trust": "PARTIAL (misses a cap)"}}
    write_json(tmp_path / "truth/masks.json", stills)
    assert feed.trusted_stills(tmp_path) == {"A": [(3, "a.png")]}


def test_the_feed_measures_every_shot_detector(tmp_path, monkeypatch):
    monkeypatch.setattr(shots, "measure_file", lambda *given: given[3]["backend"])
    options = Options(World(tmp_path), tmp_path, frozenset({"shots"}), {"shots": ["scenedetect", "ffmpeg"]})
    row = {"id": "A", "video": "videos/A.mp4"}
    assert list(feed._shots(options, tmp_path, row, {"hard": []}, None)) == ["scenedetect", "ffmpeg"]


@pytest.mark.parametrize("kind", ["masks", "forward"])
def test_calibrations_are_learnt_from_benches(tmp_path, kind):
    random = np.random.default_rng(0)
    outcomes = []
    for number, value in enumerate(random.random(60)):
        clip = f"P{number // 3}_s01"
        if kind == "masks":
            facts = {
                "measures": {"second_opinion": float(value), "photo_match": 0.9},
                "empty": False,
                "version": "1, qa 1",
            }
            one = outcome("segmentation", clip, {"j": 0.95 if value > 0.5 else 0.4}, **facts)
        else:
            facts = {"measures": {"residue": float(1 - value)}, "status": "scored", "version": "classical 1"}
            one = outcome("scoring", f"{clip}__Q_i1/composite", {}, true_error=0.9 - value, **facts)
        outcomes.append({**asdict(one), "mode": "isolated"})
    bench_file = tmp_path / "bench.json"
    write_json(bench_file, {"world": {"size": "bench", "seed": 1}, "outcomes": outcomes})
    out = tmp_path / "calibrations" / f"{kind}-own.json"
    assert calibrate.main([kind, str(bench_file), "--out", str(out)]) == 0
    found = Calibration.read(out)
    assert found.name == f"{kind}-own" and found.validation.groups == 20 and found.validation.auroc > 0.95
    assert found.data == {"worlds": ["bench 1"]}
    assert ("second_opinion" in found.requires) == (kind == "masks")
