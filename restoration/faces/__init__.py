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
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

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
FACE_TEMPLATE.setflags(write=False)
IDENTITY_TEMPLATE.setflags(write=False)

MAX_ENLARGEMENT = 64.0  # a face whose eyes are 2 pixels apart; beyond that the landmarks are wrong


class Box(NamedTuple):
    """A rectangle of whole pixels of a photo: ``photo[top:bottom, left:right]``."""

    left: int
    top: int
    right: int
    bottom: int


def crop_centre(photo: Image) -> tuple[Image, Box]:
    """Cut out the largest centred square, and reduce it by area averaging or enlarge it by Lanczos (8 x 8): (512, 512,
    3) uint8 RGB, never sharing memory with ``photo``, and where the square lies. InputError: not an ``Image``."""
    box = centre_square(check_image(photo))
    square = np.ascontiguousarray(photo[box.top : box.bottom, box.left : box.right])
    kernel = cv2.INTER_AREA if len(square) > FACE_SIZE else cv2.INTER_LANCZOS4
    return cv2.resize(square, (FACE_SIZE, FACE_SIZE), interpolation=kernel).copy(), box


def centre_square(photo: Image) -> Box:
    """Where the largest centred square of a photo lies; an odd margin loses its extra pixel on the right or below."""
    height, width = photo.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return Box(left, top, left + side, top + side)


def similarity_transform(source_points: ArrayLike, target_points: ArrayLike) -> Transform:
    """The (2, 3) rotation, uniform scale and shift that minimise sum |M(source_i) - target_i|^2; never a mirror.

    Args:
        source_points, target_points: (N, 2) finite, N >= 2, in pairs; the source points not all in one place.

    Raises:
        InputError: other shapes, NaN or infinity, or source points that coincide.

    Source:
        Umeyama, IEEE PAMI 13(4), 1991; with points as complex numbers the linear regression target = a source + b.
    """
    source, target = np.asarray(source_points, np.float64), np.asarray(target_points, np.float64)
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 2:
        raise InputError(f"Expected two equal sets of points (N, 2), N >= 2; got {source.shape} and {target.shape}.")
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise InputError("The points hold NaN or infinity. Check what found them.")
    z, w = source @ (1, 1j), target @ (1, 1j)  # (N,) complex
    z_mean, w_mean = z.mean(), w.mean()
    spread = np.sum(np.abs(z - z_mean) ** 2)
    if spread <= 1e-12 * (1 + abs(z_mean) ** 2):
        raise InputError("All points lie in one place: no scale or rotation follows from them.")
    a = np.sum(np.conj(z - z_mean) * (w - w_mean)) / spread
    b = w_mean - a * z_mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def align_face(photo: Image, landmarks: ArrayLike) -> Image:
    """Cut a face out of a photo, turned and scaled so that its landmarks fall on ``FACE_TEMPLATE``, by ``resample``.

    Five landmarks cannot all fall on the template: the sum of squared distances there is least.

    Args:
        photo: (H, W, 3) uint8 RGB, sides >= 16. Not modified.
        landmarks: (5, 2) in photo pixels, in the order stated at the top of this file.

    Returns:
        (512, 512, 3) uint8 RGB. For how much it was enlarged, see ``enlargement``.

    Raises:
        InputError: not an ``Image``; landmarks of another shape, not finite, in one place, outside the photo, or so
            close together that the face would have to be enlarged by more than MAX_ENLARGEMENT.
    """
    height, width = check_image(photo).shape[:2]
    to_crop = similarity_transform(landmarks, FACE_TEMPLATE)
    scale = enlargement(landmarks)
    if not 1 / max(width, height) < scale <= MAX_ENLARGEMENT:
        raise InputError(f"The landmarks would scale the face by {scale:.4g}. Check that they lie on one face.")

    drawn = resample(photo, to_crop, FACE_SIZE, FACE_SIZE)
    if drawn is None:
        raise InputError("The landmarks lie outside the photo. Check that they belong to it.")
    return np.clip(np.rint(drawn), 0, 255).astype(np.uint8)


