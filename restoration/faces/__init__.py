"""Faces in a photo: found, aligned, parsed, pasted back; here a face, and the crop that is cut out of its photo.

Convention (in this whole room):
    - points are (x, y): x to the right, y down, in pixels; whole numbers are pixel centres, so a picture of width W
      covers -0.5 <= x < W - 0.5. Resizing by f therefore maps x to f (x + 0.5) - 0.5, not to f x
    - the five landmarks are, in this order, the eye on the picture's left, the eye on its right (centres of the
      eyes), the tip of the nose, the mouth corner on the left, the mouth corner on the right
    - a transform is a (2, 3) matrix that maps source points forwards: target = M[:, :2] @ source + M[:, 2]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from restoration.images import Image, InputError, check_image

Points = NDArray[np.float64]  # (N, 2), x then y
Transform = NDArray[np.float64]  # (2, 3)

FACE_SIZE = 512
# The landmarks of an aligned face: FFHQ's mean face, as published in facexlib's FaceRestoreHelper.face_template.
FACE_TEMPLATE: Points = np.array(
    [[192.98, 239.95], [318.90, 240.19], [256.63, 314.02], [201.26, 371.41], [313.09, 371.15]]
)
# The same in 112 x 112 for identity networks: ArcFace's published template (insightface, face_align.arcface_dst).
IDENTITY_TEMPLATE: Points = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)

MAX_ENLARGEMENT = 64.0  # a face whose eyes are 2 pixels apart; beyond that the landmarks are wrong


def crop_centre(photo: Image) -> Image:
    """Cut out the largest centred square, and reduce it by area averaging or enlarge it by Lanczos (8 x 8): (512, 512,
    3) uint8 RGB, never sharing memory with ``photo``. InputError: not an ``Image``."""
    left, top, side = centre_square(check_image(photo))
    kernel = cv2.INTER_AREA if side > FACE_SIZE else cv2.INTER_LANCZOS4
    square = photo[top : top + side, left : left + side]
    face: Image = cv2.resize(square, (FACE_SIZE, FACE_SIZE), interpolation=kernel)
    return face


def centre_square(photo: Image) -> tuple[int, int, int]:
    """Left, top and side of a photo's largest centred square; an odd margin is larger on the right or below."""
    height, width = photo.shape[:2]
    side = min(height, width)
    return (width - side) // 2, (height - side) // 2, side


def similarity_transform(source_points: ArrayLike, target_points: ArrayLike) -> Transform:
    """The (2, 3) rotation, uniform scale and shift that minimise sum |M(source_i) - target_i|^2; never a mirror.

    Args:
        source_points, target_points: (N, 2), N >= 2, in pairs, finite; the source's do not coincide.

    Source: Umeyama, IEEE PAMI 13(4), 1991; with points as complex numbers the linear regression target = a source + b.
    """
    z, w = (np.asarray(points, np.float64) @ (1, 1j) for points in (source_points, target_points))  # (N,) complex
    spread = np.sum(np.abs(z - z.mean()) ** 2)
    a = np.sum(np.conj(z - z.mean()) * (w - w.mean())) / spread
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def align_face(photo: Image, landmarks: ArrayLike) -> Image:
    """Cut a face out of a photo, turned and scaled so that the sum of squared distances of its landmarks from
    ``FACE_TEMPLATE`` is least, by ``resample``.

    Args:
        photo: (H, W, 3) uint8 RGB, sides >= 16. Not modified.
        landmarks: (5, 2) in photo pixels.

    Returns:
        (512, 512, 3) uint8 RGB.

    InputError: not an ``Image``, or landmarks that are not ``usable``.
    """
    height, width = check_image(photo).shape[:2]
    if not usable(landmarks, width, height):
        raise InputError("The landmarks do not lie on one face of this photo. Check that they belong to it.")
    to_crop = similarity_transform(landmarks, FACE_TEMPLATE)
    return np.clip(np.rint(resample(photo, to_crop, FACE_SIZE, FACE_SIZE)), 0, 255).astype(np.uint8)


def usable(landmarks: ArrayLike, width: int, height: int) -> bool:
    """Whether (5, 2) landmarks can be those of a face in a photo of this size: their middle lies in it, and the face
    is neither enlarged by more than ``MAX_ENLARGEMENT`` nor reduced to a pixel."""
    x, y = np.asarray(landmarks, np.float64).mean(axis=0)
    if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):  # nor where they hold NaN
        return False
    to_photo = similarity_transform(FACE_TEMPLATE, landmarks)
    return 1 / MAX_ENLARGEMENT <= math.hypot(*to_photo[:, 0]) < max(width, height)


