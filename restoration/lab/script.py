"""Which Python code gives a recipe's numbers?  What "Copy as Python" hands over."""

from __future__ import annotations

import dataclasses
import json

from restoration.degrade.degradations import Degradation
from restoration.lab.recipe import OFF, Recipe

HEADER = '''"""A recipe of "Face restoration, measured". Run it from the repository's root; it prints metrics.csv."""

{builtin}import sys

from restoration import Degradation, Restorer
{imports}

restorer = Restorer.from_pretrained()
if restorer.fingerprint != {model}:
    print(f"Other weights ({{restorer.fingerprint}}) than the recipe's: the numbers will differ.", file=sys.stderr)
face, _ = read_face({face})  # (512, 512, 3) uint8 RGB
'''
COMPARISON = """cases = {{
{cases}}}
print(comparison_csv(compare(face, cases, {seed}, restorer, load_identity())), end="")
"""
SWEEP = """plan = Sweep(
    {base},
    x=Axis({x}),
    y={y},
)
points = run_sweep(face, plan, {seed}, restorer, load_identity())
print(sweep_csv({points}, {names}), end="")
"""
OWN_FACE = "your_face.png"  # stands for a visitor's own picture, whose name a recipe does not hold


def to_python(recipe: Recipe, reached: int | None = None) -> str:
    """A whole script that prints what ``comparison_csv`` or ``sweep_csv`` wrote of this recipe.

    Args:
        reached: how many points of its sweep were measured before it was stopped; None for all.

    The face is an example's file, or ``OWN_FACE`` for the visitor to replace. Identity is measured where the page's
    own network is found, as on the page.
    """
    face = f"examples/{recipe.face}.png" if recipe.face else OWN_FACE
    if recipe.plan is None:
        modules = {"lab.comparison": "compare", "lab.experiment": "read_face", "lab.tables": "comparison_csv"}
        lines = (f"    {_text(label)}: {_code(settings)},\n" for label, settings in recipe.cases.items())
        body = COMPARISON.format(cases="".join(lines), seed=recipe.seed)
    else:
        modules = {"lab.sweep": "Axis, Sweep, run_sweep", "lab.experiment": "read_face", "lab.tables": "sweep_csv"}
        x, y = recipe.plan.x, recipe.plan.y
        names = f"{_text(x.name)}, {_text(y.name) if y else None}"
        points = "points"
        if reached is not None and reached < len(recipe.plan):
            points = f"itertools.islice(points, {reached})"  # they come in the order of the plan
        body = SWEEP.format(
            base=_code(recipe.plan.base),
            x=f"{_text(x.name)}, {x.values}",
            y=f"Axis({_text(y.name)}, {y.values})" if y else None,
            seed=recipe.seed,
            points=points,
            names=names,
        )
    modules["measure.identity"] = "load_identity"
    imports = "\n".join(f"from restoration.{module} import {names}" for module, names in sorted(modules.items()))
    builtin = "import itertools\n" if "itertools." in body else ""
    return HEADER.format(builtin=builtin, imports=imports, model=_text(recipe.model), face=_text(face)) + body


def _code(settings: Degradation) -> str:
    changed = {name: value for name, value in dataclasses.asdict(settings).items() if value != OFF[name]}
    return f"Degradation({', '.join(f'{name}={value!r}' for name, value in changed.items())})"


def _text(value: str) -> str:
    return json.dumps(value)  # quoted and escaped: a label may hold anything
