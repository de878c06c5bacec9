"""Where weights come from and go to."""

from restoration.hub.pull import HubModel, HubUnreachable, UpdateWatch, find_update, load_configured, load_weights, pull
from restoration.hub.push import push_to_hub
from restoration.network.checkpoint import TRAINING, WEIGHTS, Weights, WeightsError, save_weights

__all__ = [
    "TRAINING", "WEIGHTS", "HubModel", "HubUnreachable", "UpdateWatch", "Weights", "WeightsError", "find_update",
    "load_configured", "load_weights", "pull", "push_to_hub", "save_weights",
]  # fmt: skip
