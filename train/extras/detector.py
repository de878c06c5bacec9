"""Train the embedded face detector, or measure detectors on scenes of known faces.

    python -m train.extras.detector train --faces FOLDER --out runs/detector
    python -m train.extras.detector measure --faces OTHER_FOLDER

The faces are aligned to the 512 template, as for ``train.run``. Where their landmarks are is asked of RetinaFace
(``--teacher``), which sees each of them alone, large and clean. Scenes are composed of them and of the photographs that
scikit-image's wheel carries, which hold no face.
"""

from __future__ import annotations

import functools
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from restoration.degrade import degrade_image
from restoration.degrade.protocols import Distribution
from restoration.faces import FACE_SIZE, FACE_TEMPLATE, Detector, Points, small_detector
from restoration.faces.detection import DEFAULT, EMBEDDED, RetinaFaceDetector, load_detector
from restoration.faces.small_detector import CROP_EYES, EYES, Proposer, Refiner
from restoration.images import Image, InputError
from train.config import Session, add_config, command, new_parser, take_config
from train.data import load_faces
from train.extras import RESULT, save_halves
from train.loop import Trainer
from train.summary import table

FACE_EYES = 125.92  # pixels between the eyes of FACE_TEMPLATE
MIDDLE, HEAD = np.array((256.0, 268.0)), np.array((190.0, 235.0))  # in a 512 face, of what is pasted, and half its size
RADIUS, APART = 215, 0.85  # of a head in a 512 face, pixels; of two heads' radii, how far they are apart at least
WHOLE = 0.2  # share of faces that bring their own background
PHOTOGRAPHS = "brick chelsea clock coffee coins grass gravel hubble_deep_field immunohistochemistry moon page retina"
SPOILT = Distribution(  # what cameras and prints do to a whole picture, mildly
    blur_sigma=(0.4, 1.8), downsample=(1.2, 3), noise=(2, 18), jpeg=(25, 95), grayscale=0.3, skip=0.7
)
LOOKS = (256, 224, 304, 352)  # pixels: sides at which the teacher sees a face
WIDTH = 2.2  # widths of a face, as detectors box it, a distance between the eyes
HIT = 0.4  # landmarks that are on average less than this share of the eyes' distance away are that face
NEAR, FAR = 0.5, 0.7  # as far off is a place that the refiner takes for a face at most, and for none at least
FRONTAL = 0.15  # shares of the eyes' distance that the nose of a near-frontal face lies off their middle, at most


@dataclass(frozen=True, kw_only=True)
class DetectorConfig(Session):
    """A run's settings; ``batch`` counts scenes."""

    steps: int = 2500
    batch: int = 16
    warmup: int = 125
    weight_decay: float = 1e-3
    gradient_clip: float = 5.0


@dataclass(frozen=True)
class Layout:
    """Height and width of scenes; smallest and largest distance between the eyes, pixels; how many faces are tried."""

    size: tuple[int, int]
    eyes: tuple[float, float]
    count: tuple[int, int]


LEARNT = Layout((192, 192), (14, 56), (0, 5))
MEASURED = Layout((960, 1280), (14, 110), (8, 20))


@dataclass(frozen=True)
class Scene:
    """A picture (H, W, 3) uint8 RGB and the landmarks of its faces, (N, 5, 2), as in ``restoration.faces``."""

    image: Image
    landmarks: Points


