"""Surfaces that products are built of: solids of revolution, tubes, sweeps, rounded boxes, extruded outlines.

A `Surface` is a bag of triangles with texture coordinates; `mesh` turns it into what the renderer draws, with smooth
normals except at creases. Angles are degrees, lengths world units; z is up and the front faces -y.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyvista as pv

Array = np.ndarray
AXES = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles: `points` float64 (m, 3, 3) as (triangle, corner, xyz) and `uv` float64 (m, 3, 2), v up."""

    points: Array
    uv: Array

    def __add__(self, other: Surface) -> Surface:
        return Surface(np.concatenate([self.points, other.points]), np.concatenate([self.uv, other.uv]))

    def moved(self, x: float = 0, y: float = 0, z: float = 0) -> Surface:
        """The surface moved by (x, y, z)."""
        return Surface(self.points + np.array([x, y, z]), self.uv)

    def scaled(self, x: float, y: float | None = None, z: float | None = None) -> Surface:
        """The surface scaled about the origin, by `x` in all directions where no others are given."""
        return Surface(self.points * np.array([x, x if y is None else y, x if z is None else z]), self.uv)

    def turned(self, axis: str, angle: float) -> Surface:
        """The surface turned about an axis ("x", "y", "z") through the origin, anti-clockwise seen from its tip."""
        first, second = AXES[axis]
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        points = self.points.copy()
        points[..., first] = cos * self.points[..., first] - sin * self.points[..., second]
        points[..., second] = sin * self.points[..., first] + cos * self.points[..., second]
        return Surface(points, self.uv)

    def bent(self, move: Callable[[Array], Array]) -> Surface:
        """The surface with every point (n, 3) replaced by `move` of it."""
        return Surface(move(self.points.reshape(-1, 3)).reshape(self.points.shape), self.uv)

    def mesh(self, crease: float = 40.0) -> pv.PolyData:
        """Triangles with point normals, sharp where faces meet at more than `crease` degrees, and coordinates."""
        normals = _normals(self.points, crease)
        count = len(self.points)
        faces = np.column_stack([np.full(count, 3), np.arange(3 * count).reshape(-1, 3)])
        result = pv.PolyData(self.points.reshape(-1, 3).astype(np.float32), faces.ravel())
        result.point_data.active_normals = normals.reshape(-1, 3).astype(np.float32)
        result.active_texture_coordinates = self.uv.reshape(-1, 2).astype(np.float32)
        return result


def _normals(points: Array, crease: float) -> Array:
    """Normal of each corner (m, 3, 3): mean over the faces at its place that are within `crease` degrees of its own."""
    weighted = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    flat = weighted / np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-15)
    _, place = np.unique(np.round(points.reshape(-1, 3), 6), axis=0, return_inverse=True)
    order = np.argsort(place.ravel(), kind="stable")
    count = np.bincount(place.ravel())
    start = np.cumsum(count) - count
    here = place.ravel()[order]
    repeats = count[here]
    first = np.repeat(order, repeats)
    within = np.arange(len(first)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    second = order[np.repeat(start[here], repeats) + within] // 3
    near = (flat[first // 3] * flat[second]).sum(1) >= np.cos(np.radians(crease))
    total = np.stack([np.bincount(first[near], weighted[second[near], k], 3 * len(points)) for k in range(3)], 1)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 1e-15, total / np.maximum(length, 1e-15), np.repeat(flat, 3, 0)).reshape(points.shape)


def sheet(points: Array) -> Surface:
    """Triangles over a grid of points (rows, columns, 3); u along the columns, v along the rows, both 0 to 1.

    u goes by the count of the columns, v by the mean way from row to row.
    """
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=2).mean(1))])
    u, v = np.meshgrid(np.linspace(0, 1, points.shape[1]), way / max(way[-1], 1e-12))
    both = np.dstack([points, u, v])
    a, b, c, d = both[:-1, :-1], both[:-1, 1:], both[1:, 1:], both[1:, :-1]
    triangles = np.stack([np.stack([a, b, c], 2), np.stack([a, c, d], 2)], 2).reshape(-1, 3, 5)
    place = triangles[..., :3]
    area = np.linalg.norm(np.cross(place[:, 1] - place[:, 0], place[:, 2] - place[:, 0]), axis=1)
    return Surface(place[area > 1e-12], triangles[area > 1e-12, :, 3:])


