"""Train the embedded face detector, or measure detectors on scenes of known faces.

    python -m train.extras.detector train --faces FOLDER --out runs/detector
    python -m train.extras.detector measure --faces OTHER_FOLDER

The faces are aligned to the 512 template, as for ``train.run``. Where their landmarks are is asked of RetinaFace
(``--teacher``), which sees each of them alone, large and clean.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from restoration.faces import FACE_SIZE, FACE_TEMPLATE, Detector, Points
from restoration.faces.detection import DEFAULT, EMBEDDED, RetinaFaceDetector, load_detector
from restoration.faces.small_detector import CROP_EYES, EYES, Proposer, Refiner, cell_centres, cut_crops
from restoration.images import Image, InputError
from train.config import Session, add_config, command, new_parser, take_config
from train.data import load_faces
from train.extras import RESULT, save_halves
from train.extras.scenes import Composer, Layout, Scene
from train.loop import Trainer
from train.summary import table

LEARNT = Layout(size=(192, 192), eyes=(14, 58), count=(0, 4), turn=14, whole=0.35, close=0.25)
MEASURED = Layout(size=(960, 1280), eyes=(14, 110), count=(6, 14))
LOOKS = (256, 224, 304, 352)  # pixels: sides at which the teacher sees a face
WIDTH = 2.2  # widths of a face, as detectors box it, a distance between the eyes
HIT = 0.4  # landmarks that are on average less than this share of the eyes' distance away are that face
MATCH = 0.7  # a proposal that is less far away than this is no example of what is not a face
FRONTAL = 0.15  # shares of the eyes' distance that the nose of a near-frontal face lies off their middle, at most


@dataclass(frozen=True, kw_only=True)
class DetectorConfig(Session):
    """A run's settings; ``batch`` counts scenes."""

    steps: int = 2500
    batch: int = 16
    warmup: int = 125
    final_rate: float = 0.0
    weight_decay: float = 1e-3
    gradient_clip: float = 5.0
    log_every: int = 50
    save_every: int = 50


def label_faces(faces: Sequence[Image], teacher: Detector, looks: Sequence[int]) -> Points:
    """(N, 5, 2) landmarks in the pixels of a 512 face, means over several sizes; NaN where the teacher saw no face."""
    result = np.full((len(faces), 5, 2), np.nan)
    for index, face in enumerate(tqdm(faces, desc="labelling", unit="face", disable=None)):
        seen = []
        for side in looks:
            kernel = cv2.INTER_AREA if side < face.shape[0] else cv2.INTER_LINEAR
            for found in teacher.find(np.asarray(cv2.resize(face, (side, side), interpolation=kernel), np.uint8)):
                points = (found.landmarks + 0.5) * (FACE_SIZE / side) - 0.5
                seen += [points] * (_miss(points, FACE_TEMPLATE) < HIT)  # a person beside this one is not it
        result[index] = np.mean(seen, axis=0) if seen else np.nan
    return result


def _miss(points: Points, truth: Points) -> float:
    """Mean distance of (5, 2) landmarks from the truth, as a share of the distance between its eyes."""
    return float(np.linalg.norm(points - truth, axis=-1).mean() / np.linalg.norm(truth[1] - truth[0]))


def measure(detector: Detector, composer: Composer, *, scenes: int, seed: int) -> tuple[dict[str, list[float]], int]:
    """By kind of face the ``_miss`` of each in so many scenes, infinite where not found; and how many were false."""
    rng = np.random.default_rng(seed)
    kinds: dict[str, list[float]] = {"over 32 px": [], "over 64 px": [], "near-frontal over 64 px": []}
    false = 0
    for _ in tqdm(range(scenes), desc=detector.name, unit="scene", disable=None):
        scene = composer.compose(MEASURED, rng)
        found, hits = [face.landmarks for face in detector.find(scene.image)], set()
        for truth in scene.landmarks:
            misses = [_miss(points, truth) for points in found]
            best = int(np.argmin(misses)) if misses else -1
            miss = misses[best] if misses and misses[best] < HIT else math.inf
            hits |= {best} if miss < HIT else set()
            across = truth[1] - truth[0]
            turn = abs((truth[2] - truth[:2].mean(axis=0)) @ across) / (across @ across)
            width = WIDTH * np.linalg.norm(across)
            for kind, belongs in zip(kinds, (width > 32, width > 64, width > 64 and turn < FRONTAL), strict=True):
                kinds[kind] += [miss] * bool(belongs)
        false += len(found) - len(hits)
    return kinds, false


