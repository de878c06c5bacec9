"""Links: what the page's controls hold becomes a recipe, and a link fills them again."""

from __future__ import annotations

from dataclasses import dataclass, field

from restoration.degrade import Degradation
from restoration.degrade.protocols import PRESETS
from restoration.images import InputError, read_image
from restoration.lab.grid import Axis, SeverityGrid
from restoration.lab.recipe import Recipe
from restoration.page.settings import Settings, fill, from_controls, to_controls

OWN = ""  # the visitor's own picture, beside the names of the example faces
CURRENT, NOTHING = "current", "nothing"  # beside the keys of PRESETS
CURRENT_LABEL = "My own settings"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What the controls hold after a recipe was opened.

    Args:
        recipe: itself.
        chosen: keys of ``PRESETS`` or ``CURRENT``, in the recipe's order; of a sweep its base, which may be
            ``NOTHING``.
        knobs: values of the first tab's controls; empty where the recipe holds presets alone.
        notes: why the numbers will differ, plain sentences; empty when they will not.
    """

    recipe: Recipe
    chosen: list[str]
    knobs: Settings = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def drawn(preset: str, seed: int) -> Degradation:
    """A preset as the controls hold it: to the nearest step, so that every view runs the same."""
    return from_controls(fill(preset, seed)[0])


def label(settings: Degradation, seed: int) -> str:
    """The preset that these settings are, by its label, or ``CURRENT_LABEL``."""
    key = _preset(settings, seed, of_sweep=False)
    return CURRENT_LABEL if key is None else PRESETS[key].label


def cases(chosen: list[str], knobs: Settings, seed: int) -> dict[str, Degradation]:
    """Label to settings of the chosen presets, ``CURRENT`` being what ``knobs`` hold.

    Raises:
        InputError: settings or a seed that cannot be.
    """
    result = {}
    for key in chosen:
        own = key == CURRENT
        result[CURRENT_LABEL if own else PRESETS[key].label] = from_controls(knobs) if own else drawn(key, seed)
    return result


def base(chosen: str, knobs: Settings, seed: int) -> Degradation:
    """What a sweep starts from: nothing, a preset, or what ``knobs`` hold."""
    if chosen == NOTHING:
        return Degradation()
    return from_controls(knobs) if chosen == CURRENT else drawn(chosen, seed)


def plan(start: Degradation, x: tuple[str, float, float, int], y: tuple[str, float, float, int] | None) -> SeverityGrid:
    """A sweep from what the visitor chose; each axis is (setting, lowest, highest, steps).

    Raises:
        InputError: bounds or steps that are missing or cannot be.
    """
    axes = []
    for name, low, high, steps in filter(None, (x, y)):
        if not all(isinstance(value, (int, float)) for value in (low, high, steps)):
            raise InputError("A sweep needs numbers: the lowest and the highest value, and how many steps.")
        axes.append(Axis.spaced(name, low, high, int(steps)))
    return SeverityGrid(start, *axes)


def open_recipe(token: str, faces: dict[str, str], model: str) -> Opened:
    """Read a link.

    Args:
        token: from the link; untrusted.
        faces: example faces, name to file.
        model: ``Restorer.fingerprint`` of the weights in use.

    Raises:
        InputError: a token that is no recipe, or one that the controls cannot hold.
    """
    recipe = Recipe.from_token(token)
    if recipe.face and recipe.face not in faces:
        raise InputError(f"This recipe wants the example face {recipe.face!r}, which this page does not have.")
    settings = [recipe.plan.base] if recipe.plan else list(recipe.cases.values())
    chosen: list[str] = []
    knobs: Settings = {}
    for one in settings:
        key = _preset(one, recipe.seed, of_sweep=recipe.plan is not None)
        if key is None:
            if knobs:
                raise InputError("This recipe holds several degradations of its own; the page can hold one.")
            key, knobs = CURRENT, to_controls(one)
        chosen.append(key)
    if recipe.view == "test" and not knobs:
        knobs = to_controls(settings[0])
    if recipe.face:
        notes = recipe.check(read_image(faces[recipe.face]), model)
    else:
        notes = ["This recipe was made with its author's own picture, which a link never holds: choose that picture."]
        notes += recipe.check(None, model)
    return Opened(recipe=recipe, chosen=chosen, knobs=knobs, notes=notes)


def _preset(settings: Degradation, seed: int, *, of_sweep: bool) -> str | None:
    if of_sweep and settings == Degradation():
        return NOTHING
    return next((key for key in PRESETS if drawn(key, seed) == settings), None)