def lathe(profile: list[tuple[float, float]], sides: int = 64, start: float = 0, sweep: float = 360) -> Surface:
    """Solid of revolution about z of (radius, z) points, bottom up and outward first.

    It covers `sweep` degrees of azimuth from `start` on, where -90 is the front. All round, its seam is at the back, so
    that the middle of a texture faces the front.
    """
    angle = np.radians(start + (90 if sweep == 360 else 0) + np.linspace(0, sweep, sides + 1))
    radius, z = np.array(profile, float).T
    ring = np.stack([np.cos(angle), np.sin(angle)], 1)
    points = np.concatenate([radius[:, None, None] * ring[None], np.repeat(z[:, None, None], sides + 1, 1)], 2)
    return sheet(points)


def rounded(profile: list[tuple[float, float]], radius: float, steps: int = 5) -> list[tuple[float, float]]:
    """A profile with its inner corners rounded off by `radius` (less where the sides are short)."""
    corners = np.array(profile, float)
    result = [corners[0]]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        back, on = before - corner, after - corner
        reach = min(radius, 0.49 * np.linalg.norm(back), 0.49 * np.linalg.norm(on))
        enter = corner + back / np.linalg.norm(back) * reach
        leave = corner + on / np.linalg.norm(on) * reach
        for t in np.linspace(0, 1, steps + 1):
            result.append((1 - t) ** 2 * enter + 2 * t * (1 - t) * corner + t**2 * leave)
    return [tuple(point) for point in [*result, corners[-1]]]


def spline(knots: list[tuple[float, float, float]], count: int, closed: bool = False) -> Array:
    """Smooth path (count, 3) through the knots (Catmull-Rom); a closed one ends where it starts."""
    knot = np.array(knots, float)
    ends = (knot[-1:], knot[:2]) if closed else (2 * knot[:1] - knot[1:2], 2 * knot[-1:] - knot[-2:-1])
    padded = np.concatenate([ends[0], knot, ends[1]])
    pieces = len(padded) - 3
    along = np.linspace(0, pieces, count)
    piece = np.minimum(along.astype(int), pieces - 1)
    t = (along - piece)[:, None]
    p0, p1, p2, p3 = (padded[piece + k] for k in range(4))
    return 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)


def sweep(
    path: Array, section: Array, up: tuple[float, float, float] = (0, 0, 1), scale: Array | None = None
) -> Surface:
    """A section (k, 2) (sideways, up; closed where its last point is its first) carried along a path (n, 3).

    Open ends are capped where the section is closed. u runs round the section, v along the path.
    """
    loop = np.allclose(path[0], path[-1])
    tangent = np.gradient(path, axis=0)
    if loop:
        tangent[0] = tangent[-1] = path[1] - path[-2]
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(tangent, np.asarray(up, float))
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    rise = np.cross(side, tangent)
    size = np.ones(len(path)) if scale is None else scale
    offset = section[None, :, :1] * side[:, None] + section[None, :, 1:] * rise[:, None]
    points = path[:, None] + offset * size[:, None, None]
    if not loop and np.allclose(section[0], section[-1]):
        middle = points[:, :-1].mean(1, keepdims=True)
        points = np.concatenate(
            [
                np.repeat(middle[:1], points.shape[1], 1),
                points,
                np.repeat(middle[-1:], points.shape[1], 1),
            ]
        )
    return sheet(points)


def circle(radius: float, sides: int = 12, flat: float = 1.0) -> Array:
    """Closed circle (sides + 1, 2) as the section of a sweep, `flat` x as high as wide."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    return np.stack([radius * np.cos(angle), -flat * radius * np.sin(angle)], 1)


def bar(width: float, height: float, bevel: float = 0.3, steps: int = 3) -> Array:
    """Closed rectangle with round corners as the section of a sweep; `bevel` is a share of the shorter side."""
    radius = bevel * min(width, height)
    turn = np.linspace(0, np.pi / 2, steps + 1)
    corners = []
    for k, (sx, sy) in enumerate([(1, 1), (-1, 1), (-1, -1), (1, -1)]):
        angle = turn + k * np.pi / 2
        centre = np.array([sx * (width / 2 - radius), sy * (height / 2 - radius)])
        corners.append(centre + radius * np.stack([np.cos(angle), np.sin(angle)], 1))
    points = np.concatenate(corners)
    return np.concatenate([points, points[:1]])[::-1]


def torus(radius: float, thickness: float, sides: int = 48, around: int = 12, flat: float = 1.0) -> Surface:
    """Ring in the plane z = 0 about the origin."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    path = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], 1)
    path[-1] = path[0]
    return sweep(path, circle(thickness, around, flat))


