"""The command line, ``python -m restoration COMMAND``: photos in and out, this machine, and the Hub."""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from restoration import InputError, NoFaceError, Restorer, __version__
from restoration.cli.jobs import Facts, find_jobs, printable, run_jobs
from restoration.degrade import LIMITS, Degradation, degrade_image
from restoration.degrade.protocols import PRESETS
from restoration.faces import FACE_SIZE, Face
from restoration.faces.detection import NAMES, find_faces, load_detector
from restoration.faces.pasting import enlarge, load_parser
from restoration.faces.photo import BACKGROUNDS, CENTRED, MASKS, in_tiles
from restoration.hub import HubModel, find_update, load_configured, pull
from restoration.hub.push import Card, publish_space, push_to_hub
from restoration.hub.staging import prepare, prepare_space
from restoration.images import Image
from restoration.images.photo_file import FORMS, PhotoFile
from restoration.images.pictures import disk_is_full
from restoration.lab.recipe import MAX_SEED, make_seed
from restoration.measure import lanczos, non_local_means, psnr, ssim
from restoration.measure.identity import load_identity
from restoration.network import MAX_SIZE, MIN_SIZE
from restoration.network.checkpoint import WeightsError, read_weights
from restoration.restorer import Precision, describe, select_device

STAGING = Path("runs") / "push"
WEIGHTS = "a folder, owner/name[@revision] on the Hub, or an embedded set"


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 1 done in part, 2 unusable input, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m restoration", description="Face restoration.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_photo_commands(commands)
    _add_other_commands(commands)
    options = parser.parse_args(arguments)
    try:
        status: int | None = options.run(options)
    except InputError as error:
        print(printable(f"restoration: {error}"), file=sys.stderr)
        return 2
    except OSError as error:  # of a path that somebody gave: no right, too long, a loop of links
        full = disk_is_full(error)
        if error.filename is None and not full:
            raise
        advice = "Free some space, and repeat the command." if full else "Check the path and its permissions."
        print(printable(f"restoration: {error.filename or 'writing'}: {error.strerror}. {advice}"), file=sys.stderr)
        return 2
    return status or 0


def _add_photo_commands(commands: Any) -> None:
    restore = commands.add_parser("restore", help="restore every face in a photo or a folder of photos")
    _add_paths(restore)
    _add_network(restore)
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
    add("source", metavar="IN", help="a photo, or a folder with its sub-folders")
    add("destination", metavar="OUT", help="a file for a photo, a folder for a folder")
    add("--overwrite", action="store_true", help="write files that are there already again")
    add("--json", type=Path, metavar="FILE", help="write a report of every photo there")
    add("--format", choices=FORMS, help="of results in a folder (each photo's own, or the nearest): a.heic.jpg")
    add("--quality", type=int, help="of a JPEG or WebP, 1 to 100 (JPEG 95; WebP without loss)")
    add("--suffix", default="", help="behind the name of results in a folder, such as _restored")


def _add_network(parser: argparse.ArgumentParser) -> None:
    """The options of every command that runs the network; ``open_restorer`` reads them."""
    parser.add_argument("--weights", help=WEIGHTS)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps, …, or auto (%(default)s)")
    meaning = "of the convolutions; auto is bf16 on a CPU with matrix units for it, else fp32 (%(default)s)"
    parser.add_argument("--precision", choices=get_args(Precision), default="auto", help=meaning)


def _add_other_commands(commands: Any) -> None:
    info = commands.add_parser("info", help="print version, weights, configuration and devices")
    info.add_argument("--weights", help=WEIGHTS)
    info.set_defaults(run=_info)
    speed = commands.add_parser("benchmark", help="time the network beside Lanczos and non-local means")
    speed.add_argument("--size", type=int, default=512, help="side of the picture, pixels (%(default)s)")
    speed.add_argument("--rounds", type=int, default=7, help="timed rounds (%(default)s)")
    speed.add_argument("--threads", type=int, default=2, help="of the network (%(default)s)")
    _add_network(speed)
    speed.set_defaults(run=_benchmark)
    fetch = commands.add_parser("pull", help="bring a model of the Hub into the cache, or up to date")
    fetch.add_argument("model", help="owner/name or owner/name@revision")
    fetch.set_defaults(run=_pull)
    send = commands.add_parser("push", help="publish a run or a set of weights on the Hub")
    send.add_argument("folder", type=Path, help="of the run, or of the weights")
    add_push_options(send)
    send.set_defaults(run=_push)
    space = commands.add_parser("publish-space", help="bring a Space on the Hub up to date with this repository")
    space.add_argument("--public", action="store_true", help="a public Space, where it does not exist yet")
    space.add_argument("--model", help="owner/name[@revision] on the Hub that the app runs (the embedded weights)")
    space.set_defaults(run=_publish_space)
    for command in (send, space):
        command.add_argument("repo_id", metavar="owner/name", help="made, private, where it does not exist")
        dry = f"write the files to {STAGING}, list them, send nothing"
        command.add_argument("--dry-run", action="store_true", help=dry)


