"""What an identity network's angles mean: its accuracy and bands on pairs of photographs.

    python -m train.extras.verification --pairs lfw/pairs.csv --identity FILE --out NAME.verification.json

``pairs.csv`` has the columns a, b (file names) and same (1 or 0). Faces are found and aligned as everywhere in this
project. The JSON travels with the network's weights (``restoration.measure.identity.read_bands``): beside
NAME.torchscript.pt it is called NAME.verification.json.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from restoration.faces import align_face
from restoration.faces.detection import EMBEDDED, find_faces, load_detector
from restoration.images import InputError, read_image
from restoration.measure.identity import Bands, angle_between, load_identity
from train.config import command, new_parser, write_json

FOLDS = 10
PERCENTILES = (5, 50, 95)


def verify(angles: NDArray[np.float64], same: NDArray[np.bool_], network: str) -> tuple[Bands, float]:
    """Ten-fold accuracy and percentiles of labelled angles.

    Convention:
        - fold k is the k-th tenth of the same-person pairs and the k-th tenth of the different-person pairs, in
          their given order; its threshold is the one with the highest accuracy on the other nine
        - ``threshold`` of the result is the mean over folds

    Args:
        angles: (N,) degrees. same: (N,) whether a pair shows one person; at least 10 pairs of each kind, or InputError.

    Returns:
        The bands, and the standard error of the accuracy over folds.

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
        right = ((rest < candidates[:, None]) == kinds).mean(axis=1)
        best = candidates[np.isclose(right, right.max())]  # a plateau: take its middle
        thresholds.append(best[len(best) // 2])
        accuracies.append(np.mean((angles[fold == k] < thresholds[-1]) == same[fold == k]))
    own, others = (np.percentile(angles[kind], PERCENTILES).round(2).tolist() for kind in (same, ~same))
    figures = {"accuracy": round(float(np.mean(accuracies)), 5), "threshold": round(float(np.mean(thresholds)), 2)}
    bands = Bands(network=network, pairs=len(angles), **figures, same=own, different=others)
    return bands, float(np.std(accuracies, ddof=1) / np.sqrt(FOLDS))


def read_pairs(table: Path) -> list[tuple[str, str, bool]]:
    """(photo, photo, same person) of every row. InputError when the file is missing or has other columns."""
    try:
        with table.open(newline="") as file:
            return [(row["a"], row["b"], row["same"] == "1") for row in csv.DictReader(file)]
    except (OSError, KeyError) as error:
        raise InputError(f"{table} must be a CSV file with the columns a, b and same.") from error


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("--pairs", type=Path, required=True, help="CSV file with the columns a, b, same")
    add("--photos", type=Path, help="folder of the photos (images/ beside the pairs)")
    add("--detector", default=EMBEDDED, help="finds the faces; the one nearest to the middle is taken (%(default)s)")
    add("--identity", help="the network, as load_identity takes it (its default)")
    add("--out", type=Path, help="JSON file for the bands")
    options = parser.parse_args(arguments)
    network, detector = load_identity(options.identity), load_detector(options.detector)
    embeddings, missed, pairs = {}, [], read_pairs(options.pairs)
    for name in tqdm(sorted({name for pair in pairs for name in pair[:2]}), unit="photo", disable=None):
        photo = read_image((options.photos or options.pairs.parent / "images") / name)
        middle = np.array(photo.shape[1::-1]) / 2
        faces = find_faces(photo, detector)
        if faces:
            landmarks = min((face.landmarks for face in faces), key=lambda x: np.linalg.norm(x.mean(axis=0) - middle))
            embeddings[name] = network.embed(align_face(photo, landmarks))
        else:
            missed.append(name)
    known = [(a, b, same) for a, b, same in pairs if a in embeddings and b in embeddings]
    angles = np.array([angle_between(embeddings[a], embeddings[b]) for a, b, _ in known])
    bands, error = verify(angles, np.array([same for *_, same in known], bool), network.name)
    if options.out:
        write_json(options.out, asdict(bands))
    if missed:
        print(f"no face found in {len(missed)} photos; their pairs are left out: {', '.join(missed[:5])} …")
    print(
        f"{network.name}: {100 * bands.accuracy:.2f} ± {100 * error:.2f} % of {bands.pairs} pairs, threshold "
        f"{bands.threshold:.1f}°; percentiles {PERCENTILES}: same person {bands.same}°, different {bands.different}°"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
