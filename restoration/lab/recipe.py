"""What is asked for: a seed, a grid of severities, and the recipe of everything that decides the page's pictures and
numbers, but never a picture.

A recipe is JSON, the same in a short token for a link, or Python code. With the same face, weights and machine it gives
the same pictures bit for bit.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import itertools
import json
import zlib
from dataclasses import dataclass, field
from typing import Any, Literal

from restoration.degrade import LIMITS, Degradation
from restoration.images import Image, InputError, check_image

View = Literal["test", "compare", "sweep"]
VERSION = 1
MAX_TOKEN, MAX_TEXT, MAX_LABEL = 6000, 20_000, 60  # characters
MAX_SEED, MAX_CASES, MAX_POINTS = 2**31 - 1, 12, 64
DAMAGED = "This recipe is damaged. Copy the whole link again."
AXES = ("motion_length", "blur_sigma", "downsample", "noise", "jpeg")
OFF = dataclasses.asdict(Degradation())


def make_seed(seed: Any) -> int:
    """A whole number in [0, MAX_SEED] as JSON may bring it, where 3 can arrive as 3.0. InputError: anything else."""
    if isinstance(seed, (int, float)) and 0 <= seed <= MAX_SEED and seed == int(seed):  # NaN fails the range
        return int(seed)
    told = "It is empty." if seed is None else f"It is {seed}."
    raise InputError(f"The seed must be a whole number from 0 to {MAX_SEED}. {told}")


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
            needed = f"choose a lowest value below the highest, and 2 steps or more, each at least {limit.step:g} apart"
            raise InputError(f"{limit.label}: {needed}.")
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
        return len(self.places())

    @property
    def axes(self) -> list[Axis]:
        """x, and y where there is one."""
        return [axis for axis in (self.x, self.y) if axis]

    def settings(self, column: int, row: int = 0) -> Degradation:
        """The degradation at one point."""
        changed: dict[str, Any] = {
            axis.name: axis.values[at] for axis, at in zip(self.axes, (column, row), strict=False)
        }
        if "blur_sigma" in changed:  # such a blur is round: its second axis would stay behind
            changed["blur_sigma_y"] = None
        return dataclasses.replace(self.base, **changed)

    def places(self) -> list[tuple[int, int]]:
        """(column, row) of every point, row by row."""
        rows = range(len(self.y.values) if self.y else 1)
        return [(column, row) for row in rows for column in range(len(self.x.values))]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One state of the page.

    Args:
        view: "test" (one degradation), "compare" (1 to ``MAX_CASES``) or "sweep" (a severity grid).
        face: key of an example face; "" for a visitor's own picture.
        picture: ``picture_id`` of the clean face, so that another one is noticed.
        seed: of the noise.
        model: ``Restorer.fingerprint`` of the weights.
        cases: label to settings; empty for a sweep.
        plan: the grid of a sweep, else None.

    Raises:
        InputError: fields that do not fit together or are out of bounds.
    """

    view: View
    face: str
    picture: str
    seed: int
    model: str
    cases: dict[str, Degradation] = field(default_factory=dict)
    plan: SeverityGrid | None = None

    def __post_init__(self) -> None:
        texts, count = (self.face, self.picture, self.model, *self.cases), len(self.cases)
        low, high = {"test": (1, 1), "compare": (1, MAX_CASES), "sweep": (0, 0)}.get(self.view, (1, 0))
        planned = isinstance(self.plan, SeverityGrid if self.view == "sweep" else type(None))
        short = all(isinstance(text, str) and len(text) <= MAX_LABEL for text in texts)
        if not (short and planned and low <= count <= high):
            raise InputError(DAMAGED)
        object.__setattr__(self, "seed", make_seed(self.seed))

    def to_json(self) -> str:
        """All of it as indented JSON, settings that are off left out; ``from_json`` gives an equal recipe back."""
        fields: dict[str, Any] = {"version": VERSION}
        fields |= {name: getattr(self, name) for name in ("view", "face", "picture", "seed", "model")}
        if self.plan is None:
            fields["cases"] = {label: _changed(settings) for label, settings in self.cases.items()}
        else:
            fields["base"] = _changed(self.plan.base)
            fields["axes"] = {axis.name: list(axis.values) for axis in self.plan.axes}
        return json.dumps(fields, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Inverse of ``to_json``, strict. InputError: not such a recipe, or one of another version."""
        try:
            fields = json.loads(text)
            if not isinstance(fields, dict):
                raise InputError(DAMAGED)
            if fields.pop("version") != VERSION:
                raise InputError("This recipe was written by another version of the page. Make it again here.")
            if "axes" in fields:
                axes = [Axis(name, tuple(values)) for name, values in fields.pop("axes").items()]
                return cls(plan=SeverityGrid(Degradation.from_dict(fields.pop("base")), *axes), **fields)
            cases = {label: Degradation.from_dict(case) for label, case in fields.pop("cases").items()}
            return cls(cases=cases, **fields)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise error if isinstance(error, InputError) else InputError(DAMAGED) from error

    def to_token(self) -> str:
        """The recipe for a link: ``to_json`` without spaces, compressed, in URL-safe base64 without padding."""
        compact = json.dumps(json.loads(self.to_json()), separators=(",", ":"))
        return base64.urlsafe_b64encode(zlib.compress(compact.encode(), 9)).decode().rstrip("=")

    @classmethod
    def from_token(cls, token: str) -> Recipe:
        """Inverse of ``to_token``; reads at most ``MAX_TOKEN`` characters, unpacks at most ``MAX_TEXT``. InputError."""
        if not isinstance(token, str) or len(token) > MAX_TOKEN:
            raise InputError(DAMAGED)
        try:
            packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            unpacker = zlib.decompressobj()
            text = unpacker.decompress(packed, MAX_TEXT).decode()
        except (zlib.error, ValueError) as error:
            raise InputError(DAMAGED) from error
        if not unpacker.eof:
            raise InputError(DAMAGED)
        return cls.from_json(text)

    def check(self, face: Image | None, model: str) -> list[str]:
        """What keeps this clean face (None where it is not there) and the weights of this fingerprint from giving the
        recipe's pictures; plain sentences, often none."""
        notes = []
        if face is not None and picture_id(face) != self.picture:
            notes.append("This recipe was made with another picture: its numbers will differ.")
        if model != self.model:
            notes.append("This recipe was made with other weights than those of this page: its numbers will differ.")
        return notes


def picture_id(face: Image) -> str:
    """Twelve hexadecimal digits that tell two pictures apart and say nothing about what they show."""
    image = check_image(face)
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()[:12]


def _changed(settings: Degradation) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(settings).items() if value != OFF[name]}


