"""How good weights are, on faces that they have and have not seen.

    python -m train.evaluate --faces val=FOLDER celebahq=FOLDER --protocols blind original --out evaluation

writes means with 95 % confidence intervals to ``evaluation.json`` and ``evaluation.md``, for all faces and by group
(``train.summary`` says which and in what form), every image to ``images.csv``; with ``--grid`` also ``severity.csv``
and curves, each degradation alone from weak to strong.

``--faces lfw@128=FOLDER --align lfw`` takes photos, finds and aligns the largest face of each, and measures PSNR and
SSIM on means over squares, 128 a side: all the detail that faces so small hold.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from restoration import Restorer
from restoration.cli.jobs import ask_writable
from restoration.degrade import LIMITS
from restoration.degrade.protocols import PROTOCOLS, Distribution
from restoration.faces import FACE_SIZE
from restoration.images import Image, InputError, to_image
from restoration.lab import LANCZOS, NON_LOCAL_MEANS, WIENER, run_baselines
from restoration.measure import Scores, score
from restoration.measure.identity import IdentityNetwork, load_identity
from train.batches import Draws, degraded_face, fixed_draw
from train.config import command, new_parser, write_json
from train.data import MIN_FACE, Faces, open_source, read_faces
from train.summary import INPUT, RESTORED, against, groupings, markdown, summarise, write_csv

METHODS = (INPUT, LANCZOS.lower(), NON_LOCAL_MEANS.lower(), WIENER.lower(), RESTORED)
GRID: dict[str, tuple[float, ...]] = {
    "motion_length": (5, 9, 15, 21, 31, 41),
    "blur_sigma": (1, 2, 4, 7, 10),
    "downsample": (2, 4, 8, 16),
    "noise": (2, 5, 10, 25, 50),
    "jpeg": (90, 60, 30, 15),
}
SHOWN = {"psnr": "PSNR, dB", "ssim": "SSIM"}  # in the grid's curves; its table holds every metric


def evaluate_face(
    index: int,
    faces: Faces,
    protocol: tuple[str, Draws],
    restorer: Restorer | None,
    identity: IdentityNetwork | None,
    methods: Sequence[str],
    side: int = FACE_SIZE,
) -> dict[str, Scores]:
    """Scores of every method for one face under its own fixed draw of a named protocol, against the clean face.

    "lanczos" is told by how much the face was reduced, "wiener" its blur and noise; without such they return the input.
    "restored" needs a restorer. PSNR and SSIM are those of both pictures reduced to ``side`` pixels, a divisor of 512.
    """
    given, truth = (to_image(image) for image in degraded_face(faces, index, *protocol))
    (settings,), _ = fixed_draw(faces, index, *protocol)
    made: dict[str, Image | None] = {INPUT: given}
    if restorer and RESTORED in methods:
        made[RESTORED] = restorer.restore_aligned(given)
    if set(methods) - {INPUT, RESTORED}:
        made |= {name.lower(): picture for name, picture in run_baselines(given, settings).items()}
    scores = {}
    for method in methods:
        picture = made[method]
        result = given if picture is None else picture
        scores[method] = score(result, truth, identity)
        if side < FACE_SIZE:
            small = score(*(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in (result, truth)))
            scores[method] = dataclasses.replace(small, identity_angle=scores[method].identity_angle)
    return scores


def read_sets(texts: Sequence[str], align: Sequence[str], limit: int | None) -> Iterator[tuple[str, int, Faces]]:
    """What ``--faces`` names, each NAME[@SIDE]=FOLDER: its name, the side at which it is measured, and its faces.

    Those of sets that are named in ``align`` are photos. InputError: another form or side, a name twice or in ``align``
    alone, or as ``load_faces``.
    """
    form = re.compile(r"([^@=]+)(?:@(64|128|256|512))?=(.+)")
    sets = {match[1]: match for match in map(form.fullmatch, texts) if match}
    if len(sets) < len(texts):
        raise InputError("--faces takes NAME=FOLDER, or NAME@SIDE=… of 64, 128, 256 or 512 pixels, each NAME once.")
    if not sets.keys() >= set(align):
        raise InputError(f"--align takes names of --faces, which has {', '.join(sets)}, not {', '.join(align)}.")
    for name, (side, folder) in ((name, match.groups()[1:]) for name, match in sets.items()):
        source = open_source([folder], limit=limit, align=name in align, smallest=int(side or MIN_FACE))
        yield name, int(side or FACE_SIZE), read_faces(source)


def grid_protocols() -> dict[str, Distribution]:
    """One protocol a point of the grid, by name, for example "noise 25"; motion blur takes any direction."""
    return {
        f"{setting} {value:g}": Distribution(**{setting: (value, value)}, anisotropic=0.0)  # type: ignore[arg-type]
        for setting, values in GRID.items()
        for value in values
    }


def write_grid(runs: Sequence[dict[str, Any]], folder: Path) -> None:
    """Write ``severity.csv`` and, for each set, ``severity_SET.png`` into a folder; of the runs, at every point of the
    grid, set, protocol (a name of ``grid_protocols``), images and methods are read."""
    rows = []
    for run in runs:
        point = [run["set"], *run["protocol"].split(" "), run["images"]]
        for method, metrics in run["methods"].items():
            rows += [[*point, method, metric, value["mean"], value["ci95"]] for metric, value in metrics.items()]
    header = ["set", "degradation", "severity", "images", "method", "metric", "mean", "ci95"]
    write_csv(folder / "severity.csv", header, *rows)
    for name in dict.fromkeys(run["set"] for run in runs):
        points = {run["protocol"]: run["methods"] for run in runs if run["set"] == name}
        _plot(points).savefig(folder / f"severity_{name}.png", dpi=110)


def _plot(points: dict[str, Any]) -> Figure:
    """A column a degradation, a row a metric, a line a method with its 95 % interval."""
    figure = Figure(figsize=(3.2 * len(GRID), 5.6), layout="constrained")
    axes = figure.subplots(len(SHOWN), len(GRID))
    for column, (setting, values) in zip(axes.T, GRID.items(), strict=True):
        found = [points[f"{setting} {value:g}"] for value in values]
        unit = "" if setting == "jpeg" else f", {LIMITS[setting].unit}"
        for axis, (metric, label) in zip(column, SHOWN.items(), strict=True):
            for method in found[0]:
                means, halves = ([point[method][metric][key] for point in found] for key in ("mean", "ci95"))
                style = "--" if method == INPUT else "-"
                axis.errorbar(values, means, halves, fmt=style, marker=".", linewidth=1.2, capsize=2, label=method)
            axis.set(xlabel=LIMITS[setting].label + unit, ylabel=label)
            axis.grid(alpha=0.3)
            if setting == "jpeg":  # worse to the right, as everywhere
                axis.invert_xaxis()
    axes[0][0].legend(fontsize=8)
    return figure


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("--faces", nargs="+", required=True, metavar="NAME[@SIDE]=FOLDER", help="sets of aligned faces")
    add("--align", nargs="+", default=[], metavar="NAME", help="sets of photos: the largest face of each is taken")
    add("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS), metavar="NAME", help=", ".join(PROTOCOLS))
    add("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="NAME", help=", ".join(METHODS))
    add("--grid", action="store_true", help="also one degradation at a time over a grid of severities")
    add("--weights", help="a folder of weights or the name of an embedded set (the default set)")
    add("--identity", metavar="FILE", help="TorchScript recogniser that was not trained against")
    add("--limit", type=int, help="at most so many images a set, spread evenly")
    add("--device", default="auto", help="of the network (%(default)s)")
    add("--precision", choices=("fp32", "bf16"), default="fp32", help="of the network's convolutions (%(default)s)")
    add("--out", type=Path, required=True, help="folder for the results")
    options = parser.parse_args(arguments)
    ask_writable([options.out / "evaluation.json"])
    methods = [name for name in METHODS if name == INPUT or name in options.methods]
    restorer = Restorer.from_pretrained(options.weights, device=options.device, precision=options.precision)
    identity = load_identity(options.identity)
    grid = grid_protocols() if options.grid else {}
    runs, points, rows = list[dict[str, Any]](), list[dict[str, Any]](), []
    for name, side, faces in read_sets(options.faces, options.align, options.limit):
        for protocol in (*((each, PROTOCOLS[each]) for each in options.protocols), *grid.items()):
            indices = tqdm(range(len(faces)), desc=f"{name}, {protocol[0]}", unit="face", disable=None)
            how = protocol, restorer, identity, methods, side
            per_image = [evaluate_face(index, faces, *how) for index in indices]
            for face, row in zip(faces.names, per_image, strict=True):
                rows += [[name, protocol[0], face, method, *vars(scores).values()] for method, scores in row.items()]
            run: dict[str, Any] = {"set": name, "protocol": protocol[0], "images": len(faces), "side": side}
            run |= {"methods": summarise(per_image), "against": against(per_image)}
            if protocol[0] in grid:
                points.append(run)
            else:
                runs.append({**run, "groupings": groupings(faces, per_image)})
    info = {key: restorer.info[key] for key in ("name", "source", "parameters", "precision")}
    results: dict[str, Any] = {"weights": {**info, "fingerprint": restorer.fingerprint}, "torch": torch.__version__}
    results |= {"identity": identity.name, "runs": runs, "grid": points}
    write_json(options.out / "evaluation.json", results)
    (options.out / "evaluation.md").write_text(markdown(results))
    header = ["set", "protocol", "face", "method", "psnr", "ssim", "identity_angle"]
    write_csv(options.out / "images.csv", header, *rows)
    if points:
        write_grid(points, options.out)
    print(markdown(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
