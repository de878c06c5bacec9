"""The configuration of a run of one stage, and the options of a command line that set it."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import torch

from restoration.faces import FACE_SIZE
from restoration.images import InputError
from restoration.measure.identity import SIDES
from restoration.network import UNetConfig
from train.losses import RECONSTRUCTIONS, Reconstruction, check_weights
from train.optimizer import OPTIMIZERS, Optimizer, fastest

FACE = UNetConfig(positions=128, attention=True, widths=(32, 64, 128, 256), encoder=(2, 2, 2, 3), decoder=(2, 2, 2))
DETAIL = UNetConfig(guided=True)
# What a stage trains with where nothing else is asked for.
STAGES: dict[str, dict[str, Any]] = {
    "face": {"model": FACE, "steps": 45_000, "reconstruction": "l1", "lambda_id": 0.02, "save_every": 1000},
    "detail": {"model": DETAIL},
}
NETWORK = {
    "unshuffle": "side of the squares seen as one pixel",
    "widths": "channels a level",
    "encoder": "blocks a level down",
    "decoder": "blocks a level up",
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The resolved configuration of a run of one stage; written beside its results.

    Args:
        stage: "face" or "detail".
        name: of the weights that come out.
        license: of the weights that come out; it follows from the training data.
        init: weights whose stage to start from (a folder, a model on the Hub or an embedded name); None starts
            at random.
        steps, batch: optimiser steps, and faces (face stage) or squares (detail stage) a step.
        crop, squares, alone, plain: of the detail stage, see ``FaceSquares``; ``crop`` a multiple of the network's.
        learning_rate: peak of the schedule, reached after ``warmup`` steps; in the last share ``decay`` of the steps it
            falls to ``final_rate`` times the peak.
        ema: decay of the averaged weights a step, [0, 1); shorter at the start.
        reconstruction, lambda_rec, lambda_id, identity, identity_faces: see ``CompositeLoss``; identity None is the
            embedded network.
        optimizer: "muon" or "adamw", see ``WeightOptimizer``.
        window: faces in memory at a time where they are streamed; None where all are.
        jitter: share of faces that are misaligned and tinted a little, see ``Recipe``.
        precision: "bf16" runs the network under autocast; weights and optimiser stay float32.
        seed: of every draw.
    """

    stage: Literal["face", "detail"] = "detail"
    name: str = "default"
    license: str = "cc-by-nc-sa-4.0"
    init: str | None = None
    steps: int = 20_000
    batch: int = 16
    crop: int = 192
    squares: int = 4
    alone: float = 0.15
    plain: float = 0.02
    learning_rate: float = 1e-3
    final_rate: float = 0.01
    decay: float = 0.3
    warmup: int = 200
    optimizer: Optimizer = "muon"
    weight_decay: float = 1e-4
    gradient_clip: float = 0.5
    ema: float = 0.999
    reconstruction: Reconstruction = "psnr"
    lambda_rec: float = 1.0
    lambda_id: float = 0.0
    identity: str | None = None
    identity_faces: int = 4
    window: int | None = None
    jitter: float = 0.25
    precision: Literal["bf16", "fp32"] = "bf16"
    seed: int = 0
    log_every: int = 20
    save_every: int = 500
    validation_faces: int = 32
    model: UNetConfig = DETAIL

    def __post_init__(self) -> None:
        if self.stage not in ("face", "detail"):
            raise InputError(f"The stage is face or detail, not {self.stage!r}.")
        if self.steps < 1 or self.batch < 1 or self.log_every < 1 or self.save_every < 1 or self.squares < 1:
            raise InputError("steps, batch, squares, log-every and save-every must be at least 1.")
        if self.warmup < 0 or not 0 <= self.seed < 2**63 or self.validation_faces < 1 or self.identity_faces < 1:
            raise InputError("warmup and seed must not be negative; validation-faces and identity-faces at least 1.")
        check_weights(self.lambda_rec, self.lambda_id)
        for name in ("jitter", "alone", "plain"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is a share and must lie in [0, 1], not {getattr(self, name)}.")
        if not 0 <= self.weight_decay < 1 or not self.gradient_clip > 0:
            raise InputError("weight-decay must lie in [0, 1), and gradient-clip above 0.")
        if (
            not 0 < self.learning_rate < 1
            or not 0 <= self.ema < 1
            or not 0 <= self.final_rate <= 1
            or not 0 < self.decay <= 1
        ):
            raise InputError("learning-rate must lie in (0, 1), ema in [0, 1), final-rate in [0, 1], decay in (0, 1].")
        if self.stage == "face":
            if self.model.positions not in SIDES or self.model.guided:
                raise InputError(f"A face stage has positions (one of {SIDES}) and no guide.")
            return
        if self.model.positions:
            raise InputError("The detail stage takes pictures of any size: it has no positions.")
        if not 64 <= self.crop <= 512 or self.crop % self.model.multiple:
            raise InputError(f"crop must be a multiple of {self.model.multiple} from 64 to 512, not {self.crop}.")
        if self.batch % self.squares:
            raise InputError(f"A batch of {self.batch} is no multiple of {self.squares} squares a face.")
        if self.lambda_id > 0 and self.crop != FACE_SIZE:
            raise InputError(f"An identity loss needs whole faces: train the face stage, or --crop {FACE_SIZE}.")

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "model": self.model.to_dict()}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options for what ``TrainConfig`` holds; what is not given is the stage's own."""
    add = parser.add_argument
    stages = {stage: vars(TrainConfig(**{"stage": stage, **fields})) for stage, fields in STAGES.items()}

    def own(name: str) -> str:
        values = {stage: fields[name] for stage, fields in stages.items()}
        alike = len(set(values.values())) == 1
        return (
            f"({values['face']})" if alike else f"({', '.join(f'{stage} {value}' for stage, value in values.items())})"
        )

    for name, kind, text in (
        ("name", str, "name of the weights"),
        ("license", str, "licence of the weights"),
        ("steps", int, "optimiser steps"),
        ("batch", int, "faces or squares a step"),
        ("crop", int, "detail stage: side of the squares, pixels, 64 to 512"),
        ("squares", int, "detail stage: squares of one degraded face"),
        ("alone", float, "detail stage: share of faces learned without the face stage's answer"),
        ("plain", float, "detail stage: share of plain pictures"),
        ("learning-rate", float, "peak"),
        ("final-rate", float, "share of the peak at the end"),
        ("decay", float, "share of the steps in which the rate falls"),
        ("warmup", int, "steps to the peak"),
        ("weight-decay", float, "decoupled, 0 to 1"),
        ("ema", float, "decay of the averaged weights a step"),
        ("lambda-rec", float, "weight of reconstruction"),
        ("lambda-id", float, "weight of identity; the detail stage needs --crop 512 for it"),
        ("identity-faces", int, "so many of each batch are shown to the recogniser"),
        ("jitter", float, "share of faces misaligned and tinted"),
        ("seed", int, "decides every random draw"),
        ("log-every", int, "steps between rows of train.csv"),
        ("save-every", int, "steps between checkpoints"),
        ("validation-faces", int, "how many to watch"),
    ):
        add(f"--{name}", type=kind, help=f"{text} {own(name.replace('-', '_'))}")
    add("--optimizer", choices=OPTIMIZERS, help=f"for the convolutions {own('optimizer')}")
    add("--reconstruction", choices=RECONSTRUCTIONS, help=f"distance between pixels {own('reconstruction')}")
    add("--identity", metavar="FILE", help="face recogniser to train against (the embedded one)")
    add(
        "--precision",
        choices=("auto", "bf16", "fp32"),
        default="auto",
        help="of the network; auto is bf16 on a GPU and on a CPU with matrix units for it, else fp32 (%(default)s)",
    )
    for name, text in NETWORK.items():
        add(f"--{name}", type=int, nargs=None if name == "unshuffle" else "+", help=f"network: {text}")


def configurations(options: dict[str, Any], device: torch.device) -> list[TrainConfig]:
    """One configuration a stage that is to be trained, in their order.

    Args:
        options: parsed, as ``parser`` names them.
        device: that trains.

    Raises:
        InputError: values that cannot be.
    """
    given = {key: value for key, value in options.items() if key in vars(TrainConfig()) and value is not None}
    if given["precision"] == "auto":
        given["precision"] = fastest(device)
    result = []
    for stage in STAGES if options["stage"] == "both" else (options["stage"],):
        fields = {**STAGES[stage], **given, "stage": stage}
        network = {name: options[name] for name in NETWORK if options[name] is not None}
        result.append(TrainConfig(**{**fields, "model": dataclasses.replace(fields["model"], **network)}))
    return result
