"""What is the embedded identity network?  A small convolutional face recogniser."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.images import InputError

WEIGHTS, FACTS = "model.safetensors", "training.json"
CROP_SIZE = 112
MARGIN = 8  # pixels around the face that say more of hair and background than of who it is; they are not looked at
EMBEDDING = 256
WIDTHS = (32, 64, 128, 256)  # channels at 48, 24, 12 and 6 pixels
BLOCKS = (0, 2, 4, 0)  # residual blocks at each of these sizes


class Recogniser(nn.Module):
    """1.8 M parameters: strided convolutions down to 6x6, residual blocks between, one weight a place at the end.

    The last step is MobileFaceNet's (Chen et al., 2018): a depthwise convolution over the whole map, so that an eye's
    corner and a chin count differently, where an average would count all places alike.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        previous = 3
        for width, blocks in zip(WIDTHS, BLOCKS, strict=True):
            layers = _convolution(previous, width, stride=2) + [_ResidualBlock(width) for _ in range(blocks)]
            self.stages.append(nn.Sequential(*layers))
            previous = width
        size = (CROP_SIZE - 2 * MARGIN) >> len(WIDTHS)
        self.places = nn.Conv2d(previous, previous, size, groups=previous, bias=False)
        self.norm = nn.BatchNorm2d(previous)
        self.embed = nn.Linear(previous, EMBEDDING)

    def forward(self, crops: Tensor) -> Tensor:
        """(B, 3, 112, 112) RGB in [0, 1], on ArcFace's template, to (B, 256) embeddings, not normalised.

        A face and its mirror image are one person: the result is the sum of what is read from the two.
        """
        both = F.normalize(self.read(self.maps(torch.cat((crops, crops.flip(-1))))[-1]), dim=1)
        return both[: len(crops)] + both[len(crops) :]

    def maps(self, crops: Tensor) -> list[Tensor]:
        """What each stage sees of the crops: (B, C, S, S) for C, S of ``WIDTHS`` and 48, 24, 12, 6."""
        x = 2 * crops[..., MARGIN:-MARGIN, MARGIN:-MARGIN] - 1
        return [x := stage(x) for stage in self.stages]

    def read(self, last: Tensor) -> Tensor:
        """(B, 256, 6, 6), the last of ``maps``, to (B, 256) embeddings, not normalised."""
        result: Tensor = self.embed(self.norm(self.places(last)).flatten(1))
        return result


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(width, width),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        correction: Tensor = self.body(x)
        return x + correction


def _convolution(before: int, after: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.1)]


def embed(network: nn.Module, crops: Tensor) -> Tensor:
    """(B, 3, 112, 112) crops to (B, D) float32 embeddings of unit length."""
    return F.normalize(network(crops).float(), dim=1)


def save_recogniser(folder: Path, network: Recogniser, facts: dict[str, Any]) -> None:
    """Write a recogniser as float16 safetensors, and facts about its training with a checksum.

    Args:
        facts: JSON-ready.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = save(
        {
            key: value.half().contiguous() if value.is_floating_point() else value
            for key, value in network.state_dict().items()
        }
    )
    (folder / WEIGHTS).write_bytes(content)
    facts = {**facts, "sha256": hashlib.sha256(content).hexdigest()}
    (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n")


def load_recogniser(folder: Path) -> Recogniser:
    """Strict inverse of ``save_recogniser``; float32, in evaluation mode.

    Raises:
        InputError: a file is missing, damaged, or of another network.
    """
    try:
        content, facts = (folder / WEIGHTS).read_bytes(), json.loads((folder / FACTS).read_text())
        whole = hashlib.sha256(content).hexdigest() == facts["sha256"]
        network = Recogniser()
        if whole:
            network.load_state_dict(load(content))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder} does not hold a recogniser of this version: {error}") from error
    if not whole:
        raise InputError(f"{folder / WEIGHTS} is damaged: its checksum is not the one in {FACTS}. Fetch it again.")
    return network.to(memory_format=torch.channels_last).eval()
