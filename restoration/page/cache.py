"""Where do a visitor's files lie, and how long?  One folder of this process alone, swept clean as the page promises.

A process that is killed leaves its folder behind: the next one that starts deletes it. Gradio deletes the files that it
knows of. Zips, photos behind a slider and what agents send are written beside them: this sweep knows every file,
because nothing else writes into the folder.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # not on Windows, where a killed process's folder stays until somebody deletes it
    fcntl = None  # type: ignore[assignment]

PREFIX, OWNER = "restoration-", ".owner"  # a folder's name; the file in it that its process holds locked
VARIABLE = "GRADIO_TEMP_DIR"  # read by Gradio, in part when it is imported


def claim_folder() -> Path:
    """Make a new folder inside Gradio's, and have Gradio write there; it goes when the process ends in peace.

    Folders of processes that are no more are deleted. To be called before gradio is imported.
    """
    place = Path(os.environ.get(VARIABLE) or Path(tempfile.gettempdir()) / "gradio").resolve()
    place.mkdir(parents=True, exist_ok=True)
    for other in place.glob(f"{PREFIX}*/{OWNER}"):
        if _hold(other):
            shutil.rmtree(other.parent, ignore_errors=True)
    number, owner = tempfile.mkstemp(prefix=OWNER, dir=place)
    os.close(number)
    _hold(Path(owner))  # before it is where others look for it
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    os.replace(owner, folder / OWNER)
    os.environ[VARIABLE] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def delete_when_ended(folder: Path) -> None:
    """Have SIGTERM and SIGINT end the process at once and without a word; the folder goes first."""

    def end(number: int, _frame: object) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, end)


_HELD: list[IO[bytes]] = []  # a lock lasts as long as its file is open


def _hold(path: Path) -> bool:
    """Lock a file for as long as this process lives; False where another one has it."""
    if fcntl is None:
        return False
    try:
        file = path.open("rb")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    _HELD.append(file)
    return True


def sweep(folder: Path, kept: set[Path], before: float) -> list[Path]:
    """Delete files that were last written before a moment, and folders that are empty then.

    Args:
        folder: searched with its sub-folders.
        kept: files that stay whatever their age.
        before: seconds since the epoch, as ``time.time``.

    Returns:
        The files that went. One that somebody else deletes meanwhile is no error.
    """
    gone = []
    for path in sorted(folder.rglob("*"), reverse=True):  # what is inside comes before what it is in
        try:
            if path.is_file() and path not in kept and path.stat().st_mtime < before:
                path.unlink()
                gone.append(path)
            elif path.is_dir() and path.stat().st_mtime < before:
                path.rmdir()
        except OSError:  # gone already, or a folder that is not empty
            continue
    return gone


def keep_clean(folder: Path, seconds: float) -> None:
    """From now on sweep away what is older than ``seconds``, as often; what is there already stays."""
    kept = {path for path in folder.rglob("*") if path.is_file()}

    def run() -> None:
        while True:
            time.sleep(seconds)
            sweep(folder, kept, time.time() - seconds)

    threading.Thread(target=run, name="sweep", daemon=True).start()
