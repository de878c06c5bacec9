"""What the degradations are made of, for a batch in which every picture has its own: blur, resampling, JPEG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

GAUSSIAN_RADIUS = 20  # the published protocol's 41x41 kernel
MOTION_RADIUS = 33  # holds a line of 64 px at any angle
MARGIN = 56  # >= the two radii, fixed so that a result does not depend on the batch


def motion_kernels(length: Tensor, angle: Tensor) -> Tensor:
    """(B, 67, 67) float32: an anti-aliased straight line through the centre, one pixel thick, normalised to sum 1.

    Args:
        length: (B,) pixels, [0, 64]. An odd whole length at 0° is exactly a box of that many taps.
        angle: (B,) degrees, counter-clockwise from +x as displayed (y points down in memory).
    """
    along, across = _turned_grid(MOTION_RADIUS, angle)
    half = length.clamp(min=1)[:, None, None] / 2
    line = (half + 0.5 - along.abs()).clamp(0, 1) * (1 - across.abs()).clamp(0, 1)
    return line / line.sum(dim=(1, 2), keepdim=True)


def gaussian_kernels(sigma_x: Tensor, sigma_y: Tensor, angle: Tensor) -> Tensor:
    """(B, 41, 41) float32: a Gaussian sampled at pixel centres, sum 1 (the published blind protocol's kernel).

    Args:
        sigma_x, sigma_y: (B,) pixels, [0, 20]; 0 is a single point along that axis.
        angle: (B,) degrees of the first axis, counter-clockwise from +x as displayed.
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


Kernel = Literal["bilinear", "bicubic", "area"]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)


def _resize_matrices(source: Tensor, target: Tensor, columns: int, rows: int, kernel: Kernel) -> Tensor:
    """(B, rows, columns) float32, rows of sum 1: what resamples ``source[b]`` samples to ``target[b]``, int64 each.

    Convention:
        - pixel centres at half-integers: target i looks at (i + 0.5) * source / target - 0.5
        - rows past ``target[b]`` repeat its last one, as a JPEG encoder pads a picture
    """
    device = source.device
    scale = (source.to(torch.float64) / target)[:, None]  # (B, 1)
    last = (source - 1)[:, None]
    index = torch.minimum(torch.arange(rows, device=device)[None], (target - 1)[:, None])  # (B, rows)
    if kernel == "area" and bool((target <= source).all()):
        low, high = (index * scale)[..., None], ((index + 1) * scale)[..., None]
        left = torch.arange(columns, device=device, dtype=torch.float64)
        overlap = (torch.minimum(high, left + 1) - torch.maximum(low, left)).clamp(min=0) * (left <= last[..., None])
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
            _resize_matrices(source[chosen, axis], target[chosen, axis], images.shape[2 + axis], size[axis], kernel)
            for axis in (0, 1)
        )
        result[chosen] = height[:, None] @ images[chosen] @ width[:, None].transpose(-1, -2)
    return result


# ITU-T T.81, tables K.1 and K.2.
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))  # all else is 99


