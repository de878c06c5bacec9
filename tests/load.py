"""Ten visitors at once, through the real queue: is every answer the right one, how long does it take, does memory stay?

PYTHONPATH=. python tests/load.py --minutes 5

Every visitor asks one thing after another (a face degraded and restored, a photo, a sweep), each with settings or a
picture of its own, so that an answer tells whose it is. Ends with status 1 where an answer is wrong or missing.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from gradio_client import Client, handle_file
from served import EILEEN, GRACE, ROOT, pixels, running_app

from restoration import Degradation, degrade_image, read_image, write_png
from restoration.measure import psnr

PHOTO = ROOT / ".assets" / "photo_group.png"
CORNER = 24  # pixels of the photo's corner, which is no face's: it tells the visitors' photos apart
WARM_UP = 2  # minutes until memory is looked at


@dataclass
class Told:
    """What was seen: seconds by kind of question, answers by visitor, what was wrong, (seconds, MiB) over time."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    @property
    def slope(self) -> float:
        """MiB a minute by which the least of each minute grows after the warm-up: a photo at work takes 100 MiB."""
        minutes = defaultdict[int, list[float]](list)
        for at, used in self.memory:
            minutes[int(at / 60)].append(used)
        least = [min(used) for minute, used in sorted(minutes.items()) if minute >= WARM_UP]
        return float(np.polyfit(range(len(least)), least, 1)[0]) if len(least) > 1 else 0.0


class Visitor:
    """One of them, with a client, a random source and a photo of its own."""

    def __init__(self, address: str, number: int, folder: Path) -> None:
        self.client, self.number, self.random = Client(address, verbose=False), number, random.Random(number)
        photo = read_image(PHOTO).copy()
        photo[:CORNER, :CORNER] = self.colour = 20 * number
        self.photo = folder / f"photo_{number}.png"
        write_png(photo, self.photo)

    def test(self) -> str | None:
        """A face degraded and restored; what is wrong with the answer, or None."""
        face, seed, noise = (
            self.random.choice((EILEEN, GRACE)),
            self.random.randrange(10**6),
            self.random.randint(5, 30),
        )
        degraded, restored, told = self.client.predict(
            image=handle_file(face), seed=seed, noise=noise, api_name="/degrade_and_restore"
        )
        clean = read_image(face)
        if not np.array_equal(pixels(degraded), degrade_image(clean, Degradation(noise=noise), seed)):
            return "the degraded face of another question"
        near = _near(told, psnr(pixels(restored), clean))
        return None if near else "the restored face or the numbers of another question"

    def restore(self) -> str | None:
        """A photo of several people."""
        photo, _ = self.client.predict(image=handle_file(self.photo), api_name="/restore")
        corner = pixels(photo)[:CORNER, :CORNER]
        return None if (corner == self.colour).all() else "the photo of another visitor"

    def sweep(self) -> str | None:
        """Four points along one setting."""
        seed, most = self.random.randrange(10**6), self.random.randint(10, 40)
        answer, _ = self.client.predict(
            image=handle_file(EILEEN), column_setting="noise", column_low=1, column_high=most, column_steps=4,
            row_setting="", base="{}", seed=seed, api_name="/sweep",
        )  # fmt: skip
        clean = read_image(EILEEN)
        expected = psnr(degrade_image(clean, Degradation(noise=most), seed), clean)
        return None if _near(answer["points"][-1], expected) else "the numbers of another sweep"

    def visit(self, end: float, told: Told) -> None:
        """Ask until a moment of ``time.monotonic``."""
        while time.monotonic() < end:
            kind = self.random.choices(("test", "restore", "sweep"), (6, 3, 1))[0]
            begun = time.monotonic()
            try:
                wrong = getattr(self, kind)()
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}"
            told.seconds[kind].append(time.monotonic() - begun)
            told.answers[self.number] += 1
            if wrong:
                told.wrong.append(f"visitor {self.number}, {kind}: {wrong}")


def _near(told: object, value: float) -> bool:
    """Whether a number of an answer, however deep, is ``value``."""
    if isinstance(told, dict | list):
        return any(_near(inner, value) for inner in (told.values() if isinstance(told, dict) else told))
    return isinstance(told, float) and abs(told - value) < 1e-3


def _memory(process: int) -> float:
    """Resident MiB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def run(minutes: float, visitors: int, folder: Path) -> Told:
    """Start the page, send the visitors, and watch."""
    told = Told()
    with running_app(folder) as address:
        process = int(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[0])
        begun = time.monotonic()
        end = begun + 60 * minutes
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(2):
                told.memory.append((time.monotonic() - begun, _memory(process)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            with ThreadPoolExecutor(visitors) as pool:
                everybody = list(pool.map(lambda number: Visitor(address, number, folder), range(visitors)))
                list(pool.map(lambda visitor: visitor.visit(end, told), everybody))
        finally:
            stop.set()
            watcher.join()
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--visitors", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = run(options.minutes, options.visitors, Path(folder))
    print(
        f"{options.visitors} visitors, {options.minutes:g} min: {told.answers.total()} answers, {len(told.wrong)} wrong"
    )
    for kind, seconds in sorted(told.seconds.items()):
        p50, p95 = np.percentile(seconds, (50, 95))
        print(f"  {kind:8} {len(seconds):5} answers, p50 {p50:.1f} s, p95 {p95:.1f} s, longest {max(seconds):.1f} s")
    print(f"  answers a visitor: {min(told.answers.values())} to {max(told.answers.values())}")
    used = statistics.median(value for _, value in told.memory)
    print(f"  memory: {used:.0f} MiB, {told.slope:+.2f} MiB a minute after {WARM_UP} minutes")
    print("\n".join(told.wrong[:20]))
    return 1 if told.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
