"""Where are the faces in a photo?  Detectors behind one protocol, and the choice between them.

Convention:
    - coordinates are ``alignment``'s: (x, y) pixels of the photo, whole numbers at pixel centres
"""

from __future__ import annotations

import functools
import math
import os
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from huggingface_hub.constants import HF_HUB_OFFLINE
from safetensors.torch import load_file
from torch import Tensor

from restoration.alignment import (
    FACE_SIZE,
    FACE_TEMPLATE,
    MAX_ENLARGEMENT,
    Points,
    enlargement,
    resample,
    similarity_transform,
)
from restoration.download import DownloadError, cache_folder, fetch
from restoration.images import Image, InputError, check_image
from restoration.overlap import nms
from restoration.retinaface import Backbone, RetinaFace
from restoration.small_detector import (
    MOST_PROPOSALS,
    PROPOSAL_SCORE,
    Proposer,
    Refiner,
    cut_crops,
    pyramid,
)

ENVIRONMENT_VARIABLE = "RESTORATION_DETECTOR"
AUTO, EMBEDDED = "auto", "embedded"
EMBEDDED_WEIGHTS = Path(__file__).parent / "detector_weights" / "model.safetensors"
MOST_PIXELS_ACROSS = 2048  # a larger photo is searched reduced to this: faces down to 1/64 of its longest side
LARGE_FACES_ACROSS = 640  # and once more at this size, where faces that fill the photo fit the anchors
CERTAIN = 0.97  # score of a face that makes looking at the photo from other sides needless
SAME_FACE = 0.4  # overlap (intersection over union) of two boxes from which on they are one face
FACE_BOX = np.array([117.0, 89.0, 395.0, 468.0])  # of FACE_TEMPLATE: the mean of RetinaFace's boxes on 3,000 faces
LOOK_SIZE, LOOK_EYES = 192, 52.0  # pixels: side of the second look's crop, and between the eyes in it
LOOK_TEMPLATE: Points = (FACE_TEMPLATE - (FACE_SIZE - 1) / 2) * (LOOK_EYES / 125.92) + (LOOK_SIZE - 1) / 2
MIRRORED = [1, 0, 2, 4, 3]  # which landmark each one becomes in a mirror

_RELEASE = "https://github.com/xinntao/facexlib/releases/download/v0.1.0/"
# The release states no checksums. These are the ones that the Arch User Repository's package of facexlib pins.
PUBLISHED: dict[str, tuple[Backbone, str, str]] = {
    "retinaface_mobile0.25": (
        "mobile0.25",
        "detection_mobilenet0.25_Final.pth",
        "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220",
    ),
    "retinaface_resnet50": (
        "resnet50",
        "detection_Resnet50_Final.pth",
        "6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
    ),
}
DEFAULT = "retinaface_mobile0.25"
NAMES = (AUTO, *PUBLISHED, EMBEDDED)


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


