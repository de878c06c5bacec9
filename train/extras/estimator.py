"""Train the estimator of a photo's degradation, and measure its error bars.

    python train/extras/estimator.py --data FACES --validation OTHER_FACES --out runs/estimator

writes ``model.safetensors`` (float16) and ``facts.json``: how it was made, its errors on the validation faces, and how
far its intervals reach. It takes some four minutes of one core.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file from anywhere

from restoration.degrade.degradations import Degradation, degrade
from restoration.degrade.resampling import KERNELS
from restoration.images import InputError
from restoration.measure.estimate import QUANTITIES, EstimatorNetwork, features, from_scale, to_scale, truth
from train.data import Faces, load_faces
from train.optimizer import scheduled_rate

BATCH, MINIBATCH = 8, 64  # faces that are degraded at once, examples a step
LEARNING_RATE = 2e-3
COVERAGE = 0.9
LEFT_OUT = 0.35  # chance of leaving out each part of a degradation
VALIDATION_DRAWS = 2  # a face


def draw_settings(rng: random.Random) -> Degradation:
    """One draw: what photos go through, each part left out at times; sizes are uniform on a logarithmic scale."""

    def part(low: float, high: float) -> float | None:
        return None if rng.random() < LEFT_OUT else low * (high / low) ** rng.random()

    blur, factor, noise, length = part(0.3, 8), part(1.1, 12), part(1, 40), part(4, 31)
    second = rng.random() < 0.3
    return Degradation(
        blur_sigma=blur or 0.0,
        blur_sigma_y=min(12.0, blur * rng.uniform(0.5, 2)) if blur and second else None,
        blur_angle=rng.uniform(-90, 90),
        motion_length=length if length and rng.random() < 0.4 else 0.0,
        motion_angle=rng.uniform(-90, 90),
        downsample=factor or 1.0,
        kernel=rng.choice(KERNELS),
        noise=noise or 0.0,
        jpeg=None if rng.random() < LEFT_OUT else rng.randint(10, 95),
        grayscale=rng.random() < 0.1,
    )


def make_examples(faces: Faces, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Features (count, FEATURES) of degraded faces and their quantities on the network's scales (count, 4)."""
    found, wanted = [], []
    for start in tqdm(range(0, count, BATCH), desc="degrading", unit="batch", disable=None):
        rng = random.Random(f"estimator/{seed}/{start}")
        settings = [draw_settings(rng) for _ in range(min(BATCH, count - start))]
        generators = [torch.Generator().manual_seed(rng.getrandbits(62)) for _ in settings]
        clean = faces.clean([rng.randrange(len(faces)) for _ in settings])
        found.append(features(degrade(clean, settings, generators)))
        wanted.append(targets(settings))
    return torch.cat(found), torch.cat(wanted)


def targets(settings: list[Degradation]) -> Tensor:
    """(B, 4) float32: the quantities of known settings on the network's scales."""
    rows = [truth(setting) for setting in settings]
    return torch.tensor([[to_scale(name, row[name]) for name in QUANTITIES] for row in rows])


def loss(centre: Tensor, spread: Tensor, target: Tensor) -> Tensor:
    """Negative log-likelihood of a Laplace distribution, mean over batch and quantities, without its constant."""
    return ((target - centre).abs() / spread + spread.log()).mean()


def train(found: Tensor, target: Tensor, *, epochs: int, seed: int) -> EstimatorNetwork:
    """Train the layers over features from nothing.

    Args:
        found: (N, FEATURES), as ``make_examples`` gives them.
        target: (N, 4).
    """
    torch.manual_seed(seed)
    network = EstimatorNetwork()
    network.mean.copy_(found.mean(dim=0))
    network.deviation.copy_(found.std(dim=0).clamp(min=0.1))
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=1e-2)
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = scheduled_rate(epoch, epochs, LEARNING_RATE, 0.01, 0, 1.0)
        for chosen in torch.split(torch.randperm(len(found)), MINIBATCH):
            jitter = 0.05 * torch.randn(len(chosen), found.shape[1]) * network.deviation
            value = loss(*network.from_features(found[chosen] + jitter), target[chosen])
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network.eval()


@torch.inference_mode()
def measure(network: EstimatorNetwork, faces: Faces, *, seed: int) -> dict[str, Any]:
    """Errors on whole faces, and how far intervals must reach to hold ``COVERAGE`` of the truths.

    The reach is found on the faces whose place is even, the rest say what it covers and how far the estimates are off.
    """
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    for index in tqdm(range(len(faces)), desc="measuring", unit="face", disable=None):
        rng = random.Random(f"estimator validation/{seed}/{index}")
        settings = [draw_settings(rng) for _ in range(VALIDATION_DRAWS)]
        generators = [torch.Generator().manual_seed(rng.getrandbits(62)) for _ in settings]
        pictures = degrade(faces.clean([index] * VALIDATION_DRAWS), settings, generators)
        centre, spread = network(pictures)
        rows.append((centre, spread, targets(settings)))
    centre, spread, target = (torch.cat(parts).double().numpy() for parts in zip(*rows, strict=True))
    even = np.arange(len(target)) // VALIDATION_DRAWS % 2 == 0
    reach, errors = {}, {}
    for place, name in enumerate(QUANTITIES):
        ratio = np.abs(target[:, place] - centre[:, place]) / spread[:, place]
        reach[name] = float(np.quantile(ratio[even], COVERAGE))
        natural = [
            (from_scale(name, guess), from_scale(name, real))
            for guess, real in zip(centre[~even, place], target[~even, place], strict=True)
        ]
        guesses, reals = np.array(natural).T
        errors[name] = {
            "covered": float((ratio[~even] <= reach[name]).mean()),
            "median_absolute_error": float(np.median(np.abs(guesses - reals))),
            "p90_absolute_error": float(np.quantile(np.abs(guesses - reals), 0.9)),
            "correlation": float(np.corrcoef(centre[~even, place], target[~even, place])[0, 1]),
        }
    return {"coverage": COVERAGE, "reach": reach, "validation": {"pictures": int((~even).sum()), "errors": errors}}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", nargs="+", required=True, help="folders of aligned faces to learn from")
    parser.add_argument("--validation", nargs="+", required=True, help="folders of other people, to measure with")
    parser.add_argument("--out", type=Path, required=True, help="folder for model.safetensors and facts.json")
    parser.add_argument("--faces", type=int, default=500, help="faces that are read, spread evenly (%(default)s)")
    parser.add_argument("--examples", type=int, default=1400, help="degraded faces to learn from (%(default)s)")
    parser.add_argument("--epochs", type=int, default=150, help="passes over them (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (%(default)s)")
    parser.add_argument("--license", required=True, help="of the weights, as the faces' licences ask")
    options = parser.parse_args(arguments)
    try:
        faces = load_faces(options.data, limit=options.faces)
        others = load_faces(options.validation)
    except InputError as error:
        print(f"estimator: {error}", file=sys.stderr)
        return 2
    begun, used = time.time(), time.process_time()
    network = train(*make_examples(faces, options.examples, options.seed), epochs=options.epochs, seed=options.seed)
    recipe = {name: getattr(options, name) for name in ("examples", "epochs", "seed")} | {"faces": len(faces)}
    recipe |= {"seconds": round(time.time() - begun), "processor_seconds": round(time.process_time() - used)}
    network = network.half().float()  # what is saved is what is measured
    facts = {"license": options.license, "training": recipe, **measure(network, others, seed=options.seed)}
    options.out.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, options.out / "model.safetensors")
    (options.out / "facts.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(facts, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
