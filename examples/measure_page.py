"""Pictures of the page and its times: ``python -m examples.measure_page``, with Chromium and playwright there.

Starts the app on a free port. Writes the README's pictures into ``.assets``: ``page_desktop.png`` and
``page_phone.png`` of its first result, ``compare_desktop.png`` and ``sweep_desktop.png`` of the laboratory. Prints, in
seconds after the start of its process, the first paint, the first moment at which the page obeys, and when a face is
restored whose button was pressed then; and how long a comparison and a sweep of 48 points take from the press, and the
same sweep asked for by a program, with its zip.
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

from gradio_client import Client, handle_file
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / ".assets"
START_LIMIT = 120  # seconds
SETTLING = 2000  # milliseconds; pictures are decoded, colours have faded in
LIMIT = 300_000  # milliseconds; a sweep takes 15 s, but a machine may be busy
PAINT = "performance.timeOrigin + performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
SAYS = "text => [...document.querySelectorAll('.verdict')].some(verdict => verdict.textContent.includes(text))"


@contextmanager
def running_app() -> Iterator[str]:
    """The address of the page, whose process has only just begun; it ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {**os.environ, "GRADIO_SERVER_PORT": port, "GRADIO_SERVER_NAME": "127.0.0.1"}
    server = subprocess.Popen([sys.executable, str(ROOT / "app.py")], env=environment, cwd=ROOT)
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_LIMIT
    try:
        while True:
            try:
                urllib.request.urlopen(address, timeout=2).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()


def save(tab: Page, name: str) -> None:
    """Write what the window shows."""
    tab.mouse.move(0, 0)
    tab.wait_for_timeout(SETTLING)
    tab.screenshot(path=PICTURES / f"{name}.png")


def time_button(tab: Page, button: str, done: str) -> float:
    """Seconds from a press until a text is the verdict, looked for now and then: at every frame, it would take time.

    Its zip is waited for, but not counted: what is pressed next would wait for it.
    """
    begun = time.perf_counter()
    tab.get_by_role("button", name=button, exact=True).click()
    tab.wait_for_function(SAYS, arg=done, polling=100)
    seconds = time.perf_counter() - begun
    tab.locator("a[download]:visible").first.wait_for()
    return seconds


def time_start(tab: Page, address: str, begun: float) -> None:
    """Print when the page is painted, obeys, and has restored a face; ``begun`` in seconds since the epoch."""
    tab.goto(address)
    tab.wait_for_function(f"{PAINT} > 0")
    painted = tab.evaluate(PAINT) / 1000
    tab.locator("#result table").wait_for()
    opening = str(tab.locator("#result img").first.get_attribute("src")).rpartition("/")[0]
    obeyed = time.time()
    tab.get_by_role("button", name="Degrade & restore").click()
    tab.locator(f'#result img:not([src^="{opening}"])').first.wait_for()
    named = {"first paint": painted, "obeys": obeyed, "has restored": time.time()}
    print(", ".join(f"{name} {moment - begun:.2f} s" for name, moment in named.items()), "after the start")


def time_sweep(address: str) -> float:
    """Seconds that a program waits for the sweep that the page opens with."""
    client = Client(address, verbose=False)
    axes = ["motion_length", 4, 60, 8, "noise", 0, 25, 6]  # as the page has them
    begun = time.perf_counter()
    found, _ = client.predict(handle_file(ROOT / "examples" / "eileen_collins.png"), *axes, "{}", 1, api_name="/sweep")
    assert len(found["points"]) == 48
    return time.perf_counter() - begun


def main() -> None:
    """Print one line a measurement, and write the pictures on the way."""
    begun = time.time()
    with running_app() as address, sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=options)
        tab = browser.new_page(viewport={"width": 1440, "height": 1000})
        tab.set_default_timeout(LIMIT)
        time_start(tab, address, begun)
        tab.reload()
        tab.locator("#result table").wait_for()
        save(tab, "page_desktop")
        tab.get_by_role("tab", name="Compare").click()
        print(f"comparison of 4 degradations: {time_button(tab, 'Compare', '4 degradations compared'):.1f} s")
        save(tab, "compare_desktop")
        tab.get_by_label("A range of severities").check()
        print(f"sweep of 48 points: {time_button(tab, 'Sweep', '48 restorations measured'):.1f} s")
        save(tab, "sweep_desktop")
        phone = browser.new_page(viewport={"width": 390, "height": 844})
        phone.goto(address)
        phone.locator("#result table").wait_for()
        save(phone, "page_phone")
        browser.close()
        print(f"the same, asked for by a program: {time_sweep(address):.1f} s")


if __name__ == "__main__":
    main()
