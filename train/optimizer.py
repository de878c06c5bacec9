"""Optimisers: Muon for the convolutions' matrices, AdamW for everything else, and the schedule of their rate."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from restoration.restorer import select_precision

Optimizer = Literal["muon", "adamw"]
OPTIMIZERS: tuple[Optimizer, ...] = ("muon", "adamw")


def fastest(device: torch.device) -> Literal["bf16", "fp32"]:
    """bfloat16 on a GPU and on a CPU with matrix units for it; float32 where bfloat16 is imitated, and slow."""
    return "bf16" if device.type == "cuda" else select_precision("auto", device)


class WeightOptimizer:
    """One optimiser over two: ``Muon`` where it applies, ``torch.optim.AdamW`` for the rest.

    A convolution is the matrix (outputs, inputs x height x width).

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
            precision = torch.bfloat16 if fastest(views[0].device) == "bf16" else torch.float32
            self._parts.append(Muon(views, weight_decay=weight_decay, precision=precision))
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


class Muon(torch.optim.Muon):
    """``torch.optim.Muon``, but for the arithmetic of its Newton-Schulz steps: torch's is bfloat16 everywhere.

    Muon (Jordan et al., 2024) makes the update of a weight matrix orthogonal, so that all its directions learn at
    one speed. ``match_rms_adamw`` (Liu et al., 2025) scales the update so that learning rates that suit AdamW suit it.

    Args:
        matrices: 2D, on one device.
        weight_decay: decoupled, times the learning rate a step, [0, 1).
        precision: of the Newton-Schulz steps. In bfloat16 all is torch's own, bit for bit.
    """

    def __init__(self, matrices: list[Tensor], *, weight_decay: float, precision: torch.dtype) -> None:
        super().__init__(matrices, lr=0.0, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        self._precision = precision

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Change the matrices by their gradients."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(matrix.grad)
                state["momentum_buffer"].lerp_(matrix.grad, 1 - group["momentum"])
                update = matrix.grad.lerp(state["momentum_buffer"], group["momentum"])
                length = 0.2 * math.sqrt(max(matrix.shape))
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(self._orthogonal(update, group), alpha=-group["lr"] * length)

    def _orthogonal(self, matrix: Tensor, group: dict[str, Any]) -> Tensor:
        """(O, I) float32 to the same shape in ``precision``: its singular vectors, with singular values near 1.

        Source:
            The quintic iteration of Jordan's Muon, 2024, with the coefficients of ``torch.optim.Muon``.
        """
        a, b, c = group["ns_coefficients"]
        wide = matrix.to(self._precision, copy=True)
        if matrix.shape[0] > matrix.shape[1]:
            wide = wide.T
        wide.div_(wide.norm().clamp(min=group["eps"]))
        for _ in range(group["ns_steps"]):
            gram = wide @ wide.T
            wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
        return wide.T if matrix.shape[0] > matrix.shape[1] else wide


def scheduled_rate(step: int, steps: int, peak: float, final: float, warmup: int, decay: float) -> float:
    """Linear warm-up to ``peak``, level, then half a cosine down to ``final`` times the peak at the last step.

    Args:
        decay: share of the steps in which it falls, (0, 1]; the level part can be prolonged, a cosine over all cannot.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    begin = max(warmup, round(steps * (1 - decay)))
    progress = max(0, step - begin) / max(1, steps - begin)
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
