"""What does a visitor see while the app is starting?  The first screen with a restored example, from the first moment.

Only the standard library is imported here: everything else takes seconds. The answer is 503, "not yet", so that a
program that waits for the page goes on waiting, while a browser draws it, asks again, and moves to the page itself.
"""

from __future__ import annotations

import base64
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
PICTURES = {name: HERE.parents[1] / ".assets" / f"opening_{name}.jpg" for name in ("degraded", "restored")}
HOST, PORT = "127.0.0.1", 7860  # Gradio's own defaults


def early_html() -> bytes:
    """The first screen: no file, script or font from elsewhere is asked for."""
    text = (HERE / "early_page.html").read_text(encoding="utf-8")
    for name, path in PICTURES.items():
        text = text.replace("{" + name + "}", "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode())
    return text.encode()


class EarlyPage:
    """Answers on the page's own port until ``close``.

    On a Space nothing is opened: there the Hub shows its own page while an app starts. Nor where the port is taken:
    then Gradio says so, or takes another one.
    """

    def __init__(self) -> None:
        self._server: ThreadingHTTPServer | None = None
        host, port = os.environ.get("GRADIO_SERVER_NAME", HOST), int(os.environ.get("GRADIO_SERVER_PORT", PORT))
        if os.environ.get("SPACE_ID"):
            return
        try:
            self._server = ThreadingHTTPServer((host, port), _Handler)
        except OSError:
            return
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        print(f"Starting on http://{'localhost' if host == '0.0.0.0' else host}:{port}/", flush=True)

    def close(self) -> None:
        """Give the port to the page itself."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """The first screen at the root; elsewhere nothing yet."""
        body = early_html() if self.path.partition("?")[0] == "/" and self.command == "GET" else b""
        self.send_response(503)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"), ("Retry-After", "1"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Who asked what is nobody's business."""
