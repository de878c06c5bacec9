"""RetinaFace by facexlib, the search of a whole photo, and the choice of a detector."""

from __future__ import annotations

import functools
import math
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from restoration.faces import FACE_SIZE, FACE_TEMPLATE, Detector, Face, Points, resample, similarity_transform, usable
from restoration.faces import small_detector as small
from restoration.faces.download import DownloadError, fetch, load_checkpoint
from restoration.faces.small_detector import EmbeddedDetector, Proposer, Refiner
from restoration.images import Image, InputError, check_image

ENVIRONMENT_VARIABLE = "RESTORATION_DETECTOR"
AUTO, EMBEDDED = "auto", EmbeddedDetector.name
EMBEDDED_WEIGHTS = Path(__file__).parent / "detector_weights" / "model.safetensors"
CERTAIN = 0.97  # score of a face that makes looking at the photo from other sides needless

_RELEASE = "https://github.com/xinntao/facexlib/releases/download/v0.1.0/"
# The release states no checksums. These are the ones that the Arch User Repository's package of facexlib pins.
PUBLISHED = {
    "retinaface_mobile0.25": (
        "detection_mobilenet0.25_Final.pth",
        "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220",
    ),
    "retinaface_resnet50": (
        "detection_Resnet50_Final.pth",
        "6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
    ),
}
DEFAULT = "retinaface_mobile0.25"
NAMES = (AUTO, *PUBLISHED, EMBEDDED)

ENLARGED = 1.4  # a smaller photo is searched enlarged by up to this: faces of 32 pixels suit the anchors better
LARGE_FACES_ACROSS = 640  # and once more at this size, where faces that fill the photo fit the anchors
LOOK_SIZE, LOOK_EYES = 192, 52.0  # pixels: side of the second look's crop, and between the eyes in it
LOOK_TEMPLATE: Points = (FACE_TEMPLATE - (FACE_SIZE - 1) / 2) * (LOOK_EYES / 125.92) + (LOOK_SIZE - 1) / 2
MOST_LOOKS, LOOKS = 400, 16  # faces that are looked at again, surest first; and how many of them at a time


