"""Shots: cuts to the frame, overlays that are none, dissolves and fades, bars, splitting, and exact clips."""

from fractions import Fraction

import cv2
import numpy as np
import pandas as pd
import pytest

from pvtt.config.settings import stage_defaults
from pvtt.config.stages.shots import ShotsSettings
from pvtt.imaging import letterbox
from pvtt.io import video as media
from pvtt.records.media import Clip
from pvtt.stages.shots import CLIP_COLUMNS, clips_table, cut_clip, detect_shots
from pvtt.stages.shots.base import Transitions
from pvtt.stages.shots.scenedetect import Backend
from pvtt.stages.shots.spans import Span, length_problem, shortest_frames, shot_spans, split_span
from pvtt.stages.shots.transitions import find_gradual, persistence, thumbnail

SETTINGS = stage_defaults("shots")
FPS = Fraction(16)


def scene(seed: int, count: int, width: int = 256, height: int = 144, speed: float = 1.0) -> list[np.ndarray]:
    """A shot: a textured picture that slides by `speed` pixels a frame."""
    rng = np.random.default_rng(seed)
    wide = cv2.resize(rng.integers(20, 235, (24, 96, 3), np.uint8), (4 * width, height), interpolation=cv2.INTER_CUBIC)
    starts = [round(speed * k) for k in range(count)]
    return [wide[:, start : start + width] for start in starts]


def dissolve(first, second, length):
    """Frames of two shots with `length` mixed ones between: the last of the first over the first of the second."""
    shares = (np.arange(length) + 1) / (length + 1)
    parts = zip(shares, first[-length:], second[:length], strict=True)
    mixed = [np.rint((1 - a) * x + a * y).astype(np.uint8) for a, x, y in parts]
    return [*first[:-length], *mixed, *second[length:]]


def barred(frames, *bars):
    """Frames with bars of (top, bottom, left, right, colour), the first the innermost."""
    for top, bottom, left, right, colour in bars:
        frames = [cv2.copyMakeBorder(f, top, bottom, left, right, cv2.BORDER_CONSTANT, value=colour) for f in frames]
    return frames


def found(frames, detector="adaptive", fps=FPS):
    return Backend({"detector": detector, "threshold": None}).detect(iter(frames), fps)


class TestCuts:
    @pytest.mark.parametrize("detector", ["adaptive", "content", "hash"])
    def test_hard_cuts_to_the_frame(self, detector):
        frames = [*scene(1, 30), *scene(2, 20), *scene(3, 30)]
        assert found(frames, detector) == Transitions((30, 50), ())

    @pytest.mark.parametrize("last", [1, 2])
    def test_cuts_at_the_very_ends(self, last):
        frames = [*scene(1, last), *scene(2, 30), *scene(3, last)]
        assert found(frames).cuts == (last, 30 + last)

    def test_motion_is_no_cut(self):
        assert found(scene(1, 60, speed=6.0)) == Transitions()

    def test_overlays_are_no_cuts(self):
        frames = [frame.copy() for frame in scene(1, 60, speed=0.2)]
        for frame in frames[20:40]:
            frame[10:70, 130:250] = (255, 230, 0)
            frame[110:130, 20:120] = 0
        assert found(frames) == Transitions()
        assert persistence(frames[19][::2, ::2], frames[20][::2, ::2]) > 0.5

    def test_a_change_of_light_is_no_transition(self):
        frames = [np.clip(f * (1 + 0.02 * k), 0, 255).astype(np.uint8) for k, f in enumerate(scene(1, 40, speed=0.1))]
        assert found(frames) == Transitions()

    @pytest.mark.parametrize("count", [1, 2, 3, 5])
    def test_very_short_videos(self, count):
        assert found(scene(1, count)) == Transitions()
        assert found([]) == Transitions()


