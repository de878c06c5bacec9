"""The side networks: identity, detector and estimator, how they learn and how good they are."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from restoration.images.pictures import write_atomically
from train.config import write_json

RESULT = "weights"  # folder in a run's


def save_halves(folder: Path, network: nn.Module, facts: dict[str, Any], name: str) -> None:
    """Write ``model.safetensors`` (float16), and JSON-ready facts with its checksum under a name, into a folder, made
    where it is not, for ``restoration.measure.recogniser.load_strictly``."""
    state = network.state_dict().items()
    content = save({key: (x.half() if x.is_floating_point() else x).contiguous() for key, x in state})
    write_json(folder / name, {**facts, "sha256": hashlib.sha256(content).hexdigest()})
    write_atomically(folder / "model.safetensors", content)
