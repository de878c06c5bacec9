"""Pictures of the page for the README: ``python -m examples.make_screenshots``, with Chromium and playwright there.

Starts the app on a free port and writes ``page_desktop.png`` and ``page_phone.png`` of its first result, and
``compare_desktop.png`` and ``sweep_desktop.png`` of the laboratory.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / ".assets"
SIZES = {"page_desktop": (1440, 1000), "page_phone": (390, 844)}
START_LIMIT = 120  # seconds
SETTLING = 2000  # milliseconds; pictures are decoded, colours have faded in
LABORATORY_LIMIT = 300_000  # milliseconds; a sweep takes 15 s, but a machine may be busy


def free_port() -> int:
    """A TCP port of this machine that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started_app() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The page's address and its process, which has only just begun; it ends with the block."""
    port = free_port()
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    server = subprocess.Popen([sys.executable, str(ROOT / "app.py")], env=environment, cwd=ROOT)
    try:
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.terminate()
        server.wait()


def open_browser(playwright: Playwright) -> Browser:
    """Debian's Chromium, which asks nothing of its maker."""
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    return playwright.chromium.launch(executable_path="/usr/bin/chromium", args=options)


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    """Return when the address answers; raise when the server ends or takes longer than ``START_LIMIT``."""
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"the app ended with status {server.returncode}")
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"the app did not answer within {START_LIMIT} s")


def show_laboratory(tab: Page) -> None:
    """Run a comparison and a sweep as they stand on the page, and write a picture of each."""
    tab.set_default_timeout(LABORATORY_LIMIT)
    tab.get_by_role("tab", name="Compare").click()
    tab.get_by_role("button", name="Compare", exact=True).click()
    tab.get_by_role("link", name="Download all (zip)").wait_for()
    save(tab, "compare_desktop")
    tab.get_by_label("A range of severities").check()
    tab.get_by_role("button", name="Sweep", exact=True).click()
    tab.get_by_text("48 restorations measured").first.wait_for()
    tab.mouse.move(0, 0)
    save(tab, "sweep_desktop")


def save(tab: Page, name: str) -> None:
    """Write what the window shows."""
    tab.wait_for_timeout(SETTLING)
    tab.screenshot(path=PICTURES / f"{name}.png")
    print(PICTURES / f"{name}.png")


def main() -> None:
    """Write the pictures into ``.assets``."""
    with started_app() as (address, server), sync_playwright() as playwright:
        wait_for(address, server)
        browser = open_browser(playwright)
        for name, (width, height) in SIZES.items():
            tab = browser.new_page(viewport={"width": width, "height": height})
            tab.goto(address)
            tab.locator("#result table").wait_for()
            save(tab, name)
            if name == "page_desktop":
                show_laboratory(tab)
        browser.close()


if __name__ == "__main__":
    main()
