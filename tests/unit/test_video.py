"""pvtt.io.video: what is written is what is read; odd files are normalised, damaged ones refused with a reason."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from pvtt.io import images, video
from pvtt.io.video import MediaError


def smooth_frames(count: int, width: int = 96, height: int = 64) -> list[np.ndarray]:
    """Smooth, slowly changing colour; its mean rises with the frame's index."""
    y, x = np.mgrid[:height, :width].astype(float)
    frames = []
    for k in range(count):
        red = 90 + 60 * np.sin(x / 30) + k
        green = 110 + 50 * np.cos(y / 25) + k
        blue = 120 + 40 * np.sin((x + y) / 40) - k
        frames.append(np.clip(np.rint(np.stack([red, green, blue], -1)), 0, 255).astype(np.uint8))
    return frames


def numbered_frames(count: int, size: int = 64) -> list[np.ndarray]:
    """Frames whose grey level tells their index: 4 levels a frame from 20."""
    return [np.full((size, size, 3), 20 + 4 * k, np.uint8) for k in range(count)]


def indices_of(frames) -> list[int]:
    return [round((float(frame.mean()) - 20) / 4) for frame in frames]


def encode(path, frames, fps=20, codec="libx264", pixel_format="yuv420p", pts=None, aspect=None, rotation=0, **options):
    """Write a video by PyAV directly, with what `media.write_video` does not make."""
    options = {"crf": "8"} | options if codec == "libx264" else options
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for k, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = k if pts is None else pts[k]
            frame.time_base = Fraction(1, fps) if pts is None else Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class TestRoundTrip:
    @pytest.mark.parametrize("fps", [Fraction(16), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(25, 2)])
    def test_count_and_rate_are_exact(self, tmp_path, fps):
        assert video.write_video(tmp_path / "v.mp4", iter(numbered_frames(37)), fps) == 37
        info = video.probe(tmp_path / "v.mp4")
        assert (info.n_frames, info.fps, info.width, info.height) == (37, fps, 64, 64)
        assert not info.variable_rate
        assert video.video_fps(tmp_path / "v.mp4") == fps
        assert video.count_frames(tmp_path / "v.mp4") == 37

    def test_colour_survives(self, tmp_path):
        frames = smooth_frames(10)
        video.write_video(tmp_path / "v.mp4", frames, Fraction(25))
        error = video.read_video(tmp_path / "v.mp4").astype(float) - np.stack(frames)
        assert 10 * np.log10(255**2 / np.mean(error**2)) >= 40
        assert np.abs(error.mean(axis=(0, 1, 2))).max() < 0.5

    def test_ranges_of_frames(self, tmp_path):
        video.write_video(tmp_path / "v.mp4", numbered_frames(30), Fraction(20))
        assert indices_of(video.read_frames(tmp_path / "v.mp4", 7, 12)) == [7, 8, 9, 10, 11]
        assert indices_of(video.read_frames(tmp_path / "v.mp4", 27)) == [27, 28, 29]
        picked = list(video.read_some(tmp_path / "v.mp4", [25, 3, 3, 99]))
        assert [index for index, _ in picked] == [3, 25]
        assert indices_of(frame for _, frame in picked) == [3, 25]
        with pytest.raises(MediaError, match="no frames between 30 and 40"):
            video.read_video(tmp_path / "v.mp4", 30, 40)

    def test_same_input_same_bytes(self, tmp_path):
        for name in ("a.mp4", "b.mp4"):
            video.write_video(tmp_path / name, smooth_frames(5), Fraction(16))
        assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()

    def test_nothing_is_left_of_a_failed_write(self, tmp_path):
        def broken():
            yield from numbered_frames(3)
            raise RuntimeError("stop")

        (tmp_path / "v.mp4").write_bytes(b"old")
        with pytest.raises(RuntimeError, match="stop"):
            video.write_video(tmp_path / "v.mp4", broken(), Fraction(16))
        assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]
        assert (tmp_path / "v.mp4").read_bytes() == b"old"
        with pytest.raises(MediaError, match="no frames to write"):
            video.write_video(tmp_path / "none.mp4", [], Fraction(16))
        with pytest.raises(MediaError, match="even sides, not 63x64"):
            video.write_video(tmp_path / "odd.mp4", [np.zeros((64, 63, 3), np.uint8)], Fraction(16))


