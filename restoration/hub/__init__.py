"""Where do weights come from and go to?"""

from restoration.hub.checkpoint import (
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
from restoration.hub.pull import HubModel, HubUnreachable, pull
from restoration.hub.sources import DEFAULT, EMBEDDED, load_configured, load_weights
from restoration.hub.updates import UpdateWatch, find_update

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
    "read_weights",
    "save_weights",
]
