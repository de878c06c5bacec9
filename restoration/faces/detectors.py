"""How are faces looked for?  RetinaFace with published weights, and two small networks of our own.

Convention:
    - coordinates are ``alignment``'s: (x, y) pixels of the photo, whole numbers at pixel centres
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from restoration.faces.alignment import FACE_SIZE, FACE_TEMPLATE, Points, resample, similarity_transform
from restoration.faces.face import Face, boxes_around, distinct, is_usable, without_parts
from restoration.faces.overlap import nms
from restoration.faces.retinaface import RetinaFace
from restoration.faces.small_detector import (
    CROP,
    MOST_PROPOSALS,
    PROPOSAL_SCORE,
    Proposer,
    Refiner,
    cut_crops,
    pyramid,
)
from restoration.images import Image, check_image

EMBEDDED = "embedded"
MOST_PIXELS_ACROSS = 2048  # a larger photo is searched reduced to this: faces down to 1/64 of its longest side
ENLARGED = 1.4  # a smaller one is searched enlarged by up to this: faces of 32 pixels suit the anchors better
LARGE_FACES_ACROSS = 640  # and once more at this size, where faces that fill the photo fit the anchors
LOOK_SIZE, LOOK_EYES = 192, 52.0  # pixels: side of the second look's crop, and between the eyes in it
LOOK_TEMPLATE: Points = (FACE_TEMPLATE - (FACE_SIZE - 1) / 2) * (LOOK_EYES / 125.92) + (LOOK_SIZE - 1) / 2
MIRRORED = [1, 0, 2, 4, 3]  # which landmark each one becomes in a mirror


class RetinaFaceDetector:
    """RetinaFace with published weights.

    Args:
        name: what it is called on the page and in reports.
        network: in evaluation mode.
        refiner: our own, in evaluation mode: says where the landmarks are, too, and the mean of both is taken. The two
            err independently of each other. None leaves RetinaFace alone.
    """

    PROPOSED, SURE = 0.4, 0.6  # scores from which on a second look is worth it, and from which on it is a face

    def __init__(self, name: str, network: RetinaFace, refiner: Refiner | None = None) -> None:
        self.name, self._network, self._refiner = name, network, refiner

    def alone(self) -> RetinaFaceDetector:
        """The same without our refiner: what that learns from, and is measured against."""
        return RetinaFaceDetector(self.name, self._network)

    @torch.inference_mode()
    def find(self, photo: Image) -> list[Face]:
        """As ``Detector.find``; about 0.6 s a searched megapixel on a CPU core."""
        boxes, points, scores = [], [], []
        longest = max(check_image(photo).shape[:2])
        enlarged = max(longest, min(MOST_PIXELS_ACROSS, round(ENLARGED * longest)))
        for across in sorted({min(enlarged, MOST_PIXELS_ACROSS), min(longest, LARGE_FACES_ACROSS)}, reverse=True):
            scale = across / longest
            size = max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale))
            kernel = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            picture = photo if scale == 1 else cv2.resize(photo, size, interpolation=kernel)
            pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255
            found, landmarks, score = (values[0] for values in self._network(pixels))
            keep = score > self.PROPOSED
            boxes.append((found[keep] + 0.5) / scale - 0.5)
            points.append((landmarks[keep] + 0.5) / scale - 0.5)
            scores.append(score[keep])
        faces = distinct(torch.cat(boxes), torch.cat(points), torch.cat(scores))
        looks = (self._look_again(photo, face) for face in faces[:MOST_PROPOSALS])
        seen = [face for face in looks if face.score > self.SURE]
        if self._refiner and seen:
            own = torch.from_numpy(np.stack([face.landmarks for face in seen])).float()
            both = (own + refine(self._refiner, photo, own)[0]) / 2
            seen = [replace(face, landmarks=points) for face, points in zip(seen, both.double().numpy(), strict=True)]
        return without_parts(seen)

    def _look_again(self, photo: Image, face: Face) -> Face:
        """The same face with landmarks and score from an upright crop of one size for all, and its mirror image.

        What the network says at one size and place is some 5 % of the distance between the eyes off.
        """
        unseen = replace(face, score=0.0)
        if not is_usable(face, photo.shape[1], photo.shape[0]):
            return unseen
        to_crop = similarity_transform(face.landmarks, LOOK_TEMPLATE)
        crop = resample(photo, to_crop, LOOK_SIZE, LOOK_SIZE)
        if crop is None:
            return unseen
        pixels = torch.from_numpy(crop.clip(0, 255)).permute(2, 0, 1)[None].float() / 255
        _, landmarks, scores = self._network(torch.cat((pixels, pixels.flip(3))))
        looks, sure = [], 0.0
        for points, score, mirrored in zip(landmarks.double().numpy(), scores.numpy(), (False, True), strict=True):
            if mirrored:
                points = (points * (-1, 1) + (LOOK_SIZE - 1, 0))[:, MIRRORED]
            distance = np.linalg.norm(points - LOOK_TEMPLATE, axis=2).mean(axis=1)
            score = np.where(distance < 0.5 * LOOK_EYES, score, 0)
            if score.max() > self.PROPOSED:
                looks.append(points[score.argmax()])
                sure += float(score.max()) / 2
        if not looks:
            return unseen
        seen = np.mean(looks, axis=0)
        back = np.linalg.inv(np.vstack([to_crop, [0, 0, 1]]))
        return replace(face, landmarks=seen @ back[:2, :2].T + back[:2, 2], score=sure)


class EmbeddedDetector:
    """Proposer and refiner, with weights that are part of this package: nothing is downloaded.

    Args:
        proposer, refiner: in evaluation mode.
        threshold: score from which on a proposal is a face.
    """

    name = EMBEDDED
    SMALLEST = 12.0  # pixels between the eyes of the smallest face that is looked for

    def __init__(self, proposer: Proposer, refiner: Refiner, *, threshold: float = 0.9) -> None:
        self._proposer, self._refiner, self._threshold = proposer, refiner, threshold

    @torch.inference_mode()
    def find(self, photo: Image) -> list[Face]:
        """As ``Detector.find``; meant for faces that look at the camera and are at least 64 pixels wide."""
        longest = max(check_image(photo).shape[:2])
        smallest = self.SMALLEST * max(1.0, longest / MOST_PIXELS_ACROSS)
        points, scores = [], []
        for level, scale in pyramid(photo, smallest):
            logits, landmarks = self._proposer(torch.from_numpy(level).permute(2, 0, 1)[None].float() / 255)
            score = logits[0].sigmoid().flatten()
            keep = score > PROPOSAL_SCORE
            points.append((landmarks[0].flatten(0, 1)[keep] + 0.5) / scale - 0.5)
            scores.append(score[keep])
        if not points:
            return []
        proposals, score = torch.cat(points), torch.cat(scores)
        best = nms(boxes_around(proposals), score, 0.6)[:MOST_PROPOSALS]
        proposals = proposals[best]
        for _ in range(2):  # the second look is at a crop that is better placed
            proposals = proposals[(proposals[:, 1] - proposals[:, 0]).norm(dim=-1) > 2]
            proposals, score = refine(self._refiner, photo, proposals)
        keep = score > self._threshold
        return without_parts(distinct(boxes_around(proposals[keep]), proposals[keep], score[keep]))


def refine(refiner: Refiner, photo: Image, landmarks: Tensor) -> tuple[Tensor, Tensor]:
    """Look at faces turned upright, and at their mirror images.

    Args:
        refiner: in evaluation mode.
        photo: (H, W, 3) uint8 RGB. Not modified.
        landmarks: (N, 5, 2) float, roughly where they are; the eyes of none in one place.

    Returns:
        landmarks (N, 5, 2) and scores (N,) in [0, 1], means of both looks.
    """
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
