"""One training run: steps, EMA, schedule, checkpoints, exact resume."""

from __future__ import annotations

import copy
import csv
import json
import math
import pickle
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm

from restoration.images import InputError
from restoration.images.pictures import replacing, write_atomically
from restoration.measure.identity import EMBEDDED, load_identity
from restoration.network import UNet
from restoration.network.checkpoint import save_stage
from train.config import TrainConfig
from train.losses import CompositeLoss
from train.optimizer import WeightOptimizer, scheduled_rate
from train.stages import Stage

CHECKPOINT, CONFIG, PROGRESS, TRAIN_LOG, VALIDATION_LOG, RESULT = (
    "checkpoint.pt",
    "run.json",
    "progress.json",
    "train.csv",
    "validation.csv",
    "stage.safetensors",
)

STATE = {"config", "faces", "step", "seconds", "model", "average", "optimizer"}  # what a checkpoint holds


class Diverged(Exception):
    """A run whose loss is not a number any more."""


def learning_rate(config: TrainConfig, step: int) -> float:
    """The run's rate at a step."""
    return scheduled_rate(step, config.steps, config.learning_rate, config.final_rate, config.warmup, config.decay)


class Trainer:
    """A run that can be stopped after any step and resumed to the same weights.

    Args:
        config: what to do.
        stage: what to learn from and what to watch.
        fingerprint: of what it learns from.
        device: that trains; the stage's batches are on it.
        out: folder of the run. One that holds a checkpoint is resumed when its configuration is the same.
        initial: the network to start from; None starts at random.
        accelerator: the processes that share each batch and their gradients; the first of them writes. None is one.
        compile: ``torch.compile`` the network.

    Raises:
        InputError: the folder holds a checkpoint of another configuration, or the batch cannot be shared evenly.
    """

    def __init__(
        self,
        config: TrainConfig,
        stage: Stage,
        fingerprint: str,
        device: torch.device,
        out: Path,
        *,
        initial: UNet | None = None,
        accelerator: Accelerator | None = None,
        compile: bool = False,
    ) -> None:
        self.accelerator = accelerator or Accelerator(cpu=device.type == "cpu")
        self.config, self.stage, self.fingerprint, self.out, self.device = config, stage, fingerprint, out, device
        torch.manual_seed(config.seed)
        goes_on = (out / CHECKPOINT).exists()
        self.model = UNet(config.model) if initial is None or goes_on else copy.deepcopy(initial).requires_grad_(True)
        if self.model.config != config.model:
            raise InputError(f"The weights {config.init} have another configuration: {self.model.config}.")
        self.model = self.model.to(self.device).to(memory_format=torch.channels_last).train()
        self.average = UNet(config.model).to(self.device).to(memory_format=torch.channels_last).eval()
        self.average.requires_grad_(False)
        self.average.load_state_dict(self.model.state_dict())
        self.forward: Callable[[Tensor], Tensor] = self.model
        if compile:
            if device.type == "cpu":
                raise InputError("--compile is for a GPU: what torch compiles for a CPU gets some gradients wrong.")
            self.forward = torch.compile(self.model)
        if self.accelerator.num_processes > 1:
            self.forward = self.accelerator.prepare_model(self.forward)
        self.optimizer = WeightOptimizer(self.model, config.optimizer, weight_decay=config.weight_decay)
        identity = load_identity(config.identity or EMBEDDED) if config.lambda_id > 0 else None
        self.loss = CompositeLoss(
            reconstruction=config.reconstruction,
            lambda_rec=config.lambda_rec,
            lambda_id=config.lambda_id,
            identity=identity.to(self.device) if identity else None,
            identity_faces=config.identity_faces,
        )
        self.step, self.seconds = 0, 0.0
        out.mkdir(parents=True, exist_ok=True)
        if goes_on:
            self._resume()
        elif self.accelerator.is_main_process:
            for log in (TRAIN_LOG, VALIDATION_LOG):  # of a run whose checkpoint was deleted
                (out / log).unlink(missing_ok=True)
        if self.accelerator.is_main_process:
            (out / CONFIG).write_text(json.dumps(config.to_dict(), indent=2) + "\n")

    def run(self, until: int | None = None) -> None:
        """Train to the last step, or to step ``until``; then save the checkpoint and the averaged stage."""
        last = min(self.config.steps, until if until is not None else self.config.steps)
        bar = tqdm(
            total=self.config.steps,
            initial=self.step,
            desc=self.config.name,
            unit="step",
            mininterval=5,
            disable=not self.accelerator.is_main_process,
        )
        sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.device))
        begun, logged = time.perf_counter(), self.step
        while self.step < last:
            for name, value in self.learn(*self.stage.batch(self.step)).items():
                sums[name] += value.detach()
            self.update()
            self.step += 1
            bar.update()
            saves = self.step % self.config.save_every == 0 or self.step == last
            if saves or self.step % self.config.log_every == 0:
                steps = self.step - logged
                means = {name: float(self.accelerator.reduce(v, "mean")) / steps for name, v in sums.items()}
                if not math.isfinite(means["total"]):
                    raise Diverged(
                        f"The loss is {means['total']} at step {self.step}. What was saved before is kept; begin again "
                        "with another --out and a lower --learning-rate."
                    )
                self.seconds += time.perf_counter() - begun
                begun, logged = time.perf_counter(), self.step
                sums.clear()
                rate = learning_rate(self.config, self.step - 1)
                self._log(
                    TRAIN_LOG, {"step": self.step, "seconds": round(self.seconds, 1), "learning_rate": rate, **means}
                )
                bar.set_postfix({name: f"{value:.4f}" for name, value in means.items()})
            if saves:
                self.save()
                begun = time.perf_counter()
        bar.close()

    def learn(self, given: tuple[Tensor, ...], clean: Tensor) -> dict[str, Tensor]:
        """Gradients of one batch, as the stage gives it; returns the terms of its loss."""
        given = tuple(images.contiguous(memory_format=torch.channels_last) for images in given)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            restored = self.forward(*given)
        terms = self.loss(restored.float(), clean)
        self.optimizer.zero_grad()
        self.accelerator.backward(terms["total"])
        return terms

    def update(self) -> None:
        """Change the weights and their average by the gradients."""
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimizer.step(learning_rate(self.config, self.step))
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """What the stage measures of the averaged weights."""

        def network(*given: Tensor) -> Tensor:
            given = tuple(images.contiguous(memory_format=torch.channels_last) for images in given)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
                restored: Tensor = self.average(*given)
            return restored

        return self.stage.measure(network)

    def save(self) -> None:
        """Validate, then write checkpoint, logs and the averaged stage; a kill leaves the previous ones whole."""
        if self.accelerator.is_main_process:
            self._write()
        self.accelerator.wait_for_everyone()

    def _write(self) -> None:
        self._log(VALIDATION_LOG, {"step": self.step, "seconds": round(self.seconds, 1), **self.validate()})
        state = {
            "config": self.config.to_dict(),
            "faces": self.fingerprint,
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        with replacing(self.out / CHECKPOINT) as partial:
            torch.save(state, partial)
        save_stage(self.out / RESULT, self.average)
        progress = {"step": self.step, "seconds": round(self.seconds), "config": self.config.to_dict()}
        write_atomically(self.out / PROGRESS, json.dumps(progress, indent=2) + "\n")

    def _resume(self) -> None:
        path = self.out / CHECKPOINT
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            if not state.keys() >= STATE:
                raise KeyError("a part is missing")
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, KeyError, AttributeError) as error:
            raise InputError(f"{path} is damaged. Delete it to begin again, or choose another --out.") from error
        # In which arithmetic is the machine's business: a run may be resumed on another one.
        settings = {key: value for key, value in self.config.to_dict().items() if key != "precision"}
        if changed := [key for key, value in settings.items() if state["config"].get(key) != value]:
            raise InputError(
                f"{self.out} holds a run with other settings ({', '.join(changed)}). "
                "Repeat them to resume it, choose another --out, or start from its weights with --init."
            )
        if state["faces"] != self.fingerprint:
            raise InputError(
                f"{self.out} holds a run on other faces. Repeat its --data, --limit and --window to resume it, choose "
                "another --out, or start from its weights with --init."
            )
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.accelerator.wait_for_everyone()  # all have read before one writes
        for log in (TRAIN_LOG, VALIDATION_LOG):
            self._drop_rows_after(self.out / log)

    def _drop_rows_after(self, log: Path) -> None:
        """A killed run may have logged steps that no checkpoint holds; they will be done again."""
        if log.exists() and self.accelerator.is_main_process:
            with log.open() as file:
                rows = [row for row in csv.reader(file) if row]
            kept = rows[:1] + [row for row in rows[1:] if int(row[0]) <= self.step]
            with replacing(log) as partial, partial.open("w", newline="") as file:
                csv.writer(file).writerows(kept)

    def _log(self, name: str, row: dict[str, float]) -> None:
        if not self.accelerator.is_main_process:
            return
        path = self.out / name
        fresh = not path.exists() or path.stat().st_size == 0
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if fresh:
                writer.writeheader()
            writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})
