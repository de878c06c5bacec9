"""The weights that a name means: a folder, a model on the Hub, or an embedded set; and whether newer ones are there."""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from pathlib import Path

from restoration.hub.client import HubModel, HubUnreachable
from restoration.hub.pull import ask, cached, pull, verify
from restoration.network.checkpoint import TRAINING, Weights, WeightsError, read_weights

EMBEDDED = Path(__file__).parents[1] / "weights"
DEFAULT = "default"
ENVIRONMENT = "RESTORATION_MODEL"


def load_weights(source: str | Path | None = None, *, revision: str | None = None) -> Weights:
    """Load a set of weights and check it.

    Looked for in this order: a folder, the cache of the Hub's client, the Hub. What the cache holds is used without
    asking whether the Hub holds something newer: ``pull`` or another revision changes it.

    Args:
        source: a folder; ``owner/name`` or ``owner/name@revision`` of the Hub; or the name of an embedded set, which
            has no slash. None is the embedded default. A network connection is used for a model of the Hub alone.
        revision: branch, tag or commit of a model on the Hub.

    Raises:
        WeightsError: not there, incomplete, damaged, of another shape, or its golden output differs.
        HubUnreachable: not in the cache, and the Hub does not answer.
    """
    name = str(source if source is not None else DEFAULT)
    embedded = (EMBEDDED / name).parent == EMBEDDED and os.path.isdir(EMBEDDED / name)
    folder = EMBEDDED / name if embedded else Path(name)
    if os.path.isdir(folder):
        if revision is not None:
            raise WeightsError(f"{name!r} has no revisions: they belong to models on the Hub, owner/name.")
        return read_weights(folder, f"embedded: {name}" if embedded else name)
    if model := HubModel.parse(name, revision):
        return _from_hub(model)
    known = ", ".join(sorted(path.name for path in EMBEDDED.iterdir() if (path / TRAINING).exists()))
    advice = f"Give a folder, a model on the Hub (owner/name or owner/name@revision), or an embedded set: {known}."
    raise WeightsError(f"There are no weights at {name!r}. {advice}")


def _from_hub(model: HubModel) -> Weights:
    folder = cached(model)
    if folder is not None:
        try:
            verify(folder)
        except WeightsError as error:
            logging.getLogger(__name__).warning("%s It is fetched again.", error)
            folder = None
    folder = folder or pull(model)
    return dataclasses.replace(read_weights(folder, f"Hub: {model}"), hub_model=str(model), commit=folder.name)


def load_configured() -> Weights:
    """Load what ``RESTORATION_MODEL`` names, or the embedded default where it is not set.

    Where the Hub cannot be reached, the embedded default comes with a ``notice`` that says so, which is logged too.
    Any other fault is a WeightsError as of ``load_weights``: a damaged model must not look like a working one.
    """
    source = os.environ.get(ENVIRONMENT, "").strip()
    try:
        return load_weights(source or None)
    except HubUnreachable as error:
        notice = f"{ENVIRONMENT} names {source}, but the embedded weights are in use. {error}"
        logging.getLogger(__name__).warning(notice)
        return dataclasses.replace(load_weights(), notice=notice)


def find_update(weights: Weights) -> str | None:
    """A sentence that says how to take what is newer on the Hub's branch or tag that weights came from, or None.

    HubUnreachable or WeightsError where the Hub could not say, within ``ANSWER`` seconds.
    """
    model = HubModel.parse(weights.hub_model) if weights.hub_model else None
    if model is None or weights.commit is None or model.revision == weights.commit:  # a pinned commit stays
        return None
    newest = ask(model).sha or ""
    if newest == weights.commit:
        return None
    way = f"restart with {ENVIRONMENT}={model.repo_id}@{newest}, or after python -m restoration pull {model}"
    return f"{model} has moved on: the Hub is at {newest[:8]}, in use is {weights.commit[:8]}. To take it, {way}."


class UpdateWatch:
    """What ``find_update`` last said, asked again every so many seconds in the background: reading it never waits."""

    def __init__(self, weights: Weights, *, every: float = 3600) -> None:
        self._weights, self._every = weights, every
        self._lock, self._asked, self._sentence = threading.Lock(), -every, ""
        self.sentence()

    def sentence(self) -> str:
        """How to take what is newer; "" where nothing is known to be."""
        with self._lock:
            if time.monotonic() - self._asked >= self._every:
                self._asked = time.monotonic()
                threading.Thread(target=self._ask, daemon=True).start()
        return self._sentence

    def _ask(self) -> None:
        try:
            self._sentence = find_update(self._weights) or ""
        except WeightsError:
            return  # what was known stays; the question is asked again
