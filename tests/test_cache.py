"""What the page does before it starts: a folder for visitors' files, the network's settings, embedded weights."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from served import ROOT, running_app
from tiny import REPO

from restoration.images import InputError
from restoration.page import claim_folder, delete_old, prepare_network

FORK = multiprocessing.get_context("fork")  # a new interpreter takes seconds to import torch


def test_only_old_files_go_and_what_is_kept_stays(tmp_path: Path) -> None:
    old, young, kept = (tmp_path / name / "a.png" for name in ("old", "young", "kept"))
    for path, age in ((old, 90), (young, 10), (kept, 90)):
        path.parent.mkdir()
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    os.utime(old.parent, (0, 0))
    delete_old(tmp_path, {kept}, time.time() - 60)
    assert not old.exists()
    assert young.exists()
    assert kept.exists()
    os.utime(old.parent, (0, 0))
    delete_old(tmp_path, {kept}, time.time() - 60)
    assert not old.parent.exists()


def hold(told: Connection) -> None:
    """Of a process of its own: claim a folder and use it until somebody ends this."""
    folder = claim_folder()
    (folder / "photo.png").write_text("x")
    told.send(folder)
    time.sleep(600)


def test_what_a_killed_process_left_is_deleted_and_a_living_ones_stays(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))

    def start() -> tuple[BaseProcess, Path]:
        here, there = FORK.Pipe()
        process = FORK.Process(target=hold, args=(there,))
        process.start()
        return process, here.recv()

    def end(process: BaseProcess, number: signal.Signals) -> None:
        os.kill(process.pid or 0, number)
        process.join()
        assert process.exitcode == -number

    killed, orphan = start()
    end(killed, signal.SIGKILL)
    assert (orphan / "photo.png").exists()
    living, own = start()
    assert not orphan.exists()
    assert (own / "photo.png").exists()
    asked, other = start()
    end(asked, signal.SIGTERM)
    assert not other.exists()
    assert (own / "photo.png").exists()
    end(living, signal.SIGKILL)
    stranger = tmp_path / "restoration-without-owner"  # of an older release, perhaps running
    stranger.mkdir()
    code = "from restoration.page import claim_folder; claim_folder()"  # and it ends by itself
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert list(tmp_path.iterdir()) == [stranger]


def test_settings_of_the_network_that_cannot_be_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):  # are changed
        monkeypatch.setenv(name, "")
    for name, value, told in (
        ("GRADIO_SERVER_PORT", "70000", "a number from 1 to 65535"),
        ("HTTPS_PROXY", "ftp://nowhere:x", "Correct or unset HTTPS_PROXY"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(InputError, match=told):
                prepare_network()
    environment = {**os.environ, "GRADIO_SERVER_PORT": "abc"}
    run = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (run.returncode, len(run.stderr.splitlines())) == (1, 1)
    assert "GRADIO_SERVER_PORT is 'abc'" in run.stderr


def test_no_network_and_no_place_to_write_keep_no_page_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dead proxies, a Hub that nobody reaches, and a file where the folder for visitors' files should be."""
    for name in ("ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "socks5://127.0.0.1:9")
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (("HF_HOME", str(tmp_path)), ("RESTORATION_MODEL", f"{REPO}@v1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    (tmp_path / "cache").touch()  # where ``running_app`` wants a folder
    direct = build_opener(ProxyHandler({}))
    with running_app(tmp_path) as address, direct.open(f"{address}/config", timeout=60) as answer:
        page = json.dumps(json.load(answer))
    log = (tmp_path / "app.log").read_text()
    assert f"({tmp_path / 'cache'}) cannot be written" in log
    assert "The built-in weights" in page
    for told in (f"RESTORATION_MODEL names {REPO}@v1", "The Hub could not be reached"):
        assert told in page
        assert told in log
