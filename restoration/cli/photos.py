"""The commands ``restore`` and ``degrade``: files and folders in, files out.

Exit status: 0 all done, 1 some photos could not be done (each is named), 2 nothing could be started, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from restoration.cli.jobs import find_jobs
from restoration.degrade.degradations import LIMITS, Degradation, degrade_image
from restoration.degrade.protocols import PRESETS
from restoration.faces.detection import NAMES, load_detector
from restoration.faces.parsing import load_parser
from restoration.faces.photo import BACKGROUNDS, MASKS, NoFaceError, describe
from restoration.hub import load_configured, load_weights
from restoration.images import Image, InputError
from restoration.images.photo_file import PhotoFile, check_writable, read_photo, write_photo
from restoration.lab.experiment import MAX_SEED, make_seed
from restoration.measure.metrics import psnr, ssim
from restoration.restorer import Precision, Restorer, select_device

Facts = dict[str, Any]
_LONGEST_RESAMPLED = 10_000  # pixels: the maps of ``resampling`` grow with the square of a side, 1 GB here


def add_photo_commands(commands: Any) -> None:
    """Add ``restore`` and ``degrade`` to the sub-commands of a parser."""
    restore = commands.add_parser("restore", help="restore every face in a photo or a folder of photos")
    _add_paths(restore)
    restore.add_argument("--weights", help="a folder, owner/name[@revision] on the Hub, or an embedded set")
    restore.add_argument("--device", default="cpu", help="cpu, cuda, mps, …, or auto (%(default)s)")
    add_precision(restore)
    restore.add_argument("--detector", help=f"{', '.join(NAMES)}, or a folder with its file (auto)")
    restore.add_argument("--centre", action="store_true", help="take the centred square for the face; do not look")
    restore.add_argument("--scale", type=int, choices=(1, 2, 4), default=1, help="enlargement (%(default)s)")
    restore.add_argument("--background", choices=BACKGROUNDS, default=BACKGROUNDS[0], help="enlarged by (%(default)s)")
    restore.add_argument("--mask", choices=MASKS, default=MASKS[0], help="what is restored (%(default)s)")
    restore.add_argument("--strength", type=float, default=1.0, help="0 untouched to 1 restored (%(default)s)")
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
    command.add_argument("source", type=Path, metavar="IN", help="a photo, or a folder with its sub-folders")
    command.add_argument("destination", type=Path, metavar="OUT", help="a file for a photo, a folder for a folder")
    command.add_argument("--overwrite", action="store_true", help="write files that are there already again")
    command.add_argument("--json", type=Path, metavar="FILE", help="write a report of every photo there")


def _restore(options: argparse.Namespace) -> int:
    if not 0 <= options.strength <= 1:
        raise InputError(f"--strength lies between 0 (untouched) and 1 (restored), not {options.strength}.")
    jobs, unread = find_jobs(options.source, options.destination, options.json)
    restorer = open_restorer(options)
    detector = None if options.centre else load_detector(options.detector)
    if options.mask == "parsing":
        load_parser()  # which may be impossible, and is said before the first photo

    def work(photo: PhotoFile) -> tuple[Image, Facts]:
        with _FaceBar() as bar:
            result = restorer.restore(
                photo.image,
                detector=detector,
                centre=options.centre,
                scale=options.scale,
                strength=options.strength,
                background=options.background,
                mask=options.mask,
                progress=bar.step,
            )
        return result.photo, describe(result)

    common = {
        "command": "restore",
        "weights": restorer.info["source"],
        "device": restorer.info["device"],
        "precision": restorer.info["precision"],
        "detector": detector.name if detector else "centred square",
        "scale": options.scale,
        "strength": options.strength,
        "mask": options.mask,
    }
    print(f"faces found by: {common['detector']}", file=sys.stderr)
    return _run(jobs, unread, work, common, options)


def _degrade(options: argparse.Namespace) -> int:
    given = {field.name: getattr(options, field.name) for field in fields(Degradation)}
    given = {name: value for name, value in given.items() if value is not None}
    if options.preset and given:
        raise InputError("Give --preset or single settings, not both.")
    seed = make_seed(options.seed)
    settings = PRESETS[options.preset].draw(seed) if options.preset else Degradation(**given)
    jobs, unread = find_jobs(options.source, options.destination, options.json)

    def work(photo: PhotoFile) -> tuple[Image, Facts]:
        if settings.downsample != 1 and max(photo.image.shape) > _LONGEST_RESAMPLED:
            raise InputError(
                f"The photo is {photo.image.shape[1]} x {photo.image.shape[0]}; --downsample takes sides up to "
                f"{_LONGEST_RESAMPLED} pixels. Reduce or crop it first."
            )
        degraded = degrade_image(photo.image, settings, seed)
        return degraded, {"psnr_db": psnr(degraded, photo.image), "ssim": ssim(degraded, photo.image)}

    return _run(jobs, unread, work, {"command": "degrade", "settings": asdict(settings), "seed": seed}, options)


def add_precision(parser: argparse.ArgumentParser) -> None:
    """The option of every command that runs the network."""
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="auto",
        help="of the convolutions; auto is bf16 on a CPU with matrix units for it, else fp32 (%(default)s)",
    )


def open_restorer(options: argparse.Namespace) -> Restorer:
    """What ``--weights`` names, else what ``RESTORATION_MODEL`` names, else the embedded default."""
    weights = load_weights(options.weights) if options.weights else load_configured()
    if weights.notice:
        print(weights.notice, file=sys.stderr)
    return Restorer(weights, select_device(options.device), options.precision)


class _FaceBar:
    """A second progress bar, below that of the photos, while a photo with several faces is being restored."""

    _bar: tqdm[None] | None = None

    def __enter__(self) -> _FaceBar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def step(self, done: int, faces: int) -> None:
        if faces > 1 and self._bar is None:
            self._bar = tqdm(total=faces, unit="face", desc="faces", leave=False, disable=None)
        if self._bar is not None:
            self._bar.update(1)


def _run(
    jobs: list[tuple[Path, Path]],
    unread: list[OSError],
    work: Callable[[PhotoFile], tuple[Image, Facts]],
    common: Facts,
    options: argparse.Namespace,
) -> int:
    """Do what is not done yet, one photo after the other; one that fails does not stop the others."""
    rows: list[Facts] = [
        {"input": str(error.filename), "status": "failed", "message": f"The folder cannot be read: {error.strerror}."}
        for error in unread
    ]
    for folder in rows:
        print(f"{folder['input']}: {folder['message']}", file=sys.stderr)
    status = 1 if unread else 0
    try:
        with tqdm(jobs, unit="photo", disable=None, desc=common["command"]) as bar:
            for path, target in bar:
                bar.set_postfix_str(path.name)
                row: Facts = {"input": str(path), "output": str(target)}
                rows.append(row)
                if os.path.lexists(target) and not options.overwrite:
                    row["status"] = "skipped"
                    if options.source.is_file():
                        raise InputError(f"{target} is there already. Give another name, or --overwrite.")
                    continue
                begun = time.perf_counter()
                try:
                    photo = read_photo(path)
                    if photo.frames > 1:
                        row["notice"] = f"Of {photo.frames} pictures in the file the first is taken."
                        bar.write(f"{path}: {row['notice']}", file=sys.stderr)
                    height, width = (side * getattr(options, "scale", 1) for side in photo.image.shape[:2])
                    check_writable(target, width, height, photo)
                    image, facts = work(photo)
                    write_photo(image, target, photo)
                    row.update({"status": "done", **facts})
                except NoFaceError as error:
                    row.update({"status": "no face", "message": f"{error} (--centre)"})
                except InputError as error:
                    row.update({"status": "failed", "message": str(error)})
                except Exception as error:  # of this photo: the others go on
                    row.update({"status": "failed", "message": _told(error)})
                row["total_seconds"] = round(time.perf_counter() - begun, 4)
                if row["status"] != "done":
                    status = 1
                    bar.write(f"{path}: {row['message']}", file=sys.stderr)
    except KeyboardInterrupt:
        status = 130
    finally:
        _report(rows, common, options)
    states = Counter(row.get("status") for row in rows)
    counts = {state: states[state] for state in ("done", "skipped", "no face", "failed")}
    summary = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    end = ", interrupted" if status == 130 else ""
    print(f"{common['command']}: {summary or 'nothing'} of {len(jobs) + len(unread)}{end}")
    return status


def _told(error: Exception) -> str:
    """What nobody expected, with its class: to be shown, and to be reported as a fault."""
    kind = type(error).__name__
    signs = ("allocate memory", "OutOfMemory", "Insufficient memory")  # torch on the CPU and a GPU, OpenCV
    if isinstance(error, MemoryError) or any(sign in f"{kind} {error}" for sign in signs):
        return "There is not enough memory for this photo. Reduce it, or close other programs."
    return f"{kind}: {' '.join(str(error).split())}. This is a fault of the program: please report it with the photo."


def _report(rows: list[Facts], common: Facts, options: argparse.Namespace) -> None:
    if options.json:
        photos = [{key: _finite(value) for key, value in row.items()} for row in rows if "status" in row]
        try:
            photos = _with_earlier(photos, common, options.json)
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps({**common, "photos": photos}, indent=2, allow_nan=False) + "\n")
        except OSError as error:
            raise InputError(f"Cannot write {options.json}: {error.strerror}. Choose a writable place.") from error


def _with_earlier(photos: list[Facts], common: Facts, report: Path) -> list[Facts]:
    """To photos that were skipped now, what an earlier report with the same settings tells of them."""
    if not report.exists():
        return photos
    facts = json.loads(report.read_text())  # ``find_jobs`` let nothing else pass
    if {key: facts.get(key) for key in common} != json.loads(json.dumps(common)):
        return photos
    earlier = {row.get("output"): row for row in facts["photos"]}
    return [{**earlier.get(row["output"], {}), **row} if row["status"] == "skipped" else row for row in photos]


def _finite(value: Any) -> Any:
    """JSON has no infinity: the PSNR of identical pictures becomes null."""
    if isinstance(value, float):
        return value if abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value
