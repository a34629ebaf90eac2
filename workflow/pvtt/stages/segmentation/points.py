"""Points followed over a clip, both ways in time, while they are on the product.

Pyramidal Lucas-Kanade with a forward-backward check (Kalal, Mikolajczyk and Matas, ICPR 2010) from frame to frame. A
point that fails the check, on plain surface for instance, moves as its neighbours and the product do, and stays seen
while it is on the mask. One that has left the mask, behind a hand for instance, is carried along unseen, and is seen
again where the patch that was last found is found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.imaging.resize import reduced

Array = np.ndarray

_SHORT_SIDE = 480
_RETURN_PX, _AGAIN_PX = 1.0, 0.7  # forward-backward error from frame to frame, and from a frame further away
_NEAR, _FAR = 0.15, 0.1  # of the product's size: how far neighbours count, how far from its guess a point is found
_WHOLE = 0.2  # weight of the product's motion beside that of the neighbours, one neighbour being 1


def follow_queries(frames: Array, masks: Array | Sequence[Array], queries: Array) -> Array:
    """Paths of points, float32 (k, n, 2) as (x, y) in px of the frames, NaN where lost or hidden.

    frames: uint8 (n, h, w, 3) RGB. masks: bool (n, h, w), the product. queries: float (k, 3), each a frame and the
    point's place (x, y) there, from which it is followed to both ends of the clip.
    """
    greys = [cv2.cvtColor(reduced(frame, _SHORT_SIDE), cv2.COLOR_RGB2GRAY) for frame in frames]
    height, width = greys[0].shape
    planes = [cv2.resize(m.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) for m in masks]
    scale = np.array([frames.shape[2] / width, frames.shape[1] / height], np.float32)
    queries = np.asarray(queries, np.float32).reshape(-1, 3)
    start, places = queries[:, 0].astype(int), queries[:, 1:] / scale
    paths = np.full((len(queries), len(frames), 2), np.nan, np.float32)
    paths[np.arange(len(queries)), start] = places
    for order in (range(len(frames)), range(len(frames) - 1, -1, -1)):
        state = _State(np.full_like(places, np.nan), np.zeros(len(places), bool), np.zeros(len(places), int), places)
        last = order[0]
        for number in order:
            active = np.flatnonzero(~np.isnan(state.places[:, 0]))
            if len(active):
                _advance(greys, planes[number], (last, number), state, active)
                shown = active[state.seen[active]]
                paths[shown, number] = state.places[shown]
            begins = start == number
            state.places[begins], state.seen[begins], state.found_at[begins] = places[begins], True, number
            last = number
    return paths * scale


@dataclass
class _State:
    """Where k points are, whether they are seen, and the frame and place at which each was last surely found."""

    places: Array
    seen: Array
    found_at: Array
    found: Array

    def __post_init__(self) -> None:
        self.found = self.found.copy()


def _advance(greys: list[Array], plane: Array, step: tuple[int, int], state: _State, active: Array) -> None:
    """Move the active points from one frame to the next, whose mask is `plane` (uint8)."""
    last, number = step
    known = state.places[active]
    moved, sure = _there_and_back(greys[last], greys[number], known, known, _RETURN_PX)
    sure &= state.seen[active] & on_mask(plane, moved, 1)
    size = max(4.0, float(np.sqrt(plane.sum())))
    if not sure.all():
        moved[~sure] = known[~sure] + _shared_motion(known, moved, sure, _NEAR * size)
        hidden = np.flatnonzero(~state.seen[active] & on_mask(plane, moved, 1))
        for frame in np.unique(state.found_at[active[hidden]]):
            group = hidden[state.found_at[active[hidden]] == frame]
            patch = state.found[active[group]]
            again, right = _there_and_back(greys[frame], greys[number], patch, moved[group], _AGAIN_PX)
            right &= (np.linalg.norm(again - moved[group], axis=1) < _FAR * size) & on_mask(plane, again, 0)
            moved[group[right]], sure[group[right]] = again[right], True
    state.seen[active] = sure | (state.seen[active] & on_mask(plane, moved, 1))
    state.places[active] = moved
    state.found[active[sure]], state.found_at[active[sure]] = moved[sure], number


def _there_and_back(first: Array, second: Array, known: Array, guess: Array, tolerance: float) -> tuple[Array, Array]:
    """Places in the second image (float32 (m, 2)) of the points `known` of the first, and which came back."""
    moved, ahead = _lucas_kanade(first, second, known, guess)
    back, behind = _lucas_kanade(second, first, moved, known)
    return moved, ahead & behind & (np.linalg.norm(back - known, axis=1) < tolerance)


def _lucas_kanade(first: Array, second: Array, known: Array, guess: Array) -> tuple[Array, Array]:
    start, aim = (np.ascontiguousarray(points, np.float32)[:, None].copy() for points in (known, guess))
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 0.01)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        first,
        second,
        start,
        aim,
        winSize=(21, 21),
        maxLevel=3,
        criteria=criteria,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return moved[:, 0], found.ravel() == 1


def _shared_motion(known: Array, moved: Array, sure: Array, reach: float) -> Array:
    """Motion (m, 2) of the points that are not `sure`, from those that are: near ones, and a similarity of all."""
    rest = known[~sure]
    if sure.sum() < 3:
        return np.zeros_like(rest)
    motion = moved[sure] - known[sure]
    whole = np.repeat(motion.mean(0)[None], len(rest), 0)
    if sure.sum() >= 4:
        cv2.setRNGSeed(0)
        matrix, _ = cv2.estimateAffinePartial2D(known[sure], moved[sure], ransacReprojThreshold=2.0)
        whole = whole if matrix is None else rest @ matrix[:, :2].T + matrix[:, 2] - rest
    weights = np.exp(-((rest[:, None] - known[sure][None]) ** 2).sum(2) / (2 * reach**2))
    shared = ((weights @ motion) + _WHOLE * whole) / (weights.sum(1) + _WHOLE)[:, None]
    return shared.astype(np.float32)


def on_mask(plane: Array, places: Array, margin: int) -> Array:
    """Whether points (m, 2) lie within `margin` px of a mask, uint8 (h, w); bool (m,)."""
    near = cv2.dilate(plane, np.ones((2 * margin + 1,) * 2, np.uint8))
    columns, rows = np.rint(np.clip(places, -1e6, 1e6)).astype(int).T
    inside = (columns >= 0) & (rows >= 0) & (columns < plane.shape[1]) & (rows < plane.shape[0])
    inside[inside] = near[rows[inside], columns[inside]] > 0
    return inside
