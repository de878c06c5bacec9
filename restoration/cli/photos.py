"""The commands ``restore`` and ``degrade``: files and folders in, files out.

Exit status: 0 all done, 1 some photos could not be done (each is named), 2 nothing could be started, 130 interrupted,
143 ended by SIGTERM.
"""

from __future__ import annotations

import argparse
import errno
import json
import math
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from restoration.cli.jobs import Jobs, ask_writable, find_jobs
from restoration.degrade import LIMITS, Degradation, degrade_image
from restoration.degrade.protocols import PRESETS
from restoration.faces import Face
from restoration.faces.detection import NAMES, find_faces, load_detector
from restoration.faces.pasting import enlarge, load_parser
from restoration.faces.photo import BACKGROUNDS, MASKS, NoFaceError, in_tiles
from restoration.hub import load_configured, load_weights
from restoration.images import Image, InputError
from restoration.images.photo_file import FORMS, PhotoFile, check_writable, read_photo, write_photo
from restoration.images.pictures import write_atomically
from restoration.lab.experiment import MAX_SEED, make_seed
from restoration.measure.metrics import psnr, ssim
from restoration.restorer import Precision, Restorer, describe, select_device

Facts = dict[str, Any]
Work = Callable[[PhotoFile], tuple[Image, Facts]]
_LONGEST_RESAMPLED = 10_000  # pixels: the maps of ``resampling`` grow with the square of a side, 1 GB here
_REPORT_EVERY = 10.0  # seconds
_FULL = (errno.ENOSPC, errno.EDQUOT)


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
        name = f"--{field.name.replace('_', '-')}"
        if field.name in LIMITS:
            limit = LIMITS[field.name]
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
    parser.add_argument("--weights", help="a folder, owner/name[@revision] on the Hub, or an embedded set")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps, …, or auto (%(default)s)")
    meaning = "of the convolutions; auto is bf16 on a CPU with matrix units for it, else fp32 (%(default)s)"
    parser.add_argument("--precision", choices=get_args(Precision), default="auto", help=meaning)


def open_restorer(options: argparse.Namespace) -> Restorer:
    """What ``--weights`` names, else what ``RESTORATION_MODEL`` names, else the embedded default."""
    weights = load_weights(options.weights) if options.weights else load_configured()
    if weights.notice:
        print(weights.notice, file=sys.stderr)
    return Restorer(weights, select_device(options.device), options.precision)


def choose_faces(faces: Sequence[Face], which: list[int] | None = None, max_face: float | None = None) -> list[Face]:
    """Some of a photo's faces.

    Args:
        faces: the largest first, as ``find_faces`` returns them.
        which: their numbers, from 1; [] is the largest of those that remain; None is all.
        max_face: the largest width and height of their boxes, pixels; None is any.
    """
    small = [
        (number, face)
        for number, face in enumerate(faces, 1)
        if max_face is None or max(face.box[2] - face.box[0], face.box[3] - face.box[1]) <= max_face
    ]
    return [face for number, face in (small if which != [] else small[:1]) if not which or number in which]


def _which(text: str) -> list[int]:
    numbers = [] if text == "largest" else [int(part) for part in text.split(",")]
    if min(numbers, default=1) < 1:
        raise ValueError(text)
    return numbers


def _restore(options: argparse.Namespace) -> int:
    if not 0 <= options.strength <= 1:
        raise InputError(f"--strength lies between 0 (untouched) and 1 (restored), not {options.strength}.")
    chosen = options.faces is not None or options.max_face is not None
    if chosen and options.centre:
        raise InputError("--faces and --max-face choose among faces that are found: leave --centre out.")
    jobs = _find(options)
    restorer = open_restorer(options)
    detector = None if options.centre else load_detector(options.detector)
    if options.mask == "parsing":
        load_parser()  # which may be impossible, and is said before the first photo

    def work(photo: PhotoFile) -> tuple[Image, Facts]:
        every = find_faces(photo.image, detector) if chosen and detector else []
        given = {name: getattr(options, name) for name in ("centre", "scale", "strength", "background", "mask")}
        if chosen:
            given["faces"] = choose_faces(every, options.faces, options.max_face)
        try:
            with closing(tqdm(unit="face", desc="faces", leave=False, disable=None, delay=1)) as bar:

                def step(done: int, faces: int) -> None:
                    bar.total = faces
                    bar.update(done - bar.n)

                result = restorer.restore(photo.image, detector=detector, progress=step, **given)
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
    return _run(jobs, work, common, options)


