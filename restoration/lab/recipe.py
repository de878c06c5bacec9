"""A recipe: everything that decides the page's pictures and numbers, but never a picture.

It is JSON, the same in a short token for a link, or Python code. With the same face, weights and machine it gives the
same pictures bit for bit.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import zlib
from dataclasses import dataclass, field
from typing import Any, Literal

from restoration.degrade import Degradation
from restoration.images import Image, InputError, check_image
from restoration.lab import MAX_CASES, make_seed
from restoration.lab.grid import Axis, SeverityGrid

View = Literal["test", "compare", "sweep"]
VERSION = 1
MAX_TOKEN, MAX_TEXT, MAX_LABEL = 6000, 20_000, 60  # characters
DAMAGED = "This recipe is damaged. Copy the whole link again."
OFF = dataclasses.asdict(Degradation())


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One state of the page.

    Args:
        view: "test" (one degradation), "compare" (several) or "sweep" (a severity grid).
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
            axes = [axis for axis in (self.plan.x, self.plan.y) if axis]
            fields["base"] = _changed(self.plan.base)
            fields["axes"] = {axis.name: list(axis.values) for axis in axes}
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
                return cls(plan=SeverityGrid(_settings(fields.pop("base")), *axes), **fields)
            return cls(cases={label: _settings(case) for label, case in fields.pop("cases").items()}, **fields)
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


def _settings(fields: Any) -> Degradation:
    return Degradation.from_dict(fields)


HEADER = '''"""A recipe of "Face restoration, measured". Run it from the repository's root; it prints metrics.csv."""

import itertools
import sys

from restoration import Degradation, Restorer
from restoration.lab import compare, read_face
from restoration.lab.bundle import comparison_csv, grid_csv
from restoration.lab.grid import Axis, SeverityGrid, run_grid
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
print(grid_csv(itertools.islice(points, {reached}), {names}), end="")
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
    names = ", ".join(repr(axis.name) for axis in (plan.x, plan.y) if axis)
    count = len(plan) if reached is None else reached  # they come in the order of the plan
    base = _code(plan.base)
    return header + GRID.format(base=base, x=plan.x, y=plan.y, seed=recipe.seed, reached=count, names=names)


def _code(settings: Degradation) -> str:
    return f"Degradation({', '.join(f'{name}={value!r}' for name, value in _changed(settings).items())})"
