"""The photos that a command works on, one after the other: what is found, where results go, what the report tells.

Nothing of anybody is overwritten, and a command that is repeated goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from restoration.faces.photo import NoFaceError
from restoration.images import Image, InputError, photo_file
from restoration.images.pictures import disk_is_full, write_file

Facts = dict[str, Any]
Work = Callable[[photo_file.PhotoFile], tuple[Image, Facts]]
_BEGINS = '{\n  "command": "'  # a report, even one that was cut off
_REPORT_EVERY = 10.0  # seconds


@dataclass
class Jobs:
    """(photo, where its result goes), sorted; what kept folders from being read; files that are no photos; and an
    earlier report, empty where there is none."""

    photos: list[tuple[Path, Path]] = field(default_factory=list)
    unread: list[OSError] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)
    report: Facts = field(default_factory=dict)


def find_jobs(options: argparse.Namespace) -> Jobs:
    """What is to be done, after everything was refused that can be known to fail before the first photo.

    Nothing is written, but a damaged report is set aside. What macOS puts beside photos (``._photo.jpg``) is passed
    over. Names and sub-folders are kept; a name whose ending changes keeps the old one within: ``p.gif.png``.

    Raises:
        InputError: no photo, an option out of range, a name that cannot be written or that two results would have, a
            file that would be replaced by something else, a folder that cannot be written in, or a single result that
            is there already. OSError: a path that cannot be followed.
    """
    if not (options.source and options.destination):
        raise InputError("The path IN or OUT is empty. Give a file or a folder; the current folder is called .")
    source, destination, jobs = Path(options.source), Path(options.destination), Jobs()
    if options.quality is not None and not 1 <= options.quality <= 100:
        raise InputError(f"--quality lies between 1 and 100, not {options.quality}.")
    if os.sep in options.suffix:
        raise InputError(f"--suffix is a part of a file's name, not {options.suffix!r}.")
    if source.is_file() and not destination.is_dir():
        if options.format or options.suffix:
            raise InputError(f"--format and --suffix name results in a folder; {destination} is a file's own name.")
        jobs.photos = [(source, destination)]
    elif source.is_file():
        jobs.photos = _with_results([source], source.parent, destination, options)
    elif source.is_dir():
        inside, whole = _real(destination), _real(source)
        found = sorted(path for path in _files(source, jobs.unread) if not path.name.startswith("._"))
        found = [path for path in found if inside == whole or inside not in _real(path).parents]
        photos = [path for path in found if path.suffix.lower() in photo_file.SUFFIXES and os.path.isfile(path)]
        jobs.left_out = sorted(set(found) - set(photos))
        if not photos:
            nothing = InputError(f"There are no photos ({', '.join(photo_file.SUFFIXES)}) in {source}.")
            raise jobs.unread[0] if jobs.unread else nothing
        jobs.photos = _with_results(photos, source, destination, options)
    else:
        raise InputError(f"There is no file or folder {source}. Check the path.")
    photos_of: dict[Path, Path] = {}
    for path, target in jobs.photos:
        photo_file.check_name(target)
        if (other := photos_of.setdefault(target, path)) != path:
            raise InputError(f"{other} and {path} would both become {target}. Rename one of them.")
        if _real(path) == _real(target):
            raise InputError(f"{path} would be replaced by its own result. Choose another place.")
    if options.json:
        jobs.report = _read_report(options.json, {_real(path) for job in jobs.photos for path in job})
    new = [target for _, target in jobs.photos if options.overwrite or not os.path.lexists(target)]
    ask_writable(new + ([options.json] if options.json else []))
    if source.is_file() and not new:
        raise InputError(f"{jobs.photos[0][1]} is there already. Give another name, or --overwrite.")
    if jobs.left_out:
        named = ", ".join(str(path) for path in jobs.left_out[:5]) + (", …" if len(jobs.left_out) > 5 else "")
        told = "left out, being broken links or pipes, or not named as photos"
        print(printable(f"{told}: {len(jobs.left_out)} ({named})"), file=sys.stderr)
    return jobs


def _files(source: Path, unread: list[OSError]) -> Iterator[Path]:
    """Every file in a folder, its sub-folders, and those that links lead to; no folder is read twice."""
    seen: set[Path] = set()
    for folder, inner, files in os.walk(source, followlinks=True, onerror=unread.append):
        if _real(Path(folder)) in seen:
            inner.clear()
        else:
            seen.add(_real(Path(folder)))
            inner.sort(key=lambda name: (os.path.islink(os.path.join(folder, name)), name))
            yield from (Path(folder, name) for name in files)


def _with_results(photos: list[Path], source: Path, out: Path, options: Any) -> list[tuple[Path, Path]]:
    jobs, suffix = [], options.suffix
    for path in photos:
        own = path.suffix.lower()
        end = f".{options.format}" if options.format else photo_file.RENAMED.get(own, own)
        name = f"{path.stem}{suffix}{path.suffix}" if end == own else f"{path.name}{suffix}{end}"
        jobs.append((path, out / path.relative_to(source).parent / name))
    return jobs


def printable(text: object) -> str:
    """The text with what is not to reach a terminal, such as a line break in a file's name, escaped."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # unlike ``Path.resolve``, a loop of links is no error


