"""Blur: kernels of motion and defocus, and one convolution for a batch of different ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

GAUSSIAN_RADIUS = 20  # the published protocol's 41x41 kernel
MOTION_RADIUS = 33  # holds a line of 64 px at any angle
MARGIN = 56  # >= the two radii, fixed so that a result does not depend on the batch


def motion_kernels(length: Tensor, angle: Tensor) -> Tensor:
    """Anti-aliased straight line through the centre, one pixel thick, normalised to sum 1.

    Args:
        length: (B,) pixels, [0, 64]. An odd whole length at 0° is exactly a box of that many taps.
        angle: (B,) degrees, counter-clockwise from +x as displayed (y points down in memory).

    Returns:
        (B, 67, 67) float32.
    """
    along, across = _turned_grid(MOTION_RADIUS, angle)
    half = length.clamp(min=1)[:, None, None] / 2
    line = (half + 0.5 - along.abs()).clamp(0, 1) * (1 - across.abs()).clamp(0, 1)
    return line / line.sum(dim=(1, 2), keepdim=True)


def gaussian_kernels(sigma_x: Tensor, sigma_y: Tensor, angle: Tensor) -> Tensor:
    """Gaussian sampled at pixel centres on 41x41, normalised to sum 1 (the published blind protocol's kernel).

    Args:
        sigma_x, sigma_y: (B,) pixels, [0, 20]; 0 is a single point along that axis.
        angle: (B,) degrees of the first axis, counter-clockwise from +x as displayed.

    Returns:
        (B, 41, 41) float32.
    """
    along, across = _turned_grid(GAUSSIAN_RADIUS, angle)
    along, across = (d / s.clamp(min=1e-2)[:, None, None] for d, s in ((along, sigma_x), (across, sigma_y)))
    bell = torch.exp(-0.5 * (along.square() + across.square()))
    return bell / bell.sum(dim=(1, 2), keepdim=True)


def _turned_grid(radius: int, angle: Tensor) -> tuple[Tensor, Tensor]:
    """Two (B, 2 radius + 1, 2 radius + 1): pixels from the centre along and across directions of (B,) degrees."""
    axis = torch.arange(-radius, radius + 1, device=angle.device, dtype=torch.float32)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    theta = torch.deg2rad(angle)[:, None, None]
    return x * theta.cos() - y * theta.sin(), x * theta.sin() + y * theta.cos()


def blur(images: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    """Convolve each image with its own kernels, border mirrored as OpenCV's BORDER_REFLECT_101.

    Args:
        images: (B, C, H, W) float32.
        kernels: each (B, K, K), K odd; radii sum to at most ``MARGIN``.
    """
    height, width = images.shape[-2:]
    rows, columns = (_mirror(size, images.device) for size in (height, width))
    padded = images[:, :, rows][..., columns]  # (B, C, H + 2 margin, W + 2 margin), rounded up to 32
    size = padded.shape[-2:]
    spectrum = torch.fft.rfft2(padded)
    for kernel in kernels:
        radius = kernel.shape[-1] // 2
        frame = F.pad(kernel, (0, size[1] - kernel.shape[-1], 0, size[0] - kernel.shape[-1]))
        frame = frame.roll((-radius, -radius), dims=(-2, -1))  # centre at the origin
        spectrum *= torch.fft.rfft2(frame)[:, None]
    blurred: Tensor = torch.fft.irfft2(spectrum, s=size)
    return blurred[:, :, MARGIN : MARGIN + height, MARGIN : MARGIN + width]


def _mirror(size: int, device: torch.device) -> Tensor:
    """Indices that extend 0..size-1 by the margin on both sides, mirrored without repeating the border."""
    length = math.ceil((size + 2 * MARGIN) / 32) * 32
    period = max(1, 2 * (size - 1))
    index = (torch.arange(length, device=device) - MARGIN).abs() % period
    return torch.minimum(index, period - index) if size > 1 else index
