"""How large a network's errors are where it is unsure: fits the uncertainty map to true errors on validation faces.

    python -m train.calibrate --faces FOLDER --weights runs/mine/weights

measures on faces that were not trained on, and writes the figures into the weights' training.json, where
``Restorer.calibration`` finds them. Eight restorations a face: 60 faces take about four minutes on one core.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from restoration import Restorer
from restoration.degrade import degrade
from restoration.degrade.protocols import PROTOCOLS
from restoration.hub import DEFAULT, EMBEDDED
from restoration.images import InputError, to_image
from restoration.images.pictures import write_atomically
from restoration.measure import uncertainty
from restoration.measure.faithfulness import skin_colour_difference
from restoration.network.checkpoint import TRAINING
from train.batches import degraded_face, fixed_draw
from train.config import command, new_parser
from train.data import Faces, load_faces

ERROR_WINDOW = 2.0  # pixels, sigma: how local an error is foretold
GRID = np.s_[::5, ::5]  # of the pixels: neighbours say the same
MIN_FACES, TENTHS = 4, 10


@dataclass(frozen=True)
class Measured:
    """One face: features and errors on the pixels of ``GRID``, and two figures of the whole face.

    features: by name, grey levels. error, pixel_error: mean absolute error over the channels, around and at the pixel.
    """

    features: dict[str, uncertainty.Map]
    error: uncertainty.Map
    pixel_error: uncertainty.Map
    skin: float
    residual: float


@torch.inference_mode()
def measure_face(faces: Faces, index: int, protocol: str, restorer: Restorer) -> Measured:
    """Degrade a face as ``train.evaluate`` does, restore it eight times, and compare with the truth."""
    given = faces, index, protocol, PROTOCOLS[protocol]
    degraded, clean = degraded_face(*given)
    restorations = uncertainty.perturbed_restorations(degraded, restorer.restore_tensor)
    restored = to_image(restorations[:1])
    again = degrade((restorations[:1] * 255).round() / 255, *fixed_draw(*given))
    pixels = np.abs(restored - to_image(clean).astype(np.float32)).mean(axis=2, dtype=np.float32)
    return Measured(
        {key: value[GRID] for key, value in uncertainty.uncertainty_features(degraded, restorations).items()},
        uncertainty.smooth(pixels, ERROR_WINDOW)[GRID],
        pixels[GRID],
        skin_colour_difference(restored, to_image(clean)),
        float((again - degraded).abs().mean() * 255),
    )


def fit(faces: Sequence[Measured]) -> tuple[dict[str, float], float]:
    """Coefficients and offset of ``expected_error``: least squares between logarithms, then the mean made right."""
    columns = [
        np.concatenate([uncertainty.log_feature(face.features[name]).ravel() for face in faces])
        for name in uncertainty.FEATURES
    ]
    target = np.concatenate([uncertainty.log_feature(face.error).ravel() for face in faces])
    matrix = np.column_stack([*columns, np.ones(len(target))])
    solution = np.linalg.lstsq(matrix, target, rcond=None)[0]
    *weights, offset = solution.tolist()
    mean_made_right = float(np.log(np.exp(target).mean() / np.exp(matrix @ solution).mean()))
    return dict(zip(uncertainty.FEATURES, weights, strict=True)), offset + mean_made_right


def rank_correlation(maps: Sequence[uncertainty.Map], errors: Sequence[uncertainty.Map]) -> float:
    """Spearman's rank correlation within each face, the mean over faces."""
    ranked = [[x.ravel().argsort(kind="stable").argsort().astype(float) for x in both] for both in (maps, errors)]
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(*ranked, strict=True)]))


def calibrate(faces: Sequence[Measured], weights: str, protocol: str) -> uncertainty.Calibration:
    """Fit to all faces; the correlations and the reliability come from two halves that foretell each other."""
    halves = faces[::2], faces[1::2]
    foretold = [
        uncertainty.expected_error(face.features, *law)
        for half, law in zip(halves, map(fit, halves[::-1]), strict=True)
        for face in half
    ]
    shown = [*halves[0], *halves[1]]
    errors = [face.error for face in shown]
    both = np.stack([np.concatenate(foretold), np.concatenate(errors)]).reshape(2, -1)
    tenths = np.array_split(both[:, both[0].argsort(kind="stable")], TENTHS, axis=1)
    coefficients, offset = fit(faces)
    return uncertainty.Calibration(
        weights=weights,
        protocol=protocol,
        faces=len(faces),
        coefficients={name: round(value, 4) for name, value in coefficients.items()},
        offset=round(offset, 4),
        rank_correlation=round(rank_correlation(foretold, errors), 3),
        pixel_rank_correlation=round(rank_correlation(foretold, [face.pixel_error for face in shown]), 3),
        spread_rank_correlation=round(rank_correlation([face.features["spread"] for face in shown], errors), 3),
        reliability=tuple(
            (round(float(x), 2), round(float(y), 2)) for x, y in (tenth.mean(axis=1) for tenth in tenths)
        ),
        skin_difference=round(float(np.percentile([face.skin for face in faces], 95)), 2),
        residual=round(float(np.percentile([face.residual for face in faces], 95)), 2),
    )


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("--faces", nargs="+", required=True, metavar="FOLDER", help="aligned faces that were not trained on")
    add("--weights", default=DEFAULT, help="a folder of weights or the name of an embedded set (%(default)s)")
    add("--protocol", choices=PROTOCOLS, default="blind", metavar="NAME", help=f"{', '.join(PROTOCOLS)} (%(default)s)")
    add("--limit", type=int, default=60, help="at most so many faces, spread evenly (%(default)s)")
    add("--device", default="auto", help="of the network (%(default)s)")
    options = parser.parse_args(arguments)
    folder = EMBEDDED / options.weights if (EMBEDDED / options.weights).is_dir() else Path(options.weights)
    if not (folder / TRAINING).is_file():
        raise InputError(f"There are no weights in {folder} to write the figures to. Give a local folder.")
    faces = load_faces(options.faces, limit=options.limit)
    if len(faces) < MIN_FACES:
        raise InputError(f"A calibration needs at least {MIN_FACES} faces, not {len(faces)}.")
    restorer = Restorer.from_pretrained(options.weights, device=options.device, precision="fp32")
    indices = tqdm(range(len(faces)), unit="face", disable=None)
    measured = [measure_face(faces, index, options.protocol, restorer) for index in indices]
    figures = dataclasses.asdict(calibrate(measured, restorer.fingerprint, options.protocol))
    facts = {**json.loads((folder / TRAINING).read_text()), uncertainty.KEY: figures}
    write_atomically(folder / TRAINING, json.dumps(facts, indent=2) + "\n")
    print(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