def _read_report(report: Path, photos: set[Path]) -> Facts:
    """An earlier report, {} where there is none; refused is a name under which there is, or will be, anything else."""
    if report.suffix.lower() in photo_file.SUFFIXES or _real(report) in photos:
        raise InputError(f"--json {report} is the name of a photo. Give the report another name, report.json.")
    if not report.exists():
        return {}
    text = ""
    try:
        text = report.read_text()
        facts = json.loads(text)
        if {"command", "photos"} <= set(facts) and all(isinstance(row, dict) for row in facts["photos"]):
            return dict(facts)
    except (OSError, ValueError, TypeError, RecursionError):
        if report.is_file() and (text.startswith(_BEGINS) or _BEGINS.startswith(text)):
            aside = report.with_name(f"{report.name}.damaged")
            os.replace(report, aside)
            print(printable(f"{report} was cut off; it is now {aside}, and a new one begins."), file=sys.stderr)
            return {}
    raise InputError(f"--json {report} is there already and is no earlier report. Give the report another name.")


def ask_writable(targets: list[Path]) -> None:
    """Refuse, by an InputError, folders in which these files cannot be written; nothing stays there."""
    for folder in sorted({next(folder for folder in target.parents if os.path.lexists(folder)) for target in targets}):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise InputError(f"Cannot write in {folder}: {error.strerror}. Choose a writable place.") from error


