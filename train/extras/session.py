"""A side network's training: steps, a log, a checkpoint; a stopped one goes on to the same weights."""

from __future__ import annotations

import csv
import math
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save
from torch import Tensor, nn
from tqdm import tqdm

from restoration.images import InputError
from restoration.images.pictures import replacing, write_atomically
from train.command import write_json
from train.optimizer import Optimizer, WeightOptimizer, scheduled_rate

CHECKPOINT, LOG, RESULT = "checkpoint.pt", "train.csv", "weights"
Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class Session:
    """What every training here has.

    Args:
        steps, batch: of the optimiser, examples a step.
        learning_rate, warmup, final: peak of the cosine schedule, steps to it, share of it at the last step.
        weight_decay, clip: decoupled; largest length of all gradients.
        save_every: steps between rows of the log and checkpoints.
        seed: of every draw.
    """

    steps: int = 1000
    batch: int = 64
    learning_rate: float = 2e-3
    warmup: int = 0
    final: float = 0.01
    weight_decay: float = 0.01
    clip: float = math.inf
    save_every: int = 200
    seed: int = 0


def fit(
    model: nn.Module,
    batches: Callable[[int], Made],
    score: Callable[[Made, int], tuple[Tensor, dict[str, Tensor]]],
    out: Path,
    config: Session,
    done: Callable[[dict[str, float]], dict[str, float]],
    optimizer: Optimizer = "adamw",
) -> None:
    """Train to the last step, or go on from the checkpoint in ``out``.

    Args:
        model: on its device, in training mode.
        batches: what to learn from in a step, a function of its number alone; a thread makes it one step ahead.
        score: of a batch and the step's number, the loss and what the log shows of it.
        done: called after every ``save_every`` steps with the log's row; saves weights, and adds columns to the row.

    Raises:
        InputError: ``out`` holds a run with other settings, or a damaged checkpoint.
    """
    out.mkdir(parents=True, exist_ok=True)
    rule = WeightOptimizer(model, optimizer, weight_decay=config.weight_decay)
    step, seconds, rows = 0, 0.0, list[dict[str, float]]()
    if (out / CHECKPOINT).exists():
        try:
            state = torch.load(out / CHECKPOINT, weights_only=True)
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
            raise InputError(f"{out / CHECKPOINT} is damaged. Delete it to begin again.") from error
        if state["config"] != asdict(config):
            raise InputError(f"{out} holds a run with other settings. Choose another --out.")
        model.load_state_dict(state["model"])
        rule.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        step, seconds, rows = state["step"], state["seconds"], state["rows"]
    sums, begun = dict[str, float](), time.perf_counter() - seconds
    bar = tqdm(total=config.steps, initial=step, desc=out.name, unit="step", mininterval=5)
    with bar, ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as ahead:
        coming = ahead.submit(batches, step)
        while step < config.steps:
            made, coming = coming.result(), ahead.submit(batches, step + 1)
            loss, shown = score(made, step)
            rule.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            rule.step(scheduled_rate(step, config.steps, config.learning_rate, config.final, config.warmup, 1.0))
            sums = {name: sums.get(name, 0.0) + float(value.detach()) for name, value in shown.items()}
            step += 1
            bar.update()
            if step % config.save_every and step < config.steps:
                continue
            count, seconds = (step - 1) % config.save_every + 1, time.perf_counter() - begun
            row = done({"step": step, "seconds": round(seconds), **{key: sum / count for key, sum in sums.items()}})
            sums, rows = {}, [*rows, row]
            bar.set_postfix(row)
            with (out / LOG).open("w", newline="") as file:
                writer = csv.DictWriter(file, row)
                writer.writeheader()
                writer.writerows(rows)
            state = {"config": asdict(config), "model": model.state_dict(), "optimizer": rule.state_dict()}
            keep(
                {**state, "step": step, "seconds": seconds, "rows": rows, "random": torch.get_rng_state()},
                out / CHECKPOINT,
            )


def keep(state: Any, path: Path) -> None:
    """``torch.save`` that a kill cannot leave half done."""
    with replacing(path) as partial:
        torch.save(state, partial)


def save_halves(folder: Path, network: nn.Module, facts: dict[str, Any], name: str) -> None:
    """Write ``model.safetensors`` (float16) and JSON-ready facts under a name into a folder, made where it is not."""
    state = network.state_dict().items()
    halves = {key: (x.half() if x.is_floating_point() else x).contiguous() for key, x in state}
    write_json(folder / name, facts)
    write_atomically(folder / "model.safetensors", save(halves))