class TestGradual:
    @pytest.mark.parametrize("length", [5, 8, 12, 20])
    def test_a_dissolve(self, length):
        frames = dissolve(scene(1, 40, speed=0.2), scene(2, 40, speed=0.2), length)
        transitions = found(frames)
        assert transitions.cuts == ()
        ((first, last),) = transitions.gradual
        assert abs(first - (40 - length)) <= 2 and abs(last - 39) <= 2

    def test_a_fade_to_black_and_back(self):
        first, second = scene(1, 40, speed=0.2), scene(2, 40, speed=0.2)
        out = [np.rint(f * (1 - (k + 1) / 10)).astype(np.uint8) for k, f in enumerate(first[-10:])]
        back = [np.rint(f * (k / 10)).astype(np.uint8) for k, f in enumerate(second[:10])]
        black = [np.zeros_like(first[0])] * 15
        transitions = found([*first[:-10], *out, *black, *back, *second[10:]])
        assert transitions.cuts == ()
        (fade_out, fade_in) = transitions.gradual
        assert abs(fade_out[0] - 30) <= 2 and abs(fade_out[1] - 39) <= 2
        assert abs(fade_in[0] - 55) <= 2 and abs(fade_in[1] - 64) <= 2

    @pytest.mark.parametrize("speeds", [(0.5, 0.5), (1.0, 1.0), (2.0, 0.5)])
    def test_a_dissolve_between_moving_shots(self, speeds):
        length = 10
        frames = dissolve(scene(1, 40, speed=speeds[0]), scene(2, 40, speed=speeds[1]), length)
        transitions = found(frames)
        assert transitions.cuts == ()
        ((first, last),) = transitions.gradual
        assert first <= 40 - length + 1 and last >= 38
        assert first >= 40 - length - 5 and last <= 44

    def test_a_fade_through_white_is_covered(self):
        first, second = scene(1, 40, speed=0.5), scene(2, 40, speed=0.5)
        out = [np.rint(f + (255.0 - f) * ((k + 1) / 6)).astype(np.uint8) for k, f in enumerate(first[-6:])]
        back = [np.rint(255.0 + (f - 255.0) * (k / 6)).astype(np.uint8) for k, f in enumerate(second[:6])]
        transitions = found([*first[:-6], *out, *back, *second[6:]])
        mixed = {frame for a, b in transitions.gradual for frame in range(a, b + 1)}
        assert transitions.cuts == () and mixed >= set(range(35, 45)) and mixed <= set(range(31, 50))

    def test_a_hard_cut_beside_a_dissolve_stays(self):
        frames = [*dissolve(scene(1, 40, speed=0.5), scene(2, 40, speed=0.5), 10), *scene(3, 30)]
        transitions = found(frames)
        assert transitions.cuts == (70,) and len(transitions.gradual) == 1

    def test_motion_blur_is_no_dissolve(self):
        wide = np.concatenate([scene(1, 1, width=512)[0], scene(2, 1, width=512)[0]], axis=1)
        places = 700 * np.clip((np.arange(60) - 25) / 8, 0, 1)
        frames = [wide[:, round(x) : round(x) + 256].copy() for x in places]
        for k in range(25, 34):
            frames[k] = cv2.blur(frames[k], (87, 1))
        assert find_gradual([thumbnail(frame) for frame in frames], [], 16.0) == []

    @pytest.mark.parametrize("speed", [0.5, 1.0, 2.0, 4.0])
    def test_none_in_moving_pictures(self, speed):
        frames = [thumbnail(frame) for frame in scene(1, 60, speed=speed)]
        assert find_gradual(frames, [], 16.0) == []


class TestSpans:
    def test_shots_between_transitions(self):
        transitions = Transitions((10, 50), ((20, 24), (96, 99)))
        assert shot_spans(100, transitions) == [Span(0, 10), Span(10, 20), Span(25, 50), Span(50, 96)]
        assert shot_spans(5, Transitions()) == [Span(0, 5)]
        assert shot_spans(0, Transitions()) == []

    def test_too_short(self):
        assert length_problem(Span(0, 50), FPS, ShotsSettings()) == ""
        assert (
            length_problem(Span(0, 49), FPS, ShotsSettings()) == "too short: 49 frames, 3.1 s: under 2 s or 50 frames"
        )
        assert length_problem(Span(0, 119), Fraction(60), ShotsSettings()).startswith("too short: 119 frames, 2.0 s")
        assert length_problem(Span(0, 120), Fraction(60), ShotsSettings()) == ""

    def test_decimal_seconds_are_exact(self):
        assert shortest_frames(Fraction(25), ShotsSettings(min_shot_s=2.4, min_shot_frames=1)) == 60

    @pytest.mark.parametrize(
        ("count", "fps", "parts"),
        [
            (160, Fraction(16), [160]),
            (161, Fraction(16), [80, 81]),
            (450, Fraction(30), [225, 225]),
            (1000, Fraction(24000, 1001), [200, 200, 200, 200, 200]),
            (99, Fraction(5), [99]),
        ],
    )
    def test_split(self, count, fps, parts):
        pieces = split_span(Span(7, 7 + count), fps, ShotsSettings())
        assert [piece.n_frames for piece in pieces] == parts
        assert [piece.part for piece in pieces] == [False] + [True] * (len(parts) - 1)
        assert (pieces[0].start, pieces[-1].end) == (7, 7 + count)


