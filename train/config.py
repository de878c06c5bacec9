"""Settings of trainings, and what the commands of this room share: options out of settings, errors as one line."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import inspect
import json
import math
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch

from restoration.faces import FACE_SIZE
from restoration.images import InputError
from restoration.images.pictures import disk_is_full, write_atomically
from restoration.measure.identity import SIDES
from restoration.network import UNetConfig
from restoration.restorer import select_precision

# What a field of a configuration sets; one that is not named here is no option of a command.
OPTIONS = {
    "name": "name of the weights that come out",
    "license": "licence of the weights that come out, as the training data ask; other: not stated",
    "init": "weights to start from: a folder, owner/name@revision on the Hub, or an embedded name",
    "steps": "optimiser steps",
    "batch": "examples a step: faces, squares of the detail stage, scenes of the detector",
    "learning_rate": "peak of the rate, reached after the warm-up",
    "final_rate": "share of the peak at the last step",
    "decay": "last share of the steps, in which the rate falls",
    "warmup": "steps to the peak",
    "optimizer": "for dense convolutions; all else is AdamW's",
    "weight_decay": "decoupled, times the rate a step",
    "gradient_clip": "largest length of all gradients",
    "seed": "decides every random draw",
    "log_every": "steps between rows of train.csv",
    "save_every": "steps between checkpoints",
    "crop": "detail stage: side of the squares, pixels, 64 to 512",
    "squares": "detail stage: squares of one degraded face",
    "alone": "detail stage: share of faces learned without the face stage's answer",
    "plain": "detail stage: share of plain pictures",
    "ema": "decay of the averaged weights a step; shorter at the start",
    "reconstruction": "distance between pixels",
    "lambda_rec": "weight of reconstruction",
    "lambda_id": "weight of identity; the detail stage needs --crop 512 for it",
    "lambda_grid": "weight of what repeats every four pixels in the error",
    "identity": "face recogniser to train against; None is the embedded one",
    "identity_faces": "so many of each batch are shown to the recogniser",
    "jitter": "share of faces that are misaligned and tinted a little",
    "precision": "of the network; auto is bf16 on a GPU and on a CPU with matrix units for it, else fp32",
    "validation_faces": "how many faces to watch",
    "degraded": "share of crops that the student sees degraded; the teacher saw them clean",
    "blends": "share of faces that are blends of two people, faces of nobody",
    "examples": "degraded faces to learn from",
    "faces": "faces that are read",
}
BOUNDS: dict[str, tuple[Callable[[float], bool], str]] = {
    "at least 1": (lambda x: x >= 1, "steps log_every save_every squares validation_faces examples faces"),
    "from 1 to 65,536": (lambda x: 1 <= x <= 65_536, "batch identity_faces"),
    "finite, and 0 or more": (lambda x: 0 <= x < math.inf, "warmup lambda_rec lambda_id lambda_grid"),
    "in [0, 1]": (lambda x: 0 <= x <= 1, "final_rate jitter alone plain degraded blends"),
    "in [0, 1)": (lambda x: 0 <= x < 1, "weight_decay ema"),
    "in (0, 1]": (lambda x: 0 < x <= 1, "decay"),
    "in (0, 1)": (lambda x: 0 < x < 1, "learning_rate"),
    "above 0": (lambda x: x > 0, "gradient_clip"),
    "in [0, 2^63)": (lambda x: 0 <= x < 2**63, "seed"),
}


@dataclass(frozen=True, kw_only=True)
class Session:
    """What every training has; ``OPTIONS`` says what each is, ``BOUNDS`` what it may be (InputError)."""

    steps: int = 1000
    batch: int = 64
    learning_rate: float = 2e-3
    final_rate: float = 0.01
    decay: float = 1.0
    warmup: int = 0
    optimizer: Literal["muon", "adamw"] = "adamw"
    weight_decay: float = 0.01
    gradient_clip: float = math.inf
    seed: int = 0
    log_every: int = 200
    save_every: int = 200

    def __post_init__(self) -> None:
        for words, (holds, names) in BOUNDS.items():
            for name in names.split():
                if hasattr(self, name) and not holds(getattr(self, name)):
                    raise InputError(f"{name.replace('_', '-')} must be {words}, not {getattr(self, name)}.")

    def rate(self, step: int) -> float:
        """Learning rate of a step: a linear warm-up, level, then half a cosine down to the last step."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        begin = max(self.warmup, round(self.steps * (1 - self.decay)))
        progress = max(0, step - begin) / max(1, self.steps - begin)
        return self.learning_rate * (self.final_rate + (1 - self.final_rate) * (1 + math.cos(math.pi * progress)) / 2)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return dataclasses.asdict(self)


