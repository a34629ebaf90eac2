"""Reading and writing of video and mask files.

Reading normalises everything: rotation and pixel aspect ratio are applied, a variable frame rate is resampled to a
constant one, and any codec and bit depth becomes 8-bit RGB. Images are uint8 (h, w, 3), RGB, 0-255; masks are bool.
PyAV (with FFmpeg in the wheel) decodes and encodes; frame rates are `fractions.Fraction`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from pvtt.io.arrays import AnyArray, BoolArray, UInt8Array
from pvtt.io.files import atomic_path

# Fixed thread counts keep x264 and FFV1 output identical on machines with other numbers of cores.
# x264's macroblock tree reads uninitialised memory, so it is off.
_X264 = {"preset": "veryfast", "threads": "1", "x264-params": "no-mbtree=1"}
_MAX_RATE = 60  # frames/s: highest rate of the grid for videos of variable rate
# Flags of swscale: bicubic, full chroma interpolation and input, accurate rounding; the default is biased by a level.
_EXACT = 4 | 0x2000 | 0x4000 | 0x40000


class MediaError(ValueError):
    """A media file cannot be used; the message names the file and the reason."""


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video as it is read here.

    width, height: px, after rotation and pixel aspect ratio. fps, n_frames: of the constant grid. codec, pixel_format:
    FFmpeg's names. rotation: degrees, 0, 90, 180 or 270. pixel_aspect: width / height of a pixel. variable_rate: of
    the file.
    """

    width: int
    height: int
    fps: Fraction
    n_frames: int
    codec: str
    pixel_format: str
    rotation: int
    pixel_aspect: Fraction
    variable_rate: bool

    def record(self) -> dict[str, Any]:
        """Convert to JSON values; rates are 'numerator/denominator'."""
        fields = asdict(self)
        return fields | {"fps": rate_text(self.fps), "pixel_aspect": rate_text(self.pixel_aspect)}


def rate_text(rate: Fraction) -> str:
    """Format a rate as 'numerator/denominator', as in all tables and records."""
    return f"{rate.numerator}/{rate.denominator}"


# ---------------------------------------------------------------- reading video


def probe(path: str | Path) -> VideoInfo:
    """Decode a whole video once and return its properties; MediaError if any part cannot be decoded."""
    path = Path(path)
    layout = _layout(path)
    rotation = 0
    decoded = 0
    size = (0, 0)
    with _open(path) as container:
        for frame in _decode(path, container):
            if decoded == 0:
                rotation = int(frame.rotation) % 360
                size = _display_size(frame.width, frame.height, layout.aspect, rotation)
            decoded += 1
    if decoded == 0:
        raise MediaError(f"{path.name}: no frame can be decoded")
    if decoded < layout.packets - 1:
        raise MediaError(f"{path.name}: damaged, only {decoded} of {layout.packets} frames decode")
    n_frames = layout.grid_frames if layout.variable else decoded
    with _open(path) as container:
        stream = container.streams.video[0]
        codec, pixel_format = stream.codec_context.name, str(stream.codec_context.pix_fmt)
    return VideoInfo(
        size[0], size[1], layout.fps, n_frames, codec, pixel_format, rotation, layout.aspect, layout.variable
    )


def read_frames(path: str | Path, start: int = 0, end: int | None = None) -> Iterator[UInt8Array]:
    """Read frames in order. Frames are counted from the start, never sought by time: indices are exact for any codec.

    Parameters
    ----------
    path : path
    start, end : int
        First frame, and the frame after the last one (None: all), on the constant grid.

    Yields
    ------
    uint8 (h, w, 3), RGB

    Raises
    ------
    MediaError
        If the file cannot be decoded.
    """
    path = Path(path)
    layout = _layout(path)
    with _open(path) as container:
        for index, frame in enumerate(_on_grid(_decode(path, container), layout)):
            if end is not None and index >= end:
                return
            if index >= start:
                yield _to_rgb(frame, layout.aspect)


