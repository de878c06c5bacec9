"""Scenes that detectors learn from and are measured on: known faces on backgrounds that hold none.

Backgrounds are cut from the photographs that scikit-image's wheel carries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import skimage.data

from restoration.degrade import Degradation, degrade_image
from restoration.faces import FACE_SIZE, Points
from restoration.images import Image

EYES = 125.92  # pixels between the eyes of FACE_TEMPLATE
HEAD = (256.0, 268.0, 190.0, 235.0)  # in a 512 face: centre x and y, half width and half height of what is pasted
RADIUS, APART = 215, 0.85  # of a head in a 512 face, pixels; of two heads' radii, how far they are apart at least
PHOTOGRAPHS = "brick chelsea clock coffee coins grass gravel hubble_deep_field immunohistochemistry moon page retina"


@dataclass(frozen=True)
class Scene:
    """A picture (H, W, 3) uint8 RGB and the landmarks of its faces, (N, 5, 2), as in ``restoration.faces``."""

    image: Image
    landmarks: Points


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a scene is composed.

    Args:
        size: height and width, pixels.
        eyes, count: smallest and largest distance between the eyes, pixels, and number of faces that are tried.
        turn: standard deviation of the rotation in the plane, degrees.
        whole, close: chances that a face brings its own background, and that the scene's is a part of an enlarged face.
    """

    size: tuple[int, int]
    eyes: tuple[float, float]
    count: tuple[int, int]
    turn: float = 8.0
    whole: float = 0.0
    close: float = 0.0


class Composer:
    """Draws scenes from faces.

    Args:
        faces: aligned square faces, (S, S, 3) uint8 RGB. Not modified.
        landmarks: (N, 5, 2) in the pixels of a 512 face.
    """

    def __init__(self, faces: Sequence[Image], landmarks: Points) -> None:
        self._faces, self._landmarks, self._photographs = faces, landmarks, photographs()
        y, x = np.mgrid[0:FACE_SIZE, 0:FACE_SIZE]
        self._radius = np.hypot((x - HEAD[0]) / HEAD[2], (y - HEAD[1]) / HEAD[3]).astype(np.float32)

    def compose(self, layout: Layout, rng: np.random.Generator) -> Scene:
        """One scene; ``rng`` is the source of all randomness."""
        image, placed, landmarks = self._background(layout, rng), list[tuple[Points, float]](), list[Points]()
        for _ in range(int(rng.integers(layout.count[0], layout.count[1] + 1))):
            scale, angle = math.exp(rng.uniform(*np.log(layout.eyes))) / EYES, math.radians(rng.normal(0, layout.turn))
            radius, index = RADIUS * scale, int(rng.integers(len(self._faces)))
            if 2 * radius >= min(layout.size):
                continue
            tried = rng.uniform(radius, np.array(layout.size[::-1]) - radius, (8, 2))
            free = [t for t in tried if all(np.linalg.norm(t - p) >= APART * (radius + r) for p, r in placed)]
            if not free:
                continue
            placed.append((free[0], radius))
            face, points = self._faces[index], self._landmarks[index]
            if rng.random() < 0.5:
                face, points = face[:, ::-1], (points * (-1, 1) + (FACE_SIZE - 1, 0))[[1, 0, 2, 4, 3]]
            linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
            matrix = np.column_stack([linear, free[0] - linear @ HEAD[:2]])
            self._paste(image, face, matrix, rng, layout.whole)
            landmarks.append(points @ linear.T + matrix[:, 2])
        return Scene(_spoil(image, rng), np.reshape(landmarks, (-1, 5, 2)))

    def _background(self, layout: Layout, rng: np.random.Generator) -> Image:
        """A random part of a photograph or of an enlarged face, perhaps mirrored, its colours perhaps exchanged."""
        pictures = self._faces if rng.random() < layout.close else self._photographs
        picture = pictures[int(rng.integers(len(pictures)))]
        least = max(side / given for side, given in zip(layout.size, picture.shape, strict=False))
        scale = max(least, math.exp(rng.uniform(-1.5, 1)))
        height, width = (min(n, math.ceil(m / scale)) for n, m in zip(picture.shape, layout.size, strict=False))
        top, left = rng.integers(0, (picture.shape[0] - height + 1, picture.shape[1] - width + 1))
        part = _resize(picture[top : top + height, left : left + width], layout.size[1], layout.size[0])
        part = part[:, ::-1] if rng.random() < 0.5 else part
        return np.ascontiguousarray(part[..., rng.permutation(3)] if rng.random() < 0.3 else part)

    def _paste(self, image: Image, face: Image, matrix: Points, rng: np.random.Generator, whole: float) -> None:
        """Blend one face into ``image`` in place; ``matrix`` maps pixels of a 512 face to those of the image."""
        grown, feather = rng.uniform(0.85, 1.05), rng.uniform(0.03, 0.25)
        mask = np.clip((grown - self._radius) / feather, 0, 1) if rng.random() >= whole else np.ones_like(self._radius)
        corners = matrix @ np.array([[-0.5, 511.5, 511.5, -0.5], [-0.5, -0.5, 511.5, 511.5], [1, 1, 1, 1]])
        left, top = np.maximum(np.floor(corners.min(axis=1)).astype(int), 0)
        part = image[top : math.ceil(corners[1].max()) + 1, left : math.ceil(corners[0].max()) + 1]
        local, size = matrix - [[0, 0, left], [0, 0, top]], part.shape[1::-1]
        side = min(face.shape[0], math.ceil(1.5 * FACE_SIZE * math.hypot(*matrix[:, 0])))  # as fine as is needed
        pixel = FACE_SIZE / side
        to_512 = np.array([[pixel, 0, (pixel - 1) / 2], [0, pixel, (pixel - 1) / 2], [0, 0, 1]])
        drawn = cv2.warpAffine(_resize(face, side, side), local @ to_512, size, borderMode=cv2.BORDER_REPLICATE)
        share = cv2.warpAffine(mask, local, size)[..., None]
        part[:] = np.rint(part + share * (drawn.astype(np.float32) - part))


def photographs() -> list[Image]:
    """Photographs without a face that scikit-image's wheel carries, (H, W, 3) uint8 RGB; no network is used."""
    pictures = [getattr(skimage.data, name)() for name in (*PHOTOGRAPHS.split(), "rocket", "text")]
    pictures += [skimage.data.stereo_motorcycle()[0], skimage.data.astronaut()[300:]]
    return [np.repeat(p[..., None], 3, axis=2) if p.ndim == 2 else np.ascontiguousarray(p) for p in pictures]


def _resize(image: Image, width: int, height: int) -> Image:
    kernel = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=kernel), np.uint8)


def _spoil(image: Image, rng: np.random.Generator) -> Image:
    """What cameras and prints do to a whole picture, mildly: each step with a chance of 0.3."""
    light, blur, small, noise, coded, grey = rng.random(6) < 0.3
    if light:
        levels = 255 * (image / np.float32(255)) ** np.float32(rng.uniform(0.5, 1.8))
        image = np.clip(levels * rng.uniform(0.6, 1.2, 3) + rng.uniform(-20, 30), 0, 255).astype(np.uint8)
    settings = Degradation(
        blur_sigma=rng.uniform(0.4, 1.8) * blur,
        downsample=rng.uniform(1.2, 3) if small else 1.0,
        noise=rng.uniform(2, 18) * noise,
        jpeg=int(rng.integers(25, 95)) if coded else None,
        grayscale=bool(grey),
    )
    return degrade_image(image, settings, seed=int(rng.integers(2**31)))
