"""SIGKILL at random moments of a training, a batch, a push and a pull: what is resumed equals what was never stopped.

PYTHONPATH=. python tests/kill.py --moments 20

A moment lies between the first file or request of a job and its end, as an undisturbed run showed them. After each kill
what is there must be whole, and the same command must end with the undisturbed result. Status 1 where it does not.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub_server import WRITER, Hub, serving
from served import EILEEN, GRACE, ROOT
from tiny import COMMAND, REPO, published, with_sums

from restoration.hub import CHECKSUMS

WAIT = 300  # seconds for any job
SEED = 0
WEIGHTS = ROOT / "restoration" / "weights" / "default"


@dataclass(frozen=True)
class Job:
    """A command that can be repeated."""

    command: list[str]  # arguments of Python
    begun: Callable[[], bool]  # whether it does more than starting
    state: Callable[[], dict[str, str]]  # what is there under its final name, and a digest of what is comparable
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, begun: bool = False) -> subprocess.Popen[bytes]:
        """Start it, and wait, if asked to, until it has begun."""
        silent: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = {**os.environ, **self.environment}
        process = subprocess.Popen([sys.executable, *self.command], cwd=ROOT, env=environment, **silent)
        deadline = time.monotonic() + WAIT
        while begun and not self.begun() and process.poll() is None:
            assert time.monotonic() < deadline, "it does not begin"
            time.sleep(0.005)
        return process


def files_in(folder: Path, pattern: str) -> dict[str, str]:
    """Name to digest of the files there."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob(pattern)}


@contextmanager
def training(folder: Path) -> Iterator[Job]:
    """Both stages of a tiny network; its weights count."""
    steps = ["--steps", "12", "--save-every", "1", "--validation-faces", "1"]
    command = ["train/run.py", *COMMAND, *steps, "--out", str(folder / "run")]
    begun = (folder / "run" / "face" / "train.csv").exists
    yield Job(command, begun, lambda: files_in(folder / "run" / "weights", "model.safetensors"))


@contextmanager
def batch(folder: Path) -> Iterator[Job]:
    """Six photos restored."""
    (folder / "photos").mkdir()
    for number in range(3):
        for face in (EILEEN, GRACE):
            shutil.copy(face, folder / "photos" / f"{face.stem}_{number}.png")
    paths = [str(folder / name) for name in ("photos", "restored", "report.json")]
    command = ["-m", "restoration", "restore", *paths[:2], "--centre", "--json", paths[2]]
    yield Job(command, (folder / "restored").exists, lambda: files_in(folder / "restored", "*.png"))


@contextmanager
def push(folder: Path) -> Iterator[Job]:
    """The embedded weights to a Hub that has others already; all that its branch shows must fit its checksums."""
    published(folder / "run" / "weights", 0)
    with serving() as hub:
        environment = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(folder / "hf"), "HF_TOKEN": WRITER}
        command, environment["HF_HUB_DISABLE_XET"] = ["-m", "restoration", "push", str(folder / "run"), REPO], "1"
        job = Job(command, lambda: bool(hub.asked("POST .*preupload")), lambda: shown(hub), environment)
        assert job.start().wait(WAIT) == 0
        shutil.rmtree(folder / "run")
        shutil.copytree(WEIGHTS, folder / "run" / "weights")
        hub.requests.clear()
        yield job


def shown(hub: Hub) -> dict[str, str]:
    """What a Hub's branch shows: a set of weights whose checksums are right."""
    files = hub.model(REPO).files
    sums = {name: digest for digest, name in (line.split("  ") for line in files[CHECKSUMS].decode().splitlines())}
    found = {name: hashlib.sha256(files[name]).hexdigest() for name in sums}
    assert found == sums, "a mixture of two sets of weights"
    return found


@contextmanager
def pull(folder: Path) -> Iterator[Job]:
    """The embedded weights from a Hub, over others in the cache; what the cache alone gives must load."""
    with serving() as hub:
        environment = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_XET": "1"}
        code = f"from restoration.hub import *; pull(HubModel({REPO!r})); print(load_weights({REPO!r}).fingerprint)"

        def cached() -> dict[str, str]:
            offline = {**os.environ, **environment, "HF_HUB_OFFLINE": "1"}
            code = f"from restoration.hub import load_weights; print(load_weights({REPO!r}).fingerprint)"
            told = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=offline, text=True, timeout=WAIT)
            return {"fingerprint": told.strip()}

        job = Job(["-c", code], lambda: bool(hub.asked("GET /storage")), cached, environment)
        hub.add(REPO, published(folder / "first", 0))
        assert job.start().wait(WAIT) == 0
        own = {path.name: path.read_bytes() for path in WEIGHTS.iterdir() if path.is_file()}
        hub.add(REPO, with_sums(own))
        hub.requests.clear()
        yield job


JOBS = {job.__name__: job for job in (training, batch, push, pull)}


def undisturbed(name: str) -> tuple[float, dict[str, str], dict[str, str]]:
    """Seconds from a job's begin to its end, what was there before, and its result."""
    with tempfile.TemporaryDirectory() as folder, JOBS[name](Path(folder)) as job:
        before = job.state()
        process = job.start(begun=True)
        begun = time.monotonic()
        assert process.wait(WAIT) == 0, f"{name} fails undisturbed"
        return time.monotonic() - begun, before, job.state()


def kill_once(name: str, delay: float, before: dict[str, str], result: dict[str, str]) -> str:
    """Kill a job ``delay`` seconds after its begin, look, and repeat it; "" or what is wrong."""
    with tempfile.TemporaryDirectory() as folder, JOBS[name](Path(folder)) as job:
        process = job.start(begun=True)
        time.sleep(delay)
        process.kill()
        process.wait()
        try:
            left = job.state()
        except (AssertionError, subprocess.CalledProcessError) as error:
            return f"left half-done: {error}"
        if left not in (before, result) and not left.items() <= result.items():
            return f"left half-done: {left}"
        if status := job.start().wait(WAIT):
            return f"repeated, it ends with status {status}"
        return "" if job.state() == result else "repeated, it ends with another result"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    options = parser.parse_args()
    rng, faults = random.Random(SEED), 0
    for name in options.jobs:
        seconds, before, result = undisturbed(name)
        for delay in sorted(rng.uniform(0, seconds) for _ in range(options.moments)):
            if wrong := kill_once(name, delay, before, result):
                faults += 1
                print(f"{name}, killed after {delay:.3f} s: {wrong}")
        print(f"{name}: killed {options.moments} times in {seconds:.1f} s of work, {faults} faults in all", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
