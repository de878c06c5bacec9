"""A found face: where it lies, when two are the same, and which can be aligned.

Convention: coordinates are ``alignment``'s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from restoration.faces.alignment import FACE_TEMPLATE, MAX_ENLARGEMENT, Points, enlargement
from restoration.images import Image, InputError

SAME_FACE = 0.4  # overlap (intersection over union) of two boxes from which on they are one face
MIRRORED = [1, 0, 2, 4, 3]  # which landmark each one becomes in a mirror
MOST_PIXELS_ACROSS = 2048  # a larger photo is searched reduced to this: faces down to 1/64 of its longest side
FACE_BOX = np.array([117.0, 89.0, 395.0, 468.0])  # of FACE_TEMPLATE: the mean of RetinaFace's boxes on 3,000 faces


@dataclass(frozen=True)
class Face:
    """One face in a photo.

    Args:
        box: left, top, right, bottom, pixels; may reach beyond the photo.
        landmarks: (5, 2), in ``alignment``'s order.
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
    template = torch.tensor(FACE_TEMPLATE, dtype=torch.float32)
    middle, spread = template.mean(dim=0), (template - template.mean(dim=0)).norm()
    centre = landmarks.mean(dim=1)
    scale = (landmarks - centre[:, None]).flatten(1).norm(dim=1) / spread
    offsets = torch.tensor(FACE_BOX, dtype=torch.float32) - middle.repeat(2)
    boxes: Tensor = centre.repeat(1, 2) + scale[:, None] * offsets
    return boxes


def distinct(boxes: Tensor, landmarks: Tensor, scores: Tensor, most: float = SAME_FACE) -> list[Face]:
    """The surest of the faces whose boxes overlap by more than ``most`` (intersection over union), surest first.

    Args:
        boxes: (N, 4); landmarks: (N, 5, 2); scores: (N,).
    """
    from torchvision.ops import nms  # here: takes seconds to import

    rows = zip(boxes.tolist(), landmarks.double().numpy(), scores.tolist(), strict=True)
    faces = [Face(tuple(box), points, score) for box, points, score in rows]
    return [faces[i] for i in nms(boxes, scores, most)]


def without_parts(faces: list[Face]) -> list[Face]:
    """Faces of which no more than half lies in another one that is surer: the rest are parts of that one."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: face.score * math.sqrt(area(face)), reverse=True):
        parts = (
            max(0.0, min(face.box[2], other.box[2]) - max(face.box[0], other.box[0]))
            * max(0.0, min(face.box[3], other.box[3]) - max(face.box[1], other.box[1]))
            for other in kept
        )
        if all(part <= 0.5 * area(face) for part in parts):
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
