"""What all tests share: tiny weights, the example faces, and a run that must not skip anything says so at its end."""

import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import huggingface_hub.constants
import pytest
import torch
from gradio_client import Client
from hub_server import Hub, serving
from playwright.sync_api import Browser, Page, expect, sync_playwright
from served import CHROMIUM, SIZES, SLOW, running_app
from tiny import EXAMPLES, FACTS, Files, published, tiny_network

from restoration.network.checkpoint import save_weights
from train.data import Faces, load_faces

_skipped: list[str] = []
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
if _WORKERS > 1:  # each computes on its share of the cores, and so do the programs that it starts
    torch.set_num_threads(max(1, torch.get_num_threads() // _WORKERS))
    os.environ["OMP_NUM_THREADS"] = str(torch.get_num_threads())


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and "gpu" not in report.keywords and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("RESTORATION_NO_SKIPS") and _skipped and not hasattr(session.config, "workerinput"):
        print("\nskipped, but must run here: " + ", ".join(_skipped))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def full_disk() -> Iterator[Callable[[int], None]]:
    """From its call on, no file can grow beyond so many bytes (EFBIG, as ENOSPC of a full disk); -1 ends that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="session")
def faces() -> Faces:
    """The two example faces. Not to be modified."""
    return load_faces([EXAMPLES])


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of an untrained network, known to have seen noise up to 20 alone. Not to be modified."""
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    torch.manual_seed(0)
    save_weights(folder, tiny_network(), FACTS)
    return folder


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A model as it is published. Not to be modified."""
    return published(tmp_path_factory.mktemp("published") / "first", 0)


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Another one. Not to be modified."""
    return published(tmp_path_factory.mktemp("published") / "second", 1)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty Hub on the loopback interface, and this process's client (nobody logged in, an empty cache) set to it.

    Large files go the documented way over HTTP: what ``hf_xet`` speaks with its storage is not documented.
    """
    with serving() as server:
        constants = {
            "ENDPOINT": server.endpoint,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "hf" / "hub"),
            "HF_TOKEN_PATH": str(tmp_path / "hf" / "token"),
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_OFFLINE": False,
        }
        for name, value in constants.items():
            monkeypatch.setattr(huggingface_hub.constants, name, value)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the page with the embedded weights: one process for all tests."""
    with running_app(tmp_path_factory.mktemp("page")) as url:
        yield url


@pytest.fixture(scope="session")
def client(address: str) -> Client:
    """A program that asks the page."""
    return Client(address, verbose=False)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    expect.set_options(timeout=SLOW)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture(params=SIZES)
def page(request: Any, browser: Browser, address: str) -> Iterator[Page]:
    """The page as it opens; afterwards: no error was logged, no other host was asked, nothing scrolls sideways."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(SLOW)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    hosts: set[str] = set()
    page.on("request", lambda asked: hosts.add(urlsplit(asked.url).netloc))
    page.goto(address)
    expect(page.locator("#result .verdict")).to_be_visible()
    yield page
    assert problems == []
    assert hosts - {""} == {urlsplit(address).netloc}  # "" is a data: or blob: address
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
