"""How does restoration fare as a degradation grows?  One or two settings over a grid, a point at a time."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Barrier

import torch

from restoration.degrade.degradations import LIMITS, Degradation, blur_only, degrade
from restoration.images import Image, InputError, to_image, to_tensor
from restoration.measure.identity import IdentityNetwork
from restoration.measure.metrics import Scores, Truth
from restoration.restorer import Restorer

MAX_POINTS = 64
SIDE_BY_SIDE = 8  # points at most, on a machine of many cores: each takes memory
GPU_BATCH = 8  # faces in one pass of the network on a GPU; on one core more than one are no faster
BLURS_KEPT = 16  # of one face; each takes 3 MB
AXES = ("motion_length", "blur_sigma", "downsample", "noise", "jpeg")


@dataclass(frozen=True)
class Axis:
    """One setting and the values that it takes.

    Args:
        name: one of ``AXES``.
        values: rising, at least 2, within the setting's ``LIMITS``.

    Raises:
        InputError: another name, or values that are too few, not rising or outside the limits.
    """

    name: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.name not in AXES:
            raise InputError(f"Sweep one of {', '.join(AXES)}, not {self.name!r}.")
        limit = LIMITS[self.name]
        if len(self.values) < 2 or any(a >= b for a, b in itertools.pairwise(self.values)):
            raise InputError(f"{limit.label}: choose a lowest value below the highest, and at least 2 steps.")
        if not limit.low <= self.values[0] <= self.values[-1] <= limit.high:
            raise InputError(f"{limit.label} goes from {limit.low:g} to {limit.high:g} {limit.unit}.")

    @classmethod
    def spaced(cls, name: str, low: float, high: float, count: int) -> Axis:
        """``count`` values from ``low`` to ``high`` in equal steps, each rounded to the setting's own step.

        Raises:
            InputError: as for ``Axis``; equal neighbours after rounding ask for fewer steps.
        """
        if name not in AXES:
            raise InputError(f"Sweep one of {', '.join(AXES)}, not {name!r}.")
        if count < 2:
            raise InputError("A sweep needs at least 2 steps along each setting.")
        step = LIMITS[name].step
        raw = (low + (high - low) * i / (count - 1) for i in range(count))
        return cls(name, tuple(round(round(value / step) * step, 6) for value in raw))

    def say(self, start: int = 0, stop: int | None = None) -> str:
        """The setting, its unit and the values from place ``start`` to before ``stop``, in words."""
        values = ", ".join(f"{value:g}" for value in self.values[start:stop])
        return f"{LIMITS[self.name].label} ({LIMITS[self.name].unit}) {values}"


@dataclass(frozen=True)
class Sweep:
    """A grid of severities over a base degradation.

    Args:
        base: every other setting; the swept ones are replaced.
        x: what changes from column to column.
        y: what changes from row to row; None is a single row.

    Raises:
        InputError: both axes the same setting, or more than ``MAX_POINTS`` points.
    """

    base: Degradation
    x: Axis
    y: Axis | None = None

    def __post_init__(self) -> None:
        if self.y is not None and self.y.name == self.x.name:
            raise InputError("Sweep two different settings, or one alone.")
        if len(self) > MAX_POINTS:
            raise InputError(f"This sweep has {len(self)} points; choose fewer steps, {MAX_POINTS} points at most.")

    def __len__(self) -> int:
        return len(self.x.values) * (len(self.y.values) if self.y else 1)

    def settings(self, column: int, row: int = 0) -> Degradation:
        """The degradation at one point of the grid."""
        changed = {self.x.name: self.x.values[column]}
        if self.y:
            changed[self.y.name] = self.y.values[row]
        if "blur_sigma" in changed:  # a swept blur is round: its second axis would stay behind
            changed["blur_sigma_y"] = None  # type: ignore[assignment]
        return dataclasses.replace(self.base, **changed)  # type: ignore[arg-type]

    def places(self) -> list[tuple[int, int]]:
        """(column, row) of every point, row by row."""
        rows = range(len(self.y.values) if self.y else 1)
        return [(column, row) for row in rows for column in range(len(self.x.values))]

    def missing(self, reached: int) -> str:
        """What a sweep that was stopped after its first ``reached`` points left out, in words; "" for nothing."""
        if reached >= len(self):
            return ""
        done, begun = divmod(reached, len(self.x.values))
        lines = [f"This sweep was stopped after {reached} of {len(self)} points. Not measured:"]
        if self.y is None:
            lines.append(f"- {self.x.say(begun)}")
        elif begun:
            lines.append(f"- {self.y.say(done, done + 1)}, with {self.x.say(begun)}")
            done += 1
        if self.y is not None and done < len(self.y.values):
            lines.append(f"- {self.y.say(done)}, with {self.x.say()}")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a sweep: where it lies, what was done there, and the scores before and after restoration.

    degraded, restored: (512, 512, 3) uint8 RGB. trained: whether every setting lies in the range that the network was
    trained on.
    """

    column: int
    row: int
    settings: Degradation
    degraded: Image
    restored: Image
    before: Scores
    after: Scores
    trained: bool


