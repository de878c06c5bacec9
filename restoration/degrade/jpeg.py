"""The lossy part of baseline JPEG, batched, on any device.

Huffman coding is lossless and left out; what is here follows libjpeg's defaults: BT.601, 4:2:0 box
subsampling, the standard tables scaled by quality, and triangle ("fancy") chroma upsampling.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

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


def quantisation_tables(quality: Tensor) -> Tensor:
    """The standard tables scaled as libjpeg's ``jpeg_quality_scaling`` does.

    Args:
        quality: (B,) int64, [1, 100].

    Returns:
        (B, 2, 8, 8) float32: luminance, chrominance; whole numbers in [1, 255].
    """
    chrominance = F.pad(torch.tensor(_CHROMINANCE), (0, 4, 0, 4), value=99)
    base = torch.stack((torch.tensor(_LUMINANCE), chrominance)).to(quality.device)
    scale = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)[:, None, None, None]
    return ((base * scale + 50) // 100).clamp(1, 255).float()


def jpeg_roundtrip(images: Tensor, sizes: Tensor, quality: Tensor) -> Tensor:
    """Encode and decode each picture at its own quality.

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
    tables = quantisation_tables(quality)
    luma = _code(luma[:, None], tables[:, 0])[:, 0]
    chroma = _code(_halve(torch.stack((blue, red), dim=1)), tables[:, 1])  # (B, 2, H/2, W/2)
    blue, red = (_double(chroma, (sizes + 1) // 2) - 128).unbind(1)
    decoded = torch.stack(
        (luma + 1.402 * red, luma - 0.344136286 * blue - 0.714136286 * red, luma + 1.772 * blue), dim=1
    )
    return decoded.round().clamp(0, 255)[:, :, :height, :width] / 255


def _halve(planes: Tensor) -> Tensor:
    """2x2 box average of whole numbers, ties broken alternately over columns as libjpeg does."""
    total = F.avg_pool2d(planes, 2) * 4
    bias = 1 + torch.arange(total.shape[-1], device=planes.device) % 2
    return ((total + bias) / 4).floor()


def _double(planes: Tensor, sizes: Tensor) -> Tensor:
    """Triangle upsampling by 2: 3/4 of the nearer and 1/4 of the farther sample, rounded as libjpeg does.

    Args:
        planes: (B, 2, h, w) whole numbers; valid up to ``sizes[b]`` (height, width).
    """
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
    """DCT, quantise, dequantise, inverse DCT of 8x8 blocks.

    Args:
        planes: (B, C, H, W), values in [0, 255], sides multiples of 8.
        tables: (B, 8, 8).
    """
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