class TestContent:
    @pytest.mark.parametrize(
        ("bars", "rect"),
        [
            ([], (0, 0, 256, 144)),
            ([(20, 20, 0, 0, (0, 0, 0))], (0, 21, 256, 142)),
            ([(0, 0, 60, 50, (255, 255, 255))], (61, 0, 254, 144)),
            ([(0, 0, 40, 40, (200, 30, 90)), (30, 34, 0, 0, (0, 0, 0))], (41, 31, 254, 142)),
            ([(6, 6, 0, 0, (0, 0, 0))], (0, 7, 256, 142)),
        ],
    )
    def test_bars(self, bars, rect):
        assert letterbox.detect_letterbox(barred(scene(1, 9), *bars)) == rect

    def test_white_ground_is_no_bar(self):
        frames = [np.full((144, 256, 3), 254, np.uint8) for _ in range(9)]
        for k, frame in enumerate(frames):
            cv2.circle(frame, (100 + 5 * k, 72), 30, (180, 40, 40), -1)
        assert letterbox.detect_letterbox(frames) == (0, 0, 256, 144)
        assert letterbox.detect_letterbox(barred(frames, (0, 0, 50, 50, (0, 0, 0)))) == (51, 0, 254, 144)

    def test_a_straight_product_on_plain_ground_has_no_bars(self):
        frames = [np.full((144, 256, 3), (236, 190, 180), np.uint8) for _ in range(9)]
        for frame in frames:
            frame[20:144, 110:150] = (60, 20, 20)
        assert letterbox.detect_letterbox(frames) == (0, 0, 256, 144)
        ramp = np.linspace(-8, 8, 256)[None, :, None]
        frames = [np.clip(frame + ramp, 0, 255).astype(np.uint8) for frame in frames]
        for frame in frames:
            frame[:, 110:150] = (60, 20, 20)
        assert letterbox.detect_letterbox(frames) == (0, 0, 256, 144)

    def test_dithered_bars(self):
        frames = barred(scene(1, 9), (32, 32, 0, 0, (253, 253, 253)))
        for frame in frames:
            frame[::12, ::8] = 180
        assert letterbox.detect_letterbox(frames) == (0, 33, 256, 142)

    def test_what_moves_is_no_bar(self):
        frames = [np.full((144, 256, 3), 40 * k, np.uint8) for k in range(6)]
        for frame, picture in zip(frames, scene(1, 6), strict=True):
            frame[30:114] = picture[30:114]
        assert letterbox.detect_letterbox(frames) == (0, 0, 256, 144)

    def test_bars_of_the_video_in_a_dark_shot(self):
        dark = barred([np.full((144, 256, 3), 2, np.uint8)] * 5, (20, 20, 0, 0, (0, 0, 0)))
        assert letterbox.has_bars(dark, (0, 21, 256, 142))
        assert not letterbox.has_bars(barred(scene(1, 5), (9, 9, 0, 0, (0, 0, 0))), (0, 21, 256, 120))

    def test_blank(self):
        noise = np.random.default_rng(0).integers(0, 6, (144, 256, 3), np.uint8)
        assert letterbox.is_blank([noise], (0, 0, 256, 144))
        assert not letterbox.is_blank([noise, *scene(1, 1)], (0, 0, 256, 144))

    @pytest.mark.parametrize(
        ("rect", "expected"),
        [
            ((0, 0, 1920, 1080), ((0, 0, 1920, 1080), 1280, 720)),
            ((0, 0, 720, 1280), ((0, 0, 720, 1280), 720, 1280)),
            ((0, 7, 832, 466), ((0, 8, 832, 464), 832, 464)),
            ((177, 0, 478, 480), ((184, 0, 464, 480), 464, 480)),
            ((0, 0, 1280, 1024), ((2, 0, 1274, 1024), 896, 720)),
            ((0, 0, 100, 50), ((2, 0, 96, 48), 96, 48)),
        ],
    )
    def test_working_size(self, rect, expected):
        assert letterbox.working_size(rect, 720, 16) == expected

    def test_working_size_of_any_content(self):
        rng = np.random.default_rng(0)
        for _ in range(300):
            x, y, w, h = (int(v) for v in (*rng.integers(0, 50, 2), *rng.integers(160, 3000, 2)))
            (cut_x, cut_y, cut_w, cut_h), width, height = letterbox.working_size((x, y, w, h), 720, 16)
            assert x <= cut_x and y <= cut_y and cut_x + cut_w <= x + w and cut_y + cut_h <= y + h
            assert width % 16 == height % 16 == 0 and min(width, height) <= 720
            assert width <= cut_w and height <= cut_h
            assert abs((cut_w / cut_h) / (width / height) - 1) < 0.01

    def test_too_small(self):
        with pytest.raises(ValueError, match="12x40 pixels"):
            letterbox.working_size((0, 0, 12, 40), 720, 16)


