"""One loop for every training: optimisers, log, checkpoints, exact resume, and a picture of the log."""

from __future__ import annotations

import csv
import io
import math
import os
import pickle
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from matplotlib.figure import Figure
from torch import Tensor, nn
from tqdm import tqdm

from restoration.images import InputError
from restoration.images.pictures import replacing, write_atomically
from train.config import Diverged, Session, write_json

CHECKPOINT, CONFIG, PROGRESS = "checkpoint.pt", "run.json", "progress.json"
TRAIN_LOG, VALIDATION_LOG, CURVES = "train.csv", "validation.csv", "curves.png"
STATE = {"config", "faces", "step", "seconds", "model", "average", "optimizer"}  # what a checkpoint holds


class Trainer:
    """A training that can be stopped after any step and resumed to the same weights.

    A step depends on the weights and its number alone: torch's global generator (dropout) is seeded by it.

    Args:
        out: folder of the run. One that holds a checkpoint of the same settings is resumed.
        model: to train; on its device, in training mode, in torch.channels_last for Muon.
        batch: what is learned from in a step, a function of its number.
        score: of a batch the terms of the loss by name, scalar tensors; "total" is minimised.
        save: called every ``config.save_every`` steps and after the last with the log's last row; writes weights,
            returns the row of ``validation.csv``, empty for none.
        average: a copy of the model that becomes its moving average, and that one's decay a step, [0, 1).
        faces: fingerprint of what it learns from.
        accelerator: the processes that share each batch and their gradients; the first of them writes. None is one.

    Raises:
        InputError: the folder holds a damaged checkpoint, or one of other settings or faces.
    """

    def __init__(
        self,
        config: Session,
        out: Path,
        model: nn.Module,
        batch: Callable[[int], Any],
        score: Callable[[Any], dict[str, Tensor]],
        save: Callable[[dict[str, float]], dict[str, float]],
        *,
        average: tuple[nn.Module, float] | None = None,
        faces: str = "",
        accelerator: Accelerator | None = None,
    ) -> None:
        self.config, self.out, self.model, self.average, self.faces = config, out, model, average, faces
        self.batch, self.score, self.save = batch, score, save
        self.accelerator = accelerator or Accelerator(cpu=next(model.parameters()).device.type == "cpu")
        self.optimizer = WeightOptimizer(model, config.optimizer, weight_decay=config.weight_decay)
        self.step, self.seconds, self._noted, self._handlers = 0, 0.0, list[int](), ExitStack()
        out.mkdir(parents=True, exist_ok=True)
        if state := read_checkpoint(out, config, faces):
            self._resume(state)
        elif self.accelerator.is_main_process:
            for log in (TRAIN_LOG, VALIDATION_LOG):  # of a run whose checkpoint was deleted
                (out / log).unlink(missing_ok=True)
        if self.accelerator.is_main_process:
            write_json(out / CONFIG, config.to_dict())

    def run(self, until: int | None = None) -> None:
        """Train to the last step, or to step ``until``; then save. Diverged: the loss is no number any more.
        KeyboardInterrupt, of a sentence and SIGINT or SIGTERM: that came to a single process, whose step is saved."""
        config, first = self.config, self.accelerator.is_main_process
        last, stops = min(config.steps, until or config.steps), False
        sums, begun, logged = dict[str, Tensor](), time.perf_counter(), self.step
        bar = tqdm(
            total=config.steps, initial=self.step, desc=self.out.name, unit="step", mininterval=5, disable=not first
        )
        with bar, self._handlers:
            for number in (signal.SIGINT, signal.SIGTERM) if self.accelerator.num_processes == 1 else ():
                if (handler := signal.getsignal(number)) in (signal.SIG_DFL, signal.default_int_handler):  # not ignored
                    self._handlers.callback(signal.signal, number, handler)
                    signal.signal(number, self._note)
            while self.step < last and not stops:
                torch.manual_seed(config.seed + self.step)
                for name, value in self._learn().items():
                    sums[name] = sums.get(name, 0) + value.detach()
                self.step += 1
                bar.update()
                saves, stops = self.step % config.save_every == 0 or self.step == last, bool(self._noted)
                if not (saves or stops) and self.step % config.log_every:
                    continue
                count = self.step - logged
                means = {name: float(self.accelerator.reduce(x, "mean")) / count for name, x in sums.items()}
                if not math.isfinite(means["total"]):
                    told = "What was saved before is kept; begin again with another --out and a lower --learning-rate."
                    raise Diverged(f"The loss is {means['total']} at step {self.step}. {told}")
                self.seconds += time.perf_counter() - begun
                done = {"step": self.step, "seconds": round(self.seconds, 1)}
                row = {**done, "learning_rate": config.rate(self.step - 1), **means}
                bar.set_postfix({name: f"{value:.4f}" for name, value in means.items()})
                if first:
                    self._log(TRAIN_LOG, row)
                    if saves:
                        if measured := self.save(row):
                            self._log(VALIDATION_LOG, {**done, **measured})
                        write_json(self.out / PROGRESS, {**done, "config": config.to_dict()})  # of the weights
                    if saves or stops:
                        self._keep()
                self.accelerator.wait_for_everyone()
                sums, begun, logged = {}, time.perf_counter(), self.step
        if self._noted:
            raise KeyboardInterrupt(f"stopped at step {self.step}. The same command goes on there.", self._noted[0])

    def _note(self, number: int, _frame: object) -> None:
        self._noted.append(number)
        self._handlers.close()  # the next signal ends it at once
        os.write(2, b"\nStopping after this step. Once more ends it at once.\n")  # print is not safe here

    def _learn(self) -> dict[str, Tensor]:
        """Change the weights and their average by one batch; returns the terms of its loss."""
        terms = self.score(self.batch(self.step))
        self.model.zero_grad()
        self.accelerator.backward(terms["total"])
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimizer.step(self.config.rate(self.step))
        if self.average:
            network, decay = self.average
            share = 1 - min(decay, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                torch._foreach_lerp_(list(network.parameters()), list(self.model.parameters()), share)
        return terms

    def _keep(self) -> None:
        """Write the checkpoint; a kill leaves the previous one whole."""
        state = {
            "config": self.config.to_dict(),
            "faces": self.faces,
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "average": self.average[0].state_dict() if self.average else None,
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(state, buffer := io.BytesIO())  # its own way to a file does not tell of a full disk
        write_atomically(self.out / CHECKPOINT, buffer.getbuffer())

    def _resume(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        if self.average:
            self.average[0].load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.accelerator.wait_for_everyone()  # all have read before one writes
        for log in (self.out / TRAIN_LOG, self.out / VALIDATION_LOG):
            if log.exists() and self.accelerator.is_main_process:  # a kill may leave steps that will be done again
                with log.open() as file:
                    header, *rows = [row for row in csv.reader(file) if row] or [[]]
                with replacing(log) as partial, partial.open("w", newline="") as file:
                    whole = [row for row in rows if len(row) == len(header) and int(row[0]) <= self.step]
                    csv.writer(file).writerows([header, *whole])

    def _log(self, name: str, row: dict[str, float]) -> None:
        with (self.out / name).open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})


def read_checkpoint(out: Path, config: Session, faces: str | None = None) -> dict[str, Any] | None:
    """The checkpoint in a folder, None without one. InputError: damaged, of other settings, or not of ``faces``."""
    if not (path := out / CHECKPOINT).exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if not state.keys() >= STATE:
            raise KeyError("a part is missing")
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is damaged. Delete it to begin again, or choose another --out.") from error
    # In which arithmetic is the machine's business: a run may be resumed on another one.
    settings = {key: value for key, value in config.to_dict().items() if key != "precision"}
    before = {**type(config)().to_dict(), **state["config"]}  # a setting that did not exist had its default
    changed = [key for key, value in settings.items() if before[key] != value]
    what = f"with other settings ({', '.join(changed)})" if changed else "on other faces"
    if changed or faces not in (None, state["faces"]):
        repeat = "Repeat them (for faces --data and --limit) to resume it"
        raise InputError(f"{out} holds a run {what}. {repeat}, choose another --out, or start from it with --init.")
    return state


def plot_curves(run: Path) -> Path:
    """Draw the loss terms and validation gains that a run's logs hold into its ``curves.png``; returns that path."""
    figure = Figure(figsize=(10, 3.5), layout="constrained")
    titles = ("training loss", "validation: PSNR gain over the degraded input")
    for axis, log, title in zip(figure.subplots(1, 2), (TRAIN_LOG, VALIDATION_LOG), titles, strict=True):
        with (run / log).open() as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        for key in [key for key in rows[0] if key not in ("step", "seconds", "learning_rate")] if rows else ():
            steps, values = [row["step"] for row in rows], [row[key] for row in rows]
            axis.plot(steps, values, label=key.removesuffix("_gain_db"), linewidth=1, marker=".")
        axis.set(xlabel="step", title=title, ylabel="dB" if log == VALIDATION_LOG else None)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(run / CURVES, dpi=120)
    return run / CURVES


class WeightOptimizer:
    """One optimiser over two: ``torch.optim.Muon`` where it applies, ``torch.optim.AdamW`` for the rest.

    Muon (Jordan et al., 2024) makes the update of a weight matrix orthogonal, so that all its directions learn at
    one speed. ``match_rms_adamw`` (Liu et al., 2025) scales the update so that learning rates that suit AdamW suit it.

    A convolution is the matrix (outputs, inputs x height x width); Muon's are the dense ones. A network's ``head`` and
    ``tail``, which meet pixels, depthwise convolutions, norms, scales and biases go to AdamW.

    Args:
        model: to train; on its device and in its memory layout already.
        kind: "muon", or "adamw" for all parameters.
        weight_decay: decoupled, times the learning rate a step, [0, 1).
    """

    def __init__(self, model: nn.Module, kind: Literal["muon", "adamw"], *, weight_decay: float) -> None:
        matrices: list[Tensor] = []
        rest: list[Tensor] = []
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                dense = parameter.ndim == 4 and parameter.shape[1] > 1 and not name.startswith(("head.", "tail."))
                (matrices if dense and kind == "muon" else rest).append(parameter)
        # (O, I, h, w) as (O, h*w*I), the same memory; torch refuses where it would be a copy.
        self._matrices = [(x, x.data.permute(0, 2, 3, 1).view(len(x), -1)) for x in matrices]
        self._parts: list[torch.optim.Optimizer] = []
        if matrices:
            views = [matrix for _, matrix in self._matrices]
            muon = torch.optim.Muon(views, lr=0.0, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
            self._parts.append(muon)
        self._parts.append(torch.optim.AdamW(rest, lr=0.0, weight_decay=weight_decay, betas=(0.9, 0.99), fused=True))

    def step(self, learning_rate: float) -> None:
        """Change the weights by their gradients, at this rate."""
        for parameter, matrix in self._matrices:
            gradient = parameter.grad
            matrix.grad = None if gradient is None else gradient.permute(0, 2, 3, 1).reshape(matrix.shape)
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = learning_rate
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` needs to go on exactly."""
        return {str(index): part.state_dict() for index, part in enumerate(self._parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of ``state_dict`` for the same network and kind."""
        for index, part in enumerate(self._parts):
            part.load_state_dict(state[str(index)])
