"""What the page does before it starts: a folder for visitors' files, and the network's settings."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import numpy as np
import pytest
from served import ROOT, running_app

from restoration.page import delete_old, keep_clean, return_memory


def write(path: Path, age: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    moment = time.time() - age
    os.utime(path, (moment, moment))
    return path


def test_only_old_files_go_and_what_is_kept_stays(tmp_path: Path) -> None:
    old, young, kept = (write(tmp_path / name / "a.png", age) for name, age in (("o", 90), ("y", 10), ("k", 90)))
    os.utime(old.parent, (0, 0))
    delete_old(tmp_path, {kept}, time.time() - 60)
    assert not old.exists()
    assert young.exists()
    assert kept.exists()
    os.utime(old.parent, (0, 0))
    delete_old(tmp_path, {kept}, time.time() - 60)
    assert not old.parent.exists()


def test_the_folder_is_kept_clean(tmp_path: Path) -> None:
    first = write(tmp_path / "first.png", 0)
    keep_clean(tmp_path, 0.2)
    visitor = write(tmp_path / "visitor" / "photo.png", 0)
    deadline = time.monotonic() + 10
    while visitor.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not visitor.exists()
    assert first.exists()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="another C library than glibc")
def test_memory_that_nobody_uses_goes_back_to_the_system() -> None:
    def used() -> float:  # MiB
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    pieces = [np.ones(10_000) for _ in range(4000)]  # 80 kB each, from the heap
    kept, full = pieces[::100], used()
    del pieces
    return_memory(0.1)
    deadline = time.monotonic() + 20
    while used() > full - 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert used() < full - 200
    assert len(kept) == 40


def test_what_a_killed_process_left_is_deleted_and_a_living_ones_stays(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from restoration.page import claim_folder; folder = claim_folder();"
        "(folder / 'photo.png').write_text('x'); print(folder, flush=True); time.sleep(float(sys.argv[1]))"
    )
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path)}

    def start(seconds: int) -> tuple[subprocess.Popen[str], Path]:
        command = [sys.executable, "-c", code, str(seconds)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return process, Path(process.stdout.readline().strip())

    killed, orphan = start(600)
    killed.kill()
    killed.wait()
    assert (orphan / "photo.png").exists()
    living, own = start(600)
    third, _ = start(0)
    third.wait()
    assert not orphan.exists()
    assert (own / "photo.png").exists()
    living.kill()
    living.wait()
    stranger = tmp_path / "restoration-without-owner"  # of an older release, perhaps running
    stranger.mkdir()
    last, _ = start(0)
    last.wait()
    assert list(tmp_path.iterdir()) == [stranger]


def test_who_is_asked_to_end_leaves_nothing(tmp_path: Path) -> None:
    code = "from restoration.page import claim_folder; import time; print(claim_folder()); time.sleep(600)"
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert Path(process.stdout.readline().strip()).parent == tmp_path
    process.terminate()
    assert process.wait(timeout=30) == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("GRADIO_SERVER_PORT", "abc", "GRADIO_SERVER_PORT is 'abc'"),
        ("GRADIO_SERVER_PORT", "70000", "a number from 1 to 65535"),
        ("HTTPS_PROXY", "ftp://nowhere:x", "Correct or unset HTTPS_PROXY"),
    ],
)
def test_settings_of_the_network_that_cannot_be_are_a_sentence(name: str, value: str, told: str) -> None:
    environment = {**os.environ, name: value}
    run = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert told in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_dead_proxies_and_a_place_that_cannot_be_written_keep_no_page_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "socks5://127.0.0.1:9")
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "cache").touch()  # where ``running_app`` wants a folder
    with running_app(tmp_path) as address, build_opener(ProxyHandler({})).open(address, timeout=60) as page:
        assert page.status == 200
    assert f"({tmp_path / 'cache'}) cannot be written" in (tmp_path / "app.log").read_text()
