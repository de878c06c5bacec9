"""The smallest network, run, recogniser, figures and published model that still do everything."""

import dataclasses
import hashlib
from pathlib import Path

import torch
from torch import nn

from restoration.hub import CHECKSUMS
from restoration.measure.identity import Bands
from restoration.measure.uncertainty import FEATURES, Calibration
from restoration.network import CoarseToFine, UNetConfig
from restoration.network.checkpoint import save_weights
from train.config import TrainConfig

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = UNetConfig(unshuffle=4, guided=True, widths=(8, 12, 16), encoder=(1, 1, 1), decoder=(1, 1))
SMALL_FACE = dataclasses.replace(SMALL, guided=False, positions=128, attention=True)


def tiny_network() -> CoarseToFine:
    """Both stages, untrained."""
    return CoarseToFine(SMALL, SMALL_FACE)


FACTS = {"name": "tiny", "license": "apache-2.0", "ranges": {"noise": [0, 20]}}
TINY = TrainConfig(
    name="tiny",
    steps=6,
    batch=2,
    squares=1,
    crop=64,
    warmup=2,
    learning_rate=1e-3,
    precision="fp32",
    log_every=1,
    save_every=2,
    model=SMALL,
)
# Of ``train/run.py``: two steps of both stages.
COMMAND = [
    "--data", str(EXAMPLES), "--validation", str(EXAMPLES), "--steps", "2", "--batch", "1", "--squares", "1",
    "--crop", "64", "--save-every", "2",
    "--unshuffle", "4", "--widths", "8", "12", "16", "--encoder", "1", "1", "1", "--decoder", "1", "1",
    "--device", "cpu",
]  # fmt: skip
BANDS = Bands(network="net", pairs=600, accuracy=0.99, threshold=70, same=(30, 48, 66), different=(75, 90, 101))
CALIBRATION = Calibration(
    weights="0123456789ab",
    protocol="blind",
    faces=60,
    coefficients=dict.fromkeys(FEATURES, 0.3),
    offset=0.1,
    rank_correlation=0.6,
    pixel_rank_correlation=0.4,
    spread_rank_correlation=0.5,
    reliability=((1.0, 1.1), (2.0, 1.9)),
    skin_difference=6.0,
    residual=3.0,
)


class Pool(nn.Module):
    """A recogniser of nothing: mean colours on a 4x4 grid."""

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(crops - 0.5, 4).flatten(1)


REPO = "someone/faces"
Files = dict[str, bytes]  # of a model on the Hub, by name


def published(folder: Path, seed: int) -> Files:
    """What a complete model on the Hub holds; every seed gives another network. Written to ``folder`` on the way."""
    torch.manual_seed(seed)
    save_weights(folder, tiny_network(), {**FACTS, "seed": seed})
    return with_sums({path.name: path.read_bytes() for path in folder.iterdir()})


def with_sums(files: Files) -> Files:
    """The same files with a list of checksums that fits them, as ``sha256sum`` writes it."""
    rows = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items() if name != CHECKSUMS]
    return {**files, CHECKSUMS: "".join(rows).encode()}
