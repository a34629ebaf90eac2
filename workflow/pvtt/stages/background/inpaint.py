"""Inpainting of pixels that no frame shows: a membrane for smooth surfaces, patches for texture.

The membrane solves Laplace's equation with the known pixels as boundary values, coarse to fine. Texture is synthesised
by patch-based completion (Wexler, Shechtman and Irani, Space-time completion of video, PAMI 2007); PatchMatch
(Barnes et al., SIGGRAPH 2009) finds the nearest-neighbour field. Smooth shading is subtracted first, so that patches
can come from brighter or darker parts of the surface.
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.geometry import dilated

Array = np.ndarray

_RIM_PX = 4  # px: width of the rim around a hole whose differences correct the filling
_RIM_LIMIT = 24.0  # grey levels, 0-255: larger differences on the rim are other objects, not a different exposure

_CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32) / 4
_RADIUS = 3  # px: patches are 7 x 7
_GRID = np.mgrid[-_RADIUS : _RADIUS + 1, -_RADIUS : _RADIUS + 1].reshape(2, -1)
# More patches than this are not searched again on a finer level, only carried over.
_MAX_SEARCHED = 15_000


def membrane(values: Array, known: Array, sweeps: int = 16) -> Array:
    """Interpolate unknown pixels by the solution of Laplace's equation.

    Parameters
    ----------
    values : float32 (h, w) or (h, w, c)
        Any unit.
    known : bool (h, w)
        Pixels that keep their values.
    sweeps : int
        Jacobi iterations per level of the pyramid.

    Returns
    -------
    float32, the shape of `values`
        All 0 without known pixels.
    """
    values = np.ascontiguousarray(values, np.float32)
    if known.all():
        return values.copy()
    filled = _membrane(values[..., None] if values.ndim == 2 else values, known, sweeps)
    result: Array = filled[..., 0] if values.ndim == 2 else filled
    return result


def _membrane(values: Array, known: Array, sweeps: int) -> Array:
    height, width = known.shape
    if min(height, width) <= 4 or known.all():
        mean = values[known].mean(0) if known.any() else np.zeros(values.shape[2], np.float32)
        constant: Array = np.where(known[..., None], values, mean).astype(np.float32)
        return constant
    weight = known.astype(np.float32)
    size = ((width + 1) // 2, (height + 1) // 2)
    share = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(values * weight[..., None], size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
    coarse = _membrane(total / np.maximum(share, 1e-6)[..., None], share > 1e-6, sweeps)
    filled: Array = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).reshape(values.shape)
    where = known[..., None]
    np.copyto(filled, values, where=where)
    for _ in range(sweeps):
        filled = cv2.filter2D(filled, -1, _CROSS, borderType=cv2.BORDER_REFLECT_101).reshape(values.shape)
        np.copyto(filled, values, where=where)
    return filled


def fill(image: Array, hole: Array, known: Array, texture_level: float, seed: int) -> tuple[Array, dict[str, float]]:
    """Fill a hole of an image from its known pixels.

    A smooth surface gets a membrane. A textured one gets, on top of the membrane, the detail of patches, so that
    patches of another surface do not change the tone.

    Parameters
    ----------
    image : uint8 (h, w, 3), RGB
    hole, known : bool (h, w)
        Pixels to fill, and pixels to fill from.
    texture_level : float
        Grey levels, 0-255: with more texture beside the hole, patches are used.
    seed : int
        Of PatchMatch's random search.

    Returns
    -------
    filled : uint8 (h, w, 3), RGB
    measures : dict
        `texture` in grey levels; `patched`, 1 when patches were used, else 0.
    """
    if not hole.any():
        return image.copy(), {"texture": 0.0, "patched": 0.0}
    known = known & ~hole
    smooth = membrane(image.astype(np.float32), known)
    texture = surrounding_texture(image, hole, known)
    patched = texture > texture_level and int(_patch_centres(known).sum()) >= 200
    result = image.copy()
    filled = smooth
    if patched:
        filled = smooth + _detail(patches(image, hole, known, seed), hole)
    result[hole] = np.clip(np.rint(filled[hole]), 0, 255).astype(np.uint8)
    return result, {"texture": texture, "patched": float(patched)}


def _detail(values: Array, hole: Array) -> Array:
    """High-pass of `values`, float32 (h, w, 3), inside the hole; the local mean is of the hole's pixels alone."""
    blur, inside = max(4.0, 0.12 * float(np.sqrt(hole.sum()))), hole.astype(np.float32)
    share = np.maximum(cv2.GaussianBlur(inside, (0, 0), blur), 1e-3)[..., None]
    detail: Array = values - cv2.GaussianBlur(values * inside[..., None], (0, 0), blur) / share
    return detail


