"""What every tab works with: the networks, the example faces, and what the controls hold.

Presets and the visitor's own settings become recipes, and links fill the controls with them.

Convention:
    - there is one control a field of ``Degradation``, by the field's name, and "isotropic" besides
    - a slider cannot be None: jpeg 0 is "no JPEG", and a ticked "isotropic" is "no second axis of the blur"
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from restoration.degrade import LIMITS, Degradation
from restoration.degrade.protocols import PRESETS
from restoration.hub import UpdateWatch, load_configured
from restoration.images import Image, InputError, read_image
from restoration.lab import CLEAN, Outcome, run_experiment
from restoration.lab.recipe import Axis, Recipe, SeverityGrid, View, make_seed, picture_id
from restoration.measure.estimate import Estimator, load_estimator
from restoration.measure.faithfulness import Examination, examine
from restoration.measure.identity import IdentityNetwork, load_identity
from restoration.restorer import Restorer, select_device


class Example(NamedTuple):
    """One of the one-click examples: a key of ``FACES``, a key of ``PRESETS``, the seed of its noise, and whether it
    is marked as one where little can be restored."""

    face: str
    preset: str
    seed: int
    hard: bool = False


FOLDER = Path(__file__).parents[2] / "examples"
_offered = json.loads((FOLDER / "examples.json").read_text(encoding="utf-8"))
FACES: dict[str, str] = _offered["faces"]  # name of the file, without its end -> name of the person
PHOTOS: dict[str, int] = _offered["photos"]  # degraded photograph -> size of its result; the first opens the second tab
EXAMPLES = [Example(**case) for case in _offered["cases"]]  # the first is on the page when it opens

Settings = dict[str, Any]
CUSTOM = "custom"  # beside the keys of PRESETS in the first tab: the visitor's own settings
CURRENT, NOTHING = "current", "nothing"  # beside them in the third: what the first tab holds; no degradation
CURRENT_LABEL = "My own settings"
OWN = ""  # the visitor's own picture, beside the names of the example faces
ORDER = (*list(LIMITS)[:3], "isotropic", *list(LIMITS)[3:6], "kernel", *list(LIMITS)[6:], "grayscale")


@dataclass(frozen=True)
class Site:
    """What every tab works with.

    Args:
        restorer: the network.
        identity: measures identity angles; None leaves them unmeasured.
        faces: the example faces, name to file; outside Gradio's cache the page may serve these and ``PHOTOS`` alone.
        news: what the Hub has that is newer than the network, read whenever the page is opened; None where the
            network does not come from there.
    """

    restorer: Restorer
    identity: IdentityNetwork | None
    faces: dict[str, str] = field(default_factory=lambda: {name: str(FOLDER / f"{name}.png") for name in FACES})
    news: Callable[[], str] | None = None

    @functools.cached_property
    def known(self) -> dict[str, str]:
        """``picture_id`` of every example face to its name."""
        return {picture_id(read_image(path)): name for name, path in self.faces.items()}

    @functools.cached_property
    def estimator(self) -> Estimator:
        """Says what a photo has been through."""
        return load_estimator()

    @property
    def identity_name(self) -> str | None:
        """The network behind the identity angles."""
        return self.identity.name if self.identity else None

    def run(self, photo: str | bytes | None, degradation: Degradation, seed: int) -> Outcome:
        """``run_experiment`` with this site's networks."""
        return run_experiment(photo, degradation, seed, self.restorer, self.identity)

    def run_example(self, example: Example) -> Outcome:
        """An example as its controls hold it."""
        return self.run(self.faces[example.face], drawn(example.preset, example.seed), example.seed)

    def examine(self, before: Image, restored: Image, **known: Any) -> Examination:
        """``faithfulness.examine`` with this site's networks; ``known`` may hold ``truth`` and ``recipe``."""
        network, calibration = self.restorer.restore_tensor, self.restorer.calibration
        return examine(before, restored, network, calibration, identity=self.identity, **known)

    def recipe(self, view: View, face: Image, seed: int, **what: Any) -> Recipe:
        """The recipe of what is about to be run; it names the example face that ``face`` is, if any.

        Args:
            what: ``cases`` or ``plan``, as in ``Recipe``.
        """
        own = picture_id(face)
        name, model = self.known.get(own, ""), self.restorer.fingerprint
        return Recipe(view=view, face=name, picture=own, seed=seed, model=model, **what)

    def recipe_of(self, outcome: Outcome, label: str = "") -> Recipe:
        """The recipe of an experiment, its degradation called by a label or else by its preset's."""
        assert outcome.settings is not None
        assert outcome.seed is not None
        key = preset_of(outcome.settings, outcome.seed)
        cases = {label or (PRESETS[key].label if key else CURRENT_LABEL): outcome.settings}
        return self.recipe("test", outcome.pictures[CLEAN], outcome.seed, cases=cases)


def photo_file(name: str) -> str:
    """Where the photograph of this name in ``PHOTOS`` lies; the page may serve it."""
    return str(Path(__file__).parent / "photos" / f"{name}.jpg")


