"""Editing of takes into a video: hard cuts, dissolves, fades through black, titles that pop in, bars, grain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np

from world.scene import Shot

Array = np.ndarray

JOINS = ("cut", "dissolve", "fade")
_GRAIN = 1.3  # grey levels, standard deviation


@dataclass(frozen=True)
class Join:
    """How two takes meet: a `cut`, or `n_mixed` mixed frames of a `dissolve` (shared) or a `fade` through black."""

    kind: str = "cut"
    n_mixed: int = 0


@dataclass(frozen=True)
class Title:
    """Words on the picture from frame `first` to `last` (exclusive) of the video; `corner` is (x, y) as shares."""

    words: str
    first: int
    last: int
    corner: tuple[float, float]

    def draw(self, image: Array, index: int) -> Array:
        """The frame with the title, where it is shown."""
        if not self.first <= index < self.last:
            return image
        drawn = image.copy()
        drawn[self.covers(image.shape, index)] = (24, 24, 28)
        x, y, scale = self._place(image.shape)
        cv2.putText(drawn, self.words, (x + 6, y - 6), cv2.FONT_HERSHEY_DUPLEX, scale, (250, 248, 240), 1, cv2.LINE_AA)
        return drawn

    def covers(self, shape: tuple[int, ...], index: int) -> Array:
        """What the title hides, bool (h, w)."""
        covered = np.zeros(shape[:2], bool)
        if self.first <= index < self.last:
            x, y, scale = self._place(shape)
            (width, height), _ = cv2.getTextSize(self.words, cv2.FONT_HERSHEY_DUPLEX, scale, 1)
            covered[max(0, y - height - 12) : y, x : x + width + 12] = True
        return covered

    def _place(self, shape: tuple[int, ...]) -> tuple[int, int, float]:
        return round(self.corner[0] * shape[1]), round(self.corner[1] * shape[0]), shape[0] / 480


@dataclass(frozen=True)
class Video:
    """A shop's video as it is edited: takes, joins between them, titles, rate, content size and bars (x, y) in px."""

    product_id: str
    shots: tuple[Shot, ...]
    joins: tuple[Join, ...]
    titles: tuple[Title, ...] = ()
    fps: Fraction = Fraction(24)
    width: int = 512
    height: int = 288
    bars: tuple[int, int] = (0, 0)
    bar_tone: int = 0

    def spans(self) -> list[tuple[int, int, int]]:
        """Per take: frame of the video at which it begins, and its pure frames (start, end) in the video."""
        spans, begin = [], 0
        for number, shot in enumerate(self.shots):
            before = self.joins[number - 1] if number else Join()
            after = self.joins[number] if number < len(self.joins) else Join()
            head = _head(before)
            tail = after.n_mixed if after.kind == "dissolve" else after.n_mixed - _head(after)
            spans.append((begin, begin + head, begin + shot.n_frames - tail))
            begin += shot.n_frames - (after.n_mixed if after.kind == "dissolve" else 0)
        return spans

    def truth(self) -> dict[str, Any]:
        """Cuts in the form of `truth/cuts.json`."""
        hard, gradual = [], []
        spans = self.spans()
        for join, (_, _, end), (_, start, _) in zip(self.joins, spans, spans[1:], strict=False):
            if join.kind == "cut":
                hard.append(start)
            else:
                gradual.append({"first_frame": end, "last_frame": start - 1, "kind": join.kind})
        begin = spans[-1][0]
        return {"n_frames": begin + self.shots[-1].n_frames, "hard": hard, "gradual": gradual}


def _head(join: Join) -> int:
    """Mixed frames of a join at the start of the take after it."""
    return join.n_mixed if join.kind == "dissolve" else join.n_mixed // 2


def assemble(video: Video, takes: Sequence[Array], seed: int) -> Iterator[Array]:
    """The video's frames uint8 (h, w, 3), from its takes' frames uint8 (n, h, w, 3)."""
    frames: list[Array] = []
    for number, take in enumerate(takes):
        join = video.joins[number - 1] if number else Join()
        frames = _joined(frames, list(take), join)
    rng = np.random.default_rng((seed, 3))
    for index, content in enumerate(frames):
        drawn = content
        for title in video.titles:
            drawn = title.draw(drawn, index)
        noise = rng.normal(0, _GRAIN, drawn.shape).astype(np.float32)
        grained = np.rint(np.clip(drawn + noise, 0, 255)).astype(np.uint8)
        x, y = video.bars
        yield np.pad(grained, ((y, y), (x, x), (0, 0)), constant_values=video.bar_tone)


def _joined(first: list[Array], second: list[Array], join: Join) -> list[Array]:
    n = join.n_mixed
    if join.kind == "dissolve":
        mixed = [_mix(a, b, (k + 1) / (n + 1)) for k, (a, b) in enumerate(zip(first[-n:], second[:n], strict=True))]
        return first[:-n] + mixed + second[n:]
    if join.kind == "fade":
        head = _head(join)
        tail = n - head
        out = [_mix(frame, 0 * frame, (k + 1) / tail) for k, frame in enumerate(first[-tail:])]
        back = [_mix(0 * frame, frame, (k + 0.5) / head) for k, frame in enumerate(second[:head])]
        return first[:-tail] + out + back + second[head:]
    return first + second


def _mix(a: Array, b: Array, share: float) -> Array:
    return np.rint(a * np.float32(1 - share) + b * np.float32(share)).astype(np.uint8)
