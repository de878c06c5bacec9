"""What the degradations are made of, for one picture: blur, resampling, JPEG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.io import decode_jpeg, encode_jpeg

GAUSSIAN_RADIUS = 20  # the published protocol's 41x41 kernel
MOTION_RADIUS = 33  # holds a line of 64 px at any angle
MARGIN = 56  # >= the two radii


def motion_kernel(length: float, angle: float) -> Tensor:
    """(67, 67) float32: an anti-aliased straight line through the centre, one pixel thick, normalised to sum 1.

    Args:
        length: pixels, [0, 64]. An odd whole length at 0° is exactly a box of that many taps.
        angle: degrees, counter-clockwise from +x as displayed (y points down in memory).
    """
    along, across = _turned_grid(MOTION_RADIUS, angle)
    line = (max(length, 1) / 2 + 0.5 - along.abs()).clamp(0, 1) * (1 - across.abs()).clamp(0, 1)
    return line / line.sum()


def gaussian_kernel(sigma_x: float, sigma_y: float, angle: float) -> Tensor:
    """(41, 41) float32: a Gaussian sampled at pixel centres, sum 1 (the published blind protocol's kernel).

    Args:
        sigma_x, sigma_y: pixels, [0, 20]; 0 is a single point along that axis.
        angle: degrees of the first axis, counter-clockwise from +x as displayed.
    """
    along, across = _turned_grid(GAUSSIAN_RADIUS, angle)
    bell = torch.exp(-0.5 * ((along / max(sigma_x, 1e-2)).square() + (across / max(sigma_y, 1e-2)).square()))
    return bell / bell.sum()


def _turned_grid(radius: int, angle: float) -> tuple[Tensor, Tensor]:
    """Two (2 radius + 1, 2 radius + 1): pixels from the centre along and across a direction in degrees."""
    axis = torch.arange(-radius, radius + 1, dtype=torch.float32)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return x * cos - y * sin, x * sin + y * cos


def blur(image: Tensor, kernels: Sequence[Tensor]) -> Tensor:
    """Convolve a (1, C, H, W) float32 picture with (K, K) kernels, K odd, whose radii sum to at most ``MARGIN``.

    The border is mirrored as OpenCV's BORDER_REFLECT_101.
    """
    height, width = image.shape[-2:]
    rows, columns = (_mirror(size, image.device) for size in (height, width))
    padded = image[:, :, rows][..., columns]  # (1, C, H + 2 margin, W + 2 margin), rounded up to 32
    size = padded.shape[-2:]
    spectrum = torch.fft.rfft2(padded)
    for kernel in kernels:
        side = kernel.shape[-1]
        frame = F.pad(kernel.to(image.device), (0, size[1] - side, 0, size[0] - side))
        spectrum *= torch.fft.rfft2(frame.roll((-(side // 2), -(side // 2)), dims=(0, 1)))  # centre at the origin
    blurred: Tensor = torch.fft.irfft2(spectrum, s=size)
    return blurred[:, :, MARGIN : MARGIN + height, MARGIN : MARGIN + width]


def _mirror(size: int, device: torch.device) -> Tensor:
    """Indices that extend 0..size-1 by the margin on both sides, mirrored without repeating the border."""
    length = math.ceil((size + 2 * MARGIN) / 32) * 32
    period = max(1, 2 * (size - 1))
    index = (torch.arange(length, device=device) - MARGIN).abs() % period
    return torch.minimum(index, period - index) if size > 1 else index


Kernel = Literal["bilinear", "bicubic", "area"]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)


def resize(image: Tensor, size: tuple[int, int], kernel: Kernel) -> Tensor:
    """Resample a (1, C, H, W) float32 picture to ``size`` (height, width) as OpenCV does, without a prefilter.

    "area" is for a reduction: the mean over the part of the picture that becomes a pixel.
    """
    if kernel == "area":
        height, width = (_means(n, m).to(image.device) for n, m in zip(image.shape[-2:], size, strict=True))
        return height @ image @ width.T
    return F.interpolate(image, size, mode=kernel, align_corners=False)


def _means(source: int, target: int) -> Tensor:
    """(target, source) float32, rows of sum 1: how much of each sample lies in each of fewer, equal parts."""
    low = torch.arange(target, dtype=torch.float64)[:, None] * source / target
    left = torch.arange(source, dtype=torch.float64)
    overlap = (torch.minimum(low + source / target, left + 1) - torch.maximum(low, left)).clamp(min=0)
    return (overlap / overlap.sum(dim=1, keepdim=True)).float()


def jpeg_roundtrip(image: Tensor, quality: int) -> Tensor:
    """A (1, 3, H, W) float32 RGB picture in [0, 1] through a JPEG file, 4:2:0, of a quality in [1, 100]."""
    encoded = encode_jpeg((image[0] * 255).round().clamp(0, 255).byte().cpu(), quality)
    decoded: Tensor = decode_jpeg(encoded)[None].to(image) / 255
    return decoded
