"""Pictures of the page for the README: ``python -m examples.make_screenshots``, with Chromium and playwright there.

Starts the app on a free port, waits for its first result, and writes ``page_desktop.png`` and ``page_phone.png``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / ".assets"
SIZES = {"page_desktop": (1440, 1000), "page_phone": (390, 844)}
START_LIMIT = 120  # seconds


def free_port() -> int:
    """A TCP port of this machine that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    """Return when the address answers; raise when the server ends or takes longer than ``START_LIMIT``."""
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"the app ended with status {server.returncode}")
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.3)
    raise TimeoutError(f"the app did not answer within {START_LIMIT} s")


def main() -> None:
    """Write the pictures into ``.assets``."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    server = subprocess.Popen([sys.executable, str(ROOT / "app.py")], env=environment, cwd=ROOT)
    try:
        wait_for(address, server)
        with sync_playwright() as playwright:
            options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=options)
            for name, (width, height) in SIZES.items():
                tab = browser.new_page(viewport={"width": width, "height": height})
                tab.goto(address)
                tab.locator("#result table").wait_for()
                tab.wait_for_load_state("networkidle")
                tab.screenshot(path=PICTURES / f"{name}.png")
                print(PICTURES / f"{name}.png")
            browser.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
