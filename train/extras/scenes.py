"""What do detectors learn from and get measured on?  Pictures composed of known faces: their landmarks are known too.

Backgrounds are drawn (clouds, shapes) or cut from the photographs that scikit-image's wheel carries; a background
never holds a face, and faces never overlap by more than ``MAX_OVERLAP``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from restoration.faces.alignment import FACE_SIZE, Points
from restoration.images import Image

EYES = 125.92  # pixels between the eyes of FACE_TEMPLATE
MAX_OVERLAP = 0.15  # of the radius of two heads
HEAD = (256.0, 268.0, 190.0, 235.0)  # in a 512 face: centre x and y, half width and half height of what is pasted


@dataclass(frozen=True)
class Scene:
    """A picture and the faces in it.

    Args:
        image: (H, W, 3) uint8 RGB.
        landmarks: (N, 5, 2), (x, y) pixels, in ``alignment``'s order and convention.
        names: N numbers of the faces among those that were given.
    """

    image: Image
    landmarks: Points
    names: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a scene is composed.

    Args:
        width, height: pixels.
        eyes: smallest and largest distance between the eyes, pixels; drawn uniformly in its logarithm.
        count: smallest and largest number of faces that are tried; one that finds no free place is left out.
        turn: standard deviation of the rotation in the plane, degrees.
        whole: chance that a face brings its own background instead of being cut out along the head.
        spoil: chance of each of: blur, fewer pixels, noise, JPEG, monochrome, another exposure.
        close: chance of a part of an enlarged face as background, which is no face at that size.
    """

    width: int
    height: int
    eyes: tuple[float, float]
    count: tuple[int, int]
    turn: float = 8.0
    whole: float = 0.0
    spoil: float = 0.3
    close: float = 0.0


