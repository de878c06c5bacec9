"""What do an identity network's angles mean?  Its accuracy and bands on pairs of photographs.

    python train/extras/verification.py --pairs lfw/pairs.csv --detector yunet.onnx --identity FILE --out FILE.json

``pairs.csv`` has the columns a, b (file names) and same (1 or 0). Faces are found by YuNet and aligned as everywhere in
this project, or by given landmarks. The JSON travels with the network's weights
(``restoration.measure.identity.read_bands``): beside NAME.torchscript.pt it is called NAME.verification.json.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from restoration.faces.alignment import Points, align_face
from restoration.images import Image, InputError, read_image
from restoration.measure.identity import Bands, Embedding, angle_between, load_identity

FOLDS = 10
PERCENTILES = (5, 50, 95)
Finder = Callable[[str, Image], Points | None]


def verify(angles: NDArray[np.float64], same: NDArray[np.bool_], network: str) -> tuple[Bands, float]:
    """Ten-fold accuracy and percentiles of labelled angles.

    Convention:
        - fold k is the k-th tenth of the same-person pairs and the k-th tenth of the different-person pairs, in
          their given order; its threshold is the one with the highest accuracy on the other nine
        - ``threshold`` of the result is the mean over folds

    Args:
        angles: (N,) degrees. same: (N,) whether a pair shows one person; at least 10 pairs of each kind.

    Returns:
        The bands, and the standard error of the accuracy over folds.

    Raises:
        InputError: too few pairs.

    Source:
        The protocol of Labeled Faces in the Wild (Huang et al., 2007), "unrestricted".
    """
    if min(same.sum(), (~same).sum()) < FOLDS:
        raise InputError(f"Verification needs at least {FOLDS} pairs of the same person and of different people each.")
    fold = np.empty(len(angles), int)
    for kind in (same, ~same):
        fold[kind] = np.arange(kind.sum()) * FOLDS // kind.sum()
    accuracies, thresholds = [], []
    for k in range(FOLDS):
        rest, kinds = angles[fold != k], same[fold != k]
        candidates = np.sort(rest)
        candidates = (candidates[1:] + candidates[:-1]) / 2
        right = [float(np.mean((rest < value) == kinds)) for value in candidates]
        best = candidates[np.flatnonzero(np.isclose(right, max(right)))]  # a plateau: take its middle
        thresholds.append(float(best[len(best) // 2]))
        accuracies.append(float(np.mean((angles[fold == k] < thresholds[-1]) == same[fold == k])))
    bands = Bands(
        network=network,
        pairs=len(angles),
        accuracy=round(float(np.mean(accuracies)), 5),
        threshold=round(float(np.mean(thresholds)), 2),
        same=_percentiles(angles[same]),
        different=_percentiles(angles[~same]),
    )
    return bands, float(np.std(accuracies, ddof=1) / np.sqrt(FOLDS))


def _percentiles(values: NDArray[np.float64]) -> tuple[float, float, float]:
    low, middle, high = (round(float(value), 2) for value in np.percentile(values, PERCENTILES))
    return low, middle, high


def yunet(model: Path) -> Finder:
    """Five landmarks of the face nearest to the middle of a photo, by YuNet; None where it finds none.

    Raises:
        InputError: the file is missing.
    """
    if not model.is_file():
        raise InputError(f"There is no detector at {model}. Give YuNet's ONNX file from OpenCV's model zoo.")
    detector = cv2.FaceDetectorYN.create(str(model), "", (320, 320), 0.5)

    def find(_: str, photo: Image) -> Points | None:
        height, width = photo.shape[:2]
        detector.setInputSize((width, height))
        faces = detector.detect(np.ascontiguousarray(photo[..., ::-1]))[1]
        if faces is None:
            return None
        middle = faces[:, :2] + faces[:, 2:4] / 2 - (width / 2, height / 2)
        landmarks: Points = faces[np.argmin((middle**2).sum(axis=1)), 4:14].reshape(5, 2).astype(np.float64)
        return landmarks

    return find


def given(table: Path) -> Finder:
    """Landmarks from a CSV file: photo, then x and y of both eyes, nose and both mouth corners, left to right.

    Raises:
        InputError: the file is missing or has other columns.
    """
    try:
        with table.open(newline="") as file:
            rows = {row[0]: np.array(row[1:11], np.float64).reshape(5, 2) for row in list(csv.reader(file))[1:]}
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{table} is not a table of landmarks ({error}): photo, x1, y1, … x5, y5.") from error
    return lambda name, _: rows.get(name)


def read_pairs(table: Path) -> list[tuple[str, str, bool]]:
    """(photo, photo, same person) of every row. InputError when the file is missing or has other columns."""
    try:
        with table.open(newline="") as file:
            return [(row["a"], row["b"], row["same"] == "1") for row in csv.DictReader(file)]
    except (OSError, KeyError) as error:
        raise InputError(f"{table} must be a CSV file with the columns a, b and same.") from error


def measure(
    pairs: Sequence[tuple[str, str, bool]], folder: Path, find: Finder, embed: Callable[[Image], Embedding]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[str]]:
    """Angles of all pairs whose faces were found, whether they are the same person, and photos without a face."""
    embeddings: dict[str, Embedding] = {}
    missed = []
    for name in tqdm(sorted({name for pair in pairs for name in pair[:2]}), unit="photo", disable=None):
        photo = read_image(folder / name)
        landmarks = find(name, photo)
        if landmarks is None:
            missed.append(name)
        else:
            embeddings[name] = embed(align_face(photo, landmarks))
    known = [(a, b, same) for a, b, same in pairs if a in embeddings and b in embeddings]
    angles = np.array([angle_between(embeddings[a], embeddings[b]) for a, b, _ in known])
    return angles, np.array([same for *_, same in known], bool), missed


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = result.add_argument
    add("--pairs", type=Path, required=True, help="CSV file with the columns a, b, same")
    add("--photos", type=Path, help="folder of the photos (images/ beside the pairs)")
    where = result.add_mutually_exclusive_group(required=True)
    where.add_argument("--detector", type=Path, metavar="FILE", help="YuNet as ONNX")
    where.add_argument("--landmarks", type=Path, metavar="CSV", help="known landmarks: photo, x1, y1, … x5, y5")
    add("--identity", help="the network, as restoration.measure.identity.load_identity takes it (its default)")
    add("--out", type=Path, help="JSON file for the bands")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    options = parser().parse_args(arguments)
    try:
        network = load_identity(options.identity)
        if network is None:
            raise InputError("There is no identity network to measure: give --identity.")
        find = yunet(options.detector) if options.detector else given(options.landmarks)
        folder = options.photos or options.pairs.parent / "images"
        angles, same, missed = measure(read_pairs(options.pairs), folder, find, network.embed)
        bands, error = verify(angles, same, network.name)
    except InputError as error_:
        print(f"verification.py: {error_}", file=sys.stderr)
        return 2
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(bands.to_json() + "\n")
    if missed:
        print(f"no face found in {len(missed)} photos; their pairs are left out: {', '.join(missed[:5])} …")
    print(
        f"{network.name}: {100 * bands.accuracy:.2f} ± {100 * error:.2f} % of {bands.pairs} pairs, threshold "
        f"{bands.threshold:.1f}°; percentiles {PERCENTILES}: same person {bands.same}°, different {bands.different}°"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
