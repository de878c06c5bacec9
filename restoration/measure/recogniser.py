"""Two face recognisers: the small one that is embedded, and ArcFace IR-SE50 as facexlib publishes it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.faces.download import fetch, load_checkpoint
from restoration.images import InputError

WEIGHTS, FACTS = "model.safetensors", "training.json"
CROP_SIZE = 112
MARGIN = 8  # pixels around the face that say more of hair and background than of who it is; they are not looked at
EMBEDDING = 256
WIDTHS = (32, 64, 128, 256)  # channels at 48, 24, 12 and 6 pixels
BLOCKS = (0, 4, 4, 0)  # residual blocks at each of these sizes


class Recogniser(nn.Module):
    """2.0 M parameters: strided convolutions down to 6x6, residual blocks between, and MobileFaceNet's end (Chen et
    al., 2018): one weight a place, so that an eye's corner and a chin count differently."""

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
        """(B, 3, 112, 112) RGB in [0, 1], on ArcFace's template, to (B, 256) embeddings, not normalised."""
        x = 2 * crops[..., MARGIN:-MARGIN, MARGIN:-MARGIN] - 1
        for stage in self.stages:
            x = stage(x)  # (B, C, S, S) for C of ``WIDTHS`` and S of 48, 24, 12, 6
        result: Tensor = self.embed(self.norm(self.places(x)).flatten(1))
        return result


class _ResidualBlock(nn.Module):
    """Corrects nothing until it has learned to: its last norm starts at nought (Goyal et al., 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        norm = nn.BatchNorm2d(width)
        nn.init.zeros_(norm.get_parameter("weight"))
        first, second = _convolution(width, width), nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.body = nn.Sequential(*first, second, norm, _ChannelGate(width))

    def forward(self, x: Tensor) -> Tensor:
        correction: Tensor = self.body(x)
        return x + correction


class _ChannelGate(nn.Module):
    """Squeeze and excitation (Hu et al., 2018): each channel 0 to 2 times as strong, by what the whole map shows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(width, width // 8, 1), nn.Conv2d(width // 8, width, 1)
        for parameter in self.excite.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        gates = self.excite(F.leaky_relu(self.squeeze(x.mean((2, 3), keepdim=True)), 0.1))
        return x * (2 * torch.sigmoid(gates))


def _convolution(before: int, after: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.1)]


def embed(network: nn.Module, crops: Tensor) -> Tensor:
    """(B, 3, 112, 112) crops to (B, D) float32 embeddings of unit length."""
    return F.normalize(network(crops).float(), dim=1)


def load_recogniser(folder: Path) -> Recogniser:
    """The recogniser that a training left; float32, in evaluation mode. InputError as ``load_strictly``."""
    network = Recogniser()
    load_strictly(folder, network, FACTS)
    return network.to(memory_format=torch.channels_last)


def load_strictly(folder: Path, network: nn.Module, facts: str) -> dict[str, Any]:
    """Give a network the weights in a folder; returns what the JSON file ``facts`` there tells of them.

    InputError: a file is missing or damaged, of another network, or has not the checksum that is told.
    """
    try:
        content, known = (folder / WEIGHTS).read_bytes(), json.loads((folder / facts).read_text(encoding="utf-8"))
        if known.get("sha256", digest := hashlib.sha256(content).hexdigest()) != digest:
            raise ValueError(f"its checksum is not the one in {facts}")
        network.eval().load_state_dict(load(content))
    except (OSError, ValueError, AttributeError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder} does not hold these weights, whole: {error}.") from error
    return dict(known)


ARCFACE = "arcface_ir_se50"
ARCFACE_URL = "https://github.com/xinntao/facexlib/releases/download/v0.1.0/recognition_arcface_ir_se50.pth"
# The release states no checksum. This is the one that the Arch User Repository's package of facexlib pins for the
# address above; GenForce's Hammer pins the same for the file of the network's author (TreB1eN's model_ir_se50).
ARCFACE_SHA256 = "a035c768259b98ab1ce0e646312f48b9e1e218197a0f80ac6765e88f8b6ddf28"


class ArcFace(nn.Module):
    """IR-SE50 behind the contract of ``IdentityNetwork``: RGB in [0, 1] in, embeddings out; differentiable.

    Source: Deng et al., "ArcFace", CVPR 2019; TreB1eN, InsightFace_Pytorch: trained on blue, green, red in [-1, 1].
    """

    def __init__(self) -> None:
        super().__init__()
        from facexlib.recognition.arcface_arch import Backbone  # here: takes seconds to import

        self.backbone: nn.Module = Backbone(num_layers=50, drop_ratio=0.6, mode="ir_se").eval()

    def forward(self, crops: Tensor) -> Tensor:
        """(B, 3, 112, 112) RGB in [0, 1] on ArcFace's template to (B, 512) of unit length."""
        embeddings: Tensor = self.backbone(crops.flip(1) * 2 - 1)  # to blue, green, red in [-1, 1]
        return embeddings


def load_arcface() -> ArcFace:
    """ArcFace IR-SE50 on the CPU, its weights fetched on the first call (175 MB). DownloadError: they cannot be had, or
    are not the published ones."""
    path, network = fetch(ARCFACE_URL, ARCFACE_SHA256), ArcFace()
    load_checkpoint(path, network.backbone)
    return network
