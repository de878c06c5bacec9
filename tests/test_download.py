"""Downloads against a real server on this machine: whole, checked, and refused in words."""

import hashlib
from pathlib import Path

import pytest
from hub_server import Hub, truncated

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


def test_what_breaks_off_leaves_nothing_and_is_fetched_again(hub: Hub, url: str, tmp_path: Path, full_disk) -> None:
    hub.fail("GET /storage", truncated(1_000_000), times=1)
    with pytest.raises(DownloadError, match="cannot be reached"):
        fetch(url, SHA256, folder=tmp_path)
    full_disk(1_000_000)
    with pytest.raises(DownloadError, match=r"Cannot keep a download in .* \(File too large\)"):
        fetch(url, SHA256, folder=tmp_path)
    full_disk(-1)
    assert not list(tmp_path.iterdir())
    assert fetch(url, SHA256, folder=tmp_path).read_bytes() == CONTENT


def test_a_wrong_checksum_keeps_nothing(url: str, tmp_path: Path) -> None:
    (tmp_path / SHA256).write_bytes(b"damaged")
    for _ in range(2):  # as it lies there, then as it is fetched
        with pytest.raises(DownloadError, match="It was deleted"):
            fetch(url, "0" * 64, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_reached_says_what_to_do(hub: Hub, url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"cannot be reached.*put it at .*missing"):
        fetch(f"{hub.storage}/storage/missing", SHA256, folder=tmp_path)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DownloadError, match="HF_HOME"):
        fetch(url, SHA256, folder=tmp_path / "file")