class RetinaFaceDetector:
    """RetinaFace with published weights."""

    PROPOSED, SURE = 0.4, 0.6  # scores from which on a second look is worth it, and from which on it is a face

    def __init__(self, name: str, network: RetinaFace) -> None:
        self.name, self._network = name, network

    @torch.inference_mode()
    def find(self, photo: Image) -> list[Face]:
        """As ``Detector.find``; about 0.6 s a megapixel on a CPU core."""
        boxes, points, scores = [], [], []
        longest = max(check_image(photo).shape[:2])
        for across in sorted({min(longest, MOST_PIXELS_ACROSS), min(longest, LARGE_FACES_ACROSS)}, reverse=True):
            scale = across / longest
            size = max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale))
            picture = photo if scale == 1 else cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
            pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255
            found, landmarks, score = (values[0] for values in self._network(pixels))
            keep = score > self.PROPOSED
            boxes.append((found[keep] + 0.5) / scale - 0.5)
            points.append((landmarks[keep] + 0.5) / scale - 0.5)
            scores.append(score[keep])
        faces = _distinct(torch.cat(boxes), torch.cat(points), torch.cat(scores))
        seen = [face for face in (self._look_again(photo, face) for face in faces) if face.score > self.SURE]
        return _without_parts(seen)

    def _look_again(self, photo: Image, face: Face) -> Face:
        """The same face with landmarks and score from an upright crop of one size for all, and its mirror image.

        What the network says at one size and place is some 5 % of the distance between the eyes off.
        """
        unseen = replace(face, score=0.0)
        if not _is_usable(face, photo.shape[1], photo.shape[0]):
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
        best = nms(_boxes(proposals), score, 0.6)[:MOST_PROPOSALS]
        proposals = proposals[best]
        for _ in range(2):  # the second look is at a crop that is better placed
            proposals, score = self._refine(photo, proposals)
        keep = score > self._threshold
        return _without_parts(_distinct(_boxes(proposals[keep]), proposals[keep], score[keep]))

    def _refine(self, photo: Image, proposals: Tensor) -> tuple[Tensor, Tensor]:
        sound = (proposals[:, 1] - proposals[:, 0]).norm(dim=-1) > 2
        proposals = proposals[sound]
        if not len(proposals):
            return proposals, torch.zeros(0)
        crops, back = cut_crops(photo, proposals.double().numpy())
        logits, points = self._refiner(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255)
        matrices = torch.from_numpy(back).float()
        return points @ matrices[:, :, :2].mT + matrices[:, None, :, 2], logits.sigmoid()


def find_faces(photo: Image, detector: Detector) -> list[Face]:
    """All faces of a photo that can be aligned, the largest first.

    Where none stands upright beyond doubt, the photo is searched again lying on either side and on its head, and
    what is found there is taken if it is at least twice as large.

    Args:
        photo: (H, W, 3) uint8 RGB, sides >= 16. Not modified.

    Raises:
        InputError: not an ``Image``.
    """
    height, width = check_image(photo).shape[:2]
    best: list[Face] = []
    for quarters in (0, 1, 3, 2):  # quarter turns anticlockwise
        turned = np.ascontiguousarray(np.rot90(photo, quarters))
        faces = [_turn_back(face, quarters, width, height) for face in detector.find(turned)]
        faces = sorted((face for face in faces if _is_usable(face, width, height)), key=_area, reverse=True)
        if faces and (not best or _area(faces[0]) > 4 * _area(best[0])):
            best = faces
        if quarters == 0 and any(face.score > CERTAIN for face in best):
            break
    return best


def load_detector(name: str | Path | None = None) -> Detector:
    """A detector by name, loaded once a process.

    Args:
        name: "retinaface_mobile0.25" or "retinaface_resnet50", from the project's cache or fetched into it once
            (1.8 or 110 MB); "embedded"; "auto", which is the first of these that can be had, the embedded one last;
            a folder, whose file of one of the published names is loaded without comparing its checksum. None is the
            environment variable RESTORATION_DETECTOR, else "auto".

    Raises:
        InputError: no such name or folder, or a folder without such a file.
        DownloadError: a network that was asked for by name cannot be had, or its file is damaged.
    """
    return _load(str(name or os.environ.get(ENVIRONMENT_VARIABLE) or AUTO))


@functools.lru_cache(maxsize=4)
def _load(name: str) -> Detector:
    if name == EMBEDDED:
        return _load_embedded()
    if name == AUTO:
        if HF_HUB_OFFLINE and not (cache_folder() / PUBLISHED[DEFAULT][1]).is_file():
            return _load_embedded()
        try:
            return _load(DEFAULT)
        except DownloadError:  # not silent: every result, page and report names the detector that was used
            return _load_embedded()
    if name in PUBLISHED:
        backbone, file, sha256 = PUBLISHED[name]
        return RetinaFaceDetector(
            name, _read_retinaface(backbone, fetch(_RELEASE + file, sha256, folder=cache_folder()))
        )
    folder = Path(name)
    for known, (backbone, file, _) in PUBLISHED.items():
        if (folder / file).is_file():
            return RetinaFaceDetector(known, _read_retinaface(backbone, folder / file))
    files = " or ".join(file for _, file, _ in PUBLISHED.values())
    raise InputError(f"{name!r} is no detector: give {', '.join(NAMES)}, or a folder that holds {files}.")


