"""Camera, lights, renderer: parts at a pose, seen by a camera, as premultiplied linear light with alpha and depth.

World space is right-handed with z up; the ground is z = 0. Pixel coordinates are OpenCV's: the centre of the upper left
pixel is (0, 0), x to the right, y down. Drawing is VTK's physically based shading off screen, without a display: one
key light whose direction the caller gives, and an environment of soft boxes that metal and gloss mirror. Ground and
shadows are the scene's business.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import cv2
import numpy as np

os.environ.setdefault("LP_NUM_THREADS", "0")  # of the software renderer: other processes draw beside this one
if not os.environ.get("DISPLAY"):
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

import pyvista as pv
import vtk
from vtk.util.numpy_support import vtk_to_numpy

GAMMA = 2.2  # of VTK's physically based shader: what it writes is light ** (1 / 2.2)
HEADROOM = 0.45  # exposure of the drawing, so that highlights up to 1 / HEADROOM x white survive the 8-bit frame buffer
WHITE = 1.058  # 1 / what VTK gives for a white matt surface under unit light
LINEAR = ((np.arange(256) / 255.0) ** GAMMA / HEADROOM).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Part:
    """One surface of one material.

    `mesh` holds triangles and point normals, and "Texture Coordinates" when `texture` is given; `color` is sRGB,
    0-1; `metallic`, `roughness`, `opacity` 0-1; `texture` uint8 (h, w, 3) RGB, sRGB, its upper left at u = 0, v = 1,
    and multiplied by `color`.
    """

    mesh: pv.PolyData
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    metallic: float = 0.0
    roughness: float = 0.5
    texture: np.ndarray | None = None
    opacity: float = 1.0


@dataclass(frozen=True)
class Lights:
    """Light of a scene.

    `direction` (3,) points from the ground TO the key light, of any length. White matt ground that faces the key
    light gives `intensity` + `ambient` in linear light (1 = white of the picture); level ground gives
    `intensity` * z of the unit direction + `ambient`.
    """

    direction: tuple[float, float, float] = (-0.5, -0.6, 1.0)
    intensity: float = 0.6
    ambient: float = 0.4

    def unit(self) -> np.ndarray:
        """Direction to the key light, float64 (3,), of length 1."""
        direction = np.asarray(self.direction, float)
        return direction / np.linalg.norm(direction)


@dataclass(frozen=True)
class Camera:
    """Pinhole camera at `position`, looking at `target`; `fov_y` degrees from the top edge to the bottom edge.

    `roll` turns the camera about its axis, degrees, the picture's content anti-clockwise.
    """

    position: tuple[float, float, float]
    target: tuple[float, float, float] = (0.0, 0.0, 0.4)
    fov_y: float = 30.0
    roll: float = 0.0

    def axes(self) -> np.ndarray:
        """Rows right, down, forward of the camera in world space, float64 (3, 3)."""
        forward = np.asarray(self.target, float) - np.asarray(self.position, float)
        forward /= np.linalg.norm(forward)
        up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.9999 else np.array([0.0, 1.0, 0.0])
        right = np.cross(forward, up)
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        cos, sin = np.cos(np.radians(self.roll)), np.sin(np.radians(self.roll))
        return np.stack([cos * right + sin * down, cos * down - sin * right, forward])

    def matrix(self, width: int, height: int) -> np.ndarray:
        """Projection float64 (3, 4) of homogeneous world points to (x * depth, y * depth, depth) in pixels."""
        focal = height / 2 / np.tan(np.radians(self.fov_y) / 2)
        inner = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
        axes = self.axes()
        return inner @ np.column_stack([axes, -axes @ np.asarray(self.position, float)])

    def project(self, points: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (n, 2) and depths (n,) along the view axis (negative: behind the camera) of world points (n, 3)."""
        seen = np.column_stack([points, np.ones(len(points))]) @ self.matrix(width, height).T
        return seen[:, :2] / seen[:, 2:], seen[:, 2]

    def ground_homography(self, width: int, height: int) -> np.ndarray:
        """Homography float64 (3, 3) from ground (x, y) at z = 0 to pixels; its third coordinate is the depth."""
        return self.matrix(width, height)[:, [0, 1, 3]]


@dataclass(frozen=True)
class Layer:
    """What was drawn, all of the frame's size (h, w).

    `rgb` float32 (h, w, 3), RGB, linear light, premultiplied by alpha, 1 = white (highlights may exceed it); `alpha`
    float32 (h, w), 0-1; `depth` float32 (h, w), distance along the view axis, world units, inf where nothing is.
    """

    rgb: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray


