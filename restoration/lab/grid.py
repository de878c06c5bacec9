"""Restoration over a grid of severities: one or two settings, a point at a time."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from restoration.degrade import LIMITS, Degradation, degrade_image
from restoration.images import Image, InputError
from restoration.measure import Scores, score
from restoration.measure.identity import IdentityNetwork
from restoration.restorer import Restorer

MAX_POINTS = 64
SIDE_BY_SIDE = 2  # points at a time: SSIM leaves the cores idle that the network takes
AXES = ("motion_length", "blur_sigma", "downsample", "noise", "jpeg")


@dataclass(frozen=True)
class Axis:
    """One setting of ``AXES``, and the values that it takes: rising, at least 2, within its ``LIMITS``. InputError."""

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
        """``count`` values from ``low`` to ``high`` in equal steps, each rounded to the setting's own step. InputError
        as for ``Axis``; also where rounding makes neighbours equal."""
        if name not in AXES or count < 2:
            return cls(name, ())  # which says what is wrong
        step = LIMITS[name].step
        raw = (low + (high - low) * i / (count - 1) for i in range(count))
        return cls(name, tuple(round(round(value / step) * step, 6) for value in raw))


@dataclass(frozen=True)
class SeverityGrid:
    """What changes from column to column (x) and from row to row (y; None is a single row) of a base degradation.

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
        """The degradation at one point."""
        changed: dict[str, Any] = {self.x.name: self.x.values[column]}
        if self.y:
            changed[self.y.name] = self.y.values[row]
        if "blur_sigma" in changed:  # such a blur is round: its second axis would stay behind
            changed["blur_sigma_y"] = None
        return dataclasses.replace(self.base, **changed)

    def places(self) -> list[tuple[int, int]]:
        """(column, row) of every point, row by row."""
        rows = range(len(self.y.values) if self.y else 1)
        return [(column, row) for row in rows for column in range(len(self.x.values))]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a grid: where it lies, the (512, 512, 3) uint8 RGB pictures and scores before and after restoration,
    and whether every setting lies in the range that the network was trained on."""

    column: int
    row: int
    settings: Degradation
    degraded: Image
    restored: Image
    before: Scores
    after: Scores
    trained: bool


def run_grid(
    face: Image, plan: SeverityGrid, seed: int, restorer: Restorer, identity: IdentityNetwork | None = None
) -> Iterator[Point]:
    """Degrade, restore and measure every point of a grid, row by row, as they are done.

    Arguments as ``lab.compare``'s; neighbours differ by the settings alone. Close the generator to stop: what was begun
    is lost. InputError: the face cannot be used.
    """

    def measure(place: tuple[int, int]) -> Point:
        (column, row), settings = place, plan.settings(*place)
        degraded = degrade_image(face, settings, seed)
        restored = restorer.restore_aligned(degraded)
        return Point(
            column=column,
            row=row,
            settings=settings,
            degraded=degraded,
            restored=restored,
            before=score(degraded, face, identity),
            after=score(restored, face, identity),
            trained=not restorer.out_of_range(settings),
        )

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield from pool.map(measure, plan.places())  # closed, it begins no further point
