"""The networks, their configuration, strict loading and saving; here the U-Net, and what two of them make."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.images import InputError

MIN_SIZE, MAX_SIZE = 64, 2048
MOST = {"widths": 1024, "encoder": 32, "decoder": 32}  # of each level


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Everything that decides the shape of the network; stored as JSON beside the weights.

    Args:
        unshuffle: pixel-unshuffle factor in front, [1, 8]: level 0 works at 1/unshuffle of the image's size.
        guided: the network takes a second picture, the answer of a coarser one.
        positions: side, pixels, of the only pictures that the network takes, [64, 512]: a learned map is added at every
            level, so each place knows where in a face it lies. 0 for pictures of any size.
        attention: at the coarsest level every place looks at every other one after each block.
        widths: channels of each level, fine to coarse; every level halves the resolution of the one before.
        encoder, decoder: residual blocks a level on the way down and up, fine to coarse. The coarsest
            level has ``encoder[-1]`` blocks and no decoder: ``len(decoder) == len(widths) - 1``.

    InputError: not 1 to 6 levels of 1 to 1024 channels and 1 to 32 blocks; lengths that do not fit together; positions
    that are no multiple of the coarsest level's pixel.
    """

    unshuffle: int = 2
    guided: bool = False
    positions: int = 0
    attention: bool = False
    widths: tuple[int, ...] = (32, 64, 128, 192)
    encoder: tuple[int, ...] = (1, 1, 2, 2)
    decoder: tuple[int, ...] = (1, 1, 2)

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in MOST}
        fits = all(isinstance(each, (list, tuple)) and len(each) <= 6 for each in counts.values())
        fits = fits and all(_is_whole(value, 1, MOST[name]) for name, each in counts.items() for value in each)
        fits = fits and 0 < len(self.widths) == len(self.encoder) == len(self.decoder) + 1
        fits = fits and isinstance(self.guided, bool) and isinstance(self.attention, bool)
        fits = fits and _is_whole(self.unshuffle, 1, 8) and _is_whole(self.positions, 0, 512)
        if not fits or 0 < self.positions < MIN_SIZE or self.positions % self.multiple:
            rule = (
                f"1 to 6 widths, as many encoder counts and one decoder count fewer, at most {MOST}; unshuffle 1 to 8"
            )
            sides = f"positions 0, or from {MIN_SIZE} to 512 and a multiple of the coarsest pixel"
            raise InputError(f"A U-Net has {rule}; {sides}; not {self!s:.300}.")
        for name, each in counts.items():
            object.__setattr__(self, name, tuple(each))

    @property
    def multiple(self) -> int:
        """Image sides are padded to a multiple of this many pixels."""
        return self.unshuffle << (len(self.widths) - 1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; ``from_dict`` gives an equal configuration back."""
        return dataclasses.asdict(self) | {name: list(getattr(self, name)) for name in MOST}

    @classmethod
    def from_dict(cls, fields: Any) -> UNetConfig:
        """Strict inverse of ``to_dict``. InputError: no such mapping, or a value that is refused."""
        known = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(fields, Mapping) or set(fields) != known:
            raise InputError(f"A U-Net configuration has exactly the keys {sorted(known)}: {fields!r:.300}.")
        return cls(**fields)


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel. Source: LayerNorm2d of NAFNet (Chen et al., 2022)."""

    def forward(self, x: Tensor) -> Tensor:
        # With channels last in memory the permutations cost nothing.
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return F.layer_norm(x.permute(0, 2, 3, 1), weight.shape, weight, bias, 1e-6).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """x + scale * conv(silu(conv(norm(x)))): two dense 3x3 convolutions, size and width kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.scale = nn.Parameter(torch.full((width, 1, 1), 0.2))

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.silu(self.first(self.norm(x)))
        # The scale goes into the weights: one pass less over the picture.
        weight, bias = self.second.weight * self.scale[..., None], self.second.bias * self.scale.flatten()  # type: ignore[operator]
        return x + F.conv2d(hidden, weight, bias, padding=1)


class AttentionBlock(nn.Module):
    """x + scale * what every place gathers from all others, size and width kept: self-attention (Vaswani et al.,
    "Attention Is All You Need", 2017) without position codes."""

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


class UNet(nn.Module):
    """Residual U-Net behind a pixel-unshuffle: full-size pictures at the price of small ones.

    Fully convolutional where ``config.positions`` is 0; sides are padded by reflection to ``config.multiple``, inside.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, squares = config.widths, config.unshuffle**2
        self.head = nn.Conv2d((6 if config.guided else 3) * squares, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(map(_stack, widths, config.encoder))
        if config.attention:
            blocks = _stack(widths[-1], config.encoder[-1])
            deepest = (part for block in blocks for part in (block, AttentionBlock(widths[-1])))
            self.encoder[-1] = nn.Sequential(*deepest)
        steps = list(pairwise(widths))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in steps)
        self.decoder = nn.ModuleList(map(_stack, widths, config.decoder))
        self.tail = nn.Conv2d(widths[0], 3 * squares, 3, padding=1)
        sides = [config.positions // config.unshuffle >> level for level in range(len(widths))]
        maps = [torch.zeros(width, side, side) for width, side in zip(widths, sides, strict=True) if side]
        self.positions = nn.ParameterList(maps)  # fine to coarse; empty where pictures may have any size
        with torch.no_grad():  # the untrained network returns nearly its input
            self.tail.weight.mul_(0.1)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor, guide: Tensor | None = None) -> Tensor:
        """Restore a batch.

        Args:
            images: (B, 3, H, W) float, RGB, range [0, 1]; H and W in [64, 2048], or both ``config.positions`` where
                that is not 0. Not modified.
            guide: (B, 3, H, W), of a guided network, a coarser one's answer for the same pictures; None: there is none.

        Returns:
            (B, 3, H, W), same dtype. Not clamped: values may leave [0, 1] a little.

        InputError: pictures of another shape.
        """
        low, high = (self.config.positions,) * 2 if self.config.positions else (MIN_SIZE, MAX_SIZE)
        if images.ndim != 4 or images.shape[1] != 3 or not all(low <= side <= high for side in images.shape[2:]):
            raise InputError(f"The network takes (B, 3, H, W), sides {low} to {high}, not {tuple(images.shape)}.")
        given = images
        if self.config.guided:
            change = torch.zeros_like(images) if guide is None else guide - images
            given = torch.cat((images, change), dim=1)  # (B, 6, H, W)
        height, width = images.shape[2:]
        right, below = -width % self.config.multiple, -height % self.config.multiple
        padded = F.pad(given, (0, right, 0, below), mode="reflect") if right or below else given
        x = self.head(F.pixel_unshuffle(padded, self.config.unshuffle))  # (B, W0, H/u, W/u)
        skips = []
        for level, (blocks, down) in enumerate(zip(self.encoder, self.down, strict=False)):
            x = blocks(self._placed(x, level))
            skips.append(x)
            x = down(x)  # (B, W_i+1, H/(u 2^(i+1)), ...)
        x = self.encoder[-1](self._placed(x, len(skips)))
        for blocks, up, skip in zip(reversed(self.decoder), reversed(self.up), reversed(skips), strict=True):
            x = blocks(F.pixel_shuffle(up(x), 2) + skip)
        correction = F.pixel_shuffle(self.tail(x), self.config.unshuffle)
        return images + correction[:, :, :height, :width].to(images.dtype)

    def _placed(self, x: Tensor, level: int) -> Tensor:
        return x + self.positions[level].to(x.dtype) if self.config.positions else x


def _stack(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))


