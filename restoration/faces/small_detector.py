"""The embedded detector: two small networks that find faces where nothing can be downloaded.

The ``Proposer`` looks at the photo in many sizes, each half the area of the one before, for faces of one size; the
``Refiner`` looks at each proposal turned upright, says whether it is a face, and where its landmarks are.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from restoration.faces import FACE_SIZE, FACE_TEMPLATE, Face, Points, similarity_transform
from restoration.images import Image

SAME_FACE = 0.4  # overlap (intersection over union) of two boxes from which on they are one face
MIRRORED = [1, 0, 2, 4, 3]  # which landmark each one becomes in a mirror
MOST_PIXELS_ACROSS = 2048  # a larger photo is searched reduced to this: faces down to 1/64 of its longest side
FACE_BOX = np.array([117.0, 89.0, 395.0, 468.0])  # of FACE_TEMPLATE: the mean of RetinaFace's boxes on 3,000 faces
STRIDE = 8  # pixels a cell of the proposer
EYES = 12.0  # pixels between the eyes of a face that the proposer looks for; it learns from 8.5 to 17
MOST_PROPOSALS = 400  # looked at by the refiner, best first
PROPOSAL_SCORE = 0.15
SURE, FRAMED = 0.9, 0.95  # least score of a face; and in a framed photo, where a cat's reaches 0.93
SMALLEST = 12.0  # pixels between the eyes of the smallest face that is looked for
CROP = 64  # pixels: side of what the refiner sees
CROP_TEMPLATE: Points = (FACE_TEMPLATE - (FACE_SIZE - 1) / 2) * (21 / 125.92) + (CROP - 1) / 2 - (0, 4)
CROP_EYES = 21.0  # pixels between the eyes of CROP_TEMPLATE
FIRST = ((3, 16, 2), (16, 32, 2), (32, 32, 1), (32, 64, 2))  # inputs, outputs, stride: both networks begin so


class Proposer(nn.Module):
    """Scores and landmarks at every cell of 8 x 8 pixels; fully convolutional; sees about 70 pixels across."""

    def __init__(self) -> None:
        super().__init__()
        steps = (*FIRST, (64, 64, 1), (64, 64, 1), (64, 64, 1))
        self.layers = nn.Sequential(*(_convolution(*step) for step in steps), nn.Conv2d(64, 11, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) float RGB in [0, 1], sides multiples of 8 -> logits (B, H/8, W/8) that a face of this size has
        its middle in the cell, landmarks (B, H/8, W/8, 5, 2) as (x, y) pixels."""
        out = self.layers(images - 0.5).permute(0, 2, 3, 1)  # (B, H/8, W/8, 11)
        centre = cell_centres(out.shape[1], out.shape[2]).to(out)
        return out[..., 0], centre[:, :, None] + EYES * out[..., 1:].reshape(*out.shape[:-1], 5, 2)


