"""The two stages of training: what each learns from, and what its validation measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from restoration.degrade.protocols import BLIND, HEAVY, ORIGINAL, Distribution, Mixture
from restoration.measure.identity import IdentityNetwork
from restoration.network import UNet, enlarge, reduce
from train.batches import FaceSquares, WholeFaces
from train.data import Faces, degraded_face

Network = Callable[..., Tensor]
VALIDATION: dict[str, Distribution | Mixture] = {"blind": BLIND, "heavy": HEAVY, "original": ORIGINAL}


class Stage(Protocol):
    """What ``train.loop.Trainer`` trains."""

    def batch(self, step: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """What the network is given at a step, and the clean pictures that it should return."""
        ...

    def measure(self, network: Network) -> dict[str, float]:
        """How good a network is on the validation faces, by name."""
        ...


class FaceStage:
    """Whole faces at the face stage's size.

    Args:
        batches: to learn from.
        validation: faces to watch; their degraded pictures are made once.
        side: of the pictures, pixels.
        identity: measures the angle to the clean face; None leaves it out.
    """

    def __init__(
        self, batches: WholeFaces, validation: Faces, side: int, identity: IdentityNetwork | None = None
    ) -> None:
        self.batches, self.validation, self.side, self.identity = batches, validation, side, identity
        self._watched: dict[str, tuple[Tensor, Tensor]] = {}

    def batch(self, step: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """As ``Stage``: (B, 3, side, side) both."""
        degraded, clean = self.batches(step)
        return (degraded,), clean

    @torch.no_grad()
    def measure(self, network: Network) -> dict[str, float]:
        """Mean PSNR gain at this size, dB, and mean identity angle as a share of the degraded input's."""
        found: dict[str, float] = {}
        for name, protocol in VALIDATION.items():
            if name not in self._watched:
                pairs = [degraded_face(self.validation, i, name, protocol) for i in range(len(self.validation))]
                degraded, clean = (
                    torch.cat([reduce(face, self.side) for face in side]) for side in zip(*pairs, strict=True)
                )
                self._watched[name] = degraded, clean
            degraded, clean = self._watched[name]
            restored = torch.cat([network(part).float().clamp(0, 1) for part in torch.split(degraded, 16)])
            found[f"{name}_gain_db"] = gain(restored, degraded, clean)
            if self.identity:
                angles = [float(self.identity.angles(faces, clean).mean()) for faces in (restored, degraded)]
                found[f"{name}_angle_ratio"] = angles[0] / angles[1]
        return found


class DetailStage:
    """Squares at full size, together with the answer of a finished face stage.

    Args:
        batches: to learn from.
        validation: faces to watch.
        face: the face stage, frozen, in evaluation mode; None trains a detail stage alone.
    """

    def __init__(self, batches: FaceSquares, validation: Faces, face: UNet | None) -> None:
        self.batches, self.validation, self.face = batches, validation, face

    @torch.no_grad()
    def guide(self, degraded: Tensor) -> Tensor | None:
        """(F, 3, 512, 512) degraded faces to the face stage's answers, enlarged."""
        if self.face is None:
            return None
        return enlarge(self.face(reduce(degraded, self.face.config.positions)).float(), degraded)

    def batch(self, step: int) -> tuple[tuple[Tensor, ...], Tensor]:
        """As ``Stage``: degraded squares and their part of the face stage's answer, (B, 3, crop, crop) all."""
        squares = self.batches(step)
        given = [squares.cut(squares.degraded)]
        guide = self.guide(squares.degraded)
        if guide is not None:  # no answer is the degraded picture itself: a difference of nought
            guide[squares.alone] = squares.degraded[squares.alone]
            given.append(squares.cut(guide))
        return tuple(given), squares.cut(squares.clean)

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
