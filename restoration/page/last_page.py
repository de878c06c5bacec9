"""What did the page look like when the app was last started?  Kept, so that it stands at once when it starts again.

What a browser gets first is the same at every start of the same program. ``remember`` keeps it with the pictures that
it shows, in the user's own cache; while the app starts again, ``early_page`` answers with it, and every control is
there before the imports are done. Nothing of a visitor is in it. Only the standard library is imported here: everything
else takes seconds.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PARTS = ("app.py", "restoration", "examples")  # of the repository, what the page is made of
PACKAGES = ("gradio", "torch")  # and others' work that it is made with
PAGE, ABOUT = "page.html", "about.json"
ORIGIN = "http://page.invalid"  # stands for the address that a browser asked
ELSEWHERE = ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "GRADIO_TEMP_DIR", "RESTORATION_CACHE")  # not shown there


@dataclass(frozen=True)
class LastPage:
    """A page that was kept.

    Args:
        html: with ``ORIGIN`` in place of the page's own address.
        files: what it asks for besides Gradio's scripts, address to file.
        folder: where its pictures lay on the server; they must lie there again.
        app_id: Gradio's number of the app, which must stay: a page that meets another one loads anew.
    """

    html: str
    files: dict[str, Path]
    folder: Path
    app_id: int

    def html_for(self, host: str) -> bytes:
        """The page as the server of this name and port gives it, patient until that server is there."""
        patient = f"<head><script>{(HERE / 'patient.js').read_text(encoding='utf-8')}</script>"
        return self.html.replace(ORIGIN, f"http://{host}").replace("<head>", patient, 1).encode()


def is_kept() -> bool:
    """Is the page of this program the same at every start?

    Not with weights from elsewhere, which may have changed there, nor under another server's path. On a Space nobody
    comes while the app is starting.
    """
    return not any(os.environ.get(name) for name in ("RESTORATION_MODEL", "GRADIO_ROOT_PATH", "SPACE_ID"))


def recall() -> LastPage | None:
    """The page that this very program showed when it was last started; None after any change, or without one.

    To be called before anything else is imported: what is imported may change settings.
    """
    program = fingerprint()
    try:
        folder = place()
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if not is_kept() or about["program"] != program:
            return None
        if about["contents"] != _contents(folder):
            return None
        files = {address: folder / name for address, name in about["files"].items()}
        html = (folder / PAGE).read_text(encoding="utf-8")
        return LastPage(html, files, Path(about["folder"]), int(about["app_id"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none yet, or what is left of one
        return None


def remember(address: str, folder: Path, app_id: int) -> None:
    """Keep the page that an app gives to anybody, and the pictures that it shows.

    Args:
        address: of the app, with no path.
        folder: where the app publishes pictures.

    Raises:
        OSError: it does not answer, or nothing can be written.
    """
    from urllib.request import urlopen  # not above: it takes as long to import as all of the early page

    with urlopen(address, timeout=60) as answer:
        html = answer.read().decode()
    kept = place()
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = Path(tempfile.mkdtemp(prefix=f"{kept.name}-", dir=kept.parent))
    try:
        files = {}
        for number, (asked, source) in enumerate(_asked_for(html, folder)):
            files[asked] = f"{number}{Path(asked).suffix}"
            if isinstance(source, Path):
                shutil.copyfile(source, new / files[asked])
            else:
                with urlopen(f"{address}/{source}", timeout=60) as answer:
                    (new / files[asked]).write_bytes(answer.read())
        (new / PAGE).write_text(html.replace(address, ORIGIN), encoding="utf-8")
        about = {"program": fingerprint(), "folder": str(folder), "app_id": app_id, "files": files}
        about["contents"] = _contents(new)
        (new / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        shutil.rmtree(kept, ignore_errors=True)
        new.rename(kept)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def place() -> Path:
    """Where the page is kept, one of every copy of the repository: in RESTORATION_CACHE, or in the user's own cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    own = Path(os.environ.get("RESTORATION_CACHE") or Path(cache, "face-restoration"))
    return own / hashlib.sha256(str(ROOT).encode()).hexdigest()[:16]


@functools.cache
def fingerprint() -> str:
    """Of this process: another one after any change to what the page is made of, files by their dates, and settings."""
    settings = sorted(
        f"{name}={value}"
        for name, value in os.environ.items()
        if name.startswith(("RESTORATION_", "GRADIO_", "HF_")) and name not in ELSEWHERE
    )
    return hashlib.sha256("\n".join([sys.version, *settings, *_states()]).encode()).hexdigest()


def _contents(folder: Path) -> str:
    """A checksum of all that is kept in a folder, but for ``ABOUT``."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.name != ABOUT:
            whole.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return whole.hexdigest()


def _states() -> Iterator[str]:
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)  # found, not imported
        if spec and spec.origin:
            yield _state(Path(spec.origin))
    for part in PARTS:
        for folder, folders, names in os.walk(ROOT / part) if (ROOT / part).is_dir() else [(str(ROOT), [], [part])]:
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(names):
                yield _state(Path(folder, name))


def _state(path: Path) -> str:
    seen = path.stat()
    return f"{path} {seen.st_size} {seen.st_mtime_ns}"


def _asked_for(html: str, folder: Path) -> Iterator[tuple[str, Path | str]]:
    """What a page asks for: path of the address, and the file, or the address to get it from."""
    yield "/theme.css", "theme.css"
    for path in sorted(set(re.findall(re.escape(str(folder)) + r"/[\w./-]+", html))):
        yield f"/gradio_api/file={quote(path)}", Path(path)
