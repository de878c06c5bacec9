"""Where do weights come from and go to?"""

from restoration.hub.checkpoint import (
    CONFIG,
    DEFAULT,
    EMBEDDED,
    GOLDEN,
    TRAINING,
    WEIGHTS,
    Weights,
    WeightsError,
    golden_input,
    load_weights,
    save_weights,
)

__all__ = [
    "CONFIG",
    "DEFAULT",
    "EMBEDDED",
    "GOLDEN",
    "TRAINING",
    "WEIGHTS",
    "Weights",
    "WeightsError",
    "golden_input",
    "load_weights",
    "save_weights",
]