def environment(height: int = 128) -> np.ndarray:
    """Light of a studio, float32 (height, 2 * height, 3), linear, first row the zenith, middle column the key's side.

    Four soft boxes, dark gaps between them, and a grey floor; level white ground under it receives 1.
    """
    elevation = (90 - 180 * (np.arange(height) + 0.5) / height)[:, None]
    azimuth = (360 * (np.arange(2 * height) + 0.5) / (2 * height) - 180)[None, :]
    light = np.where(elevation > 0, 0.9 - 0.3 * np.maximum(elevation, 0) / 90, 1.0) + 0 * azimuth
    boxes = [(0, 36, 46, 20, 4.5), (125, 22, 35, 26, 2.5), (-105, 16, 30, 30, 2.0), (0, 400, 86, 9, 2.5)]
    for centre, wide, middle, tall, power in boxes:
        away = np.abs((azimuth - centre + 180) % 360 - 180)
        box = np.clip((wide - away) / 6 + 0.5, 0, 1) * np.clip((tall - np.abs(elevation - middle)) / 6 + 0.5, 0, 1)
        light = light + power * box
    up = np.sin(np.radians(elevation))
    received = (light * np.maximum(up, 0) * np.cos(np.radians(elevation))).mean() * 2 * np.pi
    return np.repeat((light / received).astype(np.float32)[..., None], 3, 2)


def _texture(pixels: np.ndarray) -> vtk.vtkTexture:
    image = pv.ImageData(dimensions=(pixels.shape[1], pixels.shape[0], 1))
    image.point_data.set_array(np.ascontiguousarray(pixels[::-1]).reshape(-1, 3), "color")
    image.point_data.active_scalars_name = "color"
    texture = vtk.vtkTexture()
    texture.SetInputDataObject(image)
    texture.SetColorModeToDirectScalars()
    texture.MipmapOn()
    texture.InterpolateOn()
    return texture


def _actor(part: Part) -> vtk.vtkActor:
    mapper = vtk.vtkPolyDataMapper()
    mapper.SetInputDataObject(part.mesh)
    mapper.ScalarVisibilityOff()
    actor = vtk.vtkActor()
    actor.SetMapper(mapper)
    look = actor.GetProperty()
    look.SetInterpolationToPBR()
    look.SetColor(*(float(c) ** GAMMA for c in part.color))
    look.SetMetallic(part.metallic)
    look.SetRoughness(part.roughness)
    look.SetOpacity(part.opacity)
    shader = actor.GetShaderProperty()
    exposed = "//VTK::Light::Impl\n  fragOutput0.rgb *= exposure;\n"
    shader.AddFragmentShaderReplacement("//VTK::Light::Impl", True, exposed, False)
    shader.GetFragmentCustomUniforms().SetUniformf("exposure", 1.0)
    if part.texture is not None:
        texture = _texture(part.texture)
        texture.UseSRGBColorSpaceOn()
        texture.SetMaximumAnisotropicFiltering(2)
        look.SetBaseColorTexture(texture)
    return actor