def read_some(path: str | Path, indices: Iterable[int]) -> Iterator[tuple[int, UInt8Array]]:
    """Read some frames; only these are converted to RGB.

    Parameters
    ----------
    path : path
    indices : iterable of int
        Frames of the constant grid. Indices after the last frame are ignored.

    Yields
    ------
    index : int
        Ascending.
    frame : uint8 (h, w, 3), RGB

    Raises
    ------
    MediaError
        If the file cannot be decoded.
    """
    path = Path(path)
    wanted = set(indices)
    if not wanted:
        return
    layout, last = _layout(path), max(wanted)
    with _open(path) as container:
        for index, frame in enumerate(_on_grid(_decode(path, container), layout)):
            if index in wanted:
                yield index, _to_rgb(frame, layout.aspect)
            if index >= last:
                return


def read_video(path: str | Path, start: int = 0, end: int | None = None) -> UInt8Array:
    """Read frames `start` to `end` (excluded) as uint8 (n, h, w, 3), RGB; MediaError if there are none."""
    frames = list(read_frames(path, start, end))
    if not frames:
        raise MediaError(f"{Path(path).name}: no frames between {start} and {end}")
    return np.stack(frames)


def video_fps(path: str | Path) -> Fraction:
    """Frame rate of the constant grid, frames/s; the video is not decoded."""
    return _layout(Path(path)).fps


def count_frames(path: str | Path) -> int:
    """Count the frames by decoding the video."""
    return sum(1 for _ in read_frames(path))


@dataclass(frozen=True)
class _Layout:
    fps: Fraction
    aspect: Fraction
    packets: int
    variable: bool
    start: float
    grid_frames: int


def _open(path: Path) -> Any:
    try:
        container = av.open(str(path), metadata_errors="replace")
    except FileNotFoundError:
        raise MediaError(f"{path.name}: there is no such file") from None
    except (av.error.FFmpegError, OSError) as error:
        raise MediaError(f"{path.name}: cannot be opened as video ({_short(error)})") from error
    if not container.streams.video:
        container.close()
        raise MediaError(f"{path.name}: has no video stream")
    container.streams.video[0].thread_type = "AUTO"
    return container


def _decode(path: Path, container: Any) -> Iterator[Any]:
    try:
        for frame in container.decode(video=0):
            if frame.is_corrupt:
                raise MediaError(f"{path.name}: damaged at frame time {frame.time}")
            yield frame
    except (av.error.FFmpegError, OSError) as error:
        raise MediaError(f"{path.name}: cannot be decoded ({_short(error)})") from error


def _short(error: BaseException) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _layout(path: Path) -> _Layout:
    """Frame rate, pixel aspect ratio and timing of a video, from its packets."""
    with _open(path) as container:
        stream = container.streams.video[0]
        base = float(stream.time_base)
        try:
            # Packets before the start of an edit list are decoded but never shown: they are marked for discarding.
            packets = (p for p in container.demux(stream) if p.pts is not None and p.size and not p.is_discard)
            shown = [(packet.pts, packet.duration or 0) for packet in packets]
        except (av.error.FFmpegError, OSError) as error:
            raise MediaError(f"{path.name}: cannot be read ({_short(error)})") from error
        times = np.array(sorted(pts for pts, _ in shown), float)
        average, guessed = stream.average_rate, stream.guessed_rate
        promised = _expected_frames(container, stream, shown)
        aspect = Fraction(stream.codec_context.sample_aspect_ratio or 1) or Fraction(1)
        aspect = Fraction(stream.sample_aspect_ratio or aspect) or Fraction(1)
    fps = Fraction(guessed or average or 25)
    steps = np.diff(times) * base
    typical = float(np.median(steps)) if len(steps) else 1 / float(fps)
    variable = bool(len(steps) and np.max(np.abs(steps - typical)) > max(1.5 * base, 0.1 * typical))
    if variable:
        fps = min(fps, Fraction(_MAX_RATE))
    elif average and typical > 0 and abs(float(average) * typical - 1) < 0.1:
        fps = Fraction(average)
    start = float(times[0]) * base if len(times) else 0.0
    grid = round((float(times[-1]) * base - start) * float(fps)) + 1 if len(times) else 0
    return _Layout(_nearest_standard_rate(fps), aspect, promised, variable, start, grid)