class CoarseToFine(nn.Module):
    """A face stage that sees the whole aligned face, reduced, and a detail stage that sees every pixel, and works alone
    where there is no aligned face. InputError: stages that do not fit together.

    Args:
        detail: of the stage at full size; ``guided`` where there is a face stage.
        face: of the stage at ``face.positions`` pixels; None where there is none.
    """

    def __init__(self, detail: UNetConfig, face: UNetConfig | None = None) -> None:
        super().__init__()
        if detail.positions or (face is not None and not (face.positions and detail.guided)):
            raise InputError("A face stage has positions, and the detail stage that it guides is guided, without any.")
        self.detail = UNet(detail)
        self.face = None if face is None else UNet(face)

    @property
    def config(self) -> dict[str, Any]:
        """JSON-ready configuration of both stages; ``from_config`` makes an equal, untrained network of it."""
        return {"face": self.face.config.to_dict() if self.face else None, "detail": self.detail.config.to_dict()}

    @classmethod
    def from_config(cls, fields: Mapping[str, Any]) -> CoarseToFine:
        """Strict inverse of ``config``. InputError: an unknown or missing key, or a value that is refused."""
        if set(fields) != {"face", "detail"}:
            raise InputError("A network's configuration has exactly the keys face (which may be null) and detail.")
        face, detail = fields["face"], UNetConfig.from_dict(fields["detail"])
        return cls(detail, None if face is None else UNetConfig.from_dict(face))

    def forward(self, images: Tensor, aligned: bool = False) -> Tensor:
        """Restore a batch as ``UNet.forward`` does; the face stage looks at squares that are ``aligned`` faces."""
        guide = None
        if aligned and self.face:
            guide = enlarge(self.face(reduce(images, self.face.config.positions)), images)
        restored: Tensor = self.detail(images, guide)
        return restored


def parameter_count(network: nn.Module) -> int:
    """Number of trainable values."""
    return sum(parameter.numel() for parameter in network.parameters())


def reduce(images: Tensor, side: int) -> Tensor:
    """(B, 3, H, W) to (B, 3, side, side) by means over areas: what the face stage sees of a picture."""
    return F.interpolate(images, (side, side), mode="area")


def enlarge(answers: Tensor, images: Tensor) -> Tensor:
    """(B, 3, side, side) to the size of ``images``, bicubic: what the detail stage sees of the face stage's answer."""
    return F.interpolate(answers.to(images.dtype), images.shape[-2:], mode="bicubic", align_corners=False)
