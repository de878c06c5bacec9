"""Where are the faces in a photo?  The search of a whole photo, and the choice of a detector.

Convention:
    - coordinates are ``alignment``'s: (x, y) pixels of the photo, whole numbers at pixel centres
"""

from __future__ import annotations

import functools
import os
import pickle
from pathlib import Path

import numpy as np
import torch
from huggingface_hub.constants import HF_HUB_OFFLINE
from safetensors.torch import load_file

from restoration.faces.alignment import Points
from restoration.faces.detectors import EMBEDDED, EmbeddedDetector, RetinaFaceDetector
from restoration.faces.download import DownloadError, cache_folder, fetch
from restoration.faces.face import Detector, Face, area, is_usable
from restoration.faces.retinaface import Backbone, RetinaFace
from restoration.faces.small_detector import Proposer, Refiner
from restoration.images import Image, InputError, check_image

ENVIRONMENT_VARIABLE = "RESTORATION_DETECTOR"
AUTO = "auto"
EMBEDDED_WEIGHTS = Path(__file__).parent / "detector_weights" / "model.safetensors"
CERTAIN = 0.97  # score of a face that makes looking at the photo from other sides needless

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
        faces = sorted((face for face in faces if is_usable(face, width, height)), key=area, reverse=True)
        if faces and (not best or area(faces[0]) > 4 * area(best[0])):
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
    chosen = str(name or os.environ.get(ENVIRONMENT_VARIABLE) or AUTO)
    return _load_auto() if chosen == AUTO else _load(chosen)


def _load_auto() -> Detector:
    """Asks for the download once a process, but sees a file that comes into the cache later."""
    if (cache_folder() / PUBLISHED[DEFAULT][1]).is_file() or (not HF_HUB_OFFLINE and _can_fetch()):
        try:
            return _load(DEFAULT)
        except DownloadError:  # not silent: every result, page and report names the detector that was used
            pass
    return _load(EMBEDDED)


@functools.cache
def _can_fetch() -> bool:
    try:
        _load(DEFAULT)
    except DownloadError:
        return False
    return True


@functools.lru_cache(maxsize=4)
def _load(name: str) -> Detector:
    if name == EMBEDDED:
        return EmbeddedDetector(*_own_networks())
    if name in PUBLISHED:
        backbone, file, sha256 = PUBLISHED[name]
        path = fetch(_RELEASE + file, sha256, folder=cache_folder())
        return RetinaFaceDetector(name, _read_retinaface(backbone, path), _own_networks()[1])
    folder = Path(name)
    for known, (backbone, file, _) in PUBLISHED.items():
        if (folder / file).is_file():
            return RetinaFaceDetector(known, _read_retinaface(backbone, folder / file), _own_networks()[1])
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


@functools.cache
def _own_networks() -> tuple[Proposer, Refiner]:
    proposer, refiner = Proposer().eval(), Refiner().eval()
    state = load_file(EMBEDDED_WEIGHTS)
    for prefix, network in (("proposer.", proposer), ("refiner.", refiner)):
        own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        network.load_state_dict(own)  # which turns its float16 into float32
        network.requires_grad_(False)
    return proposer, refiner


def _turn_back(face: Face, quarters: int, width: int, height: int) -> Face:
    """A face found in ``np.rot90(photo, quarters)``, in the coordinates of the photo of this width and height."""

    def back(points: Points) -> Points:
        x, y = points[:, 0], points[:, 1]
        turned = {0: (x, y), 1: (width - 1 - y, x), 2: (width - 1 - x, height - 1 - y), 3: (y, height - 1 - x)}
        return np.stack(turned[quarters], axis=1)

    corners = back(np.reshape(face.box, (2, 2)))
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return Face((left, top, right, bottom), back(face.landmarks), face.score)
