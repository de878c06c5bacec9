"""What is the network?  An encoder-decoder U-Net that predicts a correction to its input."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.images import InputError

MIN_SIZE, MAX_SIZE = 64, 2048


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Everything that decides the shape of the network; stored as JSON beside the weights.

    Args:
        unshuffle: pixel-unshuffle factor in front, [1, 8]: level 0 works at 1/unshuffle of the image's size.
        widths: channels of each level, fine to coarse; every level halves the resolution of the one before.
        encoder, decoder: residual blocks a level on the way down and up, fine to coarse. The coarsest
            level has ``encoder[-1]`` blocks and no decoder: ``len(decoder) == len(widths) - 1``.

    Raises:
        InputError: lengths that do not fit together, or a value below 1.
    """

    unshuffle: int = 4
    widths: tuple[int, ...] = (64, 128, 256, 256)
    encoder: tuple[int, ...] = (2, 2, 2, 2)
    decoder: tuple[int, ...] = (2, 2, 2)

    def __post_init__(self) -> None:
        for name in ("widths", "encoder", "decoder"):
            value = tuple(getattr(self, name))
            if not value or any(isinstance(v, bool) or not isinstance(v, int) or v < 1 for v in value):
                raise InputError(f"UNetConfig.{name} must be whole numbers of at least 1, not {value}.")
            object.__setattr__(self, name, value)
        if isinstance(self.unshuffle, bool) or not isinstance(self.unshuffle, int) or not 1 <= self.unshuffle <= 8:
            raise InputError(f"UNetConfig.unshuffle must be a whole number from 1 to 8, not {self.unshuffle!r}.")
        if not len(self.widths) == len(self.encoder) == len(self.decoder) + 1:
            raise InputError("UNetConfig needs as many encoder counts as widths, and one decoder count fewer.")

    @property
    def multiple(self) -> int:
        """Image sides are padded to a multiple of this many pixels."""
        return self.unshuffle * 2 ** (len(self.widths) - 1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; ``from_dict`` gives an equal configuration back."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> UNetConfig:
        """Strict inverse of ``to_dict``.

        Raises:
            InputError: an unknown or missing key, or a value that ``UNetConfig`` refuses.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if set(fields) != known:
            raise InputError(f"A U-Net configuration has exactly the keys {sorted(known)}, not {sorted(fields)}.")
        values = {key: tuple(value) if isinstance(value, (list, tuple)) else value for key, value in fields.items()}
        return cls(**values)


class ResidualBlock(nn.Module):
    """x + conv(silu(conv(x))): two 3x3 convolutions, no normalisation, size and width kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.second.weight, nonlinearity="linear")
        with torch.no_grad():  # near the identity at the start, so that depth does not amplify
            self.second.weight.mul_(0.1)
        for conv in (self.first, self.second):
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(x)))


class UNet(nn.Module):
    """Residual U-Net behind a pixel-unshuffle: full-size pictures at the price of small ones.

    Fully convolutional. Padding to a multiple of ``config.multiple`` is by reflection, inside.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, pixels = config.widths, 3 * config.unshuffle**2
        self.head = nn.Conv2d(pixels, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_stack(width, count) for width, count in zip(widths, config.encoder, strict=True))
        steps = list(zip(widths, widths[1:], strict=False))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in steps)
        self.decoder = nn.ModuleList(_stack(width, count) for width, count in zip(widths, config.decoder, strict=False))
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
                f"The network takes sides from {MIN_SIZE} to {MAX_SIZE} pixels, not {width}×{height}. Resize the picture."
            )
        multiple = self.config.multiple
        padded = F.pad(images, (0, -width % multiple, 0, -height % multiple), mode="reflect")
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


def _stack(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))
