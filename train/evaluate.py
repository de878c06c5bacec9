"""How good are weights, on faces that they have and have not seen?

    python train/evaluate.py --faces val=FOLDER celebahq=FOLDER --protocols blind original --out evaluation

writes means with 95 % confidence intervals to ``evaluation.json`` and ``evaluation.md``, for all faces and by group
(``train.groups`` says which and in what form), and every image to ``images.csv``; with ``--grid`` also ``severity.csv``
and curves, each degradation alone from weak to strong (``train.severity``).

``--faces lfw@128=FOLDER --align lfw`` takes photos, finds and aligns the largest face of each, and measures PSNR and
SSIM on means over squares, 128 a side: all the detail that faces so small hold.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

if not __package__:  # python train/evaluate.py
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from restoration import Restorer
from restoration.degrade.protocols import PROTOCOLS, Distribution, Mixture
from restoration.faces.alignment import FACE_SIZE
from restoration.faces.detection import EMBEDDED, load_detector
from restoration.images import Image, InputError, to_image
from restoration.measure.baselines import lanczos, non_local_means
from restoration.measure.identity import IdentityNetwork, load_identity
from restoration.measure.metrics import Scores, score
from train.data import Faces, degraded_face, fixed_draw, read_faces
from train.face_sources import MIN_FACE, Folders
from train.groups import groupings
from train.severity import grid_protocols, write_grid
from train.summary import INPUT, markdown, summarise

METHODS = (INPUT, "lanczos", "non-local means", "restored")


def evaluate_face(
    faces: Faces,
    index: int,
    protocol: tuple[str, Distribution | Mixture],
    restorer: Restorer,
    identity: IdentityNetwork | None,
    methods: Sequence[str],
    side: int = FACE_SIZE,
) -> dict[str, Scores]:
    """Scores of every method for one face under its own fixed draw of a named protocol, against the clean face.

    "lanczos" is told by how much the face was reduced; where it was not, it returns its input.

    Args:
        side: PSNR and SSIM are those of both pictures reduced to so many pixels a side; a divisor of 512.
    """
    given, truth = (to_image(image) for image in degraded_face(faces, index, *protocol))
    (settings,), _ = fixed_draw(faces, index, *protocol)
    results: dict[str, Image] = {INPUT: given}
    if "lanczos" in methods:
        results["lanczos"] = lanczos(given, max(1.0, settings.downsample))
    if "non-local means" in methods:
        results["non-local means"] = non_local_means(given)
    if "restored" in methods:
        results["restored"] = restorer.restore_aligned(given)
    scores = {method: score(results[method], truth, identity) for method in methods}
    if side < FACE_SIZE:
        for method, found in scores.items():
            small = score(reduced(results[method], side), reduced(truth, side))
            scores[method] = dataclasses.replace(small, identity_angle=found.identity_angle)
    return scores


def reduced(image: Image, side: int) -> Image:
    """(512, 512, 3) uint8 as means over squares, (side, side, 3)."""
    small: Image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return small


def read_set(text: str, align: Sequence[str], limit: int | None) -> tuple[str, int, Faces]:
    """What ``--faces`` names: NAME[@SIDE]=FOLDER.

    Args:
        align: names of the sets that are photos.

    Returns:
        The name, the side at which it is measured, and its faces.

    Raises:
        InputError: another form, a side that does not divide 512 or is under 64, or as ``load_faces``.
    """
    name, _, folder = text.partition("=")
    name, at, number = name.partition("@")
    if not name or not folder:
        raise InputError("--faces takes NAME=FOLDER, for example val=/data/faces/val.")
    side = int(number) if number.isdecimal() else 0
    if at and side not in (64, 128, 256, FACE_SIZE):
        raise InputError(f"--faces {name}@SIDE measures at 64, 128, 256 or {FACE_SIZE} pixels, not {number or 'none'}.")
    detector = load_detector(EMBEDDED) if name in align else None
    source = Folders([folder], limit, detector, side or MIN_FACE)
    return name, side or FACE_SIZE, read_faces(source.read(0), source.count)


def parser() -> argparse.ArgumentParser:
    """Options of the command."""
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = result.add_argument
    add("--faces", nargs="+", required=True, metavar="NAME[@SIDE]=FOLDER", help="sets of aligned faces")
    add(
        "--align", nargs="+", default=[], metavar="NAME", help="sets that are photos: the largest face of each is taken"
    )
    add("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS), metavar="NAME", help=", ".join(PROTOCOLS))
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME", help=", ".join(METHODS))
    add("--grid", action="store_true", help="also one degradation at a time over a grid of severities")
    add("--weights", help="a folder of weights or the name of an embedded set (the default set)")
    add("--identity", metavar="FILE", help="TorchScript recogniser that was not trained against")
    add("--limit", type=int, help="at most so many images a set, spread evenly")
    add("--device", default="auto", help="of the network (%(default)s)")
    add("--precision", choices=("fp32", "bf16"), default="fp32", help="of the network's convolutions (%(default)s)")
    add("--out", type=Path, required=True, help="folder for the results")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    options = parser().parse_args(arguments)
    try:
        try:
            options.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--out {options.out} cannot be made ({error.strerror}). Choose another.") from error
        methods = [name for name in METHODS if name == INPUT or name in options.methods]
        restorer = Restorer.from_pretrained(options.weights, device=options.device, precision=options.precision)
        identity = load_identity(options.identity)
        protocols = {name: PROTOCOLS[name] for name in options.protocols}
        grid = grid_protocols() if options.grid else {}
        runs, rows = [], []
        for text in options.faces:
            name, side, faces = read_set(text, options.align, options.limit)
            for protocol in (*protocols.items(), *grid.items()):

                def one(
                    index: int, faces: Faces = faces, side: int = side, protocol: Any = protocol
                ) -> dict[str, Scores]:
                    return evaluate_face(faces, index, protocol, restorer, identity, methods, side)

                with ThreadPoolExecutor(2) as pool:
                    progress = tqdm(pool.map(one, range(len(faces))), total=len(faces), desc=f"{name}, {protocol[0]}")
                    per_image = list(progress)
                for face, row in zip(faces.names, per_image, strict=True):
                    rows += [
                        [name, protocol[0], face, method, *vars(scores).values()] for method, scores in row.items()
                    ]
                run: dict[str, Any] = {"set": name, "protocol": protocol[0], "images": len(faces)}
                run |= {"side": side, "methods": summarise(per_image)}
                runs.append(run if protocol[0] in grid else {**run, "groupings": groupings(faces, per_image)})
    except InputError as error:
        print(f"evaluate.py: {error}", file=sys.stderr)
        return 2
    info = {key: restorer.info[key] for key in ("name", "source", "parameters", "precision")}
    info["fingerprint"] = restorer.fingerprint
    network = identity.name if identity else None
    points = [run for run in runs if run["protocol"] in grid]
    results: dict[str, Any] = {"weights": info, "identity": network, "torch": torch.__version__}
    results |= {"runs": [run for run in runs if run["protocol"] not in grid], "grid": points}
    if points:
        write_grid(points, options.out)
    (options.out / "evaluation.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.out / "evaluation.md").write_text(markdown(results))
    with (options.out / "images.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "protocol", "face", "method", "psnr", "ssim", "identity_angle"])
        writer.writerows(rows)
    print(markdown(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