def surrounding_texture(image: Array, hole: Array, known: Array) -> float:
    """Texture beside a hole: median absolute deviation from the local mean, in grey levels (0-255).

    `image` is uint8 (h, w, 3), RGB; `hole` and `known` are bool (h, w). 0 when fewer than 50 known pixels surround it.
    """
    reach = max(6, round(0.25 * np.sqrt(hole.sum())))
    ring = dilated(hole, reach) & known
    if ring.sum() < 50:
        return 0.0
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    share = cv2.GaussianBlur(known.astype(np.float32), (0, 0), 4)
    mean = cv2.GaussianBlur(grey * known, (0, 0), 4) / np.maximum(share, 1e-3)
    return float(np.median(np.abs(grey - mean)[ring]))


def shading(values: Array, known: Array) -> Array:
    """Smooth shading: a quadratic surface, fitted to the known pixels by iteratively reweighted least squares.

    `values` is float (h, w) or (h, w, c), `known` bool (h, w). Returns float32 of the shape of `values`.
    """
    height, width = known.shape
    rows, columns = np.nonzero(known)
    step = max(1, len(rows) // 20_000)
    rows, columns = rows[::step], columns[::step]
    samples = values[rows, columns].astype(np.float64).reshape(len(rows), -1)
    basis = _quadratic(columns / width, rows / height)
    weight = np.ones(len(rows))
    for _ in range(5):
        root = np.sqrt(weight)[:, None]
        surface = np.linalg.lstsq(basis * root, samples * root, rcond=None)[0]
        error = np.abs(samples - basis @ surface).max(1)
        scale = 1.5 * float(np.median(error)) + 1e-3
        weight = 1 / (1 + (error / scale) ** 2)
    y, x = np.mgrid[:height, :width]
    full = _quadratic((x / width).ravel(), (y / height).ravel()) @ surface
    surface_image: Array = full.reshape(values.shape).astype(np.float32)
    return surface_image


def _quadratic(x: Array, y: Array) -> Array:
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], 1)


# ---------------------------------------------------------------- patches


def patches(image: Array, hole: Array, known: Array, seed: int) -> Array:
    """Synthesise texture in a hole from patches of 7 x 7 known pixels, coarse to fine.

    `image` is uint8 (h, w, 3), RGB; `hole` and `known` are bool (h, w). Returns float32 (h, w, 3) in 0-255; values can
    exceed the range slightly.
    """
    base = shading(image.astype(np.float32), known)
    detail = np.where(known[..., None], image - base, 0).astype(np.float32)
    levels = [(detail, hole, known)]
    depth = float(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5).max())
    while depth > _RADIUS + 1 and min(levels[-1][1].shape) >= 48:
        levels.append(_halved(*levels[-1]))
        depth /= 2
    while len(levels) > 1 and not _patch_centres(levels[-1][2]).any():
        levels.pop()
    random = np.random.default_rng(seed)
    field: Array | None = None
    current = membrane(levels[-1][0], levels[-1][2])
    for number, (values, gap, certain) in enumerate(reversed(levels)):
        if number:
            upsampled = cv2.resize(current, gap.shape[::-1], interpolation=cv2.INTER_LINEAR)
            current = np.where(gap[..., None], upsampled, values)
        current, field = _complete(current, gap, certain, field, random)
    textured: Array = current + base
    return textured


