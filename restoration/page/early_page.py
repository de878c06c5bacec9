"""What does a visitor see while the app is starting?  The first screen with a restored example, from the first moment.

Where this program was started before, a browser gets the page itself, as it was kept then: it can be used at once, and
what it asks the app waits until the app is there. Everybody else is answered 503, "not yet", so that a program that
waits for the page goes on waiting, while a browser draws a first screen, asks again, and moves to the page itself.

Only the standard library and the page's sentences are imported here: everything else takes seconds.
"""

from __future__ import annotations

import base64
import functools
import importlib.util
import json
import os
import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from restoration.page.i18n import TABLES
from restoration.page.last_page import LastPage

HERE = Path(__file__).parent
PICTURES = {name: HERE.parents[1] / ".assets" / f"opening_{name}.jpg" for name in ("degraded", "restored")}
HOST, PORT = "127.0.0.1", 7860  # Gradio's own defaults
WAITING = "/starting"  # answered when it is worth asking for the page itself
SCRIPTS = HERE / "early_scripts.txt"  # what the page itself will ask of Gradio's files, a name a line
KINDS = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
COMING = 60  # seconds; from the moment when the port is given back until the app answers there


@functools.cache
def frontend() -> Path | None:
    """Where this release of Gradio has its scripts; None without Gradio."""
    places = getattr(importlib.util.find_spec("gradio"), "submodule_search_locations", None) or [None]
    return Path(places[0], "templates", "frontend").resolve() if places[0] else None


@functools.cache
def scripts() -> dict[str, Path]:
    """Name to file of the scripts and styles that the page will ask for, of those that this release of Gradio has.

    While the app is starting the browser fetches them here, and has read them when the page comes. Their names hold
    fingerprints of what is in them, so another release's are never taken for these.
    """
    place = frontend()
    files = {name: place / "assets" / name for name in SCRIPTS.read_text(encoding="utf-8").split()} if place else {}
    return {name: file for name, file in files.items() if file.is_file()}


def early_html() -> bytes:
    """The first screen: no file, script or font from elsewhere is asked for."""
    text = (HERE / "early_page.html").read_text(encoding="utf-8")
    said = " ".join(text.split())
    tables = {name: {key: own for key, own in table.items() if key in said} for name, table in TABLES.items()}
    text = text.replace("{scripts}", json.dumps(list(scripts()))).replace("{tables}", json.dumps(tables))
    for name, path in PICTURES.items():
        text = text.replace("{" + name + "}", "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode())
    return text.encode()


class EarlyPage:
    """Answers on the page's own port until ``close``.

    On a Space nothing is opened: there the Hub shows its own page while an app starts. Nor where the port is taken:
    then Gradio says so, or takes another one.

    Args:
        last: the page as it was kept.
    """

    def __init__(self, last: LastPage | None = None) -> None:
        self._server: _Server | None = None
        host, port = os.environ.get("GRADIO_SERVER_NAME", HOST), int(os.environ.get("GRADIO_SERVER_PORT", PORT))
        if os.environ.get("SPACE_ID"):
            return
        try:
            self._server = _Server((host, port), last)
        except OSError:
            return
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 60}, daemon=True).start()
        print(f"Starting on http://{'localhost' if host == '0.0.0.0' else host}:{port}/", flush=True)

    def close(self) -> None:
        """Give the port to the page itself, and send those who wait there."""
        if self._server is None:
            return
        ending = threading.Thread(target=self._server.shutdown)
        ending.start()
        socket.create_connection(self._server.way_in, timeout=5).close()  # else it looks up once a minute
        ending.join()
        self._server.server_close()
        self._server.over.set()


class _Server(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], last: LastPage | None) -> None:
        super().__init__(address, _Handler)
        self.last = last
        self.over = threading.Event()  # the page is about to take the port
        host, port = self.server_address[:2]
        self.way_in = (HOST if host == "0.0.0.0" else str(host), port)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor who has left is no error; everything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """To a browser the kept page and what belongs to it; else the first screen, and the scripts of the next one."""
        passed_on = any(name.lower().startswith(("forwarded", "x-forwarded")) for name in self.headers)
        if self.server.last and "Sec-Fetch-Mode" in self.headers and not passed_on:
            self._answer_from(self.server.last)
            return
        if self.path == WAITING:
            self.server.over.wait()  # asking again and again would slow down what is being waited for
        folder, _, name = self.path.partition("?")[0].rpartition("/")
        script = scripts().get(name) if folder == "/assets" else None
        if script is not None:
            self._send(script)
        else:
            body = early_html() if (folder, name, self.command) == ("", "", "GET") else b""
            self._answer(503, "text/html", body, {"Cache-Control": "no-store", "Retry-After": "1"})

    def _answer_from(self, last: LastPage) -> None:
        """What the app itself would answer, now; or by asking again when it is there."""
        asked, host = unquote(self.path.partition("?")[0]), self.headers.get("Host", "")
        if asked == "/" and self.command == "GET" and re.fullmatch(r"[\w.:\[\]-]+", host):
            self._answer(200, "text/html", last.html_for(host), {"Cache-Control": "no-store"})
        elif asked in last.files:
            self._send(last.files[asked])
        elif (script := _of_gradio(asked)) is not None:
            self._send(script)
        else:
            length = self.headers.get("Content-Length") or "0"
            if not length.isdecimal():
                self._answer(400, "text/plain", b"", {})
                return
            left = int(length)
            while left > 0 and (part := self.rfile.read(min(left, 1 << 16))):  # a browser that is still sending
                left -= len(part)  # does not listen
            self.server.over.wait()
            _wait_for(self.server.way_in)
            self._answer(307, "text/plain", b"", {"Location": self.path, "Cache-Control": "no-store"})

    def _send(self, file: Path) -> None:
        """A file whose address changes with what is in it."""
        self._answer(200, KINDS[file.suffix], file.read_bytes(), {"Cache-Control": "max-age=86400, immutable"})

    def _answer(self, status: int, kind: str, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        charset = "; charset=utf-8" if kind.startswith("text/") else ""
        for name, value in {**headers, "Content-Type": kind + charset, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Who asked what is nobody's business."""


def _of_gradio(asked: str) -> Path | None:
    """A file of Gradio's own page by its address."""
    place = frontend()
    if place is None or not asked.startswith(("/assets/", "/static/")) or Path(asked).suffix not in KINDS:
        return None
    try:
        file = (place / asked[1:]).resolve()
        return file if file.is_relative_to(place) and file.is_file() else None
    except (OSError, ValueError):  # too long, or with a zero in it
        return None


def _wait_for(address: tuple[str, int]) -> None:
    """Return when somebody listens there, or when it is in vain."""
    begun = time.monotonic()
    while time.monotonic() - begun < COMING:
        try:
            socket.create_connection(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.02)