def resample(picture: Image, transform: Transform, width: int, height: int) -> NDArray[np.float64]:
    """Draw a picture as a similarity places it, without aliasing: enlarged by cubic interpolation, reduced by area
    averaging first. Outside the picture its edge is repeated.

    Args:
        picture: (H, W, C) uint8. Not modified.
        transform: (2, 3) similarity, from pixels of the picture to those of the (height, width) result.

    Returns:
        (height, width, C) float64 grey levels, not clipped: cubic interpolation overshoots.
    """
    # Reduce the part of the picture that is needed by a whole factor k, then draw the result from that, at twice its
    # size if it is still being reduced (by less than 2), and average that too.
    to_result = np.vstack([transform, [0, 0, 1]])  # (3, 3)
    scale = math.hypot(*transform[:, 0])
    k = max(1, math.floor(1 / scale + 1e-9))
    corners = frame(np.linalg.inv(to_result), width, height)
    margin = 3 * k + 3  # the cubic kernel reaches 2 reduced pixels
    low, high = np.floor(corners.min(axis=1)).astype(int) - margin, np.ceil(corners.max(axis=1)).astype(int) + margin
    left, top = np.clip(low, 0, np.subtract(picture.shape[1::-1], 1))  # at least a pixel of the edge, to be repeated
    right, bottom = np.clip(high, (left + 1, top + 1), picture.shape[1::-1])
    part = picture[top:bottom, left:right]
    if k > 1:
        to_blocks = (0, -part.shape[0] % k, 0, -part.shape[1] % k)  # top, bottom, left, right: whole blocks of k x k
        part = cv2.copyMakeBorder(part, *to_blocks, borderType=cv2.BORDER_REPLICATE)
        part = cv2.resize(part, (part.shape[1] // k, part.shape[0] // k), interpolation=cv2.INTER_AREA)
    n = 2 if scale * k < 1 - 1e-9 else 1
    part_to_picture = np.array([[1.0, 0, left], [0, 1, top], [0, 0, 1]]) @ _zoom(k)
    part_to_drawn = _zoom(n) @ to_result @ part_to_picture
    from skimage.transform import warp  # here: slow to import, and the page opens without it

    size, kind = (n * height, n * width), {"order": 3, "mode": "edge", "clip": False, "preserve_range": True}
    drawn: NDArray[np.float64] = warp(part.astype(np.float64), np.linalg.inv(part_to_drawn), output_shape=size, **kind)
    if n > 1:
        drawn = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, -1)
    return drawn


def frame(transform: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
    """(2, 4): where a (2, 3) or (3, 3) transform takes the corners of a picture."""
    x, y = width - 0.5, height - 0.5
    corners: NDArray[np.float64] = transform[:2] @ np.array([[-0.5, x, x, -0.5], [-0.5, -0.5, y, y], [1, 1, 1, 1]])
    return corners


def enlargement(landmarks: ArrayLike) -> float:
    """How many pixels of the aligned face one pixel of the photo becomes; ``landmarks`` as for ``align_face``."""
    return math.hypot(*similarity_transform(landmarks, FACE_TEMPLATE)[:, 0])


def face_to_photo(landmarks: ArrayLike, photo_scale: float = 1) -> Transform:
    """(2, 3), from pixels of the 512 face to those of the photo enlarged by ``photo_scale``: the inverse of what
    ``align_face`` draws by."""
    to_crop = np.vstack([similarity_transform(landmarks, FACE_TEMPLATE), [0, 0, 1]])
    placed: Transform = (_zoom(photo_scale) @ np.linalg.inv(to_crop))[:2]
    return placed


def _zoom(factor: float) -> NDArray[np.float64]:
    """(3, 3): x -> factor (x + 0.5) - 0.5, what resizing by ``factor`` does to a point."""
    shift = (factor - 1) / 2
    return np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1]], np.float64)


@dataclass(frozen=True)
class Face:
    """One face in a photo.

    Args:
        box: left, top, right, bottom, pixels; may reach beyond the photo.
        landmarks: (5, 2).
        score: the detector's confidence, [0, 1]; those of two detectors do not compare.
    """

    box: tuple[float, float, float, float]
    landmarks: Points
    score: float

    @property
    def area(self) -> float:
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


class Detector(Protocol):
    """Anything that finds faces which stand roughly upright in an (H, W, 3) uint8 RGB photo, in any order."""

    name: str

    def find(self, photo: Image) -> list[Face]: ...