def _degrade(options: argparse.Namespace) -> int:
    given = {field.name: getattr(options, field.name) for field in fields(Degradation)}
    given = {name: value for name, value in given.items() if value is not None}
    if options.preset and given:
        raise InputError("Give --preset or single settings, not both.")
    seed = make_seed(options.seed)
    settings = PRESETS[options.preset].draw(seed) if options.preset else Degradation(**given)
    jobs = _find(options)

    def work(photo: PhotoFile) -> tuple[Image, Facts]:
        if settings.downsample != 1 and max(photo.image.shape) > _LONGEST_RESAMPLED:
            size = f"{photo.image.shape[1]} x {photo.image.shape[0]}"
            limit = f"--downsample takes sides up to {_LONGEST_RESAMPLED} pixels"
            raise InputError(f"The photo is {size}; {limit}. Reduce or crop it first.")
        degraded = degrade_image(photo.image, settings, seed)
        return degraded, {"psnr_db": psnr(degraded, photo.image), "ssim": ssim(degraded, photo.image)}

    return _run(jobs, work, {"command": "degrade", "settings": asdict(settings), "seed": seed}, options)


def _find(options: argparse.Namespace) -> Jobs:
    """The jobs, after everything was refused that can be known to fail before the first photo."""
    if options.quality is not None and not 1 <= options.quality <= 100:
        raise InputError(f"--quality lies between 1 and 100, not {options.quality}.")
    if os.sep in options.suffix:
        raise InputError(f"--suffix is a part of a file's name, not {options.suffix!r}.")
    jobs = find_jobs(options.source, options.destination, options.json, options.format, options.suffix)
    new = [target for _, target in jobs.photos if options.overwrite or not os.path.lexists(target)]
    ask_writable(new + ([options.json] if options.json else []))
    if options.source.is_file() and not new:
        raise InputError(f"{jobs.photos[0][1]} is there already. Give another name, or --overwrite.")
    if jobs.left_out:
        named = ", ".join(str(path) for path in jobs.left_out[:5]) + (", …" if len(jobs.left_out) > 5 else "")
        print(f"left out, because their names are no photos': {len(jobs.left_out)} ({named})", file=sys.stderr)
    return jobs


def _run(jobs: Jobs, work: Work, common: Facts, options: argparse.Namespace) -> int:
    """Do what is not done yet, one photo after the other; one that fails does not stop the others."""
    rows: list[Facts] = [
        {"input": str(error.filename), "status": "failed", "message": f"The folder cannot be read: {error.strerror}."}
        for error in jobs.unread
    ]
    for folder in rows:
        print(f"{folder['input']}: {folder['message']}", file=sys.stderr)
    status, saved, full, earlier = 1 if rows else 0, time.monotonic(), False, _earlier(jobs, common, options.json)
    if in_main := threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, _end)
    try:
        with tqdm(jobs.photos, unit="photo", disable=None, desc=common["command"]) as bar:
            for path, target in bar:
                bar.set_postfix_str(path.name)
                row: Facts = {"input": str(path), "output": str(target)}
                rows.append(row)
                if os.path.lexists(target) and not options.overwrite:
                    row["status"] = "skipped"
                    continue
                begun = time.perf_counter()
                full = _try(row, path, target, work, options)
                row["total_seconds"] = round(time.perf_counter() - begun, 4)
                status = status if row["status"] == "done" else 1
                for said in (row[key] for key in ("notice", "message") if key in row):
                    bar.write(f"{path}: {said}", file=sys.stderr)
                if full:
                    bar.write("The disk is full: stopped. The same command goes on from here.", file=sys.stderr)
                    break
                if time.monotonic() - saved > _REPORT_EVERY:
                    _report(rows, earlier, jobs, common, options.json)
                    saved = time.monotonic()
    except KeyboardInterrupt as stop:
        status = 143 if stop.args == (signal.SIGTERM,) else 130
    finally:
        if in_main:
            signal.signal(signal.SIGTERM, before)
        try:
            _report(rows, earlier, jobs, common, options.json)
        except InputError as error:
            if not full:
                raise
            print(error, file=sys.stderr)
    states = Counter(row.get("status") for row in rows)
    counts = {state: states[state] for state in ("done", "skipped", "no face", "failed")}
    summary = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    end = ", interrupted" if status > 2 else ""
    print(f"{common['command']}: {summary or 'nothing'} of {len(jobs.photos) + len(jobs.unread)}{end}")
    return status


