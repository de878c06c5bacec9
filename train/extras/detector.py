"""Train the embedded face detector, or measure detectors on scenes of known faces.

    python train/extras/detector.py train --faces FOLDER --out restoration/faces/detector_weights
    python train/extras/detector.py measure --faces OTHER_FOLDER

The faces are aligned to the 512 template, as for ``train/run.py``. Where their landmarks are is asked of RetinaFace
(``--teacher``), which sees each of them alone, large and clean.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from tqdm import tqdm

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from restoration.faces.alignment import FACE_SIZE, FACE_TEMPLATE, Points
from restoration.faces.detection import DEFAULT, EMBEDDED, RetinaFaceDetector, load_detector
from restoration.faces.face import Detector
from restoration.faces.small_detector import Proposer, Refiner
from restoration.images import Image, InputError, read_image
from train.extras.detector_loop import DetectorConfig, train_detector
from train.extras.scenes import Composer, Layout
from train.face_sources import find_pictures

LEARNT_SIDE, MEASURED_SIDE = 192, 384  # pixels of a face in memory
WIDTH = 2.2  # widths of a face, as detectors box it, a distance between the eyes
HIT = 0.4  # landmarks that are on average less than this share of the eyes' distance away are that face
FRONTAL = 0.15  # shares of the eyes' distance that the nose of a near-frontal face lies off their middle, at most
MEASURED = Layout(width=1280, height=960, eyes=(14, 110), count=(6, 14))
LOOKS = ((256, 0.0), (256, -8.0), (256, 8.0), (352, 0.0))  # side of the face, pixels; turned by, degrees


@dataclass(frozen=True)
class Row:
    """What a detector reaches on the faces of one kind.

    Args:
        faces: how many there were.
        recall: share that was found, [0, 1].
        error: mean distance of its landmarks, share of the distance between the eyes; of the faces that were found.
    """

    faces: int
    recall: float
    error: float


def label_faces(faces: Sequence[Image], teacher: Detector, looks: Sequence[tuple[int, float]]) -> Points:
    """Landmarks of aligned faces: the mean over several sizes and turns, in which the teacher's own scatter cancels.

    Returns:
        (N, 5, 2) in the pixels of a 512 face; NaN where the teacher saw none in its place.
    """
    result = np.full((len(faces), 5, 2), np.nan)
    for index, face in enumerate(tqdm(faces, desc="labelling", unit="face", disable=None)):
        seen = []
        for side, degrees in looks:
            scale = side / face.shape[0]
            middle = (face.shape[0] - 1) / 2
            turn = cv2.getRotationMatrix2D((middle, middle), degrees, scale)
            turn[:, 2] += (side - 1) / 2 - middle
            source = cv2.GaussianBlur(face, (0, 0), 0.45 / scale) if scale < 0.75 else face
            view = cv2.warpAffine(source, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for found in teacher.find(np.asarray(view, np.uint8)):
                points = (found.landmarks - turn[:, 2]) @ np.linalg.inv(turn[:, :2]).T
                points = (points + 0.5) * (FACE_SIZE / face.shape[0]) - 0.5
                if np.linalg.norm(points - FACE_TEMPLATE, axis=1).mean() < 50:  # a person beside this one is not it
                    seen.append(points)
        if seen:
            result[index] = np.mean(seen, axis=0)
    return result


def measure(detector: Detector, composer: Composer, landmarks: Points, *, scenes: int, seed: int) -> dict[str, Row]:
    """Recall and precision of landmarks on composed scenes.

    Args:
        composer: of the faces whose landmarks, in a 512 face, are ``landmarks``.
        scenes: how many.

    Returns:
        kind of face -> row, and "false" -> how many were found beside all faces, in ``faces``.
    """
    rng = np.random.default_rng(seed)
    rows, false = [], 0
    for _ in tqdm(range(scenes), desc=detector.name, unit="scene", disable=None):
        scene = composer.compose(MEASURED, rng)
        found = [face.landmarks for face in detector.find(scene.image)]
        hits = set()
        for truth, name in zip(scene.landmarks, scene.names, strict=True):
            eyes = np.linalg.norm(truth[1] - truth[0])
            errors = [float(np.linalg.norm(points - truth, axis=1).mean() / eyes) for points in found]
            best = int(np.argmin(errors)) if errors else -1
            hit = best >= 0 and errors[best] < HIT
            hits |= {best} if hit else set()
            rows.append((eyes * WIDTH, errors[best] if hit else np.nan, _turn_of_head(landmarks[name])))
        false += len(found) - len(hits)
    width, error, turn = np.array(rows).T
    kinds: dict[str, NDArray[np.bool_]] = {
        "over 32 px": width > 32,
        "over 64 px": width > 64,
        "near-frontal over 64 px": (width > 64) & (turn < FRONTAL),
    }
    result = {
        kind: Row(int(which.sum()), float(np.isfinite(error[which]).mean()), float(np.nanmean(error[which])))
        for kind, which in kinds.items()
    }
    return {**result, "false": Row(false, 0.0, 0.0)}


def _turn_of_head(points: Points) -> float:
    across = points[1] - points[0]
    offset = (points[2] - (points[0] + points[1]) / 2) @ across
    return float(abs(offset / (across @ across)))


def _read(folders: Sequence[Path], limit: int | None, side: int) -> list[Image]:
    faces = []
    for _, path in tqdm(find_pictures(folders, limit=limit), desc="reading", unit="face", disable=None):
        face = read_image(path)
        if face.shape[0] != face.shape[1]:
            raise InputError(f"{path} is {face.shape[1]}×{face.shape[0]}; square, aligned faces are needed.")
        kernel = cv2.INTER_AREA if face.shape[0] > side else cv2.INTER_CUBIC
        faces.append(np.asarray(cv2.resize(face, (side, side), interpolation=kernel), np.uint8))
    return faces


def save_detector(folder: Path, proposer: Proposer, refiner: Refiner, facts: dict[str, object]) -> None:
    """Write ``model.safetensors`` (float16) and ``training.json`` into a folder, made when it does not exist."""
    state = {f"{prefix}.{key}": value for prefix, network in (("proposer", proposer), ("refiner", refiner))
             for key, value in network.state_dict().items()}  # fmt: skip
    halves = {key: value.to(torch.float16) if value.is_floating_point() else value for key, value in state.items()}
    folder.mkdir(parents=True, exist_ok=True)
    content = save({key: value.contiguous() for key, value in halves.items()})
    (folder / "model.safetensors").write_bytes(content)  # safetensors' own files are closed to everybody else
    (folder / "training.json").write_text(json.dumps(facts, indent=2) + "\n")


def parser() -> argparse.ArgumentParser:
    """Options of both commands."""
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = result.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train the embedded detector on the CPU")
    check = commands.add_parser("measure", help="recall and landmark error on composed scenes")
    for command in (train, check):
        command.add_argument("--faces", nargs="+", type=Path, required=True, metavar="FOLDER", help="aligned faces")
        command.add_argument("--limit", type=int, help="use at most so many faces")
        command.add_argument(
            "--teacher", default=DEFAULT, help="detector that says where their landmarks are (%(default)s)"
        )
        command.add_argument("--seed", type=int, default=DetectorConfig.seed, help="of all draws (%(default)s)")
    train.add_argument("--out", type=Path, required=True, help="folder for the weights")
    train.add_argument("--steps", type=int, default=DetectorConfig.steps, help="optimiser steps (%(default)s)")
    train.add_argument("--batch", type=int, default=DetectorConfig.batch, help="scenes a step (%(default)s)")
    check.add_argument("--detectors", nargs="+", default=[DEFAULT, EMBEDDED], help="names or folders (%(default)s)")
    check.add_argument("--scenes", type=int, default=60, help="how many (%(default)s)")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 2 unusable input."""
    options = parser().parse_args(arguments)
    try:
        teacher = load_detector(options.teacher)
        if isinstance(teacher, RetinaFaceDetector):
            teacher = teacher.alone()
        learning = options.command == "train"
        faces = _read(options.faces, options.limit, LEARNT_SIDE if learning else MEASURED_SIDE)
        labels = label_faces(faces, teacher, LOOKS[:1] if learning else LOOKS)
        seen = [bool(np.isfinite(points).all()) for points in labels]
        if not any(seen):
            raise InputError("The teacher found no face in these pictures. Are they aligned to the 512 template?")
        faces, labels = [face for face, keep in zip(faces, seen, strict=True) if keep], labels[np.array(seen)]
        if learning:
            config = DetectorConfig(steps=options.steps, batch=options.batch, seed=options.seed)
            proposer, refiner, facts = train_detector(faces, labels, config)
            facts |= {"teacher": teacher.name, "data": [folder.name for folder in options.faces]}
            save_detector(options.out, proposer, refiner, facts)
            return 0
        composer = Composer(faces, labels)
        print("| detector | faces | number | recall | landmark error | false a scene |\n|---|---|---|---|---|---|")
        for name in options.detectors:
            detector = load_detector(name)
            rows = measure(detector, composer, labels, scenes=options.scenes, seed=options.seed)
            false = rows.pop("false").faces / options.scenes
            for kind, row in rows.items():
                numbers = f"{row.faces} | {100 * row.recall:.1f} % | {100 * row.error:.1f} % | {false:.2f}"
                print(f"| {detector.name} | {kind} | {numbers} |", flush=True)
    except InputError as error:
        print(f"detector.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
