"""Pictures of the page and its times: ``python -m examples.measure_page``, with Chromium and playwright there.

Writes the README's pictures into ``.assets``: ``page_desktop.png`` and ``page_phone.png`` of the page's first result,
``compare_desktop.png`` and ``sweep_desktop.png`` of the laboratory. Prints, in seconds after the start of the app's
process, when the page shows its first result, and when a face is restored whose button was pressed then; and how long a
comparison and a sweep of 48 points take from the press.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Error, Page, sync_playwright

ROOT = Path(__file__).parents[1]
PORT = "7899"
SETTLING = 2000  # milliseconds; pictures are decoded, colours have faded in
LIMIT = 300_000  # milliseconds; a sweep takes 15 s, but a machine may be busy
SAYS = "text => [...document.querySelectorAll('.verdict')].some(verdict => verdict.textContent.includes(text))"


def open_page(tab: Page, server: subprocess.Popen[bytes]) -> None:
    """Ask for the page until it is there, and wait for its first result. playwright's Error where the server ended."""
    while True:
        try:
            tab.goto(f"http://127.0.0.1:{PORT}")
            break
        except Error:
            if server.poll() is not None:
                raise
            time.sleep(0.1)
    tab.locator("#result table").wait_for()


def save(tab: Page, name: str) -> None:
    """Write what the window shows."""
    tab.mouse.move(0, 0)
    tab.wait_for_timeout(SETTLING)
    tab.screenshot(path=ROOT / ".assets" / f"{name}.png")


def time_button(tab: Page, button: str, done: str) -> float:
    """Seconds from a press until a text is the verdict; its zip is waited for, but not counted."""
    begun = time.perf_counter()
    tab.get_by_role("button", name=button, exact=True).click()
    tab.wait_for_function(SAYS, arg=done, polling=100)
    seconds = time.perf_counter() - begun
    tab.locator("a[download]:visible").first.wait_for()
    return seconds


def main() -> None:
    """Start the app and a browser; print a line a measurement, and write the pictures on the way."""
    begun = time.monotonic()
    environment = {**os.environ, "GRADIO_SERVER_PORT": PORT, "GRADIO_SERVER_NAME": "127.0.0.1"}
    with (
        subprocess.Popen([sys.executable, str(ROOT / "app.py")], env=environment, cwd=ROOT) as server,
        sync_playwright() as playwright,
    ):
        try:
            flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
            tab, phone = (browser.new_page(viewport={"width": x, "height": y}) for x, y in ((1440, 1000), (390, 844)))
            tab.set_default_timeout(LIMIT)
            open_page(tab, server)
            print(f"first result {time.monotonic() - begun:.1f} s after the start")
            opening = str(tab.locator("#result img").first.get_attribute("src")).rpartition("/")[0]
            tab.get_by_role("button", name="Degrade & restore").click()
            tab.locator(f'#result img:not([src^="{opening}"])').first.wait_for()
            print(f"has restored {time.monotonic() - begun:.1f} s after the start")
            for each, name in ((tab, "page_desktop"), (phone, "page_phone")):
                open_page(each, server)
                save(each, name)
            tab.get_by_role("tab", name="Compare").click()
            print(f"comparison of 4 degradations: {time_button(tab, 'Compare', '4 degradations compared'):.1f} s")
            save(tab, "compare_desktop")
            tab.get_by_label("A range of severities").check()
            print(f"sweep of 48 points: {time_button(tab, 'Sweep', '48 restorations measured'):.1f} s")
            save(tab, "sweep_desktop")
            browser.close()
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
