"""Which weights does a name mean?  A folder, a model on the Hub, or an embedded set."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path

from restoration.hub.client import HubModel, HubUnreachable
from restoration.hub.pull import cached, pull, verify
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
    try:
        return _load(name, revision)
    except OSError as error:  # no right to look, or a name that is too long
        raise WeightsError(f"{name} cannot be read ({error.strerror}). Check the path and its permissions.") from error


def _load(name: str, revision: str | None) -> Weights:
    embedded = (EMBEDDED / name).is_dir() and "/" not in name
    folder = EMBEDDED / name if embedded else Path(name)
    model = None if folder.is_dir() else HubModel.parse(name, revision)
    if model:
        return _from_hub(model)
    if revision is not None:
        raise WeightsError(f"{name!r} has no revisions: they belong to models on the Hub, owner/name.")
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in EMBEDDED.iterdir() if (path / TRAINING).exists()))
        raise WeightsError(
            f"There are no weights at {name!r}. Give a folder, a model on the Hub (owner/name or "
            f"owner/name@revision), or one of the embedded sets: {known}."
        )
    return read_weights(folder, f"embedded: {name}" if embedded else name)


def load_configured() -> Weights:
    """Load what ``RESTORATION_MODEL`` names, or the embedded default where it is not set.

    Where the Hub cannot be reached, the embedded default comes with a ``notice`` that says so, which is logged too.
    Any other fault is raised: a wrong name or a damaged model must not look like a working one.

    Raises:
        WeightsError: as ``load_weights``.
    """
    source = os.environ.get(ENVIRONMENT, "").strip()
    if not source:
        return load_weights()
    try:
        return load_weights(source)
    except HubUnreachable as error:
        notice = f"{ENVIRONMENT} names {source}, but the embedded weights are in use. {error}"
        logging.getLogger(__name__).warning(notice)
        return dataclasses.replace(load_weights(), notice=notice)


def _from_hub(model: HubModel) -> Weights:
    folder = cached(model)
    if folder is not None:
        try:
            verify(folder)
        except WeightsError as error:
            logging.getLogger(__name__).warning("%s It is fetched again.", error)
            folder = None
    if folder is None:
        folder = pull(model)
    return dataclasses.replace(read_weights(folder, f"Hub: {model}"), hub_model=str(model), commit=folder.name)