class Refiner(nn.Module):
    """Score and landmarks of crops in which a face should lie on ``CROP_TEMPLATE``."""

    def __init__(self) -> None:
        super().__init__()
        steps = (*FIRST, (64, 64, 1), (64, 64, 2))
        head = (nn.Flatten(), nn.Linear(64 * (CROP // 16) ** 2, 96), nn.ReLU(inplace=True), nn.Linear(96, 11))
        self.layers = nn.Sequential(*(_convolution(*step) for step in steps), *head)
        self.register_buffer("template", torch.tensor(CROP_TEMPLATE, dtype=torch.float32), persistent=False)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 64, 64) float RGB in [0, 1] -> logits (B,), landmarks (B, 5, 2) as (x, y) pixels of the crops."""
        out = self.layers(crops - 0.5)
        return out[:, 0], self.template + CROP_EYES * out[:, 1:].reshape(-1, 5, 2)


def cell_centres(rows: int, columns: int) -> Tensor:
    """(rows, columns, 2): x and y of the middle of each of the proposer's cells, pixels."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack((x, y), dim=-1) * STRIDE + (STRIDE - 1) / 2


def cut_crops(picture: Image, landmarks: Points) -> tuple[Image, NDArray[np.float64]]:
    """What the refiner sees of proposals: (N, 64, 64, 3) uint8 out of an (H, W, 3) uint8 picture in which their
    landmarks are (N, 5, 2), and (N, 2, 3) transforms from the crops to the picture."""
    crops, back = np.empty((len(landmarks), CROP, CROP, 3), np.uint8), np.empty((len(landmarks), 2, 3))
    halves = [picture]
    while min(halves[-1].shape[:2]) >= 32:
        size = halves[-1].shape[1] // 2, halves[-1].shape[0] // 2
        halves.append(cv2.resize(halves[-1], size, interpolation=cv2.INTER_AREA))
    for i, points in enumerate(landmarks):
        back[i] = similarity_transform(CROP_TEMPLATE, points)
        level = math.floor(math.log2(max(1.0, math.hypot(*back[i, :, 0]))) + 0.25)
        half = halves[min(level, len(halves) - 1)]
        scale = np.divide(half.shape[1::-1], picture.shape[1::-1])
        local = np.column_stack((back[i, :, :2], back[i, :, 2] + 0.5)) * scale[:, None] - [0, 0, 0.5]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(half, local, (CROP, CROP), crops[i], flags, cv2.BORDER_REPLICATE)
    return crops, back


class EmbeddedDetector:
    """Proposer and refiner, both in evaluation mode, with weights that are part of this package."""

    name = "embedded"

    def __init__(self, proposer: Proposer, refiner: Refiner) -> None:
        self._proposer, self._refiner = proposer, refiner

    @torch.inference_mode()
    def find(self, photo: Image) -> list[Face]:
        """As ``Detector.find``; meant for faces that look at the camera and are at least 64 pixels wide.

        Where nothing is found the photo is searched once more in a grey frame: a face that fills the photo, or is cut
        by its border, is seen then.
        """
        if faces := self._search(photo, SURE):
            return faces
        margin = max(photo.shape[:2]) // 2
        framed = cv2.copyMakeBorder(photo, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=(128,) * 3)
        return [
            Face(tuple(edge - margin for edge in face.box), face.landmarks - margin, face.score)  # type: ignore[arg-type]
            for face in self._search(framed, FRAMED)
        ]

    def _search(self, photo: Image, threshold: float) -> list[Face]:
        points, scores = [], []
        scale = min(2.0, EYES / (SMALLEST * max(1.0, max(photo.shape[:2]) / MOST_PIXELS_ACROSS)))
        while min(photo.shape[:2]) * scale >= 2 * EYES:
            height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
            level = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
            level = cv2.copyMakeBorder(level, 0, -height % STRIDE, 0, -width % STRIDE, cv2.BORDER_REPLICATE)
            logits, landmarks = self._proposer(torch.from_numpy(level).permute(2, 0, 1)[None].float() / 255)
            score = logits[0].sigmoid().flatten()
            keep = score > PROPOSAL_SCORE
            points.append((landmarks[0].flatten(0, 1)[keep] + 0.5) / scale - 0.5)
            scores.append(score[keep])
            scale /= math.sqrt(2)
        if not points:
            return []
        found = torch.cat(points)
        faces = distinct(boxes_around(found), found, torch.cat(scores), 0.6)[:MOST_PROPOSALS]
        proposals = torch.tensor(np.array([face.landmarks for face in faces]).reshape(-1, 5, 2)).float()
        for _ in range(2):  # the second look is at a crop that is better placed
            proposals = proposals[(proposals[:, 1] - proposals[:, 0]).norm(dim=-1) > 2]
            proposals, score = refine(self._refiner, photo, proposals)
        keep = score > threshold
        return without_parts(distinct(boxes_around(proposals[keep]), proposals[keep], score[keep]))


def refine(refiner: Refiner, photo: Image, landmarks: Tensor) -> tuple[Tensor, Tensor]:
    """Look at faces of an (H, W, 3) uint8 RGB photo turned upright, and at their mirror images: (N, 5, 2) float
    landmarks, the eyes of none in one place, to better ones and (N,) scores in [0, 1], means of both looks."""
    if not len(landmarks):
        return landmarks, torch.zeros(0)
    cut, back = cut_crops(photo, landmarks.double().numpy())
    crops = torch.from_numpy(cut).permute(0, 3, 1, 2).float() / 255
    logits, points = refiner(torch.cat((crops, crops.flip(3))))
    points, mirrored = points.chunk(2)
    unmirrored = (mirrored * points.new_tensor((-1, 1)) + points.new_tensor((CROP - 1, 0)))[:, MIRRORED]
    matrices = torch.from_numpy(back).float()
    seen = (points + unmirrored) / 2 @ matrices[:, :, :2].mT + matrices[:, None, :, 2]
    return seen, torch.stack(logits.sigmoid().chunk(2)).mean(dim=0)


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
    for face in sorted(faces, key=lambda face: face.score * math.sqrt(face.area), reverse=True):
        box, others = np.array(face.box), np.array([other.box for other in kept]).reshape(-1, 4)
        shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])  # (N, 2)
        if (shared.clip(min=0).prod(axis=1) <= 0.5 * face.area).all():
            kept.append(face)
    return kept


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