def _quantisation_tables(quality: Tensor) -> Tensor:
    """(B, 2, 8, 8) float32, luminance and chrominance, [1, 255]: scaled as libjpeg's ``jpeg_quality_scaling`` does."""
    chrominance = F.pad(torch.tensor(_CHROMINANCE), (0, 4, 0, 4), value=99)
    base = torch.stack((torch.tensor(_LUMINANCE), chrominance)).to(quality.device)
    scale = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)[:, None, None, None]
    return ((base * scale + 50) // 100).clamp(1, 255).float()


def jpeg_roundtrip(images: Tensor, sizes: Tensor, quality: Tensor) -> Tensor:
    """Encode and decode each picture at its own quality, as libjpeg's defaults do: BT.601, 4:2:0 box subsampling, the
    standard tables scaled by quality, triangle ("fancy") chroma upsampling. Huffman coding is lossless and left out.

    Args:
        images: (B, 3, H, W) float32 RGB, [0, 1]. Picture b is the top left ``sizes[b]`` of its frame; the
            rest of the frame must repeat its last row and column. Not modified.
        sizes: (B, 2) int64, height and width.
        quality: (B,) int64, [1, 100].

    Returns:
        (B, 3, H, W) float32 RGB, multiples of 1/255. Outside ``sizes[b]`` the values have no meaning.
    """
    height, width = images.shape[-2:]
    below, right = (math.ceil(n / 16) * 16 - n for n in (height, width))
    rgb = (F.pad(images, (0, right, 0, below), mode="replicate").clamp(0, 1) * 255).round()
    r, g, b = rgb.unbind(1)
    luma = (0.299 * r + 0.587 * g + 0.114 * b).round()
    blue = (-0.168735892 * r - 0.331264108 * g + 0.5 * b + 128).round().clamp(0, 255)
    red = (0.5 * r - 0.418687589 * g - 0.081312411 * b + 128).round().clamp(0, 255)
    tables = _quantisation_tables(quality)
    luma = _code(luma[:, None], tables[:, 0])[:, 0]
    chroma = _code(_halve(torch.stack((blue, red), dim=1)), tables[:, 1])  # (B, 2, H/2, W/2)
    blue, red = (_double(chroma, (sizes + 1) // 2) - 128).unbind(1)
    green = luma - 0.344136286 * blue - 0.714136286 * red
    decoded = torch.stack((luma + 1.402 * red, green, luma + 1.772 * blue), dim=1)
    return decoded.round().clamp(0, 255)[:, :, :height, :width] / 255


def _halve(planes: Tensor) -> Tensor:
    """2x2 box average of whole numbers, ties broken alternately over columns as libjpeg does."""
    total = F.avg_pool2d(planes, 2) * 4
    bias = 1 + torch.arange(total.shape[-1], device=planes.device) % 2
    return ((total + bias) / 4).floor()


def _double(planes: Tensor, sizes: Tensor) -> Tensor:
    """Triangle upsampling by 2 of (B, 2, h, w) whole numbers, valid up to ``sizes[b]`` (height, width): 3/4 of the
    nearer and 1/4 of the farther sample, rounded as libjpeg does."""
    near, far = _neighbours(planes.shape[-2], sizes[:, 0])
    rows = 3 * planes[:, :, near] + planes.gather(2, far[:, None, :, None].expand(-1, 2, -1, planes.shape[-1]))
    near, far = _neighbours(planes.shape[-1], sizes[:, 1])
    both = 3 * rows[..., near] + rows.gather(3, far[:, None, None, :].expand(-1, 2, rows.shape[-2], -1))
    bias = 8 - torch.arange(both.shape[-1], device=planes.device) % 2
    return ((both + bias) / 16).floor()


def _neighbours(length: int, valid: Tensor) -> tuple[Tensor, Tensor]:
    """For each of 2*length output samples the nearer input (2*length,) and the farther one (B, 2*length)."""
    out = torch.arange(2 * length, device=valid.device)
    near = out // 2
    far = (near + 2 * (out % 2) - 1)[None].clamp(min=0)
    return near, torch.minimum(far, (valid - 1)[:, None])


def _code(planes: Tensor, tables: Tensor) -> Tensor:
    """DCT, quantise by (B, 8, 8) tables, and back, of 8x8 blocks of (B, C, H, W) in [0, 255], sides multiples of 8."""
    batch, channels, height, width = planes.shape
    frequency = torch.arange(8, device=planes.device, dtype=torch.float64)
    dct = torch.cos((2 * frequency[None] + 1) * frequency[:, None] * math.pi / 16) / 2
    dct[0] /= math.sqrt(2)
    dct = dct.to(planes.dtype)
    blocks = (planes - 128).reshape(batch, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    table = tables[:, None, None, None]
    coefficients = ((dct @ blocks @ dct.T) / table).round() * table
    pixels = (dct.T @ coefficients @ dct).round() + 128
    return pixels.clamp(0, 255).transpose(3, 4).reshape(batch, channels, height, width)
