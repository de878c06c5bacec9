"""Resampling: linear maps for a batch, each image to a size of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

Kernel = Literal["bilinear", "bicubic", "area"]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)


def resize_matrices(source: Tensor, target: Tensor, columns: int, rows: int, kernel: Kernel) -> Tensor:
    """Linear maps that resample ``source[b]`` samples to ``target[b]`` samples.

    Convention:
        - pixel centres at half-integers: target i looks at (i + 0.5) * source / target - 0.5
        - rows past ``target[b]`` repeat its last one, as a JPEG encoder pads a picture

    Args:
        source, target: (B,) int64 sizes; columns >= max(source), rows >= max(target).

    Returns:
        (B, rows, columns) float32, each row summing to 1.
    """
    device = source.device
    scale = (source.to(torch.float64) / target)[:, None]  # (B, 1)
    last = (source - 1)[:, None]
    index = torch.minimum(torch.arange(rows, device=device)[None], (target - 1)[:, None])  # (B, rows)
    if kernel == "area" and bool((target <= source).all()):
        low, high = (index * scale)[..., None], ((index + 1) * scale)[..., None]
        left = torch.arange(columns, device=device, dtype=torch.float64)
        overlap = (torch.minimum(high, left + 1) - torch.maximum(low, left)).clamp(min=0)
        overlap = overlap * (left <= last[..., None])
        return (overlap / overlap.sum(dim=-1, keepdim=True)).float()
    position = (index + 0.5) * scale - 0.5
    base = position.floor()
    fraction = position - base
    if kernel == "bicubic":
        taps = [(offset, _cubic(fraction - offset, -0.75)) for offset in (-1, 0, 1, 2)]  # OpenCV's coefficient
    else:
        taps = [(0, 1 - fraction), (1, fraction)]
    matrix = torch.zeros(len(source), rows, columns, device=device, dtype=torch.float64)
    for offset, weight in taps:
        column = torch.minimum((base.long() + offset).clamp(min=0), last)
        matrix.scatter_add_(2, column[..., None], weight[..., None])
    return matrix.float()


def _cubic(distance: Tensor, a: float) -> Tensor:
    d = distance.abs()
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.where(d <= 1, near, far)


def resize(images: Tensor, source: Tensor, target: Tensor, size: tuple[int, int], kernels: Sequence[Kernel]) -> Tensor:
    """Resample image b from ``source[b]`` to ``target[b]`` (height, width); the frame becomes ``size``."""
    result = images.new_empty(*images.shape[:2], *size)
    for kernel in KERNELS:
        chosen = [i for i, name in enumerate(kernels) if name == kernel]
        if not chosen:
            continue
        height, width = (
            resize_matrices(source[chosen, axis], target[chosen, axis], images.shape[2 + axis], size[axis], kernel)
            for axis in (0, 1)
        )
        result[chosen] = height[:, None] @ images[chosen] @ width[:, None].transpose(-1, -2)
    return result
