"""Is there something newer on the Hub?  Said, never swapped in while visitors use what is loaded."""

from __future__ import annotations

import threading
import time

from restoration.hub.client import HubModel
from restoration.hub.pull import newest_commit
from restoration.hub.sources import ENVIRONMENT
from restoration.network.checkpoint import Weights, WeightsError


def find_update(weights: Weights) -> str | None:
    """Ask the Hub whether the branch or tag that weights came from is at another commit now.

    Returns:
        A sentence that says how to take it; None where there is nothing newer, or where the weights did not come
        from the Hub.

    Raises:
        HubUnreachable, WeightsError: the Hub could not say, within ``pull.ANSWER`` seconds.
    """
    model = HubModel.parse(weights.hub_model) if weights.hub_model else None
    if model is None or weights.commit is None or model.revision == weights.commit:  # a pinned commit stays
        return None
    newest = newest_commit(model)
    if newest == weights.commit:
        return None
    return (
        f"{model} has moved on: the Hub is at {newest[:8]}, in use is {weights.commit[:8]}. To take it, restart with "
        f"{ENVIRONMENT}={model.repo_id}@{newest}, or after python -m restoration pull {model}."
    )


class UpdateWatch:
    """What ``find_update`` last said, asked again in the background: reading it never waits for the Hub.

    Args:
        weights: what is in use.
        every: seconds between questions; one is asked when this is made.
    """

    def __init__(self, weights: Weights, *, every: float = 3600) -> None:
        self._weights, self._every = weights, every
        self._lock, self._asked, self._sentence = threading.Lock(), -every, ""
        self.sentence()

    def sentence(self) -> str:
        """How to take what is newer; "" where nothing is known to be."""
        with self._lock:
            due = time.monotonic() - self._asked >= self._every
            if due:
                self._asked = time.monotonic()
        if due:
            threading.Thread(target=self._ask, daemon=True).start()
        return self._sentence

    def _ask(self) -> None:
        try:
            self._sentence = find_update(self._weights) or ""
        except WeightsError:
            return  # what was known stays; the question is asked again