class RetinaFaceDetector:
    """facexlib's RetinaFace with published weights, in evaluation mode, on the CPU. Safe to share between threads: one
    at a time runs the network, which keeps the scale of its picture in itself. With the embedded detector's refiner
    the mean of both networks' landmarks is taken, which err independently."""

    PROPOSED, SURE = 0.4, 0.6  # scores from which on a second look is worth it, and from which on it is a face

    def __init__(self, name: str, network: Any, refiner: Refiner | None = None) -> None:
        self.name, self._network, self._refiner, self._lock = name, network, refiner, threading.Lock()

    def alone(self) -> RetinaFaceDetector:
        """The same without the refiner: what that learns from, and is measured against."""
        return RetinaFaceDetector(self.name, self._network)

    @torch.inference_mode()
    def find(self, photo: Image) -> list[Face]:
        """As ``Detector.find``; about 0.8 s a searched megapixel on a CPU core."""
        seen = []
        height, width = photo.shape[:2]
        longest = max(height, width)
        sizes = {min(round(ENLARGED * longest), small.MOST_PIXELS_ACROSS), min(longest, LARGE_FACES_ACROSS)}
        for across in sorted(sizes, reverse=True):
            scale = across / longest
            size = max(1, round(width * scale)), max(1, round(height * scale))
            kernel = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            seen += self._see(cv2.resize(photo, size, interpolation=kernel)[None], scale)
        boxes, points, scores = (torch.cat(values) for values in zip(*seen, strict=True))
        faces = small.distinct(boxes, points, scores)
        faces = [face for face in faces if usable(face.landmarks, width, height)][:MOST_LOOKS]
        looks = [self._look_again(photo, faces[first : first + LOOKS]) for first in range(0, len(faces), LOOKS)]
        sure = [face for part in looks for face in part if face.score > self.SURE]
        if self._refiner and sure:
            own = torch.from_numpy(np.stack([face.landmarks for face in sure])).float()
            both = (own + small.refine(self._refiner, photo, own)[0]) / 2
            sure = [replace(face, landmarks=points) for face, points in zip(sure, both.double().numpy(), strict=True)]
        return small.without_parts(sure)

    def _see(self, pictures: NDArray[Any], scale: float = 1.0) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Boxes (N, 4), landmarks (N, 5, 2) and scores (N,) for each of (B, H, W, 3) RGB pictures, in grey levels,
        which are ``scale`` times as large as the photo whose coordinates are wanted."""
        frames = torch.from_numpy(pictures[..., ::-1].astype(np.float32))  # the network takes blue, green, red
        with self._lock:
            rows = zip(*self._network.batched_detect_faces(frames, self.PROPOSED, small.SAME_FACE), strict=True)
        result = []
        for boxes, points in rows:  # (N, 5) and (N, 10), or (0,); the corner of a picture is at 0 there
            box, landmarks = torch.from_numpy(boxes).reshape(-1, 5), torch.from_numpy(points).reshape(-1, 5, 2)
            result.append((box[:, :4] / scale - 0.5, landmarks / scale - 0.5, box[:, 4]))
        return result

    def _look_again(self, photo: Image, faces: list[Face]) -> list[Face]:
        """The faces that are seen again in upright crops and their mirror images, with the mean landmarks and scores of
        both: one look is some 5 % of the distance between the eyes off."""
        places = [similarity_transform(face.landmarks, LOOK_TEMPLATE) for face in faces]
        crops = np.stack([resample(photo, place, LOOK_SIZE, LOOK_SIZE) for place in places]).clip(0, 255)
        looks = self._see(np.concatenate((crops, crops[:, :, ::-1])))
        result = []
        for face, place, *both in zip(faces, places, looks[: len(faces)], looks[len(faces) :], strict=True):
            seen, score = [], 0.0
            for mirrored, (_, landmarks, scores) in enumerate(both):
                points = landmarks.double().numpy()
                if mirrored:
                    points = (points * (-1, 1) + (LOOK_SIZE - 1, 0))[:, small.MIRRORED]
                near = np.linalg.norm(points - LOOK_TEMPLATE, axis=2).mean(axis=1) < 0.5 * LOOK_EYES
                if near.any():
                    best = int(np.argmax(scores.numpy() * near))
                    seen.append(points[best])
                    score += float(scores[best]) / 2
            if seen:
                back = cv2.invertAffineTransform(place)
                found = np.mean(seen, axis=0) @ back[:, :2].T + back[:, 2]
                result.append(replace(face, landmarks=found, score=score))
        return result


def find_faces(photo: Image, detector: Detector) -> list[Face]:
    """All faces of an (H, W, 3) uint8 RGB photo, sides >= 16, that can be aligned, the largest first, however it lies.

    Where none stands upright beyond doubt, the photo is searched at its other quarter turns, too; the turn with the
    largest sum of the upright faces' scores is taken. InputError: not an ``Image``.
    """
    height, width = check_image(photo).shape[:2]
    best, most = list[Face](), -1.0  # the faces at one turn, and the sum of the scores of those that stand upright
    for turn in range(4):  # quarters, anticlockwise
        found = detector.find(np.ascontiguousarray(np.rot90(photo, turn)))
        turned = (_turn_back(face, turn, width, height) for face in found)
        faces = [face for face in turned if usable(face.landmarks, width, height)]
        votes = [sum(face.score for face in faces if _lies(face) == other) for other in range(4)]
        if votes[turn] > most:
            best, most = faces, votes[turn]
        if votes[turn] == max(votes) and any(face.score > CERTAIN and _lies(face) == turn for face in faces):
            break
    return sorted(best, key=lambda face: face.area, reverse=True)


def _lies(face: Face) -> int:
    """By how many quarter turns anticlockwise the photo must be turned for this face to stand upright."""
    across, down = face.landmarks[1] - face.landmarks[0]
    return round(math.atan2(down, across) / (math.pi / 2)) % 4


def load_detector(name: str | Path | None = None) -> Detector:
    """A detector by name, loaded, or chosen, once a process.

    Args:
        name: "retinaface_mobile0.25" or "retinaface_resnet50", from the project's cache or fetched into it once
            (1.8 or 110 MB); "embedded"; "auto", the first of these where it can be had, else the embedded one; a
            folder, whose file of one of the published names is loaded without comparing its checksum. None is the
            environment variable RESTORATION_DETECTOR, else "auto".

    Raises:
        InputError: no such name or folder, or a folder without such a file.
        DownloadError: a network that was asked for by name cannot be had, or its file is damaged.
    """
    return _load(str(name or os.environ.get(ENVIRONMENT_VARIABLE) or AUTO))


@functools.lru_cache(maxsize=4)
def _load(name: str) -> Detector:
    if name == AUTO:
        try:
            return _load(DEFAULT)
        except DownloadError:  # every result, page and report names the detector that was used
            return _load(EMBEDDED)
    if name == EMBEDDED:
        return EmbeddedDetector(*_own_networks())
    if name in PUBLISHED:
        file, sha256 = PUBLISHED[name]
        return _load_retinaface(name, fetch(_RELEASE + file, sha256))
    for known, (file, _) in PUBLISHED.items():
        if (Path(name) / file).is_file():
            return _load_retinaface(known, Path(name) / file)
    files = " or ".join(file for file, _ in PUBLISHED.values())
    raise InputError(f"{name!r} is no detector: give {', '.join(NAMES)}, or a folder that holds {files}.")


def _load_retinaface(name: str, path: Path) -> RetinaFaceDetector:
    from facexlib.detection.retinaface import RetinaFace  # here: takes seconds to import

    network = RetinaFace(name.removeprefix("retinaface_"), device="cpu")
    return RetinaFaceDetector(name, load_checkpoint(path, network), _own_networks()[1])


@functools.cache
def _own_networks() -> tuple[Proposer, Refiner]:
    networks = nn.ModuleDict({"proposer": Proposer(), "refiner": Refiner()}).eval().requires_grad_(False)
    networks.load_state_dict(load_file(EMBEDDED_WEIGHTS))  # which turns its float16 into float32
    return networks["proposer"], networks["refiner"]  # type: ignore[return-value]


def _turn_back(face: Face, quarters: int, width: int, height: int) -> Face:
    """A face found in ``np.rot90(photo, quarters)``, in the coordinates of the photo of this width and height."""
    x, y = np.concatenate((np.reshape(face.box, (2, 2)), face.landmarks)).T
    turned = {0: (x, y), 1: (width - 1 - y, x), 2: (width - 1 - x, height - 1 - y), 3: (y, height - 1 - x)}
    points = np.stack(turned[quarters], axis=1)  # two corners of the box, then the landmarks
    box = *points[:2].min(axis=0).tolist(), *points[:2].max(axis=0).tolist()
    return Face(box, points[2:], face.score)
