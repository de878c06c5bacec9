"""The photos that a command works on, and where their results go; nothing of anybody is overwritten."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from restoration.images import InputError
from restoration.images.photo_file import RENAMED, SUFFIXES, check_name

_BEGINS = '{\n  "command": "'  # a report, even one that was cut off


@dataclass
class Jobs:
    """(photo, where its result goes), sorted; what kept folders from being read; and files that are no photos."""

    photos: list[tuple[Path, Path]] = field(default_factory=list)
    unread: list[OSError] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)


def find_jobs(source: Path, destination: Path, report: Path | None, form: str | None = None, suffix: str = "") -> Jobs:
    """What is to be done; nothing is written, but a damaged report is set aside.

    Links to folders are followed, and no folder is read twice. What macOS puts beside photos (``._photo.jpg``) is
    passed over without a word. Names and sub-folders are kept, but for formats that are not written; where two results
    would have one name, the second photo's keeps its old ending within: ``p.gif.png``.

    Args:
        source: a photo, or a folder with its sub-folders.
        destination: a file or a folder for a photo, a folder for a folder.
        report: where a report is to go.
        form: of results in a folder, "png" or another ending of ``SUFFIXES``; None is each photo's own.
        suffix: put behind the name of results in a folder.

    Raises:
        InputError: no photo, or a file that would be replaced by something else.
        OSError: a path that cannot be followed.
    """
    jobs = Jobs()
    if source.is_file() and not destination.is_dir():
        if form or suffix:
            raise InputError(f"--format and --suffix name results in a folder; {destination} is a file's own name.")
        jobs.photos = [(source, destination.with_suffix(RENAMED.get(destination.suffix.lower(), destination.suffix)))]
    elif source.is_file():
        jobs.photos = _with_results([source], source.parent, destination, form, suffix)
    elif source.is_dir():
        if destination.exists() and not destination.is_dir():
            raise InputError(f"{destination} is a file; a folder of photos needs a folder to go to.")
        inside, whole = _real(destination), _real(source)
        found = sorted(path for path in _files(source, jobs.unread) if not path.name.startswith("._"))
        found = [path for path in found if inside == whole or inside not in _real(path).parents]
        photos = [path for path in found if path.suffix.lower() in SUFFIXES and _may_be_photo(path)]
        jobs.left_out = sorted(set(found) - set(photos))
        if not photos and jobs.unread:
            raise jobs.unread[0]
        if not photos:
            raise InputError(f"There are no photos ({', '.join(SUFFIXES)}) in {source}.")
        jobs.photos = _with_results(photos, source, destination, form, suffix)
    else:
        raise InputError(f"There is no file or folder {source}. Check the path.")
    for path, target in jobs.photos:
        check_name(target)
        if _real(path) == _real(target):
            raise InputError(f"{path} would be replaced by its own result. Choose another place.")
    if report:
        _check_report(report, [path for job in jobs.photos for path in job])
    return jobs


def ask_writable(targets: list[Path]) -> None:
    """Refuse, by an InputError, folders in which these files cannot be written; nothing stays there."""
    folders = {next(folder for folder in target.parents if os.path.lexists(folder)) for target in targets}
    for folder in sorted(folders):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise InputError(f"Cannot write in {folder}: {error.strerror}. Choose a writable place.") from error


def _files(source: Path, unread: list[OSError]) -> Iterator[Path]:
    """Every file in a folder and its sub-folders, then in the folders that links lead to, and that were not seen."""
    seen: set[Path] = set()
    starts = [str(source)]
    while starts:
        links = []
        for start in starts:
            for folder, inner, files in os.walk(start, onerror=unread.append):
                if _real(Path(folder)) in seen:
                    inner.clear()
                    continue
                seen.add(_real(Path(folder)))
                links += sorted(path for name in inner if os.path.islink(path := os.path.join(folder, name)))
                yield from (Path(folder, name) for name in files)
        starts = links


def _with_results(
    photos: list[Path], source: Path, destination: Path, form: str | None, suffix: str
) -> list[tuple[Path, Path]]:
    results: dict[Path, Path] = {}
    for path in sorted(photos, key=lambda path: (bool(form) or path.suffix.lower() in RENAMED, path)):
        end = f"{suffix}.{form}" if form else suffix + RENAMED.get(path.suffix.lower(), path.suffix)
        folder = destination / path.relative_to(source).parent
        target, count = folder / f"{path.stem}{end}", 1
        while target in results.values():
            target, count = folder / f"{path.name}{f'-{count}' if count > 1 else ''}{end}", count + 1
        results[path] = target
    return sorted(results.items())


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # unlike ``Path.resolve``, a loop of links is no error


def _may_be_photo(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True  # reading it will tell why it cannot be done


def _check_report(report: Path, photos: list[Path]) -> None:
    """Refuse a name for the report under which there is, or will be, anything else than an earlier report."""
    if report.suffix.lower() in SUFFIXES or _real(report) in set(map(_real, photos)):
        raise InputError(f"--json {report} is the name of a photo. Give the report another name, report.json.")
    if not report.exists():
        return
    text = ""
    try:
        text = report.read_text()
        facts = json.loads(text)
        ours = {"command", "photos"} <= set(facts) and all(isinstance(row, dict) for row in facts["photos"])
    except (OSError, ValueError, TypeError, RecursionError):
        ours = False
        if report.is_file() and (text.startswith(_BEGINS) or _BEGINS.startswith(text)):
            aside = report.with_name(f"{report.name}.damaged")
            os.replace(report, aside)
            print(f"{report} was cut off; it is now {aside}, and a new one begins.", file=sys.stderr)
            return
    if not ours:
        raise InputError(f"--json {report} is there already and is no earlier report. Give the report another name.")
