"""How much of the device's arithmetic does a training step use, and where does the rest of its time go?

python train/throughput.py --device cuda --batch 64 --crop 256 --compile

The faces are noise in memory: no data is needed. The device's own rate is that of large matrix products in the
same arithmetic (bfloat16 where that is fastest), measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from restoration.faces.alignment import FACE_SIZE
from restoration.images import InputError
from restoration.network.unet import UNet
from restoration.restorer import select_device
from train.data import Faces
from train.loop import TrainConfig, Trainer
from train.network_options import add_network_options, take_network
from train.precision import fastest

MATRIX = {"cuda": 8192, "cpu": 2048}  # side of the matrices whose product is timed


def seconds(work: Callable[[], object], device: torch.device, rounds: int) -> float:
    """Median time of one call, seconds, the device's queue emptied around each; one call before is not counted."""
    times = []
    for _ in range(rounds + 1):
        _wait(device)
        begun = time.perf_counter()
        work()
        _wait(device)
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_rate(device: torch.device, rounds: int = 10) -> float:
    """Multiplications and additions a second in products of large square matrices, in the ``fastest`` arithmetic."""
    side = MATRIX.get(device.type, MATRIX["cpu"])
    dtype = torch.bfloat16 if fastest(device) == "bf16" else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds(lambda: a @ b, device, rounds)


def step_arithmetic(config: TrainConfig) -> int:
    """Multiplications and additions of one step through the network, forward and backward."""
    network, crops = UNet(config.model), torch.rand(1, 3, config.crop, config.crop)
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(network(crops).sum())
    return int(counter.get_total_flops()) * config.batch


def measure(config: TrainConfig, device: torch.device, *, compile: bool, steps: int) -> dict[str, float]:
    """Time ``steps`` steps of a run, whole and in parts.

    Returns:
        seconds of a step and of its parts alone (``batch``: cut and degrade; ``gradients``: network and loss, there
        and back; ``update``: optimiser and average), images a second, arithmetic a second of step and device, and
        the ``share`` of the second that the first is.
        The parts can sum to more than the step: whole steps overlap what the parts wait for.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (config.batch, 3, FACE_SIZE, FACE_SIZE), generator=generator, dtype=torch.uint8)
    faces = Faces(images.to(device), ("noise",) * config.batch)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, faces, faces, Path(folder), {}, compile=compile)

        def step(count: int) -> None:
            for number in range(count):
                trainer.learn(*trainer.batches(number))
                trainer.update()

        step(3)  # compiles, and chooses algorithms
        _wait(device)
        begun = time.perf_counter()
        step(steps)
        _wait(device)
        whole = (time.perf_counter() - begun) / steps
        batch = trainer.batches(0)
        parts = {
            "batch": seconds(lambda: trainer.batches(0), device, steps),
            "gradients": seconds(lambda: trainer.learn(*batch), device, steps),
            "update": seconds(trainer.update, device, steps),
        }
    rate, device_rate = step_arithmetic(config) / whole, matrix_rate(device)
    return {
        "step": whole,
        **parts,
        "images_per_second": config.batch / whole,
        "step_rate": rate,
        "device_rate": device_rate,
        "share": rate / device_rate,
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 done, 2 unusable input."""
    default = TrainConfig()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--device", default="auto", help="cpu, cuda …; auto is the first GPU, else the CPU (%(default)s)")
    add("--batch", type=int, default=default.batch, help="images a step (%(default)s)")
    add("--crop", type=int, default=default.crop, help="side of the trained square, pixels (%(default)s)")
    add("--lambda-id", type=float, default=0.0, help="weight of the identity term; needs --crop 512 (%(default)s)")
    add_network_options(parser)
    add("--compile", action="store_true", help="torch.compile the network")
    add("--steps", type=int, default=20, help="timed steps (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        if options.steps < 1:
            raise InputError("--steps must be at least 1.")
        model = take_network(vars(options))
        device = select_device(options.device)
        config = TrainConfig(
            batch=options.batch,
            crop=options.crop,
            lambda_id=options.lambda_id,
            precision=fastest(device),
            model=model,
        )
        found = measure(config, device, compile=options.compile, steps=options.steps)
    except InputError as error:
        print(f"throughput.py: {error}", file=sys.stderr)
        return 2
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    print(json.dumps({"device": name, **{key: float(f"{value:.4g}") for key, value in found.items()}}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