def run_sweep(
    face: Image, plan: Sweep, seed: int, restorer: Restorer, identity: IdentityNetwork | None = None
) -> Iterator[Point]:
    """Degrade, restore and measure every point of a grid, several side by side, each on a core of its own.

    On a GPU they are ``GPU_BATCH`` at a time, two batches side by side: one is restored, one measured. Stop by closing
    the generator: what was begun is finished and lost, at most ``2 * SIDE_BY_SIDE`` points on a CPU.

    Args:
        face: (512, 512, 3) uint8 RGB, clean. Not modified.
        plan: the grid.
        seed: of the noise, the same at every point: neighbours differ by the settings alone.
        restorer: sees degraded faces alone.
        identity: measures the identity angle; None leaves it unmeasured.

    Yields:
        A ``Point`` for each place, row by row.

    Raises:
        InputError: the face cannot be used.
    """
    truth, places, original = Truth(face, identity), plan.places(), to_tensor(face)
    # From row to row the same blurs come again.
    blurred = functools.lru_cache(BLURS_KEPT)(lambda blurs: blur_only(original, [blurs]))

    def degrade_one(settings: Degradation) -> Image:
        generators = [torch.Generator().manual_seed(seed)]
        return to_image(degrade(original, [settings], generators, blurred(settings.blurs)))

    def run(chosen: list[tuple[int, int]]) -> list[Point]:
        settings = [plan.settings(column, row) for column, row in chosen]
        degraded = [degrade_one(each) for each in settings]
        restored = restorer.restore_batch(degraded)
        return [_measure(truth, restorer, *point) for point in zip(chosen, settings, degraded, restored, strict=True)]

    batch, count = (1, min(torch.get_num_threads(), SIDE_BY_SIDE)) if restorer.on_cpu else (GPU_BATCH, 2)
    waiting = [places[start : start + batch] for start in range(0, len(places), batch)]
    running: deque[Future[list[Point]]] = deque()
    with single_threads(count) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < 2 * count:  # no core waits for who reads what it has found
                    running.append(pool.submit(run, waiting.pop(0)))
                yield from running.popleft().result()
        finally:
            for future in running:
                future.cancel()


@contextmanager
def single_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool in which torch works on one core a thread: that much work side by side needs no waiting for each other.

    Convention:
        - ``torch.set_num_threads`` is the calling thread's own, and that of all threads that first use torch later:
          for those it is set back as soon as the pool has begun

    Args:
        count: threads, at least 1.
    """
    threads, begun = torch.get_num_threads(), Barrier(count + 1)

    def alone() -> None:
        torch.get_num_threads()  # a thread that has not asked yet would take the common number later
        torch.set_num_threads(1)

    with ThreadPoolExecutor(count, initializer=alone) as pool:
        for _ in range(count):
            pool.submit(begun.wait)
        begun.wait()
        torch.set_num_threads(threads)
        yield pool


def _measure(
    truth: Truth, restorer: Restorer, place: tuple[int, int], settings: Degradation, degraded: Image, restored: Image
) -> Point:
    return Point(
        column=place[0],
        row=place[1],
        settings=settings,
        degraded=degraded,
        restored=restored,
        before=truth.score(degraded),
        after=truth.score(restored),
        trained=not restorer.out_of_range(settings),
    )