def proposer_loss(logits: Tensor, points: Tensor, truths: list[Points]) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the scores, hardest negatives first, and distance of the landmarks.

    A cell is a face where its middle lies within 0.45 of the eyes' distance from the mean of the landmarks and that
    distance is within a factor 1.4 of ``EYES``; up to twice as far, nothing is asked of it. Logits and points are what
    ``Proposer`` returned for B pictures, truths their landmarks, (N, 5, 2) pixels.
    """
    cells, target = cell_centres(logits.shape[1], logits.shape[2]), torch.zeros_like(points)
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
    """Cross-entropy of the scores over N crops, and distance of the landmarks over those that are faces.

    Of what ``Refiner`` returned, against labels (N,) of 0 or 1 and targets (N, 5, 2), pixels of the crops.
    """
    (logits, points), face = output, labels > 0
    score = F.binary_cross_entropy_with_logits(logits, labels)
    error = F.smooth_l1_loss(points[face] / CROP_EYES, targets[face] / CROP_EYES, beta=0.03)
    return score, 4 * error if bool(face.any()) else score * 0


def refiner_batch(
    scenes: list[Scene], logits: Tensor, points: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Crops of faces roughly placed, of faces badly placed, and of what the proposer takes for one.

    Returns (N, 3, 64, 64) in [0, 1], and labels and targets of ``refiner_loss``.
    """
    crops, labels, targets = [], list[float](), list[Points]()
    for scene, score, places in zip(scenes, logits.flatten(1), points.flatten(1, 2), strict=True):
        good = [_guessed(face, rng) for face in scene.landmarks]
        bad = [_displaced(face, rng) for face in scene.landmarks if rng.random() < 0.5]
        proposals = places[score.topk(12).indices].double().numpy()
        wrong = [p for p in proposals if all(_miss(p, face) >= MATCH for face in scene.landmarks)]
        bad += [p for p in wrong if np.linalg.norm(p[1] - p[0]) > 4][:3]
        if not good and not bad:
            continue
        cut, back = cut_crops(scene.image, np.array(good + bad))
        crops.append(cut)
        labels += [1.0] * len(good) + [0.0] * len(bad)
        targets += [(f - m[:, 2]) @ np.linalg.inv(m[:, :2]).T for f, m in zip(scene.landmarks, back, strict=False)]
        targets += [np.zeros((5, 2))] * len(bad)
    pixels = torch.from_numpy(np.concatenate(crops)).permute(0, 3, 1, 2).float() / 255
    return pixels, torch.tensor(labels), torch.tensor(np.array(targets), dtype=torch.float32)


def _guessed(face: Points, rng: np.random.Generator) -> Points:
    """Landmarks as a rough first guess places them."""
    amount, eyes = (1.0 if rng.random() < 0.6 else 0.4), np.linalg.norm(face[1] - face[0])
    angle, scale = rng.normal(0, 0.16 * amount), math.exp(rng.normal(0, 0.13 * amount))
    noise: Points = rng.normal(0, 0.05 * amount * eyes, (5, 2)) + rng.normal(0, 0.12 * amount * eyes, 2)
    return _moved(face, angle, scale) + noise


def _displaced(face: Points, rng: np.random.Generator) -> Points:
    """Landmarks so far off, or so large or small, that what lies under them is no longer a face."""
    angle, way = rng.uniform(0, 2 * math.pi), rng.uniform(0.9, 2) * np.linalg.norm(face[1] - face[0])
    if rng.random() < 0.5:
        away: Points = face + way * np.array([math.cos(angle), math.sin(angle)])
        return away
    return _moved(face, 0.0, math.exp(rng.choice([-1, 1]) * rng.uniform(0.7, 1.2)))


def _moved(face: Points, angle: float, scale: float) -> Points:
    """Turned and scaled around their middle."""
    turn = scale * np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    moved: Points = (face - face.mean(axis=0)) @ turn + face.mean(axis=0)
    return moved


def train_detector(
    faces: Sequence[Image], landmarks: Points, config: DetectorConfig, out: Path, facts: dict[str, Any]
) -> nn.ModuleDict:
    """Train "proposer" and "refiner" on the CPU to the last step, or go on from the checkpoint in ``out``.

    The faces are (S, S, 3) uint8 RGB, their landmarks (N, 5, 2) in the pixels of a 512 face; the facts go into the
    weights' ``training.json``.
    """
    torch.manual_seed(config.seed)
    composer = Composer(faces, landmarks)
    proposer, refiner = Proposer(), Refiner()
    networks = nn.ModuleDict({"proposer": proposer, "refiner": refiner})
    pool, coming = ThreadPoolExecutor(1), dict[int, Future[list[Scene]]]()

    def compose(step: int) -> list[Scene]:
        rng = np.random.default_rng((config.seed, step, 0))
        return [composer.compose(LEARNT, rng) for _ in range(config.batch)]

    def batch(step: int) -> tuple[list[Scene], np.random.Generator]:
        for each in (step, step + 1):  # to compose takes as long as to learn: the next ones are made meanwhile
            if each not in coming:
                coming[each] = pool.submit(compose, each)
        return coming.pop(step).result(), np.random.default_rng((config.seed, step, 1))

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
    teacher, learning = load_detector(options.teacher), options.command == "train"
    if isinstance(teacher, RetinaFaceDetector):
        teacher = teacher.alone()
    side, looks = (192, LOOKS[:1]) if learning else (384, LOOKS)
    pictures = load_faces(options.faces, limit=options.limit).images.permute(0, 2, 3, 1).numpy()
    faces = [cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA) for face in pictures]
    labels = label_faces(faces, teacher, looks)
    seen = np.asarray(np.isfinite(labels).all(axis=(1, 2)))
    if not seen.any():
        raise InputError("The teacher found no face in these pictures. Are they aligned to the 512 template?")
    faces, labels = [face for face, keep in zip(faces, seen, strict=True) if keep], labels[seen]
    if learning:
        facts = {"teacher": teacher.name, "data": [Path(folder).name for folder in options.faces]}
        train_detector(faces, labels, take_config(vars(options), DetectorConfig), options.out, facts)
        return 0
    rows = list[list[object]]()
    for name in options.detectors:
        detector = load_detector(name)
        kinds, false = measure(detector, Composer(faces, labels), scenes=options.scenes, seed=options.seed)
        for kind, misses in kinds.items():
            found = np.isfinite(misses)
            shares = [f"{100 * x:.1f} %" for x in (found.mean(), np.array(misses)[found].mean())]
            rows.append([detector.name, kind, len(misses), *shares, f"{false / options.scenes:.2f}"])
    print("\n".join(table(["detector", "faces", "number", "recall", "landmark error", "false a scene"], *rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
