"""What is the network?  An encoder-decoder U-Net that predicts a correction to its input."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.images import InputError

MIN_SIZE, MAX_SIZE = 64, 2048
Block = Literal["residual", "gated", "attentive"]


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Everything that decides the shape of the network; stored as JSON beside the weights.

    Args:
        unshuffle: pixel-unshuffle factor in front, [1, 8]: level 0 works at 1/unshuffle of the image's size.
        block: "residual" (dense 3x3 convolutions), "gated" (cheap products), or "attentive" (residual, and at the
            coarsest level every place looks at every other one after each block).
        widths: channels of each level, fine to coarse; every level halves the resolution of the one before.
        encoder, decoder: residual blocks a level on the way down and up, fine to coarse. The coarsest
            level has ``encoder[-1]`` blocks and no decoder: ``len(decoder) == len(widths) - 1``.

    Raises:
        InputError: lengths that do not fit together, or a value outside its bounds: 1 to 6 levels, widths from
            1 to 1024 channels, 1 to 32 blocks a level.
    """

    unshuffle: int = 4
    block: Block = "residual"
    widths: tuple[int, ...] = (64, 128, 256, 256)
    encoder: tuple[int, ...] = (2, 2, 2, 2)
    decoder: tuple[int, ...] = (2, 2, 2)

    def __post_init__(self) -> None:
        for name, most in (("widths", 1024), ("encoder", 32), ("decoder", 32)):
            value = getattr(self, name)
            if not isinstance(value, (list, tuple)) or len(value) > 6:
                raise InputError(f"UNetConfig.{name} must be a list of at most 6 whole numbers.")
            if any(isinstance(v, bool) or not isinstance(v, int) or not 1 <= v <= most for v in value):
                raise InputError(f"UNetConfig.{name} must be whole numbers from 1 to {most}, not {value}.")
            object.__setattr__(self, name, tuple(value))
        if not self.widths:
            raise InputError("UNetConfig.widths needs at least one level.")
        if self.block not in get_args(Block):
            raise InputError(f"UNetConfig.block must be one of {', '.join(get_args(Block))}, not {self.block!r}.")
        if isinstance(self.unshuffle, bool) or not isinstance(self.unshuffle, int) or not 1 <= self.unshuffle <= 8:
            raise InputError(f"UNetConfig.unshuffle must be a whole number from 1 to 8, not {self.unshuffle!r}.")
        if not len(self.widths) == len(self.encoder) == len(self.decoder) + 1:
            raise InputError("UNetConfig needs as many encoder counts as widths, and one decoder count fewer.")

    @property
    def multiple(self) -> int:
        """Image sides are padded to a multiple of this many pixels."""
        return self.unshuffle << (len(self.widths) - 1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; ``from_dict`` gives an equal configuration back."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> UNetConfig:
        """Strict inverse of ``to_dict``.

        Raises:
            InputError: an unknown or missing key, or a value that ``UNetConfig`` refuses.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if set(fields) != known:
            raise InputError(f"A U-Net configuration has exactly the keys {sorted(known)}, not {sorted(fields)}.")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, (list, tuple)) else v for k, v in fields.items()}
        return cls(**values)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel. Source: LayerNorm2d of NAFNet (Chen et al., 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        # With channels last in memory the permutations cost nothing. It is float32 whatever comes in: in bfloat16
        # torch.compile (2.15, CPU) sums up its gradients wrongly.
        normal = F.layer_norm(x.permute(0, 2, 3, 1).float(), self.weight.shape, self.weight, self.bias, 1e-6)
        return normal.permute(0, 3, 1, 2).to(x.dtype)


class ResidualBlock(nn.Module):
    """x + scale * conv(silu(conv(norm(x)))): two dense 3x3 convolutions, size and width kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.scale = nn.Parameter(torch.full((width, 1, 1), 0.2))

    def forward(self, x: Tensor) -> Tensor:
        correction: Tensor = self.second(F.silu(self.first(self.norm(x))))
        return x + self.scale * correction


class GatedBlock(nn.Module):
    """Two residual steps of products instead of activations, size and width kept.

    Source: the block of NAFNet (Chen et al., "Simple Baselines for Image Restoration", 2022): a depthwise 3x3
    step with channel attention, then a pointwise step.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial_norm = ChannelNorm(width)
        self.expand = nn.Conv2d(width, 2 * width, 1)
        self.depthwise = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.attention = nn.Conv2d(width, width, 1)
        self.project = nn.Conv2d(width, width, 1)
        self.pointwise_norm = ChannelNorm(width)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.narrow = nn.Conv2d(width, width, 1)
        self.spatial_scale = nn.Parameter(torch.full((width, 1, 1), 0.2))
        self.pointwise_scale = nn.Parameter(torch.full((width, 1, 1), 0.2))

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.depthwise(self.expand(self.spatial_norm(x))).chunk(2, dim=1)
        gated = left * right
        gated = gated * self.attention(gated.mean(dim=(2, 3), keepdim=True))
        x = x + self.spatial_scale * self.project(gated)
        left, right = self.widen(self.pointwise_norm(x)).chunk(2, dim=1)
        correction: Tensor = self.pointwise_scale * self.narrow(left * right)
        return x + correction


class AttentionBlock(nn.Module):
    """x + scale * what every place gathers from all others, size and width kept.

    Source: self-attention (Vaswani et al., "Attention Is All You Need", 2017), without position codes: places are told
    apart by what the convolutions around them have seen.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = math.gcd(width, max(1, width // 64))
        self.norm = ChannelNorm(width)
        self.ask = nn.Conv2d(width, 3 * width, 1)
        self.project = nn.Conv2d(width, width, 1)
        self.scale = nn.Parameter(torch.full((width, 1, 1), 0.2))

    def forward(self, x: Tensor) -> Tensor:
        batch, width, *size = x.shape
        split = self.ask(self.norm(x)).reshape(batch, 3 * self.heads, width // self.heads, -1)
        query, key, value = split.transpose(2, 3).chunk(3, dim=1)  # (B, heads, H W, width / heads) each
        gathered = F.scaled_dot_product_attention(query, key, value).transpose(2, 3)
        gathered = gathered.reshape(batch, width, *size).contiguous(memory_format=torch.channels_last)
        correction: Tensor = self.project(gathered)
        return x + self.scale * correction


BLOCKS: dict[Block, type[nn.Module]] = {"residual": ResidualBlock, "gated": GatedBlock, "attentive": ResidualBlock}


class UNet(nn.Module):
    """Residual U-Net behind a pixel-unshuffle: full-size pictures at the price of small ones.

    Fully convolutional. Padding to a multiple of ``config.multiple`` is by reflection, inside.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, pixels = config.widths, 3 * config.unshuffle**2
        self.head = nn.Conv2d(pixels, widths[0], 3, padding=1)
        stages = zip(widths, config.encoder, strict=True)
        down = [_stack(config.block, width, count) for width, count in stages]
        if config.block == "attentive":
            down[-1] = nn.Sequential(*(part for block in down[-1] for part in (block, AttentionBlock(widths[-1]))))
        self.encoder = nn.ModuleList(down)
        steps = list(pairwise(widths))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in steps)
        stages = zip(widths, config.decoder, strict=False)
        self.decoder = nn.ModuleList(_stack(config.block, width, count) for width, count in stages)
        self.tail = nn.Conv2d(widths[0], pixels, 3, padding=1)
        with torch.no_grad():  # the untrained network returns nearly its input
            self.tail.weight.mul_(0.1)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Restore a batch.

        Args:
            images: (B, 3, H, W) float, RGB, range [0, 1]; H and W in [64, 2048]. Not modified.

        Returns:
            (B, 3, H, W), same dtype. Not clamped: values may leave [0, 1] a little.

        Raises:
            InputError: wrong rank or channels, or a side outside [64, 2048].
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise InputError(f"The network takes (B, 3, H, W) images, not {tuple(images.shape)}.")
        height, width = images.shape[-2:]
        if not (MIN_SIZE <= height <= MAX_SIZE and MIN_SIZE <= width <= MAX_SIZE):
            raise InputError(
                f"The network takes sides from {MIN_SIZE} to {MAX_SIZE} pixels, not {width}×{height}: resize it."
            )
        multiple = self.config.multiple
        right, below = -width % multiple, -height % multiple
        padded = F.pad(images, (0, right, 0, below), mode="reflect") if right or below else images
        x = self.head(F.pixel_unshuffle(padded, self.config.unshuffle))  # (B, W0, H/u, W/u)
        skips = []
        for blocks, down in zip(self.encoder, self.down, strict=False):
            x = blocks(x)
            skips.append(x)
            x = down(x)  # (B, W_i+1, H/(u 2^(i+1)), ...)
        x = self.encoder[-1](x)
        for blocks, up, skip in zip(reversed(self.decoder), reversed(self.up), reversed(skips), strict=True):
            x = blocks(F.pixel_shuffle(up(x), 2) + skip)
        correction = F.pixel_shuffle(self.tail(x), self.config.unshuffle)
        return images + correction[:, :, :height, :width].to(images.dtype)

    def parameter_count(self) -> int:
        """Number of trainable values."""
        return sum(parameter.numel() for parameter in self.parameters())


def _stack(block: Block, width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(BLOCKS[block](width) for _ in range(count)))
