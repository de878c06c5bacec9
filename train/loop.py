"""One training run: steps, EMA, schedule, checkpoints, exact resume."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import pickle
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm

from restoration.degrade.protocols import BLIND, ORIGINAL, TRAINING
from restoration.faces.alignment import FACE_SIZE
from restoration.hub import load_weights, save_weights
from restoration.images import InputError
from restoration.measure.identity import EMBEDDED, load_identity
from restoration.network.unet import UNet, UNetConfig
from train.compiled import compiled
from train.data import Faces, FaceStream, TrainingBatches, degraded_face
from train.losses import CompositeLoss, Reconstruction, check_weights
from train.optimizer import Optimizer, WeightOptimizer, cosine_rate

CHECKPOINT, CONFIG, TRAIN_LOG, VALIDATION_LOG, RESULT = (
    "checkpoint.pt",
    "run.json",
    "train.csv",
    "validation.csv",
    "weights",
)

STATE = {"config", "faces", "step", "seconds", "model", "average", "optimizer"}  # what a checkpoint holds


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The resolved configuration of a run; written beside its results.

    Args:
        name: of the weights that come out.
        license: of the weights that come out; it follows from the training data.
        init: weights to start from (a folder or an embedded name); None starts at random.
        steps, batch: optimiser steps, images a step.
        crop: side of the square that is trained on, pixels, a multiple of the network's, [64, 512].
        learning_rate: peak of the cosine schedule, reached after ``warmup`` steps;
            it ends at ``final_rate`` times the peak.
        ema: decay of the averaged weights a step, [0, 1); shorter at the start.
        reconstruction, lambda_rec, lambda_id, identity: see ``CompositeLoss``; identity None is the embedded network.
        optimizer: "muon" or "adamw", see ``WeightOptimizer``.
        window: faces in memory at a time where they are streamed; None where all are.
        jitter: share of images that are misaligned and tinted a little, see ``TrainingBatches``.
        precision: "bf16" runs the network under autocast; weights and optimiser stay float32.
        seed: of every draw.
    """

    name: str = "default"
    license: str = "cc-by-nc-sa-4.0"
    init: str | None = None
    steps: int = 20_000
    batch: int = 16
    crop: int = 256
    learning_rate: float = 1e-3
    final_rate: float = 0.01
    warmup: int = 200
    optimizer: Optimizer = "muon"
    weight_decay: float = 1e-4
    gradient_clip: float = 0.5
    ema: float = 0.999
    reconstruction: Reconstruction = "psnr"
    lambda_rec: float = 1.0
    lambda_id: float = 0.0
    identity: str | None = None
    window: int | None = None
    jitter: float = 0.25
    precision: Literal["bf16", "fp32"] = "bf16"
    seed: int = 0
    log_every: int = 20
    save_every: int = 500
    validation_faces: int = 32
    model: UNetConfig = dataclasses.field(default_factory=UNetConfig)

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.log_every < 1 or self.save_every < 1:
            raise InputError("steps, batch, log-every and save-every must be at least 1.")
        if self.warmup < 0 or not 0 <= self.seed < 2**63 or self.validation_faces < 1:
            raise InputError("warmup and seed must not be negative, and validation-faces must be at least 1.")
        check_weights(self.lambda_rec, self.lambda_id)
        if not 0 <= self.jitter <= 1:
            raise InputError(f"jitter is a share and must lie in [0, 1], not {self.jitter}.")
        if not 0 <= self.weight_decay < 1 or not self.gradient_clip > 0:
            raise InputError("weight-decay must lie in [0, 1), and gradient-clip above 0.")
        if not 64 <= self.crop <= 512 or self.crop % self.model.multiple:
            raise InputError(f"crop must be a multiple of {self.model.multiple} from 64 to 512, not {self.crop}.")
        if self.lambda_id > 0 and self.crop != FACE_SIZE:
            raise InputError(f"An identity loss needs whole faces: train with --crop {FACE_SIZE}, or --lambda-id 0.")
        if not 0 < self.learning_rate < 1 or not 0 <= self.ema < 1 or not 0 <= self.final_rate <= 1:
            raise InputError("learning-rate must lie in (0, 1), ema in [0, 1), final-rate in [0, 1].")

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "model": self.model.to_dict()}


def learning_rate(config: TrainConfig, step: int) -> float:
    """The run's rate at a step."""
    return cosine_rate(step, config.steps, config.learning_rate, config.final_rate, config.warmup)


