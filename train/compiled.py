"""Does the compiled network learn what the plain one would?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException

from restoration.images import InputError

TOLERANCE = 0.3  # of a gradient's length; bfloat16 alone makes a few hundredths
NOUGHT = 1e-3  # of the length of all gradients: what is shorter is nought but for rounding, as before a batch norm

Score = Callable[[Any], Tensor]  # of what a network gives, the loss


def compiled(model: nn.Module, batch: tuple[Tensor, ...], score: Score, precision: torch.dtype) -> Callable[..., Any]:
    """``torch.compile`` of a network, once its gradients are found to be those of the network itself.

    Compilers err: that of torch 2.15 got some of the U-Net's gradients wrong on a CPU, and a run ended in NaN.

    Args:
        model: in training mode, on its device.
        batch: what it takes, on its device, of the size that will be trained on.
        score: a loss of what it gives for the batch.
        precision: of its arithmetic.

    Raises:
        InputError: it cannot be compiled here, or its gradients differ.
    """
    fast: Callable[..., Any] = torch.compile(model)
    try:
        check_gradients(model, fast, batch, score, precision)
    except TorchDynamoException as error:
        raise InputError(f"torch.compile fails here: leave --compile out. {str(error).splitlines()[0]}") from error
    return fast


def check_gradients(
    model: nn.Module, fast: Callable[..., Any], batch: tuple[Tensor, ...], score: Score, precision: torch.dtype
) -> None:
    """Compare the gradients that two forms of a network give for one batch; both are forgotten.

    Raises:
        InputError: those of a parameter differ by more than ``TOLERANCE``.
    """
    batch = tuple(images.contiguous(memory_format=torch.channels_last) for images in batch)
    found = []
    for form in (model, fast):
        model.zero_grad(set_to_none=True)
        with torch.autocast(batch[0].device.type, precision, enabled=precision != torch.float32):
            given = form(*batch)
        torch.autograd.backward(score(given))
        found.append({name: x.grad.float() for name, x in model.named_parameters() if x.grad is not None})
    model.zero_grad(set_to_none=True)
    plain, other = found
    least = NOUGHT * float(torch.stack([gradient.norm() for gradient in plain.values()]).norm())
    for name, gradient in plain.items():
        size = gradient.norm().clamp_min(max(least, 1e-12))
        wrong = float((gradient - other[name]).norm() / size) if name in other else 1.0
        if not wrong <= TOLERANCE:
            raise InputError(
                f"torch.compile gives wrong gradients here ({name} differs by {wrong:.0%}): leave --compile out."
            )