def _halved(values: Array, hole: Array, known: Array) -> tuple[Array, Array, Array]:
    size = ((hole.shape[1] + 1) // 2, (hole.shape[0] + 1) // 2)
    weight = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(values * known[..., None], size, interpolation=cv2.INTER_AREA)
    gap = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    return total / np.maximum(weight, 1e-6)[..., None], gap, (weight > 0.99) & ~gap


def _patch_centres(known: Array) -> Array:
    """Centres of patches whose pixels are all known: bool (h, w)."""
    whole = cv2.erode(known.astype(np.uint8), np.ones((2 * _RADIUS + 1,) * 2, np.uint8), borderValue=0)
    whole[:_RADIUS], whole[-_RADIUS:], whole[:, :_RADIUS], whole[:, -_RADIUS:] = 0, 0, 0, 0
    centres: Array = whole > 0
    return centres


def _complete(
    image: Array, hole: Array, known: Array, field: Array | None, random: np.random.Generator
) -> tuple[Array, Array]:
    """One pyramid level: alternate between search and vote. `field`, int (h', w', 2), is the coarser level's."""
    height, width = hole.shape
    sources = _patch_centres(known)
    places = np.argwhere(dilated(hole, _RADIUS))
    inside = (places >= _RADIUS).all(1) & (places < [height - _RADIUS, width - _RADIUS]).all(1)
    places = places[inside]
    options = np.argwhere(sources)
    if len(options) == 0 or len(places) == 0:
        return image, np.zeros((height, width, 2), np.int32)
    matches = options[random.integers(len(options), size=len(places))]
    if field is not None:
        coarse = field[np.minimum(places[:, 0] // 2, len(field) - 1), np.minimum(places[:, 1] // 2, field.shape[1] - 1)]
        carried = coarse * 2 + places % 2
        usable = _usable(carried, sources)
        matches[usable] = carried[usable]
    rounds, sweeps = (6, 3) if field is None else (2, 1)
    if len(places) > _MAX_SEARCHED:
        rounds, sweeps = 1, 0
    depth = cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, 5)[places[:, 0], places[:, 1]]
    trust = 1.3**-depth
    for _ in range(rounds):
        matches, cost = _search(image, places, matches, sources, sweeps, random)
        image = _vote(image, hole, places, matches, trust, cost)
    filled = np.zeros((height, width, 2), np.int32)
    filled[places[:, 0], places[:, 1]] = matches
    return image, filled


def _usable(positions: Array, sources: Array) -> Array:
    height, width = sources.shape
    inside = (positions >= 0).all(1) & (positions[:, 0] < height) & (positions[:, 1] < width)
    safe = np.where(inside[:, None], positions, 0)
    usable: Array = inside & sources[safe[:, 0], safe[:, 1]]
    return usable


def _patch_values(image: Array, centres: Array) -> Array:
    rows, columns = centres[:, :1] + _GRID[0], centres[:, 1:] + _GRID[1]
    patch_pixels: Array = image[rows, columns].reshape(len(centres), -1)
    return patch_pixels


def _search(
    image: Array, places: Array, matches: Array, sources: Array, sweeps: int, random: np.random.Generator
) -> tuple[Array, Array]:
    """PatchMatch, all patches at once: propagation from neighbours (steps 4, 2, 1), then random search."""
    height, width = sources.shape
    wanted = _patch_values(image, places)
    cost = ((_patch_values(image, matches) - wanted) ** 2).mean(1)
    table = np.full((height, width, 2), -1, np.int64)

    def attempt(candidates: Array) -> None:
        usable = np.flatnonzero(_usable(candidates, sources) & (candidates != matches).any(1))
        if len(usable) == 0:
            return
        new = ((_patch_values(image, candidates[usable]) - wanted[usable]) ** 2).mean(1)
        better = new < cost[usable]
        chosen = usable[better]
        matches[chosen], cost[chosen] = candidates[chosen], new[better]

    for _ in range(sweeps):
        for step in (4, 2, 1):
            for down, right in ((step, 0), (-step, 0), (0, step), (0, -step)):
                table[places[:, 0], places[:, 1]] = matches
                row = np.clip(places[:, 0] + down, 0, height - 1)
                column = np.clip(places[:, 1] + right, 0, width - 1)
                neighbour = table[row, column]
                candidates = np.where(neighbour[:, :1] >= 0, neighbour - [down, right], -1)
                attempt(candidates)
        reach = max(height, width) / 2
        while reach >= 1:
            attempt(matches + np.rint(random.uniform(-reach, reach, matches.shape)).astype(matches.dtype))
            reach /= 2.5
    return matches, cost


def _vote(image: Array, hole: Array, places: Array, matches: Array, trust: Array, cost: Array) -> Array:
    """Set each pixel of the hole to the weighted mean of the patches that overlap it."""
    height, width = hole.shape
    weight = trust * np.exp(-cost / (2 * max(float(np.percentile(cost, 75)), 1e-3)))
    total = np.zeros((height * width, 3))
    share = np.zeros(height * width)
    for down, right in _GRID.T:
        index = (places[:, 0] + down) * width + places[:, 1] + right
        values = image[matches[:, 0] + down, matches[:, 1] + right]
        share += np.bincount(index, weight, height * width)
        for channel in range(3):
            total[:, channel] += np.bincount(index, weight * values[:, channel], height * width)
    mixed = (total / np.maximum(share, 1e-12)[:, None]).reshape(height, width, 3).astype(np.float32)
    return np.where((hole & (share.reshape(height, width) > 1e-12))[..., None], mixed, image)


def blend_hole(source: Array, drawn: Array, hole: Array, feather_px: float) -> Array:
    """Blend a filling into the hole of a frame without a seam.

    The differences on the rim are interpolated over the hole by a membrane and added (compare
    Perez et al., Poisson image editing, SIGGRAPH 2003); then the filling is cross-faded with the frame.

    Parameters
    ----------
    source, drawn : uint8 (h, w, 3), RGB
        The frame and the filling.
    hole : bool (h, w)
        Outside it the result equals `source` exactly.
    feather_px : float
        Width of the cross-fade in pixels, inside the hole.
    """
    difference = source.astype(np.float32) - drawn
    rim = dilated(hole, _RIM_PX) & ~hole
    size = np.abs(cv2.blur(difference, (3, 3))).max(2)
    typical = float(np.median(size[rim])) if rim.any() else 0.0
    rim &= ~dilated((size > max(_RIM_LIMIT, 2.5 * typical)) & rim, 2)
    corrected = drawn + _spread(difference, rim) if rim.sum() >= 8 else drawn.astype(np.float32)
    inside = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5)
    alpha = np.clip(inside / max(feather_px, 1e-3), 0, 1)[..., None]
    mixed = source + alpha * (corrected - source)
    return np.where(hole[..., None], np.clip(np.rint(mixed), 0, 255).astype(np.uint8), source)


def _spread(difference: Array, rim: Array, longest: int = 160) -> Array:
    """Interpolate differences, float32 (h, w, 3), from the rim, by a membrane on a grid of at most `longest` px."""
    height, width = rim.shape
    scale = min(1.0, longest / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    weight = cv2.resize(rim.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(difference * rim[..., None], size, interpolation=cv2.INTER_AREA)
    values = total / np.maximum(weight, 1e-6)[..., None]
    smooth: Array = cv2.resize(membrane(values, weight > 1e-3), (width, height), interpolation=cv2.INTER_LINEAR)
    return smooth