def run_jobs(jobs: Jobs, work: Work, common: Facts, options: argparse.Namespace) -> int:
    """Do what is not done yet, one photo after the other; one that fails does not stop the others.

    Args:
        work: makes of a photo its result, and what the report tells of it; its exceptions are told.
        common: what the report tells of all photos. InputError: a report tells otherwise of results to be skipped.
        options: ``overwrite``, ``quality``, ``json``, and ``scale`` where results are larger.

    Returns:
        The exit status: 0 all done, 1 not all (each is named), 130 interrupted, 143 ended by SIGTERM.
    """
    common = json.loads(json.dumps(common))  # as an earlier report holds it
    other = [name for name, value in common.items() if jobs.report and jobs.report.get(name) != value]
    if other and not options.overwrite and any(os.path.lexists(target) for _, target in jobs.photos):
        advice = "What is there would be skipped: give --overwrite, or another folder and report."
        raise InputError(f"{options.json} tells of a run with other options ({', '.join(other)}). {advice}")
    taken_up = [] if other else jobs.report.get("photos", [])
    targets = {str(target) for _, target in jobs.photos}
    rows: dict[str, Facts] = {row["output"]: row for row in taken_up if row.get("output") in targets}
    states, saved, full, interrupted = Counter(failed=len(jobs.unread)), time.monotonic(), False, 0
    for error in jobs.unread:
        told = f"The folder cannot be read: {error.strerror}."
        rows[str(error.filename)] = {"input": str(error.filename), "status": "failed", "message": told}
        print(printable(f"{error.filename}: {told}"), file=sys.stderr)
    before = signal.signal(signal.SIGTERM, _end)
    try:
        with tqdm(jobs.photos, unit="photo", disable=None, desc=common["command"]) as bar:
            for path, target in bar:
                bar.set_postfix_str(printable(path.name))
                row: Facts = {"input": str(path), "output": str(target), "status": "skipped"}
                if os.path.lexists(target) and not options.overwrite:
                    row = {**rows.get(str(target), {}), **row}
                else:
                    full = _try(row, path, target, work, options)
                    for said in (row[key] for key in ("notice", "message") if key in row):
                        bar.write(printable(f"{path}: {said}"), file=sys.stderr)
                rows[str(target)] = row
                states[row["status"]] += 1
                if full:
                    bar.write("The disk is full: stopped. The same command goes on from here.", file=sys.stderr)
                    break
                if time.monotonic() - saved > _REPORT_EVERY:
                    _report(rows, jobs, common, options.json)
                    saved = time.monotonic()
    except KeyboardInterrupt as stop:
        interrupted = 143 if stop.args == (signal.SIGTERM,) else 130
    finally:
        signal.signal(signal.SIGTERM, before)
        reported = _report(rows, jobs, common, options.json)
    counts = [f"{states[state]} {state}" for state in ("done", "skipped", "no face", "failed") if states[state]]
    end = ", interrupted" if interrupted else ""
    print(f"{common['command']}: {', '.join(counts) or 'nothing'} of {len(jobs.photos) + len(jobs.unread)}{end}")
    return interrupted or int(states["failed"] + states["no face"] > 0 or not reported)


def _end(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number))


def _try(row: Facts, path: Path, target: Path, work: Work, options: argparse.Namespace) -> bool:
    """Do one photo, and put into its row what became of it; True when the disk is full."""
    try:
        photo = photo_file.read_photo(path)
        if photo.frames > 1:
            row["notice"] = f"Of {photo.frames} pictures in the file the first is taken."
        height, width = (side * getattr(options, "scale", 1) for side in photo.image.shape[:2])
        photo_file.check_writable(target, width, height, photo)
        image, facts = work(photo)
        photo_file.write_photo(image, target, photo, options.quality)
        if said := f"{row.get('notice', '')} {facts.get('notice', '')}".strip():
            facts["notice"] = said
        row.update({**facts, "status": "done"})
    except NoFaceError as error:
        row.update({"status": "no face", "message": str(error)})
    except InputError as error:
        row.update({"status": "failed", "message": str(error)})
        return disk_is_full(error)
    except Exception as error:  # of this photo: the others go on
        row.update({"status": "failed", "message": _told(error)})
    return False


def _told(error: Exception) -> str:
    """What nobody expected, with its class: to be shown, and to be reported as a fault."""
    told = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if "memory" in told.lower():  # torch on the CPU and a GPU, OpenCV and Python have no exception in common
        return "There is not enough memory for this photo. Reduce it, or close other programs."
    return f"{told}. This is a fault of the program: please report it with the photo."


def _report(rows: dict[str, Facts], jobs: Jobs, common: Facts, path: Path | None) -> bool:
    """Write the report, if one is asked for; False where that fails, which is told."""
    facts = {**common, "photos": [*rows.values()], "left_out": [*map(str, jobs.left_out)]}
    try:
        if path:
            write_file(path, f"{json.dumps(facts, indent=2, allow_nan=False)}\n".encode())
    except InputError as error:
        print(printable(error), file=sys.stderr)
        return False
    return True