def resample(picture: Image, transform: Transform, width: int, height: int) -> NDArray[np.float64] | None:
    """Draw a picture as a similarity places it, without aliasing: enlarged by cubic interpolation, reduced by area
    averaging first. Outside the picture its edge is repeated.

    Args:
        picture: (H, W, C) uint8. Not modified.
        transform: (2, 3) similarity, from pixels of the picture to those of the (height, width) result.

    Returns:
        (height, width, C) float64 grey levels, not clipped: cubic interpolation overshoots. None where no pixel of the
        picture, and none near it, falls into the result.
    """
    # Reduce the part of the picture that is needed by a whole factor k, then draw the result from that, at twice its
    # size if it is still being reduced (by less than 2), and average that too.
    to_result = _square(transform)
    scale = math.hypot(transform[0, 0], transform[1, 0])
    k = max(1, math.floor(1 / scale + 1e-9))
    corners = frame(np.linalg.inv(to_result).astype(np.float64), width, height)
    margin = 3 * k + 3  # the cubic kernel reaches 2 reduced pixels
    left, top = np.maximum(np.floor(corners.min(axis=1)).astype(int) - margin, 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=1)).astype(int) + margin, picture.shape[1::-1])
    if left >= right or top >= bottom:
        return None
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
    matrix = similarity_transform(landmarks, FACE_TEMPLATE)
    return math.hypot(matrix[0, 0], matrix[1, 0])


def face_to_photo(landmarks: ArrayLike, photo_scale: float = 1) -> Transform:
    """(2, 3), from pixels of the 512 face to those of the photo, which is taken to be enlarged by ``photo_scale``: the
    inverse of what ``align_face`` draws by."""
    to_crop = _square(similarity_transform(landmarks, FACE_TEMPLATE))
    placed: Transform = (_zoom(photo_scale) @ np.linalg.inv(to_crop))[:2]
    return placed


def _square(transform: Transform) -> NDArray[np.float64]:
    """(2, 3) -> (3, 3), so that transforms can be multiplied and inverted."""
    return np.vstack([transform, [0, 0, 1]])


def _zoom(factor: float) -> NDArray[np.float64]:
    """(3, 3): x -> factor (x + 0.5) - 0.5, what resizing by ``factor`` does to a point."""
    shift = (factor - 1) / 2
    return np.array([[factor, 0, shift], [0, factor, shift], [0, 0, 1]], np.float64)


SAME_FACE = 0.4  # overlap (intersection over union) of two boxes from which on they are one face
MIRRORED = [1, 0, 2, 4, 3]  # which landmark each one becomes in a mirror
MOST_PIXELS_ACROSS = 2048  # a larger photo is searched reduced to this: faces down to 1/64 of its longest side
FACE_BOX = np.array([117.0, 89.0, 395.0, 468.0])  # of FACE_TEMPLATE: the mean of RetinaFace's boxes on 3,000 faces


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


class Detector(Protocol):
    """Anything that finds faces."""

    @property
    def name(self) -> str:
        """What it is called on the page and in reports."""
        ...

    def find(self, photo: Image) -> list[Face]:
        """Faces that stand roughly upright in an (H, W, 3) uint8 RGB photo, in any order."""
        ...


def boxes_around(landmarks: Tensor) -> Tensor:
    """(N, 5, 2) -> (N, 4): the upright box around a head whose landmarks these are."""
    template, box = (torch.tensor(points, dtype=torch.float32) for points in (FACE_TEMPLATE, FACE_BOX))
    middle, spread = template.mean(dim=0), (template - template.mean(dim=0)).norm()
    centre = landmarks.mean(dim=1)
    scale = (landmarks - centre[:, None]).flatten(1).norm(dim=1) / spread
    boxes: Tensor = centre.repeat(1, 2) + scale[:, None] * (box - middle.repeat(2))
    return boxes


def distinct(boxes: Tensor, landmarks: Tensor, scores: Tensor, most: float = SAME_FACE) -> list[Face]:
    """The surest of the faces whose boxes overlap by more than ``most`` (intersection over union), surest first; of
    (N, 4) boxes, (N, 5, 2) landmarks and (N,) scores."""
    from torchvision.ops import nms  # here: takes seconds to import

    rows = zip(boxes.tolist(), landmarks.double().numpy(), scores.tolist(), strict=True)
    faces = [Face(tuple(box), points, score) for box, points, score in rows]
    return [faces[i] for i in nms(boxes, scores, most)]


def without_parts(faces: list[Face]) -> list[Face]:
    """Faces of which no more than half lies in another one that is surer: the rest are parts of that one."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: face.score * math.sqrt(area(face)), reverse=True):
        box, others = np.array(face.box), np.array([other.box for other in kept]).reshape(-1, 4)
        shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])  # (N, 2)
        if (shared.clip(min=0).prod(axis=1) <= 0.5 * area(face)).all():
            kept.append(face)
    return kept


def area(face: Face) -> float:
    return (face.box[2] - face.box[0]) * (face.box[3] - face.box[1])


def is_usable(face: Face, width: int, height: int) -> bool:
    """Whether ``align_face`` can take it: its middle in the photo, its landmarks not in one place."""
    x, y = face.landmarks.mean(axis=0)
    if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
        return False
    try:
        return 1 / max(width, height) < enlargement(face.landmarks) <= MAX_ENLARGEMENT
    except InputError:
        return False
