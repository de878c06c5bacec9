"""How are weights changed by their gradients?  Muon for the convolutions' matrices, AdamW for everything else."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

Optimizer = Literal["muon", "adamw"]
OPTIMIZERS: tuple[Optimizer, ...] = ("muon", "adamw")


class WeightOptimizer:
    """One optimiser over two: ``torch.optim.Muon`` where it applies, ``torch.optim.AdamW`` for the rest.

    Muon (Jordan et al., 2024) makes the update of a weight matrix orthogonal, so that all its directions learn at
    one speed. A convolution is the matrix (outputs, inputs x height x width). ``match_rms_adamw`` (Liu et al., 2025)
    scales the update so that learning rates that suit AdamW suit Muon.

    Convention:
        - matrices are the dense convolutions; a network's ``head`` and ``tail``, which meet pixels, depthwise
          convolutions, norms, scales and biases go to AdamW
        - the parameters are looked at once, so the network is moved to its device and memory layout before

    Args:
        model: whose parameters to train; every one that requires a gradient.
        kind: "muon", or "adamw" for all parameters.
        weight_decay: decoupled, times the learning rate a step, [0, 1).
    """

    def __init__(self, model: nn.Module, kind: Optimizer, *, weight_decay: float) -> None:
        matrices: list[Tensor] = []
        rest: list[Tensor] = []
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                dense = parameter.ndim == 4 and parameter.shape[1] > 1 and not name.startswith(("head.", "tail."))
                (matrices if dense and kind == "muon" else rest).append(parameter)
        self._matrices = [(parameter, as_matrix(parameter.data)) for parameter in matrices]
        self._parts: list[torch.optim.Optimizer] = []
        if matrices:
            views = [matrix for _, matrix in self._matrices]
            self._parts.append(
                torch.optim.Muon(views, lr=0.0, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
            )
        self._parts.append(torch.optim.AdamW(rest, lr=0.0, weight_decay=weight_decay, betas=(0.9, 0.99), fused=True))

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter, _ in self._matrices:
            parameter.grad = None
        for part in self._parts:
            part.zero_grad(set_to_none=True)

    def step(self, learning_rate: float) -> None:
        """Change the weights by their gradients, at this rate."""
        for parameter, matrix in self._matrices:
            matrix.grad = None if parameter.grad is None else as_matrix(parameter.grad, copy=True)
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


def cosine_rate(step: int, steps: int, peak: float, final: float, warmup: int) -> float:
    """Linear warm-up to ``peak``, then half a cosine down to ``final`` times the peak at the last step."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * (final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2)


def as_matrix(weight: Tensor, *, copy: bool = False) -> Tensor:
    """(O, I, h, w) as (O, h*w*I), the same memory whether channels come first or last.

    Args:
        copy: allow a copy where the layout needs one.

    Raises:
        ValueError: a layout that cannot be seen as a matrix, and no copy is allowed.
    """
    matrix = weight.detach().permute(0, 2, 3, 1).flatten(1)  # (O, h*w*I)
    if not copy and matrix.data_ptr() != weight.data_ptr():
        raise ValueError("Put the network into torch.channels_last before its optimiser is made.")
    return matrix
