"""Downloads against a real server on this machine: resumed, checked, shared, and refused in words."""

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from restoration.faces.download import DownloadError, fetch

CONTENT = bytes(range(256)) * 5000  # 1.28 MB: more than one piece
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT at every path; ``cut`` bytes are left out at the end of the next answer."""

    ranges = True
    cut = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}/release/weights.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        if self.path.endswith("missing.pth"):
            self.send_error(404)
            return
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if begin >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(CONTENT) - begin))
        self.end_headers()
        self.wfile.write(CONTENT[begin : len(CONTENT) - self.server.cut])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_file_is_fetched_once_and_comes_from_the_cache_afterwards(server: Server, tmp_path: Path) -> None:
    path = fetch(server.url, SHA256, folder=tmp_path / "new" / "cache")
    assert path == tmp_path / "new" / "cache" / "weights.pth"
    assert path.read_bytes() == CONTENT
    assert fetch(server.url, SHA256.upper(), folder=path.parent) == path
    assert server.asked == [None]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on_where_it_stopped(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.cut, server.ranges = 300_000, ranges
    with pytest.raises(DownloadError, match="goes on where it stopped"):
        fetch(server.url, SHA256, folder=tmp_path)
    assert not (tmp_path / "weights.pth").exists()
    assert (tmp_path / "weights.pth.partial").stat().st_size == len(CONTENT) - 300_000
    server.cut = 0
    assert fetch(server.url, SHA256, folder=tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={len(CONTENT) - 300_000}-"]
    assert not (tmp_path / "weights.pth.partial").exists()


def test_a_download_that_was_complete_but_not_yet_checked_is_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.partial").write_bytes(CONTENT)
    assert fetch(server.url, SHA256, folder=tmp_path).read_bytes() == CONTENT


def test_a_wrong_checksum_keeps_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="another file than expected"):
        fetch(server.url, "0" * 64, folder=tmp_path)
    assert not list(tmp_path.glob("weights.pth*[!k]"))  # the lock may stay


def test_a_damaged_file_in_the_cache_is_named_and_not_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"half")
    with pytest.raises(DownloadError, match="Delete it"):
        fetch(server.url, SHA256, folder=tmp_path)
    assert server.asked == []


def test_what_cannot_be_reached_says_what_to_do(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"status 404.*put it at .*missing\.pth"):
        fetch(server.url.replace("weights", "missing"), SHA256, folder=tmp_path)
    with pytest.raises(DownloadError, match=r"cannot be reached.*put it at"):
        fetch("http://127.0.0.1:1/weights.pth", SHA256, folder=tmp_path)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DownloadError, match="HF_HOME"):
        fetch(server.url, SHA256, folder=tmp_path / "file")


def test_several_at_once_give_one_good_copy(server: Server, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: fetch(server.url, SHA256, folder=tmp_path), range(4)))
    assert [path.read_bytes() for path in paths] == [CONTENT]
    assert len(server.asked) == 1
