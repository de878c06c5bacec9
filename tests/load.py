"""Ten visitors at once, through the real queue: is every answer the right one, how long does it take, does memory stay?

PYTHONPATH=. python tests/load.py --minutes 5

Every visitor asks one thing after another (a face degraded and restored, a photo, a sweep), each with settings or a
picture of its own, so that an answer tells whose it is. Ends with status 1 where an answer is wrong or missing.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from gradio_client import Client, handle_file
from served import EILEEN, GRACE, ROOT, pixels, running_app

from restoration import Degradation, degrade_image, read_image, write_png
from restoration.measure import psnr

PHOTO = ROOT / ".assets" / "photo_group.png"
CORNER = 24  # pixels of the photo's corner, which is no face's: it tells the visitors' photos apart
WARM_UP = 2  # minutes until memory is looked at


class Visitor:
    """One of them, with a client, a random source and a photo of its own; a question returns whether its answer is."""

    def __init__(self, address: str, number: int, folder: Path) -> None:
        self.client, self.number, self.random = Client(address, verbose=False), number, random.Random(number)
        photo = read_image(PHOTO).copy()
        photo[:CORNER, :CORNER] = self.colour = 20 * number
        self.photo = folder / f"photo_{number}.png"
        write_png(photo, self.photo)

    def test(self) -> bool:
        """A face degraded and restored."""
        face, seed = self.random.choice((EILEEN, GRACE)), self.random.randrange(10**6)
        noise, clean = self.random.randint(5, 30), read_image(face)
        degraded, restored, told = self.client.predict(
            image=handle_file(face), seed=seed, noise=noise, api_name="/degrade_and_restore"
        )
        measured = told["metrics"][1]["psnr_db"], psnr(pixels(restored), clean)
        right = degrade_image(clean, Degradation(noise=noise), seed)
        return np.array_equal(pixels(degraded), right) and bool(np.isclose(*measured, atol=1e-3))

    def restore(self) -> bool:
        """A photo of several people."""
        photo, _ = self.client.predict(image=handle_file(self.photo), api_name="/restore")
        return bool((pixels(photo)[:CORNER, :CORNER] == self.colour).all())

    def sweep(self) -> bool:
        """Four points along one setting."""
        seed, most = self.random.randrange(10**6), self.random.randint(10, 40)
        answer, _ = self.client.predict(
            image=handle_file(EILEEN), column_setting="noise", column_low=1, column_high=most, column_steps=4,
            row_setting="", base="{}", seed=seed, api_name="/sweep",
        )  # fmt: skip
        clean = read_image(EILEEN)
        expected = psnr(degrade_image(clean, Degradation(noise=most), seed), clean)
        return bool(np.isclose(answer["points"][-1]["before"]["psnr"], expected, atol=1e-3))

    def visit(self, end: float, seconds: dict[str, list[float]]) -> list[str]:
        """Ask until a moment of ``time.monotonic``. Adds to ``seconds`` by kind; returns a line an answer."""
        answers = []
        while time.monotonic() < end:
            kind = self.random.choices(("test", "restore", "sweep"), (6, 3, 1))[0]
            begun = time.monotonic()
            try:
                told = "right" if getattr(self, kind)() else f"visitor {self.number}, {kind}: another question's"
            except Exception as error:
                told = f"visitor {self.number}, {kind}: {type(error).__name__}: {error}"
            seconds[kind].append(time.monotonic() - begun)
            answers.append(told)
        return answers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--visitors", type=int, default=10)
    options = parser.parse_args()
    seconds, memory = defaultdict[str, list[float]](list), defaultdict[int, list[float]](list)
    with tempfile.TemporaryDirectory() as name, running_app(Path(name)) as address:
        process = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[0]
        begun = time.monotonic()
        end = begun + 60 * options.minutes

        def watch() -> None:
            while time.monotonic() < end:
                pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
                memory[int((time.monotonic() - begun) / 60)].append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
                time.sleep(2)

        with ThreadPoolExecutor(options.visitors + 1) as pool:
            watching = pool.submit(watch)
            everybody = list(pool.map(lambda i: Visitor(address, i, Path(name)), range(options.visitors)))
            answers = list(pool.map(lambda visitor: visitor.visit(end, seconds), everybody))
            watching.result()
    told = Counter(line for lines in answers for line in lines)
    wrong = [line for line in told.elements() if line != "right"]
    print(f"{options.visitors} visitors, {options.minutes:g} min: {told.total()} answers, {len(wrong)} wrong")
    for kind, each in sorted(seconds.items()):
        p50, p95 = np.percentile(each, (50, 95))
        print(f"  {kind:8} {len(each):5} answers, p50 {p50:.1f} s, p95 {p95:.1f} s, longest {max(each):.1f} s")
    print(f"  answers a visitor: {min(map(len, answers))} to {max(map(len, answers))}")
    # What grows is the least of each minute: a photo at work takes 100 MiB.
    least = [min(used) for minute, used in sorted(memory.items()) if minute >= WARM_UP]
    slope = np.polyfit(range(len(least)), least, 1)[0] if len(least) > 1 else 0.0
    print(f"  memory: {least[-1] if least else 0:.0f} MiB, {slope:+.2f} MiB a minute after {WARM_UP} minutes")
    print("\n".join(wrong[:20]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