def quiet(seed, count, contrast):
    """A still shot of little contrast, with grain."""
    rng = np.random.default_rng(seed)
    picture = scene(seed, 1)[0].astype(float)
    picture = 120 + contrast * (picture - picture.mean())
    return [np.clip(picture + rng.normal(0, 1, picture.shape), 0, 255).astype(np.uint8) for _ in range(count)]


def test_a_small_change_that_stands_alone_is_a_cut():
    shots = [quiet(3, 40, 0.25), quiet(9, 40, 0.25)]
    step = float(np.abs(shots[0][-1].astype(int) - shots[1][0]).mean())
    assert 8 < step < 20  # below the change that fast movement needs
    assert found(shots[0] + shots[1]).cuts == (40,)


def test_no_dissolve_reaches_over_a_certain_cut():
    first, second = scene(3, 40), scene(9, 40)
    thumbs = [thumbnail(frame) for frame in dissolve(first, second, 12)]
    (extent,) = find_gradual(thumbs, [], 24.0)
    middle = sum(extent) // 2
    assert find_gradual(thumbs, [middle], 24.0, [middle]) == []


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Side bars; shots of 60, 20 and 176 frames at 16 a second, then 12 black ones."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    frames = [*scene(1, 60), *scene(2, 20), *scene(3, 176), *[np.zeros((144, 256, 3), np.uint8)] * 12]
    media.write_video(path, barred(frames, (0, 0, 32, 32, (0, 0, 0))), FPS)
    return path


@pytest.fixture(scope="module")
def record(film):
    return detect_shots(film, "A", SETTINGS)


