"""Where do a visitor's files lie, and how long?  One folder of this process alone, swept clean as the page promises.

Gradio deletes the files that it knows of. Zips, photos behind a slider and what agents send are written beside them:
this sweep knows every file, because nothing else writes into the folder.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

VARIABLE = "GRADIO_TEMP_DIR"  # read by Gradio, in part when it is imported


def claim_folder(again: Path | None = None) -> Path:
    """Make a new folder inside Gradio's, and have Gradio write there; it goes when the process ends in peace.

    To be called before gradio is imported.

    Args:
        again: the folder of an earlier process, to be made anew where nothing is there in its place.
    """
    place = Path(os.environ.get(VARIABLE) or Path(tempfile.gettempdir()) / "gradio").resolve()
    place.mkdir(parents=True, exist_ok=True)
    try:
        if again is None or again.parent != place:
            raise FileExistsError
        again.mkdir(mode=0o700)
        folder = again
    except FileExistsError:
        folder = Path(tempfile.mkdtemp(prefix="restoration-", dir=place))
    os.environ[VARIABLE] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


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
