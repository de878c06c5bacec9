"""What is minimised?  L = lambda_rec * reconstruction + lambda_id * identity, every term by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from restoration.images import InputError
from restoration.measure.identity import IdentityNetwork

Reconstruction = Literal["l1", "l2", "charbonnier", "psnr"]


def charbonnier(restored: Tensor, clean: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of sqrt(d^2 + epsilon^2) - epsilon: L1 that is smooth at 0. Source: Charbonnier et al., 1994."""
    return ((restored - clean).square() + epsilon**2).sqrt().mean() - epsilon


def negative_psnr(restored: Tensor, clean: Tensor, floor: float = 1e-5) -> Tensor:
    """Mean over images of log10(MSE + floor): minus a tenth of the PSNR on [0, 1], levelling off at 50 dB.

    A decibel counts the same on a lightly and on a heavily degraded face, as it does in the metric; L1 on a batch
    of both is ruled by the heavy ones. Source: the PSNR loss of NAFNet (Chen et al., 2022).
    """
    return ((restored - clean).square().mean(dim=(1, 2, 3)) + floor).log10().mean()


RECONSTRUCTIONS: dict[Reconstruction, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": F.l1_loss,
    "l2": F.mse_loss,
    "charbonnier": charbonnier,
    "psnr": negative_psnr,
}


def check_weights(lambda_rec: float, lambda_id: float) -> None:
    """Raise ``InputError`` unless both are finite and not negative, and one is above 0."""
    if not math.isfinite(lambda_rec + lambda_id) or min(lambda_rec, lambda_id) < 0 or lambda_rec + lambda_id == 0:
        raise InputError("Loss weights must be finite and not negative, and one of them must be above 0.")


class CompositeLoss:
    """Named, weighted terms.

    Args:
        reconstruction: which distance between pixels in [0, 1].
        lambda_rec, lambda_id: weights of the terms, >= 0. A term of weight 0 is not computed.
        identity: the recogniser; needed when lambda_id > 0. Identity is 1 - cosine of its embeddings, [0, 2].
        identity_faces: so many of each batch are shown to it, since it costs more than a small network; None for all.

    Raises:
        InputError: a negative weight, an unknown name, or an identity weight without a network.
    """

    def __init__(
        self,
        *,
        reconstruction: Reconstruction = "l1",
        lambda_rec: float = 1.0,
        lambda_id: float = 0.0,
        identity: IdentityNetwork | None = None,
        identity_faces: int | None = None,
    ) -> None:
        if reconstruction not in get_args(Reconstruction):
            raise InputError(f"The reconstruction loss must be one of {', '.join(get_args(Reconstruction))}.")
        check_weights(lambda_rec, lambda_id)
        if lambda_id > 0 and identity is None:
            raise InputError("An identity loss needs a network: give --identity FILE, or set --lambda-id 0.")
        self.distance, self.lambda_rec, self.lambda_id = RECONSTRUCTIONS[reconstruction], lambda_rec, lambda_id
        self.identity, self.identity_faces = identity, identity_faces

    def __call__(self, restored: Tensor, clean: Tensor) -> dict[str, Tensor]:
        """Unweighted terms and their weighted sum ``total``, each a scalar tensor.

        Args:
            restored, clean: (B, 3, H, W) float32; aligned, and of a side in ``SIDES``, where identity is measured.
        """
        terms: dict[str, Tensor] = {}
        total = restored.new_zeros(())
        if self.lambda_rec > 0:
            terms["reconstruction"] = self.distance(restored, clean)
            total = total + self.lambda_rec * terms["reconstruction"]
        if self.lambda_id > 0 and self.identity is not None:
            shown = slice(self.identity_faces)
            with torch.no_grad():
                target = self.identity(clean[shown])
            terms["identity"] = 1 - (self.identity(restored[shown]) * target).sum(dim=1).mean()
            total = total + self.lambda_id * terms["identity"]
        return {**terms, "total": total}