class TestMasks:
    def test_lossless_and_byte_identical(self, tmp_path):
        masks = np.random.default_rng(0).random((3, 7, 33, 47)) > 0.5
        for name in ("a.mkv", "b.mkv"):
            video.write_masks(tmp_path / name, masks, Fraction(24000, 1001))
        assert np.array_equal(video.read_masks(tmp_path / "a.mkv"), masks)
        assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()

    def test_one_object_and_none(self, tmp_path):
        video.write_masks(tmp_path / "one.mkv", np.ones((4, 16, 16), bool), Fraction(16))
        assert video.read_masks(tmp_path / "one.mkv").shape == (1, 4, 16, 16)
        video.write_masks(tmp_path / "none.mkv", np.zeros((0, 4, 16, 16), bool), Fraction(16))
        assert video.read_masks(tmp_path / "none.mkv").shape == (1, 4, 16, 16)
        assert not video.read_masks(tmp_path / "none.mkv").any()


class TestNormalisation:
    def test_rotation_is_counter_clockwise(self, tmp_path):
        image = np.zeros((64, 96, 3), np.uint8)
        image[:32, :48] = 255  # top left
        path = encode(tmp_path / "v.mp4", [image] * 5, rotation=90)
        info = video.probe(path)
        assert (info.width, info.height, info.rotation) == (64, 96, 90)
        shown = next(video.read_frames(path))
        assert shown.shape == (96, 64, 3)
        corners = {"top left": shown[8, 8], "bottom left": shown[-8, 8], "top right": shown[8, -8]}
        assert [name for name, pixel in corners.items() if pixel.mean() > 200] == ["bottom left"]

    def test_pixel_aspect(self, tmp_path):
        path = encode(tmp_path / "v.mp4", smooth_frames(4), aspect=Fraction(4, 3))
        info = video.probe(path)
        assert (info.width, info.height, info.pixel_aspect) == (128, 64, Fraction(4, 3))
        assert next(video.read_frames(path)).shape == (64, 128, 3)

    def test_variable_rate_is_laid_on_a_grid(self, tmp_path):
        # Frames 0, 1, 2, 3 are due at 0, 50, 100 and 300 ms; the grid is 50 ms.
        times = [0, 50, 100, 300, 350, 400, 450, 500]
        path = encode(tmp_path / "v.mp4", numbered_frames(8), fps=20, pts=times, bf="0")
        info = video.probe(path)
        assert info.variable_rate
        assert (info.fps, info.n_frames) == (Fraction(20), 11)
        assert indices_of(video.read_frames(path)) == [0, 1, 2, 2, 2, 2, 3, 4, 5, 6, 7]
        assert indices_of(video.read_frames(path, 5, 7)) == [2, 3]

    @pytest.mark.parametrize(
        ("codec", "pixel_format", "name"),
        [("libx264", "yuv420p10le", "v.mp4"), ("libx264", "yuv444p", "v.mp4"), ("ffv1", "bgr0", "v.mkv")],
    )
    def test_other_codecs_and_depths(self, tmp_path, codec, pixel_format, name):
        frames = smooth_frames(6)
        path = encode(tmp_path / name, frames, codec=codec, pixel_format=pixel_format)
        info = video.probe(path)
        assert (info.n_frames, info.pixel_format) == (6, pixel_format)
        assert np.abs(video.read_video(path).astype(float) - np.stack(frames)).mean() < 2.5

    def test_frames_before_an_edit_list_do_not_count(self, tmp_path):
        """Cutting without re-encoding leaves frames in the file that no player shows."""
        encode(tmp_path / "whole.mp4", numbered_frames(40), g="10")
        options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
        with (
            av.open(str(tmp_path / "whole.mp4")) as source,
            av.open(str(tmp_path / "cut.mp4"), "w", options=options) as to,
        ):
            stream = to.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    shift = round(Fraction(13, 20) / packet.time_base)
                    packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                    to.mux(packet)
        assert video.probe(tmp_path / "cut.mp4").n_frames == 27
        assert indices_of(video.read_frames(tmp_path / "cut.mp4")) == list(range(13, 40))