class Trainer:
    """A run that can be stopped after any step and resumed to the same weights.

    Args:
        config: what to do.
        faces, validation: what to learn from and what to watch; both on the device that trains.
        out: folder of the run. One that holds a checkpoint is resumed when its configuration is the same.
        facts: further facts for the weights' ``training.json`` (data, hardware).
        accelerator: the processes that share each batch and their gradients; the first of them writes. None is one.
        compile: ``torch.compile`` the network.

    Raises:
        InputError: the folder holds a checkpoint of another configuration, or the batch cannot be shared evenly.
    """

    def __init__(
        self,
        config: TrainConfig,
        faces: Faces | FaceStream,
        validation: Faces,
        out: Path,
        facts: dict[str, Any],
        *,
        accelerator: Accelerator | None = None,
        compile: bool = False,
    ) -> None:
        self.accelerator = accelerator or Accelerator(cpu=faces.device.type == "cpu")
        self.config, self.faces, self.validation, self.out, self.facts = config, faces, validation, out, facts
        self.device = faces.device
        torch.manual_seed(config.seed)
        goes_on = (out / CHECKPOINT).exists()
        initial = load_weights(config.init).model if config.init and not goes_on else UNet(config.model)
        self.model = initial.requires_grad_(True)
        if self.model.config != config.model:
            raise InputError(f"The weights {config.init} have another configuration: {self.model.config}.")
        self.model = self.model.to(self.device).to(memory_format=torch.channels_last).train()
        self.average = UNet(config.model).to(self.device).to(memory_format=torch.channels_last).eval()
        self.average.requires_grad_(False)
        self.average.load_state_dict(self.model.state_dict())
        self.forward: Callable[[Tensor], Tensor] = self.model
        if compile:
            share = max(1, config.batch // self.accelerator.num_processes)
            precision = torch.bfloat16 if config.precision == "bf16" else torch.float32
            noise = torch.rand(share, 3, config.crop, config.crop, device=self.device)
            self.forward = compiled(self.model, noise, lambda x: (x.float() - noise).square().mean(), precision)
        if self.accelerator.num_processes > 1:
            self.forward = self.accelerator.prepare_model(self.forward)
        self.optimizer = WeightOptimizer(self.model, config.optimizer, weight_decay=config.weight_decay)
        identity = load_identity(config.identity or EMBEDDED) if config.lambda_id > 0 else None
        self.loss = CompositeLoss(
            reconstruction=config.reconstruction,
            lambda_rec=config.lambda_rec,
            lambda_id=config.lambda_id,
            identity=identity.to(self.device) if identity else None,
        )
        self.batches = TrainingBatches(
            faces,
            batch=config.batch,
            crop=config.crop,
            degradations=TRAINING,
            seed=config.seed,
            jitter=config.jitter,
            part=self.accelerator.process_index,
            parts=self.accelerator.num_processes,
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
        """Train to the last step, or to step ``until``; then save the checkpoint and the averaged weights."""
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
            for name, value in self.learn(*self.batches(self.step)).items():
                sums[name] += value.detach()
            self.update()
            self.step += 1
            bar.update()
            saves = self.step % self.config.save_every == 0 or self.step == last
            if saves or self.step % self.config.log_every == 0:
                steps = self.step - logged
                means = {name: float(self.accelerator.reduce(v, "mean")) / steps for name, v in sums.items()}
                if not math.isfinite(means["total"]):
                    raise InputError(
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

    def learn(self, degraded: Tensor, clean: Tensor) -> dict[str, Tensor]:
        """Gradients of one batch, as ``TrainingBatches`` gives it; returns the terms of its loss."""
        degraded = degraded.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            restored = self.forward(degraded)
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
        """Mean PSNR gain over the degraded input, dB, of the averaged weights, for two protocols."""
        gains = {}
        for name, protocol in (("blind", BLIND), ("original", ORIGINAL)):
            gain = 0.0
            for i in range(len(self.validation)):
                degraded, clean = degraded_face(self.validation, i, name, protocol)
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
                    restored = self.average(degraded.contiguous(memory_format=torch.channels_last))
                before = (degraded - clean).square().mean()
                gain += float(10 * torch.log10(before / (restored.float().clamp(0, 1) - clean).square().mean()))
            gains[f"{name}_gain_db"] = gain / len(self.validation)
        return gains

    def save(self) -> None:
        """Validate, then write checkpoint, logs and averaged weights; a kill leaves the previous ones whole."""
        if self.accelerator.is_main_process:
            self._write()
        self.accelerator.wait_for_everyone()

    def _write(self) -> None:
        self._log(VALIDATION_LOG, {"step": self.step, "seconds": round(self.seconds, 1), **self.validate()})
        state = {
            "config": self.config.to_dict(),
            "faces": self.faces.fingerprint,
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        partial = self.out / f"{CHECKPOINT}.partial"
        torch.save(state, partial)
        os.replace(partial, self.out / CHECKPOINT)
        facts = {
            "name": self.config.name,
            "license": self.config.license,
            "ranges": {name: list(span) for name, span in TRAINING.ranges().items()},
            "step": self.step,
            "seconds": round(self.seconds),
            "config": self.config.to_dict(),
            **self.facts,
        }
        save_weights(self.out / RESULT, self.average, facts)

    def _resume(self) -> None:
        path = self.out / CHECKPOINT
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            if not state.keys() >= STATE:
                raise KeyError("a part is missing")
        except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, KeyError, AttributeError) as error:
            raise InputError(f"{path} is damaged. Delete it to begin again, or choose another --out.") from error
        if state["config"] != self.config.to_dict():
            changed = [key for key, value in self.config.to_dict().items() if state["config"].get(key) != value]
            raise InputError(
                f"{self.out} holds a run with other settings ({', '.join(changed)}). "
                "Repeat them to resume it, choose another --out, or start from its weights with --init."
            )
        if state["faces"] != self.faces.fingerprint:
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
            partial = log.with_suffix(".partial")
            with partial.open("w", newline="") as file:
                csv.writer(file).writerows(kept)
            os.replace(partial, log)

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
