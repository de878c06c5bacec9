"""What a person sees and does, and the one folder of this process in which visitors' files lie.

The folder stands here because gradio, which the rooms below import, reads once where its files go. Gradio deletes the
files that it knows of; zips, photos behind a slider and what agents send are written beside them: ``keep_clean`` knows
every file, because nothing else writes into the folder.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import httpx
from filelock import FileLock

from restoration.images import InputError

VARIABLE = "GRADIO_TEMP_DIR"
PROXIES = ("all_proxy", "http_proxy", "https_proxy")
PREFIX, OWNER = "restoration-", ".owner"  # a folder's name; the file in it that its process holds locked
M_ARENA_MAX = -8  # of glibc's malloc.h
_held: list[FileLock] = []  # a lock lasts as long as its object


def prepare_network() -> None:
    """Check what the environment says about the network, and keep this process's own address from any proxy.

    To be called before gradio is imported.

    Raises:
        InputError: proxies that cannot be, or a port that is none.
    """
    port = os.environ.get("GRADIO_SERVER_PORT", "7860")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(f"GRADIO_SERVER_PORT is {port!r}: set it to a number from 1 to 65535, or unset it.")
    own = ["localhost", "127.0.0.1", "::1", os.environ.get("GRADIO_SERVER_NAME", "")]
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), *own]))
    try:
        httpx.Client().close()  # what gradio asks with
    except (ValueError, httpx.InvalidURL) as error:
        names = ", ".join(sorted(name for name in os.environ if name.lower() in PROXIES))
        raise InputError(f"The proxy settings cannot be used ({error}). Correct or unset {names}.") from error


def claim_folder() -> Path:
    """Make a new folder and have Gradio write there; it goes when the process ends, by SIGTERM too.

    Where the place that ``GRADIO_TEMP_DIR`` names cannot be written, the system's own place for such files is taken,
    with a word. Folders that killed processes left behind are deleted. To be called before gradio is imported.

    Raises:
        InputError: there is no place to write.
    """
    system = Path(tempfile.gettempdir()).resolve()
    place = Path(os.environ.get(VARIABLE) or system).resolve()
    try:
        place.mkdir(parents=True, exist_ok=True)
        for owner in place.glob(f"{PREFIX}*/{OWNER}"):
            if _lock(owner.parent):
                shutil.rmtree(owner.parent, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    except OSError as error:
        if place == system:
            raise InputError(f"No files can be written in {place} ({error.strerror}): set TMPDIR.") from error
        print(f"{VARIABLE} ({place}) cannot be written: {error.strerror}. Using {system}.", file=sys.stderr)
        del os.environ[VARIABLE]
        return claim_folder()
    if not _lock(folder) or not (folder / OWNER).exists():  # somebody took it for an orphan's in that moment
        return claim_folder()
    os.environ[VARIABLE] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

    def end(number: int, _frame: FrameType | None) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    signal.signal(signal.SIGTERM, end)
    return folder


def keep_clean(folder: Path, seconds: float) -> None:
    """From now on delete what is older than ``seconds``, as often; what is there already stays."""
    kept = set(folder.rglob("*"))
    _repeat(seconds, lambda: delete_old(folder, kept, time.time() - seconds))


def return_memory(seconds: float) -> None:
    """From now on give memory that nobody uses back to the system, as often.

    What a visitor's pictures took is free afterwards, but glibc keeps it, in pieces and for each thread by itself: a
    page that is used all day would look as if it leaked. So all threads share one heap from here on, which is trimmed.
    Other C libraries have no such calls and are left alone.
    """
    if sys.platform == "linux" and (trim := getattr(library := ctypes.CDLL(None), "malloc_trim", None)):
        library.mallopt(M_ARENA_MAX, 1)
        _repeat(seconds, lambda: trim(0))


def _repeat(seconds: float, work: Callable[[], object]) -> None:
    def run() -> None:
        while True:
            time.sleep(seconds)
            work()

    threading.Thread(target=run, daemon=True).start()


def delete_old(folder: Path, kept: set[Path], before: float) -> None:
    """Delete files and empty folders that were last written before a moment, in seconds since the epoch."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is inside comes before what it is in
        try:
            if path not in kept and path.stat().st_mtime < before:
                path.rmdir() if path.is_dir() else path.unlink()
        except OSError:  # gone already, or a folder that is not empty
            continue


def _lock(folder: Path) -> bool:
    """Lock a folder for as long as this process lives; False where another one has it."""
    lock = FileLock(folder / OWNER, timeout=0)
    try:
        lock.acquire()
    except OSError:
        return False
    _held.append(lock)
    return True
