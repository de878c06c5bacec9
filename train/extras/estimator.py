"""Train the estimator of a photo's degradation, and measure its error bars.

    python -m train.extras.estimator --data FACES --validation OTHER_FACES --license ID --out runs/estimator

``weights/`` then holds ``model.safetensors`` (float16) and ``facts.json``: how it was made, its errors on the
validation faces, and how far its intervals reach. It takes some four minutes of one core.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from restoration.degrade import KERNELS, degrade
from restoration.degrade.protocols import Distribution, Mixture
from restoration.measure.estimate import QUANTITIES, EstimatorNetwork, features, from_scale, to_scale, truth
from train.batches import draw
from train.config import Session, add_config, command, new_parser, take_config
from train.data import Faces, load_faces
from train.extras import RESULT, save_halves
from train.loop import Trainer

COVERAGE = 0.9
# What photos go through, each part left out at times, by every kernel, with as many mild draws as strong ones.
RANGES = (
    {"motion_length": (4, 11), "blur_sigma": (0.3, 1.5), "downsample": (1.1, 3.6), "noise": (1, 6)},
    {"motion_length": (11, 31), "blur_sigma": (1.5, 8), "downsample": (3.6, 12), "noise": (6, 40)},
)
ALWAYS = {"jpeg": (10, 95), "anisotropic": 0.3, "grayscale": 0.1, "skip": 0.35}
PARTS = [
    (share, {**ranges, **without, **ALWAYS, "kernel": kernel})
    for kernel in KERNELS
    for ranges in RANGES
    for share, without in ((3, {"motion_length": None}), (2, {}))
]
DEGRADATIONS = Mixture(tuple((share, Distribution(**part)) for share, part in PARTS))  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class EstimatorConfig(Session):
    """A run's settings."""

    steps: int = 3300
    examples: int = 1400
    faces: int = 500


def make_examples(faces: Faces, count: int, name: str) -> tuple[Tensor, Tensor]:
    """Of so many degraded faces, in their order and each as often, by draws that ``name`` decides: features (count,
    FEATURES), and the quantities of their settings on the network's scales, (count, 4)."""
    found, wanted = [], list[list[float]]()
    for places in tqdm(torch.split(torch.arange(count), 8), desc="degrading", unit="batch", disable=None):
        settings, noise = draw(f"{name}/{int(places[0])}", len(places), DEGRADATIONS, torch.device("cpu"))
        found.append(features(degrade(faces.clean((places * len(faces) // count).tolist()), settings, noise)))
        wanted += [[to_scale(name, truth(each)[name]) for name in QUANTITIES] for each in settings]
    return torch.cat(found), torch.tensor(wanted)


def train(found: Tensor, target: Tensor, config: EstimatorConfig, out: Path) -> EstimatorNetwork:
    """Train the layers over features, (N, FEATURES) as ``make_examples`` gives them; or go on in ``out``.

    The loss is the negative log-likelihood of a Laplace distribution.
    """
    torch.manual_seed(config.seed)
    network = EstimatorNetwork()
    network.mean.copy_(found.mean(dim=0))
    network.deviation.copy_(found.std(dim=0).clamp(min=0.1))

    def batch(step: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed((config.seed << 32) + step)
        chosen = torch.randint(len(found), (config.batch,), generator=generator)
        jitter = 0.05 * torch.randn(config.batch, found.shape[1], generator=generator)
        return found[chosen] + jitter * network.deviation, target[chosen]

    def score(made: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        centre, spread = network.from_features(made[0])
        return {"total": ((made[1] - centre).abs() / spread + spread.log()).mean()}

    Trainer(config, out, network.train(), batch, score, lambda row: {}).run()
    return network.eval()


@torch.inference_mode()
def measure(network: EstimatorNetwork, found: Tensor, target: Tensor) -> dict[str, Any]:
    """Errors on examples of other faces, two a face, and how far intervals must reach to hold ``COVERAGE`` of truths.

    The reach is found on every second face; the rest say what it covers and how far the estimates are off.
    """
    centre, spread = network.from_features(found)
    even = np.arange(len(target)) // 2 % 2 == 0
    reach, errors = {}, {}
    for place, name in enumerate(QUANTITIES):
        guess, real, width = (x[:, place].double().numpy() for x in (centre, target, spread))
        ratio = abs(real - guess) / width
        reach[name] = float(np.quantile(ratio[even], COVERAGE))
        guess, real, ratio = guess[~even], real[~even], ratio[~even]
        off = [abs(from_scale(name, a) - from_scale(name, b)) for a, b in zip(guess, real, strict=True)]
        errors[name] = {
            "covered": float((ratio <= reach[name]).mean()),
            "median_absolute_error": float(np.median(off)),
            "p90_absolute_error": float(np.quantile(off, 0.9)),
            "correlation": float(np.corrcoef(guess, real)[0, 1]),
        }
    return {"coverage": COVERAGE, "reach": reach, "validation": {"pictures": int((~even).sum()), "errors": errors}}


@command
def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    parser = new_parser(__doc__)
    parser.add_argument("--data", nargs="+", required=True, help="folders of aligned faces to learn from")
    parser.add_argument("--validation", nargs="+", required=True, help="folders of other people, to measure with")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; resumed when it holds a checkpoint")
    parser.add_argument("--license", required=True, help="of the weights, as the faces' licences ask")
    add_config(parser, EstimatorConfig)
    options = parser.parse_args(arguments)
    config = take_config(vars(options), EstimatorConfig)
    others, faces = load_faces(options.validation), load_faces(options.data, limit=config.faces)
    network = train(*make_examples(faces, config.examples, f"estimator/{config.seed}"), config, options.out)
    network = network.half().float()  # what is saved is what is measured
    measured = measure(network, *make_examples(others, 2 * len(others), "estimator validation"))
    facts = {"license": options.license, "training": config.to_dict(), **measured}
    save_halves(options.out / RESULT, network, facts, "facts.json")
    print(json.dumps(facts, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
