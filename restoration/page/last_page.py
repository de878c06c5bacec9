"""What did the page look like when the app was last started?  Kept, so that it stands at once when it starts again.

What a browser gets first is the same at every start of the same program. It is committed with the pictures that it
shows (``examples/make_first_page.py``); after a change to the program, a setting or Gradio, ``remember`` keeps the new
one in the user's own cache. While the app starts, ``early_page`` answers with it, and every control is there before the
imports are done. Nothing of a visitor is in it. Only the standard library is imported here: everything else takes
seconds.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import importlib.util
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PARTS = ("app.py", "restoration", "examples")  # of the repository, what the page is made of
FIRST = ROOT / ".assets" / "first_page"  # as this program makes it, committed
PAGE, ABOUT = "page.html.gz", "about.json"
ORIGIN = "http://page.invalid"  # stands for the address that a browser asked
FOLDER = "/folder.invalid"  # stands for where the app publishes pictures
SETTINGS = ("RESTORATION_", "GRADIO_")  # what the page may depend on
ELSEWHERE = ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "GRADIO_TEMP_DIR", "RESTORATION_CACHE")  # not shown there


@dataclass(frozen=True)
class LastPage:
    """A page that was kept.

    Args:
        html: with ``ORIGIN`` in place of the page's own address.
        files: what it asks for besides Gradio's scripts, address to file.
        app_id: Gradio's number of the app, which must stay: a page that meets another one loads anew.
    """

    html: str
    files: dict[str, Path]
    app_id: int

    def html_for(self, host: str) -> bytes:
        """The page as the server of this name and port gives it, patient until that server is there."""
        patient = f"<head><script>{(HERE / 'patient.js').read_text(encoding='utf-8')}</script>"
        return self.html.replace(ORIGIN, f"http://{host}").replace("<head>", patient, 1).encode()


def is_kept() -> bool:
    """Is the page of this program the same at every start?

    Not with weights from elsewhere, which may have changed there, nor under another server's path. On a Space nobody
    comes while the app is starting. On Windows paths are written in several ways.
    """
    return os.name == "posix" and not any(
        os.environ.get(name) for name in ("RESTORATION_MODEL", "GRADIO_ROOT_PATH", "SPACE_ID")
    )


def recall(published: Path) -> LastPage | None:
    """The page that this very program shows at every start; None after any change, or without one.

    To be called before anything else is imported: what is imported may change settings.

    Args:
        published: the folder where this process will publish pictures.
    """
    if not is_kept():
        return None
    return _read(place(), published) or _read(FIRST, published)


def _read(kept: Path, published: Path) -> LastPage | None:
    try:
        about = json.loads((kept / ABOUT).read_text(encoding="utf-8"))
        if about["program"] != program() or about["contents"] != _contents(kept):
            return None
        files = {
            address.replace(FOLDER, str(published)): (ROOT if "/" in name else kept) / name
            for address, name in about["files"].items()
        }
        html = gzip.decompress((kept / PAGE).read_bytes()).decode()
        if not all(file.is_file() for file in files.values()):
            return None
        return LastPage(html.replace(FOLDER, str(published)), files, int(about["app_id"]))
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):  # none yet, or what is left of one
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
            name = f"{number}{Path(asked).suffix}"
            if isinstance(source, Path):
                content = source.read_bytes()
            else:
                with urlopen(f"{address}/{source}", timeout=60) as answer:
                    content = answer.read()
            twins = [f"examples/{file.name}" for file in ROOT.glob("examples/*.png") if file.read_bytes() == content]
            if not twins:
                (new / name).write_bytes(content)
            files[asked.replace(str(folder), FOLDER)] = twins[0] if twins else name
        neutral = html.replace(address, ORIGIN).replace(str(folder), FOLDER)
        (new / PAGE).write_bytes(gzip.compress(neutral.encode(), mtime=0))
        about = {"program": program(), "app_id": app_id, "files": files}
        about["contents"] = _contents(new)
        (new / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
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
def program() -> dict[str, str]:
    """What makes the page: checksums of the repository's files and of the settings, and the release of Gradio.

    Other releases of torch make the same page, but for the last digits of what is measured.
    """
    settings = sorted(
        f"{name}={value}" for name, value in os.environ.items() if name.startswith(SETTINGS) and name not in ELSEWHERE
    )
    gradio = importlib.util.find_spec("gradio")  # found, not imported
    release = Path(str(gradio.origin)).with_name("package.json") if gradio else None
    return {
        "files": _checksum(_parts(), ROOT),
        "settings": hashlib.sha256("\n".join(settings).encode()).hexdigest(),
        "gradio": json.loads(release.read_text(encoding="utf-8"))["version"] if release else "",
    }


def _contents(folder: Path) -> str:
    """A checksum of all that is kept in a folder, but for ``ABOUT``."""
    return _checksum([path for path in sorted(folder.iterdir()) if path.name != ABOUT], folder)


def _checksum(files: Iterable[Path], root: Path) -> str:
    whole = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        whole.update(f"{file.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return whole.hexdigest()


def _parts() -> Iterator[Path]:
    """Every file that the page is made of, in a fixed order."""
    for part in PARTS:
        for folder, folders, names in os.walk(ROOT / part) if (ROOT / part).is_dir() else [(str(ROOT), [], [part])]:
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            yield from (Path(folder, name) for name in sorted(names))


def _asked_for(html: str, folder: Path) -> Iterator[tuple[str, Path | str]]:
    """What a page asks for: path of the address, decoded, and the file, or the address to get it from."""
    yield "/theme.css", "theme.css"
    for path in sorted(set(re.findall(re.escape(str(folder)) + r"/[\w./-]+", html))):
        yield f"/gradio_api/file={path}", Path(path)