HEADER = '''"""A recipe of "Face restoration, measured". Run it from the repository's root; it prints metrics.csv."""

import itertools
import sys

from restoration import Degradation, Restorer
from restoration.lab import compare, read_face, run_grid
from restoration.lab.bundle import comparison_csv, grid_csv
from restoration.lab.recipe import Axis, SeverityGrid
from restoration.measure.identity import load_identity

restorer = Restorer.from_pretrained()
if restorer.fingerprint != {model!r}:
    print(f"Other weights ({{restorer.fingerprint}}) than the recipe's: the numbers will differ.", file=sys.stderr)
face, _ = read_face({face!r})  # (512, 512, 3) uint8 RGB
'''
COMPARISON = """cases = {{
{cases}}}
print(comparison_csv(compare(face, cases, {seed}, restorer, load_identity())), end="")
"""
GRID = """plan = SeverityGrid(
    {base},
    x={x!r},
    y={y!r},
)
points = run_grid(face, plan, {seed}, restorer, load_identity())
print(grid_csv(itertools.islice(points, {reached}), plan), end="")
"""
OWN_FACE = "your_face.png"  # stands for a visitor's own picture, whose name a recipe does not hold


def to_python(recipe: Recipe, reached: int | None = None) -> str:
    """A whole script that prints the metrics.csv of this recipe; of a grid that was stopped, the points ``reached``.
    The face is an example's file, or ``OWN_FACE`` for the visitor to replace."""
    face = f"examples/{recipe.face}.png" if recipe.face else OWN_FACE
    header, plan = HEADER.format(model=recipe.model, face=face), recipe.plan
    if plan is None:
        lines = (f"    {label!r}: {_code(settings)},\n" for label, settings in recipe.cases.items())
        return header + COMPARISON.format(cases="".join(lines), seed=recipe.seed)
    asked = {"base": _code(plan.base), "x": plan.x, "y": plan.y, "seed": recipe.seed}
    count = len(plan) if reached is None else reached  # they come in the order of the plan
    return header + GRID.format(**asked, reached=count)


def _code(settings: Degradation) -> str:
    return f"Degradation({', '.join(f'{name}={value!r}' for name, value in _changed(settings).items())})"