def compose(faces: Sequence[Image], landmarks: Points, layout: Layout, rng: np.random.Generator) -> Scene:
    """One scene out of aligned (S, S, 3) uint8 RGB faces, their landmarks (N, 5, 2) in the pixels of a 512 face."""
    height, width = layout.size
    image, places, found = _background(height, width, rng), list[tuple[Points, float]](), list[Points]()
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)  # (H, W, 2)
    for _ in range(int(rng.integers(*layout.count, endpoint=True))):
        scale, angle = math.exp(rng.uniform(*np.log(layout.eyes))) / FACE_EYES, rng.normal(0, 0.2)
        middle = rng.uniform(RADIUS * scale, np.array((width, height)) - RADIUS * scale)
        if any(np.linalg.norm(middle - other) < APART * RADIUS * (scale + its) for other, its in places):
            continue
        places.append((middle, scale))
        index = int(rng.integers(len(faces)))
        face, points = faces[index], landmarks[index]
        if rng.random() < 0.5:
            face, points = face[:, ::-1], (points * (-1, 1) + (FACE_SIZE - 1, 0))[small_detector.MIRRORED]
        turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        found.append((points - MIDDLE) @ turn.T + middle)
        side = min(len(face), math.ceil(1.5 * FACE_SIZE * scale))  # as fine as is needed
        small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        pixel = FACE_SIZE / side
        matrix = np.column_stack([turn * pixel, turn @ ((pixel - 1) / 2 - MIDDLE) + middle])
        drawn = cv2.warpAffine(small, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        places_in_face = (pixels - middle) @ np.linalg.inv(turn).T  # (H, W, 2) pixels of a 512 face, from MIDDLE
        if rng.random() < WHOLE:
            mask = (np.abs(places_in_face + MIDDLE - 255.5) <= 256).all(axis=-1, keepdims=True)
        else:
            away = np.linalg.norm(places_in_face / HEAD, axis=-1, keepdims=True)
            mask = np.clip((rng.uniform(0.85, 1.05) - away) / rng.uniform(0.03, 0.25), 0, 1)
        image = np.rint(image + mask * (drawn - image))
    if rng.random() < 0.3:  # another light
        image = 255 * (image / 255) ** rng.uniform(0.5, 1.8) * rng.uniform(0.6, 1.2, 3) + rng.uniform(-20, 30)
    seed = int(rng.integers(2**31))
    spoilt = degrade_image(image.clip(0, 255).astype(np.uint8), SPOILT.sample(random.Random(seed)), seed)
    return Scene(spoilt, np.reshape(found, (-1, 5, 2)))


def _background(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(height, width, 3) grey levels: a random part of a photograph, perhaps mirrored, its colours exchanged."""
    photo = _photographs()[int(rng.integers(len(_photographs())))]
    scale = max(height / photo.shape[0], width / photo.shape[1], math.exp(rng.uniform(-1.5, 1)))
    rows, columns = math.floor(height / scale), math.floor(width / scale)
    top, left = rng.integers(0, np.subtract(photo.shape[:2], (rows, columns)), endpoint=True)
    part = photo[top : top + rows, left : left + columns, rng.permutation(3)]
    kernel = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=kernel)
    return np.asarray(resized[:, :: rng.choice((-1, 1))], np.float64)


@functools.cache
def _photographs() -> list[Image]:
    pictures = [getattr(skimage.data, name)() for name in (*PHOTOGRAPHS.split(), "rocket", "text")]
    pictures += [skimage.data.stereo_motorcycle()[0], skimage.data.astronaut()[300:]]  # below the face
    return [np.repeat(p[..., None], 3, axis=2) if p.ndim == 2 else p for p in pictures]


def label_faces(faces: Sequence[Image], teacher: Detector) -> Points:
    """(N, 5, 2) landmarks in the pixels of a 512 face, means over ``LOOKS``; NaN where the teacher saw no face."""
    result = np.full((len(faces), 5, 2), np.nan)
    for index, face in enumerate(tqdm(faces, desc="labelling", unit="face", disable=None)):
        seen = list[Points]()
        for side in LOOKS:
            look = np.asarray(cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
            seen += [(found.landmarks + 0.5) * (FACE_SIZE / side) - 0.5 for found in teacher.find(look)]
        own = [points for points in seen if misses(points[None], FACE_TEMPLATE[None]) < HIT]  # not of a person beside
        result[index] = np.mean(own, axis=0) if own else np.nan
    return result


def misses(points: Points, truths: Points) -> NDArray[np.float64]:
    """(M, 5, 2) landmarks against (N, 5, 2): their mean distances, (M, N), as shares of that between the true eyes."""
    distances = np.linalg.norm(points[:, None] - truths, axis=-1).mean(axis=-1)
    return np.asarray(distances / np.linalg.norm(truths[:, 1] - truths[:, 0], axis=-1))


def measure(
    detector: Detector, faces: Sequence[Image], landmarks: Points, *, scenes: int, seed: int
) -> tuple[dict[str, list[float]], int]:
    """By kind of face the miss of each in so many scenes, infinite where not found; and how many were false."""
    rng = np.random.default_rng(seed)
    kinds: dict[str, list[float]] = {"over 32 px": [], "over 64 px": [], "near-frontal over 64 px": []}
    false = 0
    for _ in tqdm(range(scenes), desc=detector.name, unit="scene", disable=None):
        scene = compose(faces, landmarks, MEASURED, rng)
        found = np.reshape([face.landmarks for face in detector.find(scene.image)], (-1, 5, 2))
        best = misses(found, scene.landmarks).min(axis=0, initial=math.inf)
        best[best >= HIT] = math.inf
        false += len(found) - int(np.isfinite(best).sum())
        eyes = scene.landmarks[:, :2]
        across, nose = eyes[:, 1] - eyes[:, 0], scene.landmarks[:, 2] - eyes.mean(axis=1)
        turn = np.abs((nose * across).sum(axis=1)) / (across**2).sum(axis=1)
        width = WIDTH * np.linalg.norm(across, axis=1)
        for kind, belongs in zip(kinds, (width > 32, width > 64, (width > 64) & (turn < FRONTAL)), strict=True):
            kinds[kind] += best[belongs].tolist()
    return kinds, false


def proposer_loss(logits: Tensor, points: Tensor, truths: list[Points]) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the scores, hardest negatives first, and distance of the landmarks.

    A cell is a face where its middle lies within 0.45 of the eyes' distance from the mean of the landmarks and that
    distance is within a factor 1.4 of ``EYES``; up to twice as far, nothing is asked of it. Logits and points are what
    ``Proposer`` returned for B pictures, truths their landmarks, (N, 5, 2) pixels.
    """
    cells, target = small_detector.cell_centres(logits.shape[1], logits.shape[2]), torch.zeros_like(points)
    positive, ignored = torch.zeros_like(logits, dtype=torch.bool), torch.zeros_like(logits, dtype=torch.bool)
    for i, truth in enumerate(truths):
        for face in torch.from_numpy(truth).float():
            eyes = float((face[1] - face[0]).norm())
            distance, octave = (cells - face.mean(dim=0)).norm(dim=-1) / eyes, abs(math.log(eyes / EYES))
            if octave < math.log(2):
                ignored[i] |= distance < 0.9
            if octave < math.log(1.4):
                positive[i] |= distance < 0.45
                target[i][distance < 0.45] = face
    loss = F.binary_cross_entropy_with_logits(logits, positive.float(), reduction="none")
    count, negative = int(positive.sum()), loss[~positive & ~ignored]
    hardest = negative.topk(min(len(negative), max(4 * count, 4 * len(logits)))).values
    score = (loss[positive].sum() + hardest.sum()) / (count + len(hardest))
    place = F.smooth_l1_loss(points[positive] / EYES, target[positive] / EYES, beta=0.05) if count else score * 0
    return score, 4 * place


def refiner_loss(output: tuple[Tensor, Tensor], labels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the scores over N crops, and distance of the landmarks over those that are faces: of what
    ``Refiner`` returned, against labels (N,) of 0 or 1 and targets (N, 5, 2), pixels of the crops."""
    (logits, points), face = output, labels > 0
    score = F.binary_cross_entropy_with_logits(logits, labels)
    error = F.smooth_l1_loss(points[face] / CROP_EYES, targets[face] / CROP_EYES, beta=0.03)
    return score, 4 * error if bool(face.any()) else score * 0


def refiner_batch(
    scenes: list[Scene], logits: Tensor, points: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Crops at rough guesses, and where the proposer sees a face most: (N, 3, 64, 64) in [0, 1]; and labels and targets
    of ``refiner_loss``."""
    crops, labels, targets = [], list[Tensor](), list[Tensor]()
    for scene, score, places in zip(scenes, logits.flatten(1), points.flatten(1, 2), strict=True):
        proposals = places[score.topk(5).indices].double().numpy()
        proposals = proposals[np.linalg.norm(proposals[:, 1] - proposals[:, 0], axis=1) > 4]
        rough = [_guess(face, rng) for face in scene.landmarks for _ in range(2)]
        guesses = np.reshape([*proposals, *rough], (-1, 5, 2))
        truths = np.concatenate((scene.landmarks, FACE_TEMPLATE[None] - 1e4))  # one that nothing is near, where none is
        miss = misses(guesses, truths)
        clear = (miss.min(axis=1) < NEAR) | (miss.min(axis=1) >= FAR)
        if clear.any():
            cut, back = small_detector.cut_crops(scene.image, guesses[clear])
            shown = truths[miss[clear].argmin(axis=1)] - back[:, None, :, 2]
            crops.append(torch.from_numpy(cut))
            labels.append(torch.from_numpy(miss[clear].min(axis=1) < NEAR).float())
            targets.append(torch.from_numpy(shown @ np.linalg.inv(back[:, :, :2]).transpose(0, 2, 1)).float())
    return torch.cat(crops).permute(0, 3, 1, 2).float() / 255, torch.cat(labels), torch.cat(targets)


def _guess(face: Points, rng: np.random.Generator) -> Points:
    """Landmarks as a rough first guess places them; now and then so far off that no face lies there."""
    amount, eyes = rng.choice((0.4, 1.0, 6.0), p=(0.3, 0.4, 0.3)), np.linalg.norm(face[1] - face[0])
    angle, scale = rng.normal(0, 0.16 * amount), math.exp(np.clip(rng.normal(0, 0.13 * amount), -1.2, 1.2))
    turn = scale * np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    middle = face.mean(axis=0)
    moved = rng.normal(0, 0.05 * min(amount, 1) * eyes, (5, 2)) + rng.normal(0, 0.12 * amount * eyes, 2)
    return np.asarray((face - middle) @ turn + middle + moved)


def train_detector(
    faces: Sequence[Image], landmarks: Points, config: DetectorConfig, out: Path, facts: dict[str, Any]
) -> nn.ModuleDict:
    """Train "proposer" and "refiner" on the CPU to the last step, or go on from the checkpoint in ``out``. Faces and
    landmarks are as for ``compose``; the facts go into the weights' ``training.json``."""
    torch.manual_seed(config.seed)
    proposer, refiner = Proposer(), Refiner()
    networks = nn.ModuleDict({"proposer": proposer, "refiner": refiner})

    def batch(step: int) -> tuple[list[Scene], np.random.Generator]:
        rng = np.random.default_rng((config.seed, step))
        return [compose(faces, landmarks, LEARNT, rng) for _ in range(config.batch)], rng

    def score(made: tuple[list[Scene], np.random.Generator]) -> dict[str, Tensor]:
        scenes, rng = made
        images = torch.from_numpy(np.stack([scene.image for scene in scenes])).permute(0, 3, 1, 2).float() / 255
        logits, points = proposer(F.avg_pool2d(images, 2))
        first = proposer_loss(logits, points, [(scene.landmarks + 0.5) / 2 - 0.5 for scene in scenes])
        crops, *wanted = refiner_batch(scenes, logits.detach(), (points.detach() + 0.5) * 2 - 0.5, rng)
        losses = (*first, *refiner_loss(refiner(crops), *wanted))
        terms = dict(zip(("proposed", "placed", "refined", "points"), losses, strict=True))
        return {**terms, "total": torch.stack(losses).sum()}

    def save(row: dict[str, float]) -> dict[str, float]:
        about = {**config.to_dict(), "faces": len(faces), **row, **facts}
        save_halves(out / RESULT, networks, about, "training.json")
        return {}

    Trainer(config, out, networks.train(), batch, score, save).run()
    return networks.eval()


@command
def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 2 unusable input."""
    parser = new_parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train the embedded detector on the CPU")
    check = commands.add_parser("measure", help="recall and landmark error on composed scenes")
    for each in (train, check):
        each.add_argument("--faces", nargs="+", required=True, metavar="FOLDER", help="aligned faces")
        each.add_argument("--limit", type=int, help="use at most so many faces")
        each.add_argument("--teacher", default=DEFAULT, help="detector that says where landmarks are (%(default)s)")
    train.add_argument("--out", type=Path, required=True, help="folder of the run; resumed when it holds a checkpoint")
    add_config(train, DetectorConfig)
    check.add_argument("--detectors", nargs="+", default=[DEFAULT, EMBEDDED], help="names or folders (%(default)s)")
    check.add_argument("--scenes", type=int, default=60, help="how many (%(default)s)")
    check.add_argument("--seed", type=int, default=0, help="of all draws (%(default)s)")
    options = parser.parse_args(arguments)
    teacher = load_detector(options.teacher)
    if isinstance(teacher, RetinaFaceDetector):
        teacher = teacher.alone()
    pictures = load_faces(options.faces, limit=options.limit).images.permute(0, 2, 3, 1).numpy()
    labels = label_faces(list(pictures), teacher)
    seen = np.isfinite(labels).all(axis=(1, 2)).nonzero()[0]
    if not len(seen):
        raise InputError("The teacher found no face in these pictures. Are they aligned to the 512 template?")
    faces, labels = [pictures[index] for index in seen], labels[seen]
    if options.command == "train":
        facts = {"teacher": teacher.name, "data": [Path(folder).name for folder in options.faces]}
        train_detector(faces, labels, take_config(vars(options), DetectorConfig), options.out, facts)
        return 0
    rows = list[list[object]]()
    for name in options.detectors:
        detector = load_detector(name)
        kinds, false = measure(detector, faces, labels, scenes=options.scenes, seed=options.seed)
        for kind, found in kinds.items():
            hit = np.isfinite(found)
            shares = [f"{100 * x:.1f} %" for x in (hit.mean(), np.array(found)[hit].mean())]
            rows.append([detector.name, kind, len(found), *shares, f"{false / options.scenes:.2f}"])
    print("\n".join(table(["detector", "faces", "number", "recall", "landmark error", "false a scene"], *rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
