"""What does every tab work with?  The networks, the example faces, and what the page shows when it opens."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

from restoration.hub import UpdateWatch, load_configured
from restoration.images import read_image
from restoration.lab.experiment import Outcome, run_experiment
from restoration.lab.recipe import picture_id
from restoration.measure.identity import IdentityNetwork, load_identity
from restoration.page.examples import EXAMPLES, FACES, FOLDER, strip
from restoration.page.settings import fill, from_controls
from restoration.restorer import Restorer, select_device


@dataclasses.dataclass(frozen=True)
class Site:
    """What every tab works with.

    Args:
        restorer: the network.
        identity: measures identity angles; None leaves them unmeasured.
        faces: the example faces, name to file: the only files outside Gradio's cache that the page may serve.
        opening: the first example, restored: it is there when the page opens.
        strip: all examples, as HTML.
        news: what the Hub has that is newer than the network, read whenever the page is opened; None where the
            network does not come from there.
    """

    restorer: Restorer
    identity: IdentityNetwork | None
    faces: dict[str, str]
    opening: Outcome
    strip: str
    news: Callable[[], str] | None = None

    @functools.cached_property
    def known(self) -> dict[str, str]:
        """``picture_id`` of every example face to its name."""
        return {picture_id(read_image(path)): name for name, path in self.faces.items()}


def open_site(
    restorer: Restorer,
    identity: IdentityNetwork | None,
    faces: dict[str, str],
    news: Callable[[], str] | None = None,
) -> Site:
    """Restore the first example and draw all of them."""
    name, preset = EXAMPLES[0]
    opening = run_experiment(faces[name], from_controls(fill(preset, 1)[0]), 1, restorer, identity)
    drawn = strip({face: read_image(path) for face, path in faces.items()})
    return Site(restorer, identity, faces, dataclasses.replace(opening, seconds=None), drawn, news)


def load_site() -> Site:
    """The example faces, and the weights that the environment names.

    Raises:
        InputError: there are no such weights, or no such identity network.
    """
    weights = load_configured()
    news = UpdateWatch(weights).sentence if weights.commit else None
    restorer, identity = Restorer(weights, select_device("auto")), load_identity()
    return open_site(restorer, identity, {face: str(FOLDER / f"{face}.png") for face in FACES}, news)
