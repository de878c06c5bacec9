"""The two stages of the restorer: what each learns from, what is minimised, and what its validation measures."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn import functional as F

from restoration.degrade.protocols import BLIND, HEAVY, ORIGINAL
from restoration.images import InputError
from restoration.measure.identity import EMBEDDED, IdentityNetwork, load_identity
from restoration.network import UNet, enlarge, reduce
from restoration.network.checkpoint import save_stage
from train.batches import Draws, Recipe, cut, degraded_face, face_squares, whole_faces
from train.config import TrainConfig
from train.data import Faces
from train.loop import Trainer

Network = Callable[..., Tensor]
RESULT = "stage.safetensors"
VALIDATION: dict[str, Draws] = {"blind": BLIND, "heavy": HEAVY, "original": ORIGINAL}


@dataclass
class FaceStage:
    """Whole faces at the face stage's size.

    Args:
        config, recipe: of the run, and of what it learns from.
        validation: faces to watch; their degraded pictures are made once.
        identity: measures the angle to the clean face.
    """

    config: TrainConfig
    recipe: Recipe
    validation: Faces
    identity: IdentityNetwork
    _watched: dict[str, list[Tensor]] = field(default_factory=dict, init=False)

    def batch(self, step: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """What the network is given at a step, and the clean pictures that it should return: (B, 3, side, side)."""
        degraded, clean = whole_faces(self.recipe, step, batch=self.config.batch, side=self.config.model.positions)
        return (degraded,), clean

    @torch.no_grad()
    def measure(self, network: Network) -> dict[str, float]:
        """Mean PSNR gain at this size, dB, and mean identity angle as a share of the degraded input's."""
        found: dict[str, float] = {}
        for name, protocol in VALIDATION.items():
            if name not in self._watched:
                pairs = [degraded_face(self.validation, i, name, protocol) for i in range(len(self.validation))]
                side = self.config.model.positions
                self._watched[name] = [torch.cat([reduce(x, side) for x in both]) for both in zip(*pairs, strict=True)]
            degraded, clean = self._watched[name]
            restored = torch.cat([network(part).float().clamp(0, 1) for part in torch.split(degraded, 16)])
            found[f"{name}_gain_db"] = gain(restored, degraded, clean)
            angles = [float(self.identity.angles(faces, clean).mean()) for faces in (restored, degraded)]
            found[f"{name}_angle_ratio"] = angles[0] / angles[1]
        return found