class TestDamage:
    @pytest.fixture
    def whole(self, tmp_path):
        frames = [np.random.default_rng(k).integers(0, 255, (64, 64, 3), np.uint8) for k in range(40)]
        video.write_video(tmp_path / "whole.mp4", frames, Fraction(16))
        return (tmp_path / "whole.mp4").read_bytes()

    def refused(self, path, content):
        path.write_bytes(content)
        with pytest.raises(MediaError) as caught:
            video.probe(path)
        assert str(caught.value).startswith(path.name)
        return str(caught.value)

    def test_empty_and_text(self, tmp_path):
        assert "cannot be opened as video" in self.refused(tmp_path / "empty.mp4", b"")
        assert "cannot be opened as video" in self.refused(tmp_path / "text.mp4", b"<html>404</html>" * 5)

    def test_missing(self, tmp_path):
        with pytest.raises(MediaError, match=r"^no\.mp4: there is no such file"):
            video.probe(tmp_path / "no.mp4")

    def test_truncated(self, tmp_path, whole):
        assert "of 40 frames decode" in self.refused(tmp_path / "half.mp4", whole[: len(whole) // 2])

    def test_index_lost(self, tmp_path):
        encode(tmp_path / "late.mp4", numbered_frames(20))  # the index comes last
        content = (tmp_path / "late.mp4").read_bytes()
        assert "cannot be opened as video" in self.refused(tmp_path / "cut.mp4", content[: len(content) // 2])

    def test_damaged_in_the_middle(self, tmp_path, whole):
        middle = len(whole) // 2
        noise = np.random.default_rng(0).integers(0, 255, 4000, np.uint8).tobytes()
        message = self.refused(tmp_path / "bad.mp4", whole[:middle] + noise + whole[middle + len(noise) :])
        assert "damaged" in message or "cannot be decoded" in message

    def test_sound_only(self, tmp_path):
        with av.open(str(tmp_path / "sound.mp4"), "w") as container:
            stream = container.add_stream("aac", rate=44100)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 44100
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        with pytest.raises(MediaError, match=r"sound\.mp4: has no video stream"):
            video.probe(tmp_path / "sound.mp4")


class TestImages:
    def test_png_round_trip(self, tmp_path):
        rgba = np.random.default_rng(0).integers(0, 255, (20, 30, 4), np.uint8)
        images.write_png(tmp_path / "a.png", rgba)
        assert np.array_equal(images.read_rgba(tmp_path / "a.png"), rgba)
        images.write_png(tmp_path / "m.png", rgba[..., 0] > 127)
        assert np.array_equal(images.read_rgb(tmp_path / "m.png")[..., 0], (rgba[..., 0] > 127) * 255)

    def test_transparency_is_laid_on_white(self, tmp_path):
        images.write_png(tmp_path / "a.png", np.array([[[10, 20, 30, 0], [10, 20, 30, 255], [0, 0, 0, 51]]], np.uint8))
        assert images.read_rgb(tmp_path / "a.png").tolist() == [[[255, 255, 255], [10, 20, 30], [204, 204, 204]]]

    @pytest.mark.parametrize("mode", ["L", "CMYK", "P", "LA", "1"])
    def test_modes(self, tmp_path, mode):
        grey = np.repeat(np.linspace(0, 255, 32, dtype=np.uint8)[None, :, None], 3, 2).repeat(32, 0)
        suffix = "jpg" if mode == "CMYK" else "png"
        Image.fromarray(grey).convert(mode).save(tmp_path / f"a.{suffix}")
        image = images.read_rgb(tmp_path / f"a.{suffix}")
        assert image.shape == (32, 32, 3) and image.dtype == np.uint8
        # A palette has 51 grey levels' steps and dither; black and white has nothing in between.
        assert np.abs(image.mean() - grey.mean()) < 4
        assert np.abs(image.astype(float) - grey).mean() < {"1": 130, "P": 26}.get(mode, 3)

    def test_sixteen_bits(self, tmp_path):
        cv2.imwrite(str(tmp_path / "a.png"), np.array([[0, 257 * 100, 65535]], np.uint16))
        assert images.read_rgb(tmp_path / "a.png")[0, :, 0].tolist() == [0, 100, 255]

    def test_exif_orientation(self, tmp_path):
        upright = np.zeros((16, 32, 3), np.uint8)
        upright[:8, :16] = 255
        exif = Image.Exif()
        exif[0x0112] = 6  # stored so that it must be turned a quarter clockwise
        Image.fromarray(np.rot90(upright)).save(tmp_path / "a.jpg", exif=exif, quality=95)
        image = images.read_rgb(tmp_path / "a.jpg")
        assert image.shape == (16, 32, 3)
        assert np.abs(image.astype(int) - upright).mean() < 3

    def test_damaged(self, tmp_path):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "a.jpg")
        (tmp_path / "half.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:1500])
        (tmp_path / "zero.jpg").write_bytes(b"")
        for name in ("half.jpg", "zero.jpg"):
            with pytest.raises(MediaError, match=f"{name}: cannot be read as an image"):
                images.read_rgba(tmp_path / name)
        with pytest.raises(MediaError, match="there is no such file"):
            images.read_rgba(tmp_path / "none.jpg")
