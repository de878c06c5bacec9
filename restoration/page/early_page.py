"""What does a visitor see while the app is starting?  The first screen with a restored example, from the first moment.

Only the standard library and the page's sentences are imported here: everything else takes seconds. The answer is 503,
"not yet", so that a program that waits for the page goes on waiting, while a browser draws it, asks again, and moves to
the page itself.
"""

from __future__ import annotations

import base64
import functools
import importlib.util
import json
import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from restoration.page.i18n import TABLES

HERE = Path(__file__).parent
PICTURES = {name: HERE.parents[1] / ".assets" / f"opening_{name}.jpg" for name in ("degraded", "restored")}
HOST, PORT = "127.0.0.1", 7860  # Gradio's own defaults
WAITING = "/starting"  # answered when it is worth asking for the page itself
SCRIPTS = HERE / "early_scripts.txt"  # what the page itself will ask of Gradio's files, a name a line


@functools.cache
def scripts() -> dict[str, Path]:
    """Name to file of the scripts and styles that the page will ask for, of those that this release of Gradio has.

    While the app is starting the browser fetches them here, and has read them when the page comes. Their names hold
    fingerprints of what is in them, so another release's are never taken for these.
    """
    places = getattr(importlib.util.find_spec("gradio"), "submodule_search_locations", None) or []
    files = {
        name: Path(place, "templates", "frontend", "assets", name)
        for place in places
        for name in SCRIPTS.read_text(encoding="utf-8").split()
    }
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
    """

    def __init__(self) -> None:
        self._server: _Server | None = None
        host, port = os.environ.get("GRADIO_SERVER_NAME", HOST), int(os.environ.get("GRADIO_SERVER_PORT", PORT))
        if os.environ.get("SPACE_ID"):
            return
        try:
            self._server = _Server((host, port))
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
        host, port = self._server.server_address[:2]
        here = HOST if host == "0.0.0.0" else str(host)
        socket.create_connection((here, port), timeout=5).close()  # else it looks up once a minute
        ending.join()
        self._server.server_close()
        self._server.over.set()


class _Server(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, _Handler)
        self.over = threading.Event()  # the page is about to take the port

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor who has left is no error; everything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """The first screen at the root, the scripts of the next one, and nothing else yet."""
        if self.path == WAITING:
            self.server.over.wait()  # asking again and again would slow down what is being waited for
        folder, _, name = self.path.partition("?")[0].rpartition("/")
        script = scripts().get(name) if folder == "/assets" else None
        if script is not None:
            kind = "text/css" if script.suffix == ".css" else "text/javascript"
            self._answer(200, kind, script.read_bytes(), {"Cache-Control": "max-age=86400, immutable"})
        else:
            body = early_html() if (folder, name, self.command) == ("", "", "GET") else b""
            self._answer(503, "text/html", body, {"Cache-Control": "no-store", "Retry-After": "1"})

    def _answer(self, status: int, kind: str, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {
            **headers, "Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))
        }.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Who asked what is nobody's business."""