class TestStage:
    def test_every_shot_is_listed(self, record):
        assert (record.product_id, record.status, record.fps, record.n_frames) == (
            "A",
            "accepted",
            "16/1",
            268,
        )
        assert record.cuts == [60, 80, 256] and record.gradual == []
        keys = ("clip_id", "start_frame", "end_frame", "n_frames", "status", "split")
        assert [tuple(getattr(shot, key) for key in keys) for shot in record.shots] == [
            ("A_s01", 0, 60, 60, "accepted", ""),
            ("A_s02", 60, 80, 20, "rejected", ""),
            ("A_s03", 80, 168, 88, "accepted", ""),
            ("A_s04", 168, 256, 88, "accepted", "part"),
            ("A_s05", 256, 268, 12, "rejected", ""),
        ]
        assert record.shots[1].reason == "too short: 20 frames, 1.2 s: under 2 s or 50 frames"
        assert record.shots[4].reason == "nothing in it: every frame is one colour"
        x, y, w, h = record.shots[0].content_rect
        assert 36 <= x <= 44 and (y, w, h) == (0, 240, 144)
        assert (record.shots[0].width, record.shots[0].height) == (240, 144)

    def test_a_clip_has_exactly_the_frames(self, film, record, tmp_path):
        shot = record.shots[2]
        clip = cut_clip(film, shot, "A", (320, 144), tmp_path / shot.clip_id, empty=True)
        assert clip == Clip.read(tmp_path / "A_s03" / "clip.json")
        assert (clip.n_frames, clip.fps, clip.width, clip.height, clip.empty) == (
            88,
            "16/1",
            240,
            144,
            True,
        )
        source = {"video": film.name, "start_frame": 80, "end_frame": 168, "width": 320, "height": 144}
        assert clip.source.model_dump() == source
        video = media.read_video(tmp_path / "A_s03" / "video.mp4")
        assert video.shape == (88, 144, 240, 3)
        assert media.video_fps(tmp_path / "A_s03" / "video.mp4") == FPS
        left = shot.content_rect[0]
        source = media.read_video(film, 80, 168)[:, :, left : left + 240].mean(axis=3)
        video = video.mean(axis=3)
        errors = np.array([[np.mean((video[k] - source[j]) ** 2) for j in (max(0, k - 1), k)] for k in (1, 40, 87)])
        assert (errors[:, 1] < errors[:, 0]).all()
        assert 10 * np.log10(255**2 / errors[:, 1].mean()) > 38

    @pytest.mark.slow
    def test_a_large_picture_is_scaled_down(self, tmp_path):
        frames = [cv2.resize(frame, (640, 480)) for frame in scene(1, 52)]
        media.write_video(tmp_path / "v.mp4", frames, FPS)
        record = detect_shots(tmp_path / "v.mp4", "B", SETTINGS | {"short_side_px": 240})
        (shot,) = record.shots
        cut_clip(tmp_path / "v.mp4", shot, "B", (640, 480), tmp_path / "clip")
        info = media.probe(tmp_path / "clip" / "video.mp4")
        assert (info.width, info.height, info.n_frames) == (320, 240, 52)

    def test_a_changed_video_is_an_error(self, film, record, tmp_path):
        media.write_video(tmp_path / "v.mp4", media.read_frames(film, 0, 100), FPS)
        with pytest.raises(media.MediaError, match="20 frames from 80, not 88"):
            cut_clip(tmp_path / "v.mp4", record.shots[2], "A", (320, 144), tmp_path / "clip")
        assert list((tmp_path / "clip").iterdir()) == []

    def test_unusable_videos_are_records(self, tmp_path):
        (tmp_path / "bad.mp4").write_bytes(b"x")
        record = detect_shots(tmp_path / "bad.mp4", "A", SETTINGS)
        assert (record.status, record.shots) == ("rejected", []) and "bad.mp4: cannot" in record.reason
        media.write_video(tmp_path / "black.mp4", [np.zeros((144, 256, 3), np.uint8)] * 60, FPS)
        record = detect_shots(tmp_path / "black.mp4", "A", SETTINGS)
        assert record.status == "rejected" and "nothing in it" in record.reason and len(record.shots) == 1
        media.write_video(tmp_path / "small.mp4", [frame[:64, :64] for frame in scene(1, 60)], FPS)
        (shot,) = detect_shots(tmp_path / "small.mp4", "A", SETTINGS).shots
        assert shot.reason == "too small: 64x64 pixels inside the bars, under 128 pixels"

    def test_table_of_clips(self, record):
        first = record.shots[0]
        other, third = (
            record.model_copy(
                update={"product_id": name, "shots": [first.model_copy(update={"clip_id": f"{name}_s01"})]}
            )
            for name in "BC"
        )
        catalogue = pd.DataFrame(
            {
                "product_id": ["B", "A", "C"],
                "status": ["accepted", "accepted", "rejected"],
                "roles": ["target", "source;target", ""],
                "reason": ["duplicate of the video of A", "", "bad"],
            }
        )
        table = clips_table([record, third, other], catalogue)
        assert tuple(table.columns) == CLIP_COLUMNS
        assert table.clip_id.tolist() == ["B_s01", *(f"A_s{k:02d}" for k in range(1, 6)), "C_s01"]
        rejected = table[table.status == "rejected"].set_index("clip_id").reason
        assert rejected["B_s01"] == "duplicate of the video of A" and rejected["C_s01"] == "bad"
        assert table[table.split == "part"].clip_id.tolist() == ["A_s04"]