def load_site() -> Site:
    """The site with the weights that the environment names.

    Raises:
        InputError: there are no such weights, or no such identity network.
    """
    weights = load_configured()
    news = UpdateWatch(weights).sentence if weights.commit else None
    return Site(Restorer(weights, select_device("auto")), load_identity(), news=news)


# ---- what the controls hold


def fill(preset: str, seed: float | None) -> Settings:
    """Values of all controls for a preset, each on its control's step: the page runs exactly what it shows. ``CUSTOM``
    changes nothing: its values are empty. InputError: no seed as ``make_seed`` takes it, but for ``CUSTOM``."""
    if preset == CUSTOM:
        return {}
    values = to_controls(PRESETS[preset].draw(make_seed(seed)))
    return values | {name: round(round(values[name] / each.step) * each.step, 6) for name, each in LIMITS.items()}


def from_controls(values: Settings) -> Degradation:
    """The page's controls to settings. ``values`` is not modified. InputError: what ``Degradation`` refuses."""
    values = dict(values)
    if values.pop("isotropic"):
        values["blur_sigma_y"] = None
    values["jpeg"] = values["jpeg"] or None
    return Degradation(**values)


def to_controls(settings: Degradation) -> Settings:
    """Inverse of ``from_controls``, but for what has no effect. Nothing is rounded."""
    values = asdict(settings)
    values["isotropic"] = settings.blur_sigma_y is None
    values["blur_sigma_y"] = settings.blur_sigma if values["isotropic"] else settings.blur_sigma_y
    values["jpeg"] = settings.jpeg or 0
    return values


def idle_controls(values: Settings) -> set[str]:
    """Controls that cannot change anything at these values: angles without a blur, a round blur's second axis, ..."""
    round_blur, blurred = values["isotropic"], max(values["blur_sigma"], values["blur_sigma_y"]) > 0
    resting = {
        "motion_angle": values["motion_length"] <= 1,
        "blur_sigma_y": round_blur,
        "blur_angle": round_blur or not blurred,
        "kernel": values["downsample"] == 1,
    }
    return {name for name, rests in resting.items() if rests}


def drawn(preset: str, seed: int) -> Degradation:
    """A preset as the controls hold it: to the nearest step, so that every view runs the same."""
    return from_controls(fill(preset, seed))


def preset_of(settings: Degradation, seed: int) -> str | None:
    """The key of the preset that these settings are."""
    return next((key for key in PRESETS if drawn(key, seed) == settings), None)


def degradation_of(chosen: str, knobs: Settings, seed: int) -> Degradation:
    """What a choice stands for: ``NOTHING``, a preset, or ``CURRENT``: ``knobs``. InputError: no settings, no seed."""
    if chosen == NOTHING:
        return Degradation()
    return from_controls(knobs) if chosen == CURRENT else drawn(chosen, seed)


def cases_of(chosen: list[str], knobs: Settings, seed: int) -> dict[str, Degradation]:
    """Label to settings of several choices, as ``degradation_of`` takes them."""
    return {CURRENT_LABEL if key == CURRENT else PRESETS[key].label: degradation_of(key, knobs, seed) for key in chosen}


def plan_of(
    start: Degradation, x: tuple[str, float, float, int], y: tuple[str, float, float, int] | None
) -> SeverityGrid:
    """A sweep from what the visitor chose; each axis is (setting, lowest, highest, steps). InputError: bounds or steps
    that are missing or cannot be, 2.5 steps among them."""
    axes = []
    for name, low, high, steps in filter(None, (x, y)):
        if not all(isinstance(value, (int, float)) and abs(value) < 1e12 for value in (low, high, steps)):
            raise InputError("A sweep needs numbers: the lowest and the highest value, and how many steps.")
        if steps % 1:
            raise InputError(f"A sweep has a whole number of steps, not {steps:g}.")
        axes.append(Axis.spaced(name, low, high, int(steps)))
    return SeverityGrid(start, *axes)


class Opened(NamedTuple):
    """What the controls hold after a recipe was opened: choices as ``degradation_of`` takes them, in the recipe's order
    (of a sweep, what it starts from), values of the first tab's ``knobs`` where it holds more than presets, and why the
    numbers will differ, plain sentences."""

    recipe: Recipe
    chosen: list[str]
    knobs: Settings
    notes: list[str]


def open_recipe(token: str, faces: dict[str, str], model: str) -> Opened:
    """Read a link's token, which is untrusted, with the example ``faces`` (name to file) and the fingerprint of the
    weights in use. InputError: it is no recipe, or one that the controls cannot hold."""
    recipe = Recipe.from_token(token)
    if recipe.face and recipe.face not in faces:
        raise InputError(f"This recipe wants the example face {recipe.face!r}, which this page does not have.")
    settings = [recipe.plan.base] if recipe.plan else list(recipe.cases.values())
    chosen: list[str] = []
    knobs: Settings = {}
    for one in settings:
        key = NOTHING if recipe.plan and one == Degradation() else preset_of(one, recipe.seed)
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
    return Opened(recipe, chosen, knobs, notes)
