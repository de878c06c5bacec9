"""The page as a process, and what tests ask of it."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Locator, Page, expect

from restoration.images import Image

ROOT = Path(__file__).parents[1]
EILEEN, GRACE = (ROOT / "examples" / f"{name}.png" for name in ("eileen_collins", "grace_hopper"))
CHROMIUM = Path("/usr/bin/chromium")
in_browser = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM} (apt-get install chromium)")
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
SLOW = 60_000  # milliseconds; a restoration takes 0.3 s, but a test machine may be busy


@contextmanager
def running_app(folder: Path, *command: str | Path) -> Iterator[str]:
    """``python app.py`` (or another ``command``) on a free port, its cache in ``folder``; yields the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(folder / "cache")}
    for setting in ("RESTORATION_IDENTITY", "RESTORATION_NO_SKIPS"):  # the latter is the tests' own
        environment.pop(setting, None)
    environment["RESTORATION_DETECTOR"] = "embedded"  # no network
    log = folder / "app.log"
    with log.open("w") as output:
        program = [sys.executable, *(command or (ROOT / "app.py",))]
        process = subprocess.Popen(program, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 300
            while True:
                assert process.poll() is None, log.read_text()
                try:
                    build_opener(ProxyHandler({})).open(address, timeout=5).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.3)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=30)


def pixels(path: str) -> Image:
    """The picture in a file that must be a PNG."""
    with PIL.Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def upload(page: Page, path: Path, area: str) -> None:
    """Choose a file as a visitor does, in place of the picture that is there."""
    field = page.locator(area)
    if field.get_by_label("Clear").count():
        field.get_by_label("Clear").first.click()
    field.locator("input[type=file]").first.set_input_files(path)
    expect(field.locator("img").first).to_be_visible()


def download(page: Page, press: Locator, folder: Path) -> Path:
    """The file that a press brings, as a visitor gets it."""
    with page.expect_download() as brought:
        press.click()
    path = folder / brought.value.suggested_filename
    brought.value.save_as(path)
    return path


def numbers(page: Page, row: str) -> tuple[float, float]:
    """PSNR and SSIM that the page shows in one row of its table."""
    cells = page.get_by_role("row", name=re.compile(row)).get_by_role("cell").all_inner_texts()
    return float(cells[0].split()[0]), float(cells[1].split()[0])