@dataclass
class DetailStage:
    """Squares at full size, together with the answer of a finished face stage.

    Args:
        config, recipe, validation: as for ``FaceStage``; no faces of 128 pixels.
        face: the face stage, frozen, in evaluation mode; None trains a detail stage alone.
    """

    config: TrainConfig
    recipe: Recipe
    validation: Faces
    face: UNet | None

    @torch.no_grad()
    def guide(self, degraded: Tensor) -> Tensor | None:
        """(F, 3, 512, 512) degraded faces to the face stage's answers, enlarged."""
        if self.face is None:
            return None
        with torch.autocast(degraded.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            answer = self.face(reduce(degraded, self.face.config.positions))
        return enlarge(answer.float(), degraded)

    def batch(self, step: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """Degraded squares and their part of the face stage's answer, and the clean squares: (B, 3, crop, crop)."""
        degraded, clean, boxes, alone = face_squares(self.recipe, step, self.config)
        given, guide = [degraded], self.guide(degraded)
        if guide is not None:
            guide[alone] = degraded[alone]  # no answer is the degraded picture itself: a difference of nought
            given.append(guide)
        degraded, *guides, clean = (cut(images, boxes, self.config.crop) for images in (*given, clean))
        return (degraded, *guides), clean

    @torch.no_grad()
    def measure(self, network: Network) -> dict[str, float]:
        """Mean PSNR gain of both stages together at full size, dB."""
        found = {}
        for name, protocol in VALIDATION.items():
            total = 0.0
            for index in range(len(self.validation)):
                degraded, clean = degraded_face(self.validation, index, name, protocol)
                guide = self.guide(degraded)
                restored = network(degraded) if guide is None else network(degraded, guide)
                total += gain(restored.float().clamp(0, 1), degraded, clean)
            found[f"{name}_gain_db"] = total / len(self.validation)
        return found


def gain(restored: Tensor, degraded: Tensor, clean: Tensor) -> float:
    """Mean over a batch (B, 3, H, W) in [0, 1] of the PSNR that was gained over the degraded picture, dB."""
    before, after = ((image - clean).square().mean(dim=(1, 2, 3)) for image in (degraded, restored))
    return float((before / after).log10().mean()) * 10


def stage_trainer(
    stage: FaceStage | DetailStage,
    out: Path,
    device: torch.device,
    *,
    initial: UNet | None = None,
    accelerator: Accelerator | None = None,
    compile: bool = False,
) -> Trainer:
    """The trainer of a stage whose batches are on ``device``; it saves the averaged stage as ``out / RESULT``.

    ``initial`` is the network to start from, None one at random. InputError: as ``Trainer``, or ``initial`` has another
    configuration. Not to be compiled for a CPU: some gradients would be wrong.
    """
    config, accelerator = stage.config, accelerator or Accelerator(cpu=device.type == "cpu")
    torch.manual_seed(config.seed)
    model = UNet(config.model) if initial is None else initial.requires_grad_(True)
    if model.config != config.model:
        raise InputError(f"The weights {config.init} have another configuration: {model.config}.")
    model = model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    average = copy.deepcopy(model).eval().requires_grad_(False)
    forward: Network = torch.compile(model) if compile else model
    if accelerator.num_processes > 1:
        forward = accelerator.prepare_model(forward)
    identity = load_identity(config.identity or EMBEDDED).to(device) if config.lambda_id > 0 else None

    def run(network: Network, *given: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            return network(*(images.contiguous(memory_format=torch.channels_last) for images in given))

    def score(made: tuple[tuple[Tensor, ...], Tensor]) -> dict[str, Tensor]:
        return loss_terms(run(forward, *made[0]).float(), made[1], config, identity)

    def save(row: dict[str, float]) -> dict[str, float]:
        save_stage(out / RESULT, average)
        return stage.measure(lambda *given: run(average, *given))

    return Trainer(
        config, out, model, stage.batch, score, save, average=(average, config.ema),
        faces=stage.recipe.fingerprint, accelerator=accelerator,
    )  # fmt: skip


def negative_psnr(restored: Tensor, clean: Tensor, floor: float = 1e-5) -> Tensor:
    """Mean over images of log10(MSE + floor): minus a tenth of the PSNR on [0, 1], levelling off at 50 dB.

    A decibel counts the same on a lightly and on a heavily degraded face, as it does in the metric; L1 on a batch
    of both is ruled by the heavy ones. Source: the PSNR loss of NAFNet (Chen et al., 2022).
    """
    return ((restored - clean).square().mean(dim=(1, 2, 3)) + floor).log10().mean()


DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": F.l1_loss, "l2": F.mse_loss, "psnr": negative_psnr}


def loss_terms(
    restored: Tensor, clean: Tensor, config: TrainConfig, identity: IdentityNetwork | None = None
) -> dict[str, Tensor]:
    """L = lambda_rec * reconstruction + lambda_id * identity + lambda_grid * grid: its terms, and their weighted sum
    ``total``.

    Identity is 1 - cosine of the recogniser's embeddings, [0, 2], of the batch's first ``config.identity_faces``, since
    it costs more than a small network. Grid is the power of what repeats every four pixels in an image's error, grey
    levels squared: networks that shuffle pixels leave such patterns. A term of weight 0 is not computed.

    Of (B, 3, H, W) float32 in [0, 1]; for identity, which needs the recogniser, aligned, of a side in ``SIDES``.
    """
    terms: dict[str, Any] = {}
    if config.lambda_rec > 0:
        terms["reconstruction"] = DISTANCES[config.reconstruction](restored, clean)
    if config.lambda_id > 0:
        assert identity is not None
        shown = slice(config.identity_faces)
        with torch.no_grad():
            target = identity(clean[shown])
        terms["identity"] = 1 - (identity(restored[shown]) * target).sum(dim=1).mean()
    if config.lambda_grid > 0:
        places = F.pixel_unshuffle(255 * (restored - clean), 4).mean(dim=(2, 3)).reshape(-1, 3, 16)  # (B, 3, 16)
        terms["grid"] = (places - places.mean(dim=2, keepdim=True)).square().mean()
    weights = {"reconstruction": config.lambda_rec, "identity": config.lambda_id, "grid": config.lambda_grid}
    return {**terms, "total": sum(weights[name] * term for name, term in terms.items())}