def _read_retinaface(backbone: Backbone, path: Path) -> RetinaFace:
    network = RetinaFace(backbone)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({key.removeprefix("module."): value for key, value in state.items()})
    except (RuntimeError, pickle.UnpicklingError, AttributeError, TypeError, EOFError) as error:
        raise DownloadError(f"{path} does not hold RetinaFace's weights. Delete it and fetch it again.") from error
    return network.eval().requires_grad_(False)


def _load_embedded() -> EmbeddedDetector:
    proposer, refiner = Proposer().eval(), Refiner().eval()
    state = load_file(EMBEDDED_WEIGHTS)
    for prefix, network in (("proposer.", proposer), ("refiner.", refiner)):
        own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        network.load_state_dict(own)  # which turns its float16 into float32
        network.requires_grad_(False)
    return EmbeddedDetector(proposer, refiner)


def _boxes(landmarks: Tensor) -> Tensor:
    """(N, 5, 2) -> (N, 4): the upright box around a head whose landmarks these are."""
    template = torch.tensor(FACE_TEMPLATE, dtype=torch.float32)
    middle, spread = template.mean(dim=0), (template - template.mean(dim=0)).norm()
    centre = landmarks.mean(dim=1)
    scale = (landmarks - centre[:, None]).flatten(1).norm(dim=1) / spread
    offsets = torch.tensor(FACE_BOX, dtype=torch.float32) - middle.repeat(2)
    boxes: Tensor = centre.repeat(1, 2) + scale[:, None] * offsets
    return boxes


def _distinct(boxes: Tensor, landmarks: Tensor, scores: Tensor) -> list[Face]:
    return [
        Face(
            box=(float(boxes[i, 0]), float(boxes[i, 1]), float(boxes[i, 2]), float(boxes[i, 3])),
            landmarks=landmarks[i].double().numpy(),
            score=float(scores[i]),
        )
        for i in nms(boxes, scores, SAME_FACE)
    ]


def _without_parts(faces: list[Face]) -> list[Face]:
    """Faces of which no more than half lies in another one that is surer: the rest are parts of that one."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: face.score * math.sqrt(_area(face)), reverse=True):
        parts = (
            max(0.0, min(face.box[2], other.box[2]) - max(face.box[0], other.box[0]))
            * max(0.0, min(face.box[3], other.box[3]) - max(face.box[1], other.box[1]))
            for other in kept
        )
        if all(part <= 0.5 * _area(face) for part in parts):
            kept.append(face)
    return kept


def _area(face: Face) -> float:
    return (face.box[2] - face.box[0]) * (face.box[3] - face.box[1])


def _is_usable(face: Face, width: int, height: int) -> bool:
    """Whether ``align_face`` can take it: its middle in the photo, its landmarks not in one place."""
    x, y = face.landmarks.mean(axis=0)
    if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
        return False
    try:
        return 1 / max(width, height) < enlargement(face.landmarks) <= MAX_ENLARGEMENT
    except InputError:
        return False


def _turn_back(face: Face, quarters: int, width: int, height: int) -> Face:
    """A face found in ``np.rot90(photo, quarters)``, in the coordinates of the photo of this width and height."""

    def back(points: Points) -> Points:
        x, y = points[:, 0], points[:, 1]
        turned = {0: (x, y), 1: (width - 1 - y, x), 2: (width - 1 - x, height - 1 - y), 3: (y, height - 1 - x)}
        return np.stack(turned[quarters], axis=1)

    corners = back(np.reshape(face.box, (2, 2)))
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return Face((left, top, right, bottom), back(face.landmarks), face.score)