class Renderer:
    """Draws layers of one frame size; keep one: opening it takes seconds, a drawing takes hundredths of a second.

    Drawn at `supersample` x the size and averaged in linear light. Parts are known by identity and stay loaded.
    """

    def __init__(self, width: int, height: int, supersample: int = 2) -> None:
        self.width, self.height, self.supersample = width, height, supersample
        size = [width * supersample, height * supersample]
        self._plotter = pv.Plotter(off_screen=True, window_size=size, lighting="none")
        self._window, self._scene = self._plotter.render_window, self._plotter.renderer
        self._window.SetMultiSamples(0)
        self._scene.SetBackground(0, 0, 0)
        self._scene.SetBackgroundAlpha(0)
        self._scene.RemoveAllLights()
        self._scene.AutomaticLightCreationOff()
        self._light = vtk.vtkLight()
        self._light.SetLightTypeToSceneLight()
        self._light.PositionalOff()
        self._scene.AddLight(self._light)
        self._surroundings = _texture(environment())
        self._scene.UseImageBasedLightingOn()
        self._scene.SetEnvironmentTexture(self._surroundings, False)
        self._scene.SetEnvironmentUp(0, 0, 1)
        self._actors: dict[int, tuple[Part, vtk.vtkActor]] = {}

    def close(self) -> None:
        """Free the window; the renderer cannot be used afterwards."""
        self._plotter.close()

    def layer(self, parts: tuple[Part, ...], model: np.ndarray, camera: Camera, lights: Lights) -> Layer:
        """Draw `parts`, moved from product space by `model` (4, 4), as `camera` sees them under `lights`."""
        actors = self._show(parts, model)
        self._aim(camera)
        self._illuminate(actors, lights)
        area = self._area(parts, model, camera)
        h, w = self.height, self.width
        rgb, alpha = np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.float32)
        depth = np.full((h, w), np.inf, np.float32)
        if area is None:
            return Layer(rgb, alpha, depth)
        x0, y0, x1, y1 = area
        self._window.Render()
        inside = np.s_[y0:y1, x0:x1]
        rgb[inside], alpha[inside] = self._colour(area, any(part.opacity < 1 for part in parts))
        clear = [actor for part, actor in zip(parts, actors, strict=True) if part.opacity < 1]
        if clear:  # transparent parts leave no depth: draw them once more as if they were solid
            for actor in clear:
                actor.ForceOpaqueOn()
            self._window.Render()
            for actor in clear:
                actor.ForceOpaqueOff()
        depth[inside] = self._depth(area)
        depth[alpha == 0] = np.inf
        return Layer(rgb, alpha, depth)

    def _show(self, parts: tuple[Part, ...], model: np.ndarray) -> list[vtk.vtkActor]:
        for _, actor in self._actors.values():
            actor.VisibilityOff()
        pose = vtk.vtkMatrix4x4()
        pose.DeepCopy(np.asarray(model, float).ravel())
        shown = []
        for part in parts:
            if id(part) not in self._actors:
                self._actors[id(part)] = (part, _actor(part))
                self._scene.AddActor(self._actors[id(part)][1])
            actor = self._actors[id(part)][1]
            actor.VisibilityOn()
            actor.SetUserMatrix(pose)
            shown.append(actor)
        return shown

    def _aim(self, camera: Camera) -> None:
        view = self._scene.GetActiveCamera()
        view.SetPosition(*camera.position)
        view.SetFocalPoint(*(np.asarray(camera.position, float) + camera.axes()[2]))
        view.SetViewUp(*-camera.axes()[1])
        view.SetViewAngle(camera.fov_y)
        self._scene.ResetCameraClippingRange()

    def _illuminate(self, actors: list[vtk.vtkActor], lights: Lights) -> None:
        for actor in actors:  # the surroundings have a fixed strength: their share is set by the exposure
            exposure = (HEADROOM * WHITE * max(lights.ambient, 1e-3)) ** (1 / GAMMA)
            actor.GetShaderProperty().GetFragmentCustomUniforms().SetUniformf("exposure", exposure)
        direction = lights.unit()
        self._light.SetPosition(*direction)
        self._light.SetFocalPoint(0, 0, 0)
        self._light.SetIntensity(np.pi * lights.intensity / max(lights.ambient, 1e-3))
        level = np.array([direction[0], direction[1], 0.0])
        level = level / np.linalg.norm(level) if np.hypot(*level[:2]) > 1e-6 else np.array([0.0, -1.0, 0.0])
        self._scene.SetEnvironmentRight(*level)

    def _area(self, parts: tuple[Part, ...], model: np.ndarray, camera: Camera) -> tuple[int, int, int, int] | None:
        """Pixels (x0, y0, x1, y1) that may be drawn on, end exclusive; None when no part is in view."""
        boxes = np.array([part.mesh.bounds for part in parts]).reshape(-1, 3, 2)
        corners = np.array([[[x, y, z, 1] for x in b[0] for y in b[1] for z in b[2]] for b in boxes]).reshape(-1, 4)
        xy, depth = camera.project((corners @ np.asarray(model, float).T)[:, :3], self.width, self.height)
        if not len(depth) or depth.max() <= 0:
            return None
        if depth.min() <= 1e-3:
            return 0, 0, self.width, self.height
        low = np.clip(np.floor(xy.min(0)) - 2, 0, (self.width, self.height)).astype(int)
        high = np.clip(np.ceil(xy.max(0)) + 3, 0, (self.width, self.height)).astype(int)
        return (*map(int, low), *map(int, high)) if (high > low).all() else None

    def _corners(self, area: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        s, (x0, y0, x1, y1) = self.supersample, area
        return x0 * s, (self.height - y1) * s, x1 * s - 1, (self.height - y0) * s - 1

    def _colour(self, area: tuple[int, int, int, int], clear: bool) -> tuple[np.ndarray, np.ndarray]:
        x0, y0, x1, y1 = area
        s = self.supersample
        values = vtk.vtkUnsignedCharArray()
        self._window.GetRGBACharPixelData(*self._corners(area), 0, values)
        pixels = vtk_to_numpy(values).reshape((y1 - y0) * s, (x1 - x0) * s, 4)[::-1]
        alpha = pixels[..., 3].astype(np.float32) / 255
        if clear:  # VTK mixed the gamma-coded colours: take the mean colour out of the mix, then make it light
            plain = np.clip(pixels[..., :3] / np.maximum(alpha, 1 / 255)[..., None], 0, 255)
            light = (plain / 255).astype(np.float32) ** np.float32(GAMMA) / np.float32(HEADROOM) * alpha[..., None]
        else:
            light = LINEAR[pixels[..., :3]]
        both = cv2.resize(np.dstack([light, alpha]), (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
        return both[..., :3], both[..., 3]

    def _depth(self, area: tuple[int, int, int, int]) -> np.ndarray:
        x0, y0, x1, y1 = area
        s = self.supersample
        values = vtk.vtkFloatArray()
        self._window.GetZbufferData(*self._corners(area), values)
        z = vtk_to_numpy(values).reshape(y1 - y0, s, x1 - x0, s)[::-1].min(axis=(1, 3))
        near, far = self._scene.GetActiveCamera().GetClippingRange()
        with np.errstate(divide="ignore"):
            return np.where(z < 1, near * far / (far - z * (far - near)), np.inf).astype(np.float32)
