"""Which photos does a command work on, and where do the results go?  Nothing of anybody is overwritten."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

from restoration.images import InputError
from restoration.images.photo_file import SUFFIXES, check_name


def find_jobs(source: Path, destination: Path, report: Path | None) -> tuple[list[tuple[Path, Path]], list[OSError]]:
    """What is to be done; nothing is written.

    Args:
        source: a photo, or a folder with its sub-folders.
        destination: a file or a folder for a photo, a folder for a folder.
        report: where a report is to go.

    Returns:
        (photo, where its result goes), sorted; names and sub-folders are kept, but a GIF's result is a PNG. And what
        kept sub-folders from being read.

    Raises:
        InputError: no photo, two results of one name, or a file that would be replaced by something else.
        OSError: a path that cannot be followed.
    """
    unread: list[OSError] = []
    if source.is_file():
        target = destination / source.name if destination.is_dir() else destination
        jobs = [(source, target)]
    elif source.is_dir():
        if destination.exists() and not destination.is_dir():
            raise InputError(f"{destination} is a file; a folder of photos needs a folder to go to.")
        inside, whole = _real(destination), _real(source)
        names = (Path(folder, name) for folder, _, files in os.walk(source, onerror=unread.append) for name in files)
        photos = sorted(path for path in names if path.suffix.lower() in SUFFIXES and _may_be_photo(path))
        photos = [path for path in photos if inside == whole or inside not in _real(path).parents]
        if not photos and unread:
            raise unread[0]
        if not photos:
            raise InputError(f"There are no photos ({', '.join(SUFFIXES)}) in {source}.")
        jobs = [(path, destination / path.relative_to(source)) for path in photos]
    else:
        raise InputError(f"There is no file or folder {source}. Check the path.")
    jobs = [(path, target.with_suffix(".png") if target.suffix.lower() == ".gif" else target) for path, target in jobs]
    target, times = Counter(target for _, target in jobs).most_common(1)[0]
    if times > 1:
        raise InputError(f"Two photos would both become {target}. Rename one of them.")
    for path, target in jobs:
        check_name(target)
        if _real(path) == _real(target):
            raise InputError(f"{path} would be replaced by its own result. Choose another place.")
    if report:
        _check_report(report, [path for job in jobs for path in job])
    return jobs, unread


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
    try:
        facts = json.loads(report.read_text())
        ours = {"command", "photos"} <= set(facts) and all(isinstance(row, dict) for row in facts["photos"])
    except (OSError, ValueError, TypeError, RecursionError):
        ours = False
    if not ours:
        raise InputError(f"--json {report} is there already and is no earlier report. Give the report another name.")