def ellipsoid(x: float, y: float, z: float, sides: int = 32) -> Surface:
    """Ellipsoid of the half axes about the origin."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, sides // 2 + 1)
    return lathe([(float(np.cos(a)) if abs(np.cos(a)) > 1e-9 else 0.0, float(np.sin(a))) for a in angle], sides).scaled(
        x, y, z
    )


def block(x: float, y: float, z: float, bevel: float = 0.03, steps: int = 3, inner: int = 1) -> Surface:
    """Box of the side lengths about the origin with rounded edges; every face carries the whole texture.

    `inner` pieces along each side between the edges, for a box that is to be bent.
    """
    half = np.array([x, y, z]) / 2
    bevel = min(bevel, *half)
    turn = 1 - np.cos(np.linspace(0, np.pi / 2, steps + 1))
    result = None
    for axis, sign in [(axis, sign) for axis in range(3) for sign in (-1, 1)]:
        ua, va = [(1, 2), (0, 2), (0, 1)][axis]
        lines = [_line(half[k], bevel * turn, inner) for k in (ua, va)]
        if (axis == 1) == (sign > 0):
            lines[0] = lines[0][::-1]
        grid = np.zeros((len(lines[1]), len(lines[0]), 3))
        grid[..., ua], grid[..., va] = np.meshgrid(*lines)
        grid[..., axis] = sign * half[axis]
        core = np.clip(grid, -(half - bevel), half - bevel)
        away = grid - core
        length = np.maximum(np.linalg.norm(away, axis=2, keepdims=True), 1e-12)
        face = sheet(core + away / length * bevel)
        result = face if result is None else result + face
    return result


def _line(half: float, edge: Array, inner: int) -> Array:
    between = np.linspace(edge[-1] - half, half - edge[-1], inner + 1)[1:-1]
    return np.concatenate([edge - half, between, (half - edge)[::-1]])


def extrusion(outline: Array, depth: float, bevel: float = 0.03, steps: int = 4) -> Surface:
    """Star-shaped outline (n, 2) in (x, z), anti-clockwise seen from the front, `depth` thick along y, bevelled."""
    closed = np.concatenate([outline, outline[:1]])
    along = np.roll(outline, -1, 0) - np.roll(outline, 1, 0)
    inward = np.stack([-along[:, 1], along[:, 0]], 1)
    inward /= np.linalg.norm(inward, axis=1, keepdims=True)
    inward = np.concatenate([inward, inward[:1]])
    turn = np.linspace(0, np.pi / 2, steps + 1)
    rings = [(1 - np.sin(a), -depth / 2 + bevel * (1 - np.cos(a))) for a in turn]
    rings += [(inset, -y) for inset, y in rings[::-1]]
    layers = [np.insert(closed + bevel * inset * inward, 1, y, axis=1) for inset, y in rings]
    centre = np.insert(outline.mean(0), 1, 0.0)
    caps = [np.repeat((centre + np.array([0, y, 0]))[None], len(closed), 0) for y in (-depth / 2, depth / 2)]
    surface = sheet(np.stack([caps[0], *layers, caps[1]]))
    low, high = outline.min(0), outline.max(0)
    return Surface(surface.points, (surface.points[..., [0, 2]] - low) / (high - low))


def panel(width: float, height: float) -> Surface:
    """Upright rectangle in the plane y = 0 about the origin, facing the front, for a label."""
    x, z = np.meshgrid([-width / 2, width / 2], [-height / 2, height / 2])
    return sheet(np.dstack([x, 0 * x, z]))


def joined(surfaces: list[Surface]) -> Surface:
    """All the surfaces as one."""
    return Surface(np.concatenate([s.points for s in surfaces]), np.concatenate([s.uv for s in surfaces]))
