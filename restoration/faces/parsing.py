"""Which pixels of an aligned face are face?  ParseNet, with the weights that facexlib publishes.

An option of pasting: what it says is no face (background, hat, neck, clothes) keeps the photo's own texture.
"""

from __future__ import annotations

import functools
import itertools
import pickle
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from restoration.faces.alignment import FACE_SIZE
from restoration.faces.download import DownloadError, cache_folder, fetch
from restoration.images import Image, check_image

# 85 MB. The release states no checksum. This is the one that the Arch User Repository's package of facexlib pins.
URL = "https://github.com/xinntao/facexlib/releases/download/v0.2.2/parsing_parsenet.pth"
SHA256 = "3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2"
# Classes of CelebAMask-HQ: 0 background, 1 to 13 skin, features, ears and hair, 14 hat, 15 earring, 16 to 18 necklace,
# neck and clothes.
FACE_CLASSES = (*range(1, 14), 15)
CLASSES = 19
FEATHER = 12.0  # pixels of the 512 face: standard deviation by which the parts' border is softened


class ParseNet(nn.Module):
    """The network of facexlib's ``init_parsing_model("parsenet")``, number for number, parameters named as there."""

    def __init__(self) -> None:
        super().__init__()
        down, up = (64, 128, 256, 256, 256), (256, 256, 256, 128, 64)
        self.encoder = nn.Sequential(
            _Convolution(3, 64), *(_Residual(a, b, down=True) for a, b in itertools.pairwise(down))
        )
        self.body = nn.Sequential(*(_Residual(256, 256) for _ in range(10)))
        self.decoder = nn.Sequential(*(_Residual(a, b, up=True) for a, b in itertools.pairwise(up)))
        self.out_img_conv = _Convolution(64, 3)  # redraws the face; only its weights are needed, for the file to fit
        self.out_mask_conv = _Convolution(64, CLASSES)

    def forward(self, faces: Tensor) -> Tensor:
        """(B, 3, H, W) float RGB in [-1, 1], sides multiples of 16 -> logits (B, 19, H, W)."""
        features = self.encoder(faces)  # (B, 256, H/16, W/16)
        logits: Tensor = self.out_mask_conv(self.decoder(features + self.body(features)))
        return logits


class FaceParser:
    """A loaded network. Safe to share between threads."""

    def __init__(self, network: ParseNet) -> None:
        self._network = network

    @torch.inference_mode()
    def parts(self, face: Image) -> NDArray[np.uint8]:
        """Where an aligned face is face.

        Args:
            face: (512, 512, 3) uint8 RGB. Not modified.

        Returns:
            (512, 512, 1) uint8: 255 well inside skin, features and hair, 0 well outside, smooth between.

        Raises:
            InputError: not an ``Image``.
        """
        pixels = torch.from_numpy(np.ascontiguousarray(check_image(face))).permute(2, 0, 1)[None].float()
        classes = self._network(pixels / 127.5 - 1)[0].argmax(dim=0).numpy()
        inside = np.isin(classes, FACE_CLASSES).astype(np.float32) * 255
        soft = cv2.GaussianBlur(inside, (0, 0), FEATHER, borderType=cv2.BORDER_REPLICATE)
        parts: NDArray[np.uint8] = np.rint(soft).astype(np.uint8).reshape(FACE_SIZE, FACE_SIZE, 1)
        return parts


def load_parser() -> FaceParser:
    """The parser, from the project's cache or fetched into it once (85 MB); loaded once a process.

    Raises:
        DownloadError: its weights cannot be had, or the file is damaged. The message says what to do.
    """
    return _load(fetch(URL, SHA256, folder=cache_folder()))


@functools.lru_cache(maxsize=1)
def _load(path: Path) -> FaceParser:
    network = ParseNet()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, pickle.UnpicklingError, AttributeError, TypeError, EOFError) as error:
        raise DownloadError(f"{path} does not hold ParseNet's weights. Delete it and fetch it again.") from error
    return FaceParser(network.eval().requires_grad_(False))


class _Convolution(nn.Module):
    """3 x 3, mirrored at the picture's edge; with a norm it has no bias."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, norm: bool = False) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(inputs, outputs, 3, stride, padding=1, padding_mode="reflect", bias=not norm)
        self.norm = nn.ModuleDict({"norm": nn.BatchNorm2d(outputs)} if norm else {})

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2d(x)
        for norm in self.norm.values():
            x = norm(x)
        return x


class _Residual(nn.Module):
    """Two convolutions beside a short cut; ``down`` halves the size, ``up`` doubles it first."""

    def __init__(self, inputs: int, outputs: int, *, down: bool = False, up: bool = False) -> None:
        super().__init__()
        stride = 2 if down else 1
        self.up = up
        self.shortcut_func = _Convolution(inputs, outputs, stride=stride) if down or up else nn.Identity()
        self.conv1 = _Convolution(inputs, outputs, norm=True)
        self.conv2 = _Convolution(outputs, outputs, stride=stride, norm=True)

    def forward(self, x: Tensor) -> Tensor:
        if self.up:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        changed: Tensor = self.shortcut_func(x) + self.conv2(F.leaky_relu(self.conv1(x), 0.2))
        return changed