FACE = UNetConfig(positions=128, attention=True, widths=(32, 64, 128, 256), encoder=(2, 2, 2, 3), decoder=(2, 2, 2))
DETAIL = UNetConfig(guided=True)
# What a stage trains with where nothing else is asked for.
STAGES: dict[str, dict[str, Any]] = {
    "face": {"model": FACE, "steps": 45_000, "reconstruction": "l1", "lambda_id": 0.02, "save_every": 1000},
    "detail": {"model": DETAIL, "lambda_grid": 2.0},
}
NETWORK = {
    "unshuffle": "side of the squares seen as one pixel",
    "widths": "channels a level",
    "encoder": "blocks a level down",
    "decoder": "blocks a level up",
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Session):
    """The resolved configuration of a run of one stage; written beside its results. "bf16" runs the network under
    autocast; weights and optimiser stay float32."""

    stage: Literal["face", "detail"] = "detail"
    name: str = "default"
    license: str = "other"
    init: str | None = None
    steps: int = 20_000
    batch: int = 16
    crop: int = 192
    squares: int = 4
    alone: float = 0.15
    plain: float = 0.02
    learning_rate: float = 1e-3
    decay: float = 0.3
    warmup: int = 200
    optimizer: Literal["muon", "adamw"] = "muon"
    weight_decay: float = 1e-4
    gradient_clip: float = 0.5
    ema: float = 0.999
    reconstruction: Literal["l1", "l2", "psnr"] = "psnr"
    lambda_rec: float = 1.0
    lambda_id: float = 0.0
    lambda_grid: float = 0.0
    identity: str | None = None
    identity_faces: int = 4
    jitter: float = 0.25
    precision: Literal["auto", "bf16", "fp32"] = "bf16"
    log_every: int = 20
    save_every: int = 500
    validation_faces: int = 32
    model: UNetConfig = DETAIL

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lambda_rec + self.lambda_id == 0:
            raise InputError("lambda-rec or lambda-id must be above 0.")
        if self.stage == "face":
            if self.model.positions not in SIDES or self.model.guided:
                raise InputError(f"A face stage has positions (one of {SIDES}) and no guide.")
            return
        if self.stage != "detail" or self.model.positions:
            raise InputError("The stage is face, or detail: that one takes pictures of any size and has no positions.")
        if not 64 <= self.crop <= 512 or self.crop % self.model.multiple:
            raise InputError(f"crop must be a multiple of {self.model.multiple} from 64 to 512, not {self.crop}.")
        if self.batch % self.squares:
            raise InputError(f"A --batch of {self.batch} is no multiple of {self.squares}, the --squares of a face.")
        if self.lambda_id > 0 and self.crop != FACE_SIZE:
            raise InputError(f"An identity loss needs whole faces: train the face stage, or --crop {FACE_SIZE}.")

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "model": self.model.to_dict()}


def configurations(options: dict[str, Any], device: torch.device) -> list[TrainConfig]:
    """One configuration a stage that is to be trained on a device, in their order. InputError: what cannot be."""
    if options["precision"] in (None, "auto"):
        options = {**options, "precision": fastest(device)}
    network = {name: options[name] for name in NETWORK if options[name] is not None}
    result = []
    for stage in STAGES if options["stage"] == "both" else (options["stage"],):
        fields = {**STAGES[stage], "stage": stage}
        levels = [len(network.get(name, getattr(fields["model"], name))) for name in ("widths", "encoder", "decoder")]
        if levels != [levels[0], levels[0], levels[0] - 1]:
            raise InputError("--encoder takes as many counts as --widths, --decoder one fewer: give all three.")
        fields["model"] = dataclasses.replace(fields["model"], **network)
        result.append(take_config(options, TrainConfig, fields))
    return result


def fastest(device: torch.device) -> Literal["bf16", "fp32"]:
    """bfloat16 on a GPU and on a CPU with matrix units for it; float32 where bfloat16 is imitated, and slow."""
    return "bf16" if device.type == "cuda" else select_precision("auto", device)


Config = TypeVar("Config", bound=Session)


def add_config(parser: argparse.ArgumentParser, kind: type[Session], variants: Mapping[str, Any] | None = None) -> None:
    """Options for the fields of a configuration; one that is not given is None, and its default, or that of each of the
    named variants, is in the help."""
    hints = typing.get_type_hints(kind)
    configs = {name: kind(**fields) for name, fields in (variants or {"": {}}).items()}
    for field in dataclasses.fields(kind):
        if text := OPTIONS.get(field.name):
            values = {name: str(getattr(config, field.name)) for name, config in configs.items()}
            same = len(set(values.values())) == 1
            shown = next(iter(values.values())) if same else ", ".join(map(" ".join, values.items()))
            choices = typing.get_args(hints[field.name]) if typing.get_origin(hints[field.name]) is Literal else None
            given = str if field.default is None else type(field.default)
            flag, about = f"--{field.name.replace('_', '-')}", f"{text} ({shown})"
            parser.add_argument(flag, type=given, choices=choices, help=about)


def take_config(options: Mapping[str, Any], kind: type[Config], defaults: Mapping[str, Any] | None = None) -> Config:
    """The configuration that parsed options of ``add_config`` ask for. InputError: values that cannot be."""
    names = {field.name for field in dataclasses.fields(kind)} & OPTIONS.keys()
    given = {name: options[name] for name in names if options[name] is not None}
    return kind(**{**(defaults or {}), **given})


class Diverged(Exception):
    """A run whose loss is not a number any more."""


Main = Callable[..., int]  # a command: its arguments (None: the process's own) to its exit status


def command(main: Main) -> Main:
    """A command whose user errors are one line on standard error: status 2; 1 diverged, 130 or 143 by a signal."""
    name = Path(inspect.getfile(main)).name

    @functools.wraps(main)
    def guarded(arguments: list[str] | None = None) -> int:
        try:
            return main(arguments)
        except (InputError, Diverged) as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 2 if isinstance(error, InputError) else 1
        except OSError as error:
            if not disk_is_full(error):
                raise
            kept = "What was saved before is whole. Free some space, and repeat the command."
            print(f"{name}: {error.filename or 'writing'}: {error.strerror}. {kept}", file=sys.stderr)
            return 2
        except KeyboardInterrupt as stop:
            told, number = stop.args or ("stopped. The same command goes on from what was saved, if anything was.", 2)
            print(f"\n{name}: {told}", file=sys.stderr)
            return 128 + int(number)

    return guarded


def new_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser whose help begins with a module's docstring as it is written."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def write_json(path: Path, content: Any) -> None:
    """Write JSON, null for NaN and infinities, in a folder made where it is not; a kill leaves the old file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.loads(json.dumps(content), parse_constant=lambda _: None)
    write_atomically(path, json.dumps(content, indent=1) + "\n")