def _end(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number))


def _try(row: Facts, path: Path, target: Path, work: Work, options: argparse.Namespace) -> bool:
    """Do one photo, and put into its row what became of it; True when the disk is full."""
    try:
        photo = read_photo(path)
        if photo.frames > 1:
            row["notice"] = f"Of {photo.frames} pictures in the file the first is taken."
        height, width = (side * getattr(options, "scale", 1) for side in photo.image.shape[:2])
        check_writable(target, width, height, photo)
        image, facts = work(photo)
        write_photo(image, target, photo, options.quality)
        notices = [said for said in (row.get("notice"), facts.get("notice")) if said]
        row.update({**facts, "status": "done", **({"notice": " ".join(notices)} if notices else {})})
    except NoFaceError as error:
        row.update({"status": "no face", "message": str(error)})
    except InputError as error:
        row.update({"status": "failed", "message": str(error)})
        return isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL
    except Exception as error:  # of this photo: the others go on
        row.update({"status": "failed", "message": _told(error)})
    return False


def _told(error: Exception) -> str:
    """What nobody expected, with its class: to be shown, and to be reported as a fault."""
    kind = type(error).__name__
    signs = ("allocate memory", "OutOfMemory", "Insufficient memory")  # torch on the CPU and a GPU, OpenCV
    if isinstance(error, MemoryError) or any(sign in f"{kind} {error}" for sign in signs):
        return "There is not enough memory for this photo. Reduce it, or close other programs."
    return f"{kind}: {' '.join(str(error).split())}. This is a fault of the program: please report it with the photo."


def _earlier(jobs: Jobs, common: Facts, path: Path | None) -> dict[str, Facts]:
    """What an earlier report with the same settings tells of these photos, by their results."""
    if path is None or not path.exists():
        return {}
    told = json.loads(path.read_text())  # ``find_jobs`` let nothing pass but a report
    same = {key: told.get(key) for key in common} == json.loads(json.dumps(common))
    targets = {str(target) for _, target in jobs.photos}
    return {row["output"]: row for row in told["photos"] if same and row.get("output") in targets}


def _report(rows: list[Facts], earlier: dict[str, Facts], jobs: Jobs, common: Facts, path: Path | None) -> None:
    """Write the report; photos that were skipped, or not reached yet, keep what an earlier one told of them."""
    if path is None:
        return
    now = {row.get("output", row["input"]): row for row in _finite(rows) if "status" in row}
    skipped = {key: {**earlier.get(key, {}), **row} for key, row in now.items() if row["status"] == "skipped"}
    facts = {**common, "photos": [*{**earlier, **now, **skipped}.values()], "left_out": [*map(str, jobs.left_out)]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(facts, indent=2, allow_nan=False) + "\n")
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror}. Choose a writable place.") from error


def _finite(value: Any) -> Any:
    """JSON has no infinity: the PSNR of identical pictures becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value
