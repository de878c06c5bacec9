"""The commands ``restore`` and ``degrade``: files and folders in, files out."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from restoration.cli.jobs import Facts, find_jobs, run_jobs
from restoration.degrade import LIMITS, Degradation, degrade_image
from restoration.degrade.protocols import PRESETS
from restoration.faces import Face
from restoration.faces.detection import NAMES, find_faces, load_detector
from restoration.faces.pasting import enlarge, load_parser
from restoration.faces.photo import BACKGROUNDS, MASKS, NoFaceError, in_tiles
from restoration.hub import load_configured
from restoration.images import Image, InputError
from restoration.images.photo_file import FORMS, PhotoFile
from restoration.lab import MAX_SEED, make_seed
from restoration.measure import psnr, ssim
from restoration.restorer import Precision, Restorer, describe, select_device

WEIGHTS_HELP = "a folder, owner/name[@revision] on the Hub, or an embedded set"


def add_photo_commands(commands: Any) -> None:
    """Add ``restore`` and ``degrade`` to the sub-commands of a parser."""
    restore = commands.add_parser("restore", help="restore every face in a photo or a folder of photos")
    _add_paths(restore)
    add_network(restore)
    add = restore.add_argument
    add("--detector", help=f"{', '.join(NAMES)}, or a folder with its file (auto)")
    add("--centre", action="store_true", help="take the centred square for the face; do not look")
    add("--faces", type=_which, metavar="N,N", help="these alone, counted from the largest: 1,3; or largest")
    add("--max-face", type=float, metavar="PX", help="faces that are at most so wide and high alone, pixels")
    add("--scale", type=int, choices=(1, 2, 4), default=1, help="enlargement (%(default)s)")
    network = "enlarged by (%(default)s); the network enlarges photos without a face, too"
    add("--background", choices=BACKGROUNDS, default=BACKGROUNDS[0], help=network)
    add("--mask", choices=MASKS, default=MASKS[0], help="what is restored (%(default)s)")
    add("--strength", type=float, default=1.0, help="0 untouched to 1 restored (%(default)s)")
    restore.set_defaults(run=_restore)
    degrade = commands.add_parser("degrade", help="degrade a photo or a folder of photos, to test with")
    _add_paths(degrade)
    degrade.add_argument("--preset", choices=PRESETS, help="a named degradation, in place of the settings below")
    degrade.add_argument("--seed", type=int, default=0, help=f"of the noise, 0 to {MAX_SEED} (%(default)s)")
    for field in fields(Degradation):
        name, limit = f"--{field.name.replace('_', '-')}", LIMITS.get(field.name)
        if limit:
            kind = int if field.name == "jpeg" else float
            degrade.add_argument(name, type=kind, help=f"{limit.label}, {limit.low:g} to {limit.high:g} {limit.unit}")
        elif field.name == "grayscale":
            degrade.add_argument(name, action="store_true", default=None, help="monochrome")
        else:
            degrade.add_argument(name, help="how the reduction samples")
    degrade.set_defaults(run=_degrade)


def _add_paths(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("source", type=Path, metavar="IN", help="a photo, or a folder with its sub-folders")
    add("destination", type=Path, metavar="OUT", help="a file for a photo, a folder for a folder")
    add("--overwrite", action="store_true", help="write files that are there already again")
    add("--json", type=Path, metavar="FILE", help="write a report of every photo there")
    add("--format", choices=FORMS, help="of results in a folder (each photo's own, or what is nearest)")
    add("--quality", type=int, help="of a JPEG or WebP, 1 to 100 (JPEG 95; WebP without loss)")
    add("--suffix", default="", help="behind the name of results in a folder, such as _restored")


def add_network(parser: argparse.ArgumentParser) -> None:
    """The options of every command that runs the network; ``open_restorer`` reads them."""
    parser.add_argument("--weights", help=WEIGHTS_HELP)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps, …, or auto (%(default)s)")
    meaning = "of the convolutions; auto is bf16 on a CPU with matrix units for it, else fp32 (%(default)s)"
    parser.add_argument("--precision", choices=get_args(Precision), default="auto", help=meaning)


def open_restorer(options: argparse.Namespace) -> Restorer:
    """The network of the options; what is to be known of its weights is printed."""
    weights = load_configured(options.weights)
    if weights.notice:
        print(weights.notice, file=sys.stderr)
    return Restorer(weights, select_device(options.device), options.precision)


def _which(text: str) -> list[int]:
    numbers = [] if text == "largest" else [int(part) for part in text.split(",")]
    if min(numbers, default=1) < 1:
        raise ValueError(text)
    return numbers


def _choose(faces: Sequence[Face], which: list[int] | None, max_face: float | None) -> list[Face]:
    """Of a photo's faces, the largest first, those up to ``max_face`` pixels wide and high whose numbers, from 1, are
    in ``which``; None is any. Where ``which`` is empty, it is the largest of those that remain."""
    fitting = {
        number: face
        for number, face in enumerate(faces, 1)
        if max_face is None or max(face.box[2] - face.box[0], face.box[3] - face.box[1]) <= max_face
    }
    wanted = list(fitting)[:1] if which == [] else which or list(fitting)
    return [face for number, face in fitting.items() if number in wanted]


def _restore(options: argparse.Namespace) -> int:
    if not 0 <= options.strength <= 1:
        raise InputError(f"--strength lies between 0 (untouched) and 1 (restored), not {options.strength}.")
    chosen = options.faces is not None or options.max_face is not None
    if chosen and options.centre:
        raise InputError("--faces and --max-face choose among faces that are found: leave --centre out.")
    jobs = find_jobs(options)
    restorer = open_restorer(options)
    detector = None if options.centre else load_detector(options.detector)
    if options.mask == "parsing":
        load_parser()  # which may be impossible, and is said before the first photo

    def work(photo: PhotoFile) -> tuple[Image, Facts]:
        every = find_faces(photo.image, detector) if chosen and detector else []
        given = {name: getattr(options, name) for name in ("centre", "scale", "strength", "background", "mask")}
        if chosen:
            given["faces"] = _choose(every, options.faces, options.max_face)
        try:
            result = restorer.restore(photo.image, detector=detector, **given)
        except NoFaceError as error:
            told = f"None of the {len(every)} faces is one of those to restore." if every else f"{error} (--centre)"
            if options.scale == 1 or options.background != "network":
                raise NoFaceError(told) from error
            whole = in_tiles(enlarge(photo.image, options.scale), restorer.restore_batch)
            return whole, {"notice": f"{told} The network enlarged the whole photo.", "faces": []}
        return result.photo, describe(result)

    common = {
        "command": "restore",
        "weights": restorer.info["source"],
        "device": restorer.info["device"],
        "precision": restorer.info["precision"],
        "detector": detector.name if detector else "centred square",
        **{name: getattr(options, name) for name in ("scale", "strength", "mask", "faces", "max_face")},
    }
    print(f"faces found by: {common['detector']}", file=sys.stderr)
    return run_jobs(jobs, work, common, options)


def _degrade(options: argparse.Namespace) -> int:
    given = {field.name: getattr(options, field.name) for field in fields(Degradation)}
    given = {name: value for name, value in given.items() if value is not None}
    if options.preset and given:
        raise InputError("Give --preset or single settings, not both.")
    seed = make_seed(options.seed)
    settings = PRESETS[options.preset].draw(seed) if options.preset else Degradation(**given)
    jobs = find_jobs(options)

    def work(photo: PhotoFile) -> tuple[Image, Facts]:
        degraded = degrade_image(photo.image, settings, seed)
        decibels = psnr(degraded, photo.image)  # of identical pictures infinite, which JSON has no number for
        measured = {"psnr_db": decibels if math.isfinite(decibels) else None, "ssim": ssim(degraded, photo.image)}
        return degraded, measured

    return run_jobs(jobs, work, {"command": "degrade", "settings": asdict(settings), "seed": seed}, options)
