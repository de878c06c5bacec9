"""Does the compiled network learn what the plain one would?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException

from restoration.images import InputError

TOLERANCE = 0.3  # of a gradient's length; bfloat16 alone makes a few hundredths


def compiled(model: nn.Module, size: tuple[int, int], precision: torch.dtype) -> Callable[[Tensor], Tensor]:
    """``torch.compile`` of a network, once its gradients are found to be those of the network itself.

    Compilers err: that of torch 2.15 got some of this network's gradients wrong on a CPU, and a run ended in NaN.

    Args:
        model: in training mode, on its device.
        size: images a batch and their side, pixels, as they will be trained on.
        precision: of its arithmetic.

    Raises:
        InputError: it cannot be compiled here, or its gradients differ.
    """
    fast: Callable[[Tensor], Tensor] = torch.compile(model)
    try:
        check_gradients(model, fast, size, precision)
    except TorchDynamoException as error:
        raise InputError(f"torch.compile fails here: leave --compile out. {str(error).splitlines()[0]}") from error
    return fast


def check_gradients(
    model: nn.Module, fast: Callable[[Tensor], Tensor], size: tuple[int, int], precision: torch.dtype
) -> None:
    """Compare the gradients that two forms of a network give for one batch of noise; both are forgotten.

    Raises:
        InputError: those of a parameter differ by more than ``TOLERANCE``.
    """
    count, side = size
    device = next(model.parameters()).device
    images = torch.rand(count, 3, side, side, device=device).contiguous(memory_format=torch.channels_last)
    found = []
    for form in (model, fast):
        model.zero_grad(set_to_none=True)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            restored = form(images)
        torch.autograd.backward((restored.float() - images).square().mean())
        found.append({name: x.grad.float() for name, x in model.named_parameters() if x.grad is not None})
    model.zero_grad(set_to_none=True)
    plain, other = found
    for name, gradient in plain.items():
        wrong = float((gradient - other[name]).norm() / gradient.norm().clamp_min(1e-12)) if name in other else 1.0
        if not wrong <= TOLERANCE:
            raise InputError(
                f"torch.compile gives wrong gradients here ({name} differs by {wrong:.0%}): leave --compile out."
            )
