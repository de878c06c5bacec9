"""What a visitor sees while the app is starting."""

import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import PIL.Image
import pytest

from examples.make_opening import make_opening
from restoration import read_image
from restoration.measure.metrics import psnr
from restoration.page.early_page import PICTURES, SCRIPTS, EarlyPage, early_html, scripts

ROOT = Path(__file__).parents[1]


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A free one, for the page."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    monkeypatch.setenv("GRADIO_SERVER_PORT", str(number))
    monkeypatch.delenv("SPACE_ID", raising=False)
    return number


def ask(port: int, path: str = "/", method: str = "GET") -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_it_answers_not_yet_with_the_first_screen_and_gives_the_port_back(port: int) -> None:
    early = EarlyPage()
    assert ask(port) == ask(port, "/?lang=zh") == (503, early_html())
    assert ask(port, method="HEAD") == ask(port, "/config") == (503, b"")
    waiting: list[tuple[int, bytes]] = []
    waiter = threading.Thread(target=lambda: waiting.append(ask(port, "/starting")))
    waiter.start()
    waiter.join(0.3)
    assert not waiting
    early.close()
    waiter.join(10)
    assert waiting == [(503, b"")]
    with socket.socket() as next_one:  # as Gradio looks whether it is free
        next_one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        next_one.bind(("127.0.0.1", port))
    with pytest.raises(urllib.error.URLError):
        ask(port)


def test_it_hands_out_the_scripts_of_the_next_page_and_no_other_file(port: int, tmp_path: Path) -> None:
    early = EarlyPage()
    listed = SCRIPTS.read_text().split()
    assert set(scripts()) <= set(listed)
    assert len(listed) > 50
    for name, file in list(scripts().items())[:5]:
        assert ask(port, f"/assets/{name}") == (200, file.read_bytes())
    for path in ("/assets/none.js", "/assets/../index.html", "/assets/%2e%2e/index.html", f"/other/{listed[0]}"):
        assert ask(port, path) == (503, b"")
    early.close()


def test_it_leaves_a_taken_port_and_a_space_alone(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        EarlyPage().close()
    monkeypatch.setenv("SPACE_ID", "someone/page")
    EarlyPage().close()
    with pytest.raises(urllib.error.URLError):
        ask(port)


def test_it_asks_no_other_host_and_needs_nothing_but_the_standard_library() -> None:
    assert not re.search(rb'(src|href)="(?!data:)', early_html())
    assert b"{" + b"restored}" not in early_html()
    code = (
        "import sys; before = set(sys.modules); import restoration.page.early_page; print(*set(sys.modules) - before)"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {name.partition(".")[0] for name in found.split()} - {"restoration"} <= set(sys.stdlib_module_names)


def test_its_pictures_are_what_the_default_weights_make() -> None:
    for name, made in make_opening().items():
        with PIL.Image.open(PICTURES[name]) as picture:
            assert (picture.format, picture.size) == ("JPEG", (512, 512))
        assert psnr(read_image(PICTURES[name]), made) > 38  # nothing but the loss of a JPEG of quality 90
