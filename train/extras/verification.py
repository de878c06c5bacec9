"""What an identity network's angles mean, and how well it agrees with the one that it learned from.

    python -m train.extras.verification --pairs lfw/pairs.csv --identity FILE --out NAME.verification.json
    python -m train.extras.verification --teacher FILE --faces val=FOLDER lfw@64=PHOTOS --align lfw --out agreement.json

``pairs.csv`` has the columns a, b (file names) and same (1 or 0). Faces are found and aligned as everywhere in this
project. The JSON travels with the network's weights (``restoration.measure.identity.read_bands``): beside
NAME.torchscript.pt it is called NAME.verification.json. ``--faces`` and ``--align`` are those of ``train.evaluate``.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from restoration.faces import Detector, align_face
from restoration.faces.detection import EMBEDDED, find_faces, load_detector
from restoration.images import InputError, read_image
from restoration.measure import identity
from train.config import command, new_parser, write_json
from train.evaluate import read_sets
from train.extras.identity import ask, crops_of
from train.summary import summary, table, with_interval

FOLDS = 10
PERCENTILES = (5, 50, 95)


def verify(angles: NDArray[np.float64], same: NDArray[np.bool_], network: str) -> tuple[identity.Bands, float]:
    """Ten-fold accuracy and percentiles of labelled angles.

    Fold k is the k-th tenth of the same-person and of the different-person pairs; its threshold is the best one on the
    other nine. Source: the protocol of Labeled Faces in the Wild (Huang et al., 2007), "unrestricted".

    Of (N,) degrees, and whether each pair shows one person; at least 10 pairs of each kind, or InputError. Returns the
    bands, and the standard error of the accuracy over folds.
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
    bands = identity.Bands(network=network, pairs=len(angles), **figures, same=own, different=others)
    return bands, float(np.std(accuracies, ddof=1) / np.sqrt(FOLDS))


def measure_pairs(table: Path, network: identity.IdentityNetwork, detector: Detector) -> tuple[identity.Bands, float]:
    """``verify`` over the pairs of a CSV file. Of each photo the face nearest to its middle counts; pairs with one in
    which none is found are left out. InputError: the file is missing or has other columns, or as ``verify``."""
    try:
        with table.open(newline="") as file:
            pairs = [(row["a"], row["b"], row["same"] == "1") for row in csv.DictReader(file)]
    except (OSError, KeyError) as error:
        raise InputError(f"{table} must be a CSV file with the columns a, b and same.") from error
    known: dict[str, identity.Embedding] = {}
    names = {name for pair in pairs for name in pair[:2]}
    for name in tqdm(sorted(names), unit="photo", disable=None):
        photo = read_image(table.parent / "images" / name)
        middle = np.array(photo.shape[1::-1]) / 2
        if faces := find_faces(photo, detector):
            landmarks = min((face.landmarks for face in faces), key=lambda x: np.linalg.norm(x.mean(axis=0) - middle))
            known[name] = network.embed(align_face(photo, landmarks))
    if missed := len(names - known.keys()):
        print(f"no face found in {missed} photos; their pairs are left out")
    pairs = [pair for pair in pairs if pair[0] in known and pair[1] in known]
    angles = np.array([identity.angle_between(known[a], known[b]) for a, b, _ in pairs])
    return verify(angles, np.array([same for *_, same in pairs], bool), network.name)


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("--identity", help="the network, as identity.load_identity takes it (its default)")
    add("--pairs", type=Path, help="CSV file with the columns a, b, same, of photos in images/ beside it")
    add("--detector", default=EMBEDDED, help="finds the faces; the one nearest to the middle is taken (%(default)s)")
    add("--teacher", help="the network that was learned from")
    add("--faces", nargs="+", default=[], metavar="NAME=FOLDER", help="sets of aligned faces to compare the two on")
    add("--align", nargs="+", default=[], metavar="NAME", help="of these the sets that are photos, aligned first")
    add("--limit", type=int, help="at most so many faces a set, spread evenly")
    add("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args(arguments)
    if bool(options.pairs) == bool(options.teacher and options.faces):
        raise InputError("Give either --pairs, or --teacher and --faces.")
    network, facts = identity.load_identity(options.identity), dict[str, Any]()
    if options.pairs:
        bands, error = measure_pairs(options.pairs, network, load_detector(options.detector))
        facts = asdict(bands)
        accuracy = f"{100 * bands.accuracy:.2f} ± {100 * error:.2f} % of {bands.pairs} pairs"
        print(f"{network.name}: {accuracy}, threshold {bands.threshold:.1f}°")
        print(f"percentiles {PERCENTILES}: same person {bands.same}°, different people {bands.different}°")
    else:
        teacher = identity.load_identity(options.teacher)
        facts = {"network": network.name, "teacher": teacher.name, "sets": []}
        for name, _, faces in read_sets(options.faces, options.align, options.limit):
            one, other = (ask(each.network, crops_of(faces)) for each in (network, teacher))
            if one.shape != other.shape:
                sizes = f"{network.name} gives {one.shape[1]} numbers a face and {teacher.name} {other.shape[1]}"
                raise InputError(f"{sizes}: only a recogniser that learned from the other one can agree with it.")
            facts["sets"].append({"set": name, "pictures": len(faces), **summary((one * other).sum(1).numpy())})
        rows = [[each["set"], each["pictures"], with_interval(each, 4)] for each in facts["sets"]]
        print("\n".join(table(["set", "pictures", "mean cosine"], *rows)))
    if options.out:
        write_json(options.out, facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