def _expected_frames(container: Any, stream: Any, shown: list[tuple[int, int]]) -> int:
    """Expected number of frames: the packets, or more if the packets end before the duration in the header."""
    if "mp4" not in container.format.name:
        return max(len(shown), int(stream.frames))
    if not shown or not stream.duration:
        return len(shown)
    step = float(np.median([duration for _, duration in shown])) or 1.0
    length = max(pts + duration for pts, duration in shown) - min(pts for pts, _ in shown)
    return round(stream.duration / step) if stream.duration - length > 1.5 * step else len(shown)


def _nearest_standard_rate(fps: Fraction) -> Fraction:
    """The standard rate (n or n*1000/1001) within 1e-4 of `fps`, because containers store rounded rates."""
    for standard in (Fraction(round(fps)), Fraction(round(fps * Fraction(1001, 1000)) * 1000, 1001)):
        if standard and abs(float(fps / standard) - 1) < 1e-4:
            return standard
    return fps.limit_denominator(100_000)


def _on_grid(frames: Iterator[Any], layout: _Layout) -> Iterator[Any]:
    """Resample to a constant rate: each grid time shows the latest frame that has begun (half a step of tolerance)."""
    if not layout.variable:
        yield from frames
        return
    current, index = None, 0
    for frame in frames:
        due = round((float(frame.time) - layout.start) * float(layout.fps)) if frame.time is not None else index
        while current is not None and index < due:
            yield current
            index += 1
        current = frame
    if current is not None:
        yield current


def _display_size(width: int, height: int, aspect: Fraction, rotation: int) -> tuple[int, int]:
    width = round(width * aspect)
    return (height, width) if rotation in (90, 270) else (width, height)


def _to_rgb(frame: Any, aspect: Fraction) -> UInt8Array:
    image: UInt8Array = frame.to_ndarray(format="rgb24", interpolation=_EXACT)
    if aspect != 1:
        size = (round(frame.width * aspect), frame.height)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if aspect < 1 else cv2.INTER_CUBIC)
    turns = (int(frame.rotation) % 360) // 90
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


# ---------------------------------------------------------------- writing video


def write_video(path: str | Path, frames: Iterable[UInt8Array], fps: Fraction, crf: int = 12) -> int:
    """Encode a video as H.264, yuv420p (BT.709, tagged) in MP4. The file appears only when it is complete.

    Parameters
    ----------
    path : path
    frames : iterable of uint8 (h, w, 3), RGB
        Sides must be even.
    fps : Fraction
        frames/s
    crf : int
        Constant rate factor of x264; 12 is near-lossless.

    Returns
    -------
    int
        Number of frames.

    Raises
    ------
    MediaError
        If there are no frames or a side is odd.
    """
    count = 0
    with atomic_path(path) as aside, av.open(str(aside), "w", options={"movflags": "+faststart"}) as container:
        container.flags |= 0x0400  # AVFMT_FLAG_BITEXACT: no dates, no library names
        stream = None
        for image in frames:
            if stream is None:
                stream = _add_stream(container, "libx264", "yuv420p", image, fps, _X264 | {"crf": str(crf)})
                context = stream.codec_context
                context.colorspace, context.color_primaries, context.color_trc, context.color_range = 1, 1, 1, 1
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame = frame.reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", interpolation=_EXACT
            )
            frame.pts, frame.time_base = count, 1 / fps
            container.mux(stream.encode(frame))
            count += 1
        if stream is None:
            raise MediaError(f"{Path(path).name}: no frames to write")
        container.mux(stream.encode(None))
    return count


