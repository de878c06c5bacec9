"""Downloads against a real server on this machine: resumed, checked, shared, and refused in words."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hub_server import Handler, Hub, truncated

from restoration.faces.download import DownloadError, fetch

CONTENT = bytes(range(256)) * 5000  # 1.28 MB: more than one piece
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def url(hub: Hub) -> str:
    """Where CONTENT is; its name there is its checksum."""
    hub.objects[SHA256] = CONTENT
    return f"{hub.storage}/storage/{SHA256}"


def test_a_file_is_fetched_once_and_comes_from_the_cache_afterwards(hub: Hub, url: str, tmp_path: Path) -> None:
    path = fetch(url, SHA256, folder=tmp_path / "new" / "cache")
    assert path == tmp_path / "new" / "cache" / SHA256
    assert path.read_bytes() == CONTENT
    assert fetch(url, SHA256, folder=path.parent) == path
    assert len(hub.requests) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on_where_it_stopped(hub: Hub, url: str, tmp_path: Path, ranges: bool) -> None:
    asked, partial = [], tmp_path / f"{SHA256}.partial"

    def again(handler: Handler) -> None:
        asked.append(handler.headers["Range"])
        if not ranges:
            del handler.headers["Range"]
        handler.serve()

    hub.fail("GET /storage", truncated(1_000_000), times=1)
    hub.fail("GET /storage", again)
    with pytest.raises(DownloadError, match="goes on where it stopped"):
        fetch(url, SHA256, folder=tmp_path)
    assert not (tmp_path / SHA256).exists()
    assert partial.stat().st_size == 1_000_000
    assert fetch(url, SHA256, folder=tmp_path).read_bytes() == CONTENT
    assert asked == ["bytes=1000000-"]
    assert not partial.exists()


def test_a_full_disk_is_a_sentence_and_the_download_goes_on_later(url: str, tmp_path: Path, full_disk) -> None:
    full_disk(1_000_000)
    with pytest.raises(DownloadError, match=r"Cannot keep a download in .* \(File too large\)"):
        fetch(url, SHA256, folder=tmp_path)
    full_disk(-1)
    assert not (tmp_path / SHA256).exists()
    assert fetch(url, SHA256, folder=tmp_path).read_bytes() == CONTENT


def test_a_download_that_was_complete_but_not_yet_checked_is_used(url: str, tmp_path: Path) -> None:
    (tmp_path / f"{SHA256}.partial").write_bytes(CONTENT)
    assert fetch(url, SHA256, folder=tmp_path).read_bytes() == CONTENT


def test_a_wrong_checksum_keeps_nothing(url: str, tmp_path: Path) -> None:
    (tmp_path / SHA256).write_bytes(b"damaged")
    for _ in range(2):  # as it lies there, then as it is fetched
        with pytest.raises(DownloadError, match="It was deleted"):
            fetch(url, "0" * 64, folder=tmp_path)
    assert not list(tmp_path.glob(f"{SHA256}*[!k]"))  # the lock may stay


def test_what_cannot_be_reached_says_what_to_do(hub: Hub, url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"cannot be reached.*put it at .*missing"):
        fetch(f"{hub.storage}/storage/missing", SHA256, folder=tmp_path)
    with pytest.raises(DownloadError, match=r"cannot be reached.*put it at"):
        fetch("http://127.0.0.1:1/weights.pth", SHA256, folder=tmp_path)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DownloadError, match="HF_HOME"):
        fetch(url, SHA256, folder=tmp_path / "file")


def test_several_at_once_give_one_good_copy(hub: Hub, url: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: fetch(url, SHA256, folder=tmp_path), range(4)))
    assert [path.read_bytes() for path in paths] == [CONTENT]
    assert len(hub.requests) == 1
