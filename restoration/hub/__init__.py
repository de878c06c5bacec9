"""Where weights come from and go to."""

from restoration.hub.client import HubModel, HubUnreachable
from restoration.hub.pull import pull
from restoration.hub.push import push_to_hub
from restoration.hub.sources import DEFAULT, EMBEDDED, UpdateWatch, find_update, load_configured, load_weights
from restoration.network.checkpoint import TRAINING, WEIGHTS, Weights, WeightsError, save_weights

__all__ = [
    "DEFAULT", "EMBEDDED", "TRAINING", "WEIGHTS", "HubModel", "HubUnreachable", "UpdateWatch", "Weights",
    "WeightsError", "find_update", "load_configured", "load_weights", "pull", "push_to_hub", "save_weights",
]  # fmt: skip