def write_masks(path: str | Path, masks: BoolArray, fps: Fraction) -> None:
    """Write masks losslessly: one FFV1 grey stream (0/255) per object in Matroska.

    Parameters
    ----------
    path : path
    masks : bool (k, n, h, w) or (n, h, w)
        Masks of k objects, or of one. For k = 0, one stream without a set pixel is written.
    fps : Fraction
        frames/s
    """
    masks = masks[None] if masks.ndim == 3 else masks
    if masks.shape[0] == 0:
        masks = np.zeros((1, *masks.shape[1:]), bool)
    _write_planes(path, masks, fps)


def write_grey(path: str | Path, planes: AnyArray, fps: Fraction) -> None:
    """Write grey frames losslessly as one FFV1 stream in Matroska.

    Parameters
    ----------
    path : path
    planes : uint8 or uint16 (n, h, w)
    fps : Fraction
        frames/s
    """
    _write_planes(path, planes[None], fps)


def _write_planes(path: str | Path, planes: AnyArray, fps: Fraction) -> None:
    """Write planes (k, n, h, w), bool (as 0/255), uint8 or uint16, with one FFV1 stream per k."""
    layout = "gray16le" if planes.dtype == np.uint16 else "gray"
    with atomic_path(path) as aside, av.open(str(aside), "w", format="matroska") as container:
        container.flags |= 0x0400
        streams = [
            _add_stream(container, "ffv1", layout, planes[0, 0], fps, {"threads": "1", "level": "3", "slices": "4"})
            for _ in range(planes.shape[0])
        ]
        for index in range(planes.shape[1]):
            for stream, plane in zip(streams, planes[:, index], strict=True):
                values = plane.astype(np.uint8) * 255 if plane.dtype == bool else np.ascontiguousarray(plane)
                frame = av.VideoFrame.from_ndarray(values, format=layout)
                frame.pts, frame.time_base = index, 1 / fps
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))


def read_masks(path: str | Path) -> BoolArray:
    """Read the masks of `write_masks`, bool (k, n, h, w) for k objects; `.any(0)` is the mask of the product."""
    return np.stack([np.stack([plane > 127 for plane in planes]) for planes in _read_planes(Path(path))])


def read_grey(path: str | Path) -> AnyArray:
    """Read the grey frames of `write_grey`, uint8 or uint16 (n, h, w)."""
    return np.stack(_read_planes(Path(path))[0])


def _read_planes(path: Path) -> list[list[AnyArray]]:
    with _open(path) as container:
        planes: list[list[AnyArray]] = [[] for _ in container.streams.video]
        try:
            for packet in container.demux(video=tuple(range(len(planes)))):
                for frame in packet.decode():
                    layout = "gray16le" if frame.format.name == "gray16le" else "gray"
                    planes[packet.stream.index].append(frame.to_ndarray(format=layout))
        except (av.error.FFmpegError, OSError) as error:
            raise MediaError(f"{path.name}: cannot be decoded ({_short(error)})") from error
    if len({len(plane) for plane in planes}) != 1:
        raise MediaError(f"{path.name}: the objects' masks have different lengths")
    return planes


def _add_stream(
    container: Any, codec: str, pixel_format: str, image: UInt8Array, fps: Fraction, options: dict[str, str]
) -> Any:
    stream = container.add_stream(codec, rate=fps, options=options)
    stream.height, stream.width = image.shape[:2]
    stream.pix_fmt = pixel_format
    stream.codec_context.time_base = 1 / fps
    stream.codec_context.flags |= 0x800000  # AV_CODEC_FLAG_BITEXACT
    if codec == "libx264" and (image.shape[0] % 2 or image.shape[1] % 2):
        raise MediaError(f"H.264 needs even sides, not {image.shape[1]}x{image.shape[0]}")
    return stream
