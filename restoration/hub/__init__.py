"""Where do weights come from and go to?"""

from restoration.hub.client import HubModel, HubUnreachable
from restoration.hub.pull import pull
from restoration.hub.push import push_to_hub
from restoration.hub.sources import DEFAULT, EMBEDDED, load_configured, load_weights
from restoration.hub.updates import UpdateWatch, find_update
from restoration.network.checkpoint import (
    CONFIG,
    GOLDEN,
    TRAINING,
    WEIGHTS,
    Weights,
    WeightsError,
    golden_input,
    read_weights,
    save_weights,
)

__all__ = [
    "CONFIG",
    "DEFAULT",
    "EMBEDDED",
    "GOLDEN",
    "TRAINING",
    "WEIGHTS",
    "HubModel",
    "HubUnreachable",
    "UpdateWatch",
    "Weights",
    "WeightsError",
    "find_update",
    "golden_input",
    "load_configured",
    "load_weights",
    "pull",
    "push_to_hub",
    "read_weights",
    "save_weights",
]