def add_push_options(parser: argparse.ArgumentParser) -> None:
    """Add what a push can be told beside folder and repository."""
    parser.add_argument("--public", action="store_true", help="a public repository")
    parser.add_argument("--tag", help="of this release (v1, or the number after the last)")
    card = "a README.md there that a person wrote or changed: refuse to push, keep it, or replace it (%(default)s)"
    parser.add_argument("--card", choices=get_args(Card), default="protect", help=card)


def _open_restorer(options: argparse.Namespace) -> Restorer:
    return Restorer(load_configured(options.weights), select_device(options.device), options.precision)


def _which(text: str) -> list[int]:
    numbers = [] if text == "largest" else text.split(",")
    if not all(number.strip().isdecimal() and int(number) for number in numbers):
        raise argparse.ArgumentTypeError(f"give numbers from 1, such as 1,3, or the word largest, not {text!r}")
    return [int(number) for number in numbers]


def _choose(faces: Sequence[Face], which: list[int] | None, max_face: float | None) -> list[Face]:
    """Of a photo's faces, the largest first, those up to ``max_face`` pixels wide and high whose numbers, from 1, are
    in ``which``; None is any. Where ``which`` is empty, it is the largest of those that remain."""
    most = math.inf if max_face is None else max_face
    sized = ((max(right - left, low - top), face) for face in faces for left, top, right, low in [face.box])
    fitting = [(number, face) for number, (size, face) in enumerate(sized, 1) if size <= most]
    if which == []:
        return [face for _, face in fitting[:1]]
    return [face for number, face in fitting if which is None or number in which]


def _restore(options: argparse.Namespace) -> int:
    if not 0 <= options.strength <= 1:
        raise InputError(f"--strength lies between 0 (untouched) and 1 (restored), not {options.strength}.")
    if options.max_face is not None and not options.max_face > 0:
        raise InputError(f"--max-face is a size in pixels, above 0, not {options.max_face:g}.")
    chosen = options.faces is not None or options.max_face is not None
    if chosen and options.centre:
        raise InputError("--faces and --max-face choose among faces that are found: leave --centre out.")
    jobs = find_jobs(options)
    restorer = _open_restorer(options)
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

    finder = detector.name if detector else CENTRED
    print(f"faces found by: {finder}", file=sys.stderr)
    common = {"command": "restore", "weights": restorer.info["source"], "detector": finder}
    common |= {name: restorer.info[name] for name in ("device", "precision")}
    common |= {key: getattr(options, key) for key in ("scale", "strength", "background", "mask", "faces", "max_face")}
    return run_jobs(jobs, work, common, options)


def _degrade(options: argparse.Namespace) -> int:
    given = {field.name: getattr(options, field.name) for field in fields(Degradation)}
    given = {name: value for name, value in given.items() if value is not None}
    if options.preset and given:
        raise InputError("Give --preset or single settings, not both.")
    seed = make_seed(options.seed)
    settings = PRESETS[options.preset].draw(seed) if options.preset else Degradation(**given)
    if settings.is_identity and not options.preset:
        ways = "--preset, --motion-length, --blur-sigma, --blur-sigma-y, --downsample, --noise, --jpeg or --grayscale"
        raise InputError(f"These settings change nothing. Give {ways}.")
    jobs = find_jobs(options)

    def work(photo: PhotoFile) -> tuple[Image, Facts]:
        degraded = degrade_image(photo.image, settings, seed)
        decibels = psnr(degraded, photo.image)  # of identical pictures infinite, which JSON has no number for
        measured = {"psnr_db": decibels if math.isfinite(decibels) else None, "ssim": ssim(degraded, photo.image)}
        return degraded, measured

    return run_jobs(jobs, work, {"command": "degrade", "settings": asdict(settings), "seed": seed}, options)


