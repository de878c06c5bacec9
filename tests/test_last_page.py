"""The page that was kept: told from another one, handed to browsers alone, with what it asks waiting for the app."""

import http.client
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
import test_early_page

from restoration.page import last_page
from restoration.page.early_page import EarlyPage, frontend, scripts
from restoration.page.last_page import ABOUT, PAGE, LastPage, is_kept, program, recall, remember

port = test_early_page.port  # the same fixture
PUBLISHED = Path("/tmp/gradio/of this process")
PICTURE = b"what a picture holds"
BROWSER = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


class _App(BaseHTTPRequestHandler):
    """Gives a page that shows one picture, its own address and a style; and back what is sent to it."""

    folder: Path

    def do_GET(self) -> None:
        host = self.headers["Host"]
        page = f'<html><head></head>{{"root":"http://{host}","path":"{self.folder}/a/one.png"}}</html>'
        self._answer(b"a {}" if self.path == "/theme.css" else page.encode())

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def serve(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    _App.folder = folder
    server = ThreadingHTTPServer(("127.0.0.1", port), _App)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small repository, with a cache of its own."""
    root = tmp_path / "repository"
    (root / "restoration" / "__pycache__").mkdir(parents=True)
    (root / "examples").mkdir()
    for name in ("app.py", "restoration/a.js"):
        (root / name).write_text("1")
    monkeypatch.setattr(last_page, "ROOT", root)
    monkeypatch.setattr(last_page, "FIRST", root / ".assets" / "first_page")
    monkeypatch.setenv("RESTORATION_CACHE", str(tmp_path / "kept"))
    for name in ("RESTORATION_MODEL", "GRADIO_ROOT_PATH", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    program.cache_clear()
    yield root
    program.cache_clear()


@pytest.fixture
def kept(repository: Path, tmp_path: Path) -> LastPage:
    """A page that has been remembered and recalled by another process, which publishes elsewhere."""
    folder = tmp_path / "restoration-abc"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "one.png").write_bytes(PICTURE)
    app = serve(folder)
    remember(f"http://127.0.0.1:{app.server_port}", folder, 2**63 + 1)
    app.shutdown()
    app.server_close()
    last = recall(PUBLISHED)
    assert last is not None
    return last


def ask(
    port: int, path: str, headers: dict[str, str] = BROWSER, body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET" if body is None else "POST", path, body, headers)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def test_what_was_remembered_is_recalled(kept: LastPage, tmp_path: Path) -> None:
    assert kept.app_id == 2**63 + 1
    assert b'"root":"http://localhost:7860"' in kept.html_for("localhost:7860")
    assert f'"path":"{PUBLISHED}/a/one.png"'.encode() in kept.html_for("localhost:7860")
    assert b"restoration-abc" not in kept.html_for("localhost:7860")
    assert b"<head><script>" in kept.html_for("localhost:7860")
    contents = {address: file.read_bytes() for address, file in kept.files.items()}
    assert contents == {"/theme.css": b"a {}", f"/gradio_api/file={PUBLISHED}/a/one.png": PICTURE}
    assert len(list((tmp_path / "kept").iterdir())) == 1  # nothing half-made stays


DAMAGE = {
    "about": lambda folder: (folder / ABOUT).write_text("{"),
    "another program": lambda folder: _change(folder, program=5),
    "no number": lambda folder: _change(folder, app_id="x"),
    "no files": lambda folder: _change(folder, files=1),
    "a shorter page": lambda folder: (folder / PAGE).write_bytes((folder / PAGE).read_bytes()[:-9]),
    "an empty picture": lambda folder: next(folder.glob("*.png")).write_bytes(b""),
    "another picture": lambda folder: next(folder.glob("*.png")).write_bytes(PICTURE[::-1]),
    "a lost style": lambda folder: next(folder.glob("*.css")).unlink(),
}


def _change(kept: Path, **values: object) -> None:
    about = json.loads((kept / ABOUT).read_text())
    (kept / ABOUT).write_text(json.dumps(about | values))


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_page_is_none(kept: LastPage, damage: str) -> None:
    DAMAGE[damage](next(iter(kept.files.values())).parent)
    assert recall(PUBLISHED) is None


@pytest.mark.parametrize("change", ["a file", "a new file", "a setting", "weights", "a path", "nothing"])
def test_another_program_has_no_last_page(
    kept: LastPage, repository: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.cache_clear()
    if change == "a file":
        (repository / "restoration" / "a.js").write_text("22")
    elif change == "a new file":
        (repository / "restoration" / "b.js").write_text("1")
    elif change == "a setting":
        monkeypatch.setenv("RESTORATION_IDENTITY", "other.pt")
    elif change == "weights":
        monkeypatch.setenv("RESTORATION_MODEL", "someone/model")
        assert not is_kept()
    elif change == "a path":
        monkeypatch.setenv("GRADIO_ROOT_PATH", "/below")
        assert not is_kept()
    else:
        (repository / "restoration" / "__pycache__" / "a.pyc").write_text("compiled")
        monkeypatch.setenv("GRADIO_SERVER_PORT", "1")
    assert (recall(PUBLISHED) is None) == (change != "nothing")


def test_a_page_that_is_committed_is_recalled_where_none_is_kept(
    kept: LastPage, repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (repository / "examples" / "same.png").write_bytes(PICTURE)
    program.cache_clear()
    assert recall(PUBLISHED) is None  # the examples have changed
    app = serve(tmp_path / "restoration-abc")
    remember(f"http://127.0.0.1:{app.server_port}", tmp_path / "restoration-abc", 3)
    app.shutdown()
    app.server_close()
    shutil.move(last_page.place(), last_page.FIRST)
    assert list(last_page.FIRST.glob("*.png")) == []  # the repository has that picture already
    last = recall(PUBLISHED)
    assert last is not None
    assert last.files[f"/gradio_api/file={PUBLISHED}/a/one.png"] == repository / "examples" / "same.png"
    assert last.html_for("a:1") == kept.html_for("a:1")


def test_a_browser_gets_it_at_once_and_a_program_waits(kept: LastPage, port: int) -> None:
    early = EarlyPage(kept)
    status, _, body = ask(port, "/?lang=zh")
    assert (status, body) == (200, kept.html_for(f"127.0.0.1:{port}"))
    assert ask(port, "/?lang=zh", {})[0] == ask(port, "/config", {})[0] == 503
    for name in ("X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"):  # its address is not ours
        assert ask(port, "/", {**BROWSER, name: "example.org"})[0] == 503
    picture = next(address for address in kept.files if address.endswith(".png"))
    status, headers, body = ask(port, quote(picture))
    assert (status, headers["Content-Type"], body) == (200, "image/png", PICTURE)
    name, script = next(iter(scripts().items()))
    assert ask(port, f"/assets/{name}")[2] == script.read_bytes()
    place = frontend()
    assert place is not None
    font = next(place.glob("static/fonts/**/*.woff2"))
    assert ask(port, f"/{font.relative_to(place)}")[2] == font.read_bytes()
    assert ask(port, "/gradio_api/queue/join", {**BROWSER, "Content-Length": "abc"}, b"x")[0] == 400
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("HEAD", "/theme.css", headers=BROWSER)
    connection.sock.settimeout(30)
    assert connection.sock.recv(1 << 16).endswith(b"\r\n\r\n")  # and no body
    early.close()


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/queue/join", "/assets/../index.html", "/static/%2e%2e/%2e%2e/a.js", "/assets/%00.js",
     f"/assets/{'a' * 5000}.js"],
)  # fmt: skip
def test_a_question_waits_for_the_app_and_is_asked_there(kept: LastPage, port: int, path: str, tmp_path: Path) -> None:
    early = EarlyPage(kept)
    body, answers = os.urandom(3_000_000), []
    asking = threading.Thread(target=lambda: answers.append(ask(port, path, {"Sec-Fetch-Mode": "cors"}, body)))
    asking.start()
    asking.join(0.3)
    early.close()
    asking.join(0.3)
    assert answers == []  # nobody listens there yet
    app = serve(tmp_path, port)
    asking.join(10)
    status, headers, _ = answers[0]
    assert (status, headers["Location"]) == (307, path)
    assert ask(port, headers["Location"], {}, body)[2] == body
    app.shutdown()
    app.server_close()


def test_a_page_that_cannot_be_kept_is_an_error_of_the_disk(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OSError, match="refused"):
        remember("http://127.0.0.1:9", tmp_path, 1)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESTORATION_CACHE", str(tmp_path / "file"))
    app = serve(tmp_path)
    begun = time.monotonic()
    with pytest.raises(OSError, match="file"):
        remember(f"http://127.0.0.1:{app.server_port}", tmp_path, 1)
    assert time.monotonic() - begun < 30
    app.shutdown()
    app.server_close()
