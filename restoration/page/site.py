"""What every tab works with: the networks, the example faces, and what the page shows when it opens."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from restoration.degrade import Degradation
from restoration.hub import UpdateWatch, load_configured
from restoration.images import Image, read_image
from restoration.lab.experiment import CLEAN, Outcome, run_experiment
from restoration.lab.recipe import Recipe, View, picture_id
from restoration.measure.estimate import Estimator, load_estimator
from restoration.measure.faithfulness import Examination, examine
from restoration.measure.identity import IdentityNetwork, load_identity
from restoration.page import settings
from restoration.restorer import Restorer, select_device


class Example(NamedTuple):
    """One of the one-click examples: a key of ``FACES``, a key of ``PRESETS``, and the seed of its noise."""

    face: str
    preset: str
    seed: int


FOLDER = Path(__file__).parents[2] / "examples"
_offered = json.loads((FOLDER / "examples.json").read_text(encoding="utf-8"))
FACES: dict[str, str] = _offered["faces"]  # name of the file, without its end -> name of the person
EXAMPLES = [Example(**case) for case in _offered["cases"]]  # the first is on the page when it opens


@dataclass(frozen=True)
class Site:
    """What every tab works with.

    Args:
        restorer: the network.
        identity: measures identity angles; None leaves them unmeasured.
        faces: the example faces, name to file: the only files outside Gradio's cache that the page may serve.
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
        return self.run(self.faces[example.face], settings.drawn(example.preset, example.seed), example.seed)

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
        cases = {label or settings.label(outcome.settings, outcome.seed): outcome.settings}
        return self.recipe("test", outcome.pictures[CLEAN], outcome.seed, cases=cases)


def load_site() -> Site:
    """The site with the weights that the environment names.

    Raises:
        InputError: there are no such weights, or no such identity network.
    """
    weights = load_configured()
    news = UpdateWatch(weights).sentence if weights.commit else None
    return Site(Restorer(weights, select_device("auto")), load_identity(), news=news)