class Composer:
    """Draws scenes from faces.

    Args:
        faces: aligned square faces of one size, (S, S, 3) uint8 RGB. Not modified.
        landmarks: (N, 5, 2) in the pixels of a 512 face.
    """

    def __init__(self, faces: Sequence[Image], landmarks: Points) -> None:
        self._scale = faces[0].shape[0] / FACE_SIZE
        self._landmarks = landmarks
        self._mipmaps = [list(faces)]
        while self._mipmaps[-1][0].shape[0] >= 64:
            half = self._mipmaps[-1][0].shape[0] // 2
            self._mipmaps.append([_resize(face, half, half) for face in self._mipmaps[-1]])
        y, x = np.mgrid[0:FACE_SIZE, 0:FACE_SIZE]
        self._radius = np.hypot((x - HEAD[0]) / HEAD[2], (y - HEAD[1]) / HEAD[3]).astype(np.float32)
        self._photographs = photographs()

    def compose(self, layout: Layout, rng: np.random.Generator) -> Scene:
        """One scene; ``rng`` is the source of all randomness."""
        image = self._background(layout, rng)
        placed: list[tuple[float, float, float]] = []
        landmarks, names = [], []
        for _ in range(int(rng.integers(layout.count[0], layout.count[1] + 1))):
            eyes = math.exp(rng.uniform(*np.log(layout.eyes)))
            angle, scale = math.radians(rng.normal(0, layout.turn)), eyes / EYES
            cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
            radius = 215 * scale
            if 2 * radius >= min(layout.width, layout.height):
                continue
            for _ in range(8):
                centre = rng.uniform((radius, radius), (layout.width - radius, layout.height - radius))
                far = (
                    math.hypot(centre[0] - x, centre[1] - y) >= (1 - MAX_OVERLAP) * (radius + other)
                    for x, y, other in placed
                )
                if all(far):
                    break
            else:
                continue
            placed.append((float(centre[0]), float(centre[1]), radius))
            index = int(rng.integers(len(self._landmarks)))
            linear = np.array([[cosine, -sine], [sine, cosine]])
            matrix = np.column_stack([linear, centre - linear @ HEAD[:2]])
            mirrored = bool(rng.random() < 0.5)
            self._paste(image, index, matrix, mirrored, rng, layout.whole)
            points = self._landmarks[index]
            if mirrored:
                points = (points * (-1, 1) + (FACE_SIZE - 1, 0))[[1, 0, 2, 4, 3]]
            landmarks.append(points @ linear.T + matrix[:, 2])
            names.append(index)
        return Scene(_spoil(image, layout.spoil, rng), np.reshape(landmarks, (-1, 5, 2)), tuple(names))

    def _background(self, layout: Layout, rng: np.random.Generator) -> Image:
        size = layout.height, layout.width
        if rng.random() < layout.close:
            face = self._mipmaps[0][int(rng.integers(len(self._landmarks)))]
            return _cut(face, size, max(size) / face.shape[0] * math.exp(rng.uniform(0, 1.4)), rng)
        kind = rng.random()
        if kind < 0.5:
            picture = self._photographs[int(rng.integers(len(self._photographs)))]
            smallest = max(size[0] / picture.shape[0], size[1] / picture.shape[1])
            return _cut(picture, size, max(smallest, math.exp(rng.uniform(-1.5, 0.7))), rng)
        image = clouds(size, rng)
        return image if kind < 0.7 else shapes(image, rng)

    def _paste(
        self,
        image: Image,
        index: int,
        matrix: NDArray[np.float64],
        mirrored: bool,
        rng: np.random.Generator,
        whole: float,
    ) -> None:
        """Blend one face into ``image`` in place; ``matrix`` maps pixels of a 512 face to those of the image."""
        scale = math.hypot(matrix[0, 0], matrix[1, 0])
        level = min(len(self._mipmaps) - 1, max(0, math.floor(math.log2(self._scale / scale)))) if scale > 0 else 0
        face = self._mipmaps[level][index]
        if mirrored:
            face = np.ascontiguousarray(face[:, ::-1])
        corners = matrix @ np.array([[-0.5, 511.5, 511.5, -0.5], [-0.5, -0.5, 511.5, 511.5], [1, 1, 1, 1]])
        low = np.maximum(np.floor(corners.min(axis=1)).astype(int), 0)
        high = np.minimum(np.ceil(corners.max(axis=1)).astype(int) + 1, (image.shape[1], image.shape[0]))
        size = int(high[0] - low[0]), int(high[1] - low[1])
        local = matrix.copy()
        local[:, 2] -= low
        pixel = FACE_SIZE / face.shape[0]  # 512 pixels a pixel of this level
        from_level = np.array([[pixel, 0, (pixel - 1) / 2], [0, pixel, (pixel - 1) / 2], [0, 0, 1]])
        drawn = cv2.warpAffine(face, local @ from_level, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if rng.random() < whole:
            inside = cv2.warpAffine(np.full((512, 512), 255, np.uint8), local, size, flags=cv2.INTER_LINEAR)
            mask = inside.astype(np.float32) / 255
        else:
            grown, feather = rng.uniform(0.85, 1.05), rng.uniform(0.03, 0.25)
            mask = np.clip((grown - self._radius) / feather, 0, 1).astype(np.float32)
            mask = cv2.warpAffine(mask, local, size, flags=cv2.INTER_LINEAR).astype(np.float32)
        part = image[low[1] : high[1], low[0] : high[0]]
        part[:] = np.rint(part + mask[..., None] * (drawn.astype(np.float32) - part)).astype(np.uint8)


def photographs() -> list[Image]:
    """Photographs without a face that scikit-image's wheel carries, (H, W, 3) uint8 RGB; no network is used."""
    names = (
        "brick chelsea clock coffee coins grass gravel hubble_deep_field immunohistochemistry moon page retina rocket"
    )
    pictures = [getattr(skimage.data, name)() for name in (*names.split(), "rocket", "text")]
    pictures += [skimage.data.stereo_motorcycle()[0], skimage.data.astronaut()[300:]]
    return [np.repeat(p[..., None], 3, axis=2) if p.ndim == 2 else np.ascontiguousarray(p) for p in pictures]


def clouds(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """(H, W, 3) uint8: coloured noise of several octaves, from a blurred wall to rough plaster."""
    height, width = size
    result: NDArray[Any] = np.zeros((height, width, 3), np.float32)
    falloff = rng.uniform(0.3, 0.9)
    for octave in range(7):
        cells = 2 ** (octave + 1)
        noise = rng.normal(0, falloff**octave, (cells + 1, cells + 1, 3)).astype(np.float32)
        if octave:
            noise = noise.mean(axis=2, keepdims=True) + 0.3 * noise
        result += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    result = result * rng.uniform(10, 70) + rng.uniform(30, 225, 3)
    return np.clip(result, 0, 255).astype(np.uint8)


def shapes(image: Image, rng: np.random.Generator) -> Image:
    """The same picture with ellipses, bars, stripes and polygons over it: windows, fences, balls."""
    image = np.ascontiguousarray(image)
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(3, 25))):
        colour = tuple(int(level) for level in rng.integers(0, 256, 3))
        x, y = (int(value) for value in rng.uniform((0, 0), (width, height)))
        radius = max(2, int(math.exp(rng.uniform(math.log(2), math.log(min(height, width) / 2)))))
        thickness = -1 if rng.random() < 0.6 else int(rng.integers(1, 1 + max(1, radius // 3)))
        kind = rng.random()
        if kind < 0.45:
            axes = radius, max(1, int(radius * rng.uniform(0.3, 1)))
            cv2.ellipse(image, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, colour, thickness, cv2.LINE_AA)
        elif kind < 0.7:
            corners = rng.normal((x, y), radius, (int(rng.integers(3, 7)), 2)).astype(np.int32)
            cv2.fillPoly(image, [corners], colour, cv2.LINE_AA)
        else:
            step, angle = max(2, radius // 2), rng.uniform(0, math.pi)
            across = np.array([math.cos(angle), math.sin(angle)]) * step
            along = np.array([-across[1], across[0]]) / step * radius * 2
            for stripe in range(int(rng.integers(1, 12))):
                start = np.array([x, y]) + stripe * across
                ends = [tuple(int(v) for v in point) for point in (start - along, start + along)]
                cv2.line(image, ends[0], ends[1], colour, max(1, step // 3), cv2.LINE_AA)
    return image


def _cut(picture: Image, size: tuple[int, int], scale: float, rng: np.random.Generator) -> Image:
    """A random part of a picture resized by ``scale``, perhaps mirrored, its colours perhaps exchanged."""
    height, width = (min(side, math.ceil(wanted / scale)) for side, wanted in zip(picture.shape[:2], size, strict=True))
    top, left = (
        int(rng.integers(0, side - part + 1)) for side, part in zip(picture.shape[:2], (height, width), strict=True)
    )
    part = _resize(picture[top : top + height, left : left + width], size[1], size[0])
    if rng.random() < 0.5:
        part = part[:, ::-1]
    if rng.random() < 0.3:
        part = part[:, :, rng.permutation(3)]
    return np.ascontiguousarray(part)


def _resize(image: Image, width: int, height: int) -> Image:
    kernel = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_LINEAR
    resized: Image = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=kernel).astype(np.uint8)
    return resized


def _spoil(image: Image, chance: float, rng: np.random.Generator) -> Image:
    """What cameras and prints do to a whole picture, mildly: each step with the same chance."""
    height, width = image.shape[:2]
    if rng.random() < chance:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.8)).astype(np.uint8)
    if rng.random() < chance:
        factor = rng.uniform(1.2, 3)
        small = _resize(image, max(8, round(width / factor)), max(8, round(height / factor)))
        image = _resize(small, width, height)
    levels: NDArray[Any] = image.astype(np.float32)
    if rng.random() < chance:
        levels = 255 * (levels / 255) ** np.float32(rng.uniform(0.5, 1.8))
        levels = levels * rng.uniform(0.6, 1.2, 3).astype(np.float32) + np.float32(rng.uniform(-20, 30))
    if rng.random() < chance:
        levels = np.repeat(levels.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < chance:
        levels = levels + rng.normal(0, rng.uniform(2, 18), levels.shape).astype(np.float32)
    image = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    if rng.random() < chance:
        quality = int(rng.integers(25, 95))
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return image