def _info(options: argparse.Namespace) -> None:
    weights = load_configured(options.weights)
    try:
        update = find_update(weights)
    except WeightsError as error:
        update = f"Not known: {error}"
    devices = ["cpu", *(f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count()))]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    facts = {"version": __version__, "python": platform.python_version(), "devices": devices}
    print(json.dumps({**facts, "weights": Restorer(weights, select_device("cpu")).info, "update": update}, indent=2))


def _benchmark(options: argparse.Namespace) -> None:
    """Time one picture through each method, in turn, so that a drifting machine slows all of them alike.

    The first round is not counted. The ratio is the median over rounds of a method's time by the network's in the same.
    """
    size, rounds, threads = options.size, options.rounds, options.threads
    if not (MIN_SIZE <= size <= MAX_SIZE and rounds >= 1 and 1 <= threads <= 1024):
        span = f"a size from {MIN_SIZE} to {MAX_SIZE} pixels, at least one round, and 1 to 1024 threads"
        raise InputError(f"The benchmark takes {span}.")
    torch.set_num_threads(threads)  # OpenCV uses its own
    restorer, identity, values = _open_restorer(options), load_identity(), np.random.default_rng(0)
    face: Image = values.integers(0, 256, (FACE_SIZE, FACE_SIZE, 3), np.uint8)
    picture: Image = values.integers(0, 256, (size, size, 3), np.uint8)
    picture = degrade_image(picture, Degradation(blur_sigma=4, noise=5), seed=0)
    methods: dict[str, Callable[[Image], object]] = {
        "restoration": restorer.restore_aligned,
        "Lanczos (÷4, ×4)": lambda image: lanczos(image, 4),
        "non-local means": non_local_means,
        f"identity of one face ({identity.name})": lambda _: identity.embed(face),
    }
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds + 1):
        for name, method in methods.items():
            begun = time.perf_counter()
            method(picture)
            times[name].append(time.perf_counter() - begun)
    facts = f"{options.device}, {restorer.info['precision']}, median of {rounds}"
    print(f"{size}x{size}, {threads} threads, {facts}\n")
    print("| method | seconds | fastest – slowest | time ÷ restoration's |\n|---|---|---|---|")
    for name, (_, *each) in times.items():
        ratio = statistics.median(a / b for a, b in zip(each, times["restoration"][1:], strict=True))
        print(f"| {name} | {statistics.median(each):.3f} | {min(each):.3f} – {max(each):.3f} | {ratio:.2f} |")


def _pull(options: argparse.Namespace) -> None:
    model = HubModel.parse(options.model)
    folder = pull(model)
    weights = read_weights(folder, f"Hub: {model}")
    print(json.dumps({"name": weights.training["name"], "revision": folder.name, "folder": str(folder)}, indent=2))


def _push(options: argparse.Namespace) -> None:
    public, repo_id = options.public, options.repo_id
    if options.dry_run:
        HubModel(repo_id, "main" if options.tag is None else options.tag)
        out = STAGING / repo_id.replace("/", "--")
        names = prepare(options.folder, out, repo_id)
        _list(out, names, f"A push to {repo_id} ({'public' if public else 'private'})")
    else:
        print(push_to_hub(options.folder, repo_id, public=public, tag=options.tag, card=options.card))


def _publish_space(options: argparse.Namespace) -> None:
    model = HubModel.parse(options.model) if options.model else None
    repo_id = HubModel(options.repo_id).repo_id
    if options.dry_run:
        out = STAGING / f"space--{repo_id.replace('/', '--')}"
        _list(out, prepare_space(out, model), f"Publishing the Space {repo_id}")
    else:
        print(publish_space(repo_id, model, public=options.public))


def _list(out: Path, names: list[str], what: str) -> None:
    print(f"Written to {out}. {what} would send in one commit:")
    for name in names:
        print(f"{(out / name).stat().st_size:>12,}  {name}")
