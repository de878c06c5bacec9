"""What is RetinaFace?  The network whose published weights find faces by default, and what its numbers mean.

Source: Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", 2019, as trained by biubug6
(Pytorch_Retinaface) and published by facexlib. Names of modules follow the keys of those files.

facexlib itself is not a requirement: it asks for opencv-python, which writes the same ``cv2`` folder as
opencv-python-headless and whose library needs libGL and X11, so that a bare machine could not ``import cv2`` any more.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Backbone = Literal["mobile0.25", "resnet50"]
BACKBONES: tuple[Backbone, ...] = get_args(Backbone)

STRIDES = (8, 16, 32)  # pixels a cell of each level
ANCHORS = ((16, 32), (64, 128), (256, 512))  # pixels: sides of the two square anchors of a cell, a level
MEAN = (104.0, 117.0, 123.0)  # blue, green, red grey levels, subtracted before the network
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2  # units in which offsets and logarithms of sizes were learned


class RetinaFace(nn.Module):
    """Boxes, scores and landmarks at every anchor of three levels; fully convolutional.

    Args:
        backbone: "mobile0.25" (0.4 M parameters) or "resnet50" (27 M).
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        if backbone == "mobile0.25":
            self.body: nn.Module = _MobileNet()
            fine, width = 64, 64
        else:
            from torchvision.models import resnet50  # here: slow to import, and the page opens without it
            from torchvision.models._utils import IntermediateLayerGetter

            layers = {"layer2": "1", "layer3": "2", "layer4": "3"}
            self.body = IntermediateLayerGetter(resnet50(weights=None), layers)
            fine, width = 512, 256
        leak = 0.1 if width <= 64 else 0.0
        self.fpn = _Pyramid((fine, 2 * fine, 4 * fine), width, leak)
        self.ssh1, self.ssh2, self.ssh3 = (_Context(width, leak) for _ in STRIDES)
        self.ClassHead, self.BboxHead, self.LandmarkHead = (
            nn.ModuleList(_Head(width, values) for _ in STRIDES) for values in (2, 4, 10)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look for faces.

        Convention:
            - coordinates are (x, y) pixels with whole numbers at pixel centres, unlike the original's, which has
              the corner of the picture at 0

        Args:
            images: (B, 3, H, W) float RGB in [0, 1].

        Returns:
            boxes (B, A, 4): left, top, right, bottom; landmarks (B, A, 5, 2); scores (B, A) in [0, 1]; A anchors.
        """
        mean = images.new_tensor(MEAN)[:, None, None]
        pyramid = self.fpn(list(self.body(images.flip(1) * 255 - mean).values()))
        features = [context(x) for context, x in zip((self.ssh1, self.ssh2, self.ssh3), pyramid, strict=True)]
        boxes, scores, points = (
            torch.cat([head(x) for head, x in zip(heads, features, strict=True)], dim=1)
            for heads in (self.BboxHead, self.ClassHead, self.LandmarkHead)
        )
        anchors = anchor_boxes(*images.shape[2:]).to(images.device)  # (A, 3)
        centre, side = anchors[:, :2], anchors[:, 2:]
        middle = centre + boxes[..., :2] * CENTRE_VARIANCE * side
        half = side * torch.exp(boxes[..., 2:] * SIZE_VARIANCE) / 2
        landmarks = centre[:, None] + points.reshape(*points.shape[:-1], 5, 2) * CENTRE_VARIANCE * side[:, None]
        return torch.cat((middle - half, middle + half), -1) - 0.5, landmarks - 0.5, scores.softmax(-1)[..., 1]


def anchor_boxes(height: int, width: int) -> Tensor:
    """(A, 3) float32: x and y of the centre, with the corner of the picture at 0, and the side, of every anchor."""
    levels = []
    for stride, sides in zip(STRIDES, ANCHORS, strict=True):
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        y, x, side = torch.meshgrid(
            (torch.arange(rows) + 0.5) * stride,
            (torch.arange(columns) + 0.5) * stride,
            torch.tensor(sides, dtype=torch.float32),
            indexing="ij",
        )
        levels.append(torch.stack((x, y, side), dim=-1).reshape(-1, 3))
    return torch.cat(levels)


def _convolution(inputs: int, outputs: int, kernel: int, leak: float | None, stride: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([] if leak is None else [nn.LeakyReLU(leak, inplace=True)]))


def _separable(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.LeakyReLU(0.1, inplace=True),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.1, inplace=True),
    )


class _MobileNet(nn.Module):
    """MobileNet v1 with a quarter of its channels."""

    def __init__(self) -> None:
        super().__init__()
        first = ((8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1))
        second = ((64, 128, 2), *((128, 128, 1),) * 5)
        self.stage1 = nn.Sequential(_convolution(3, 8, 3, 0.1, 2), *(_separable(*step) for step in first))
        self.stage2 = nn.Sequential(*(_separable(*step) for step in second))
        self.stage3 = nn.Sequential(_separable(128, 256, 2), _separable(256, 256, 1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        fine = self.stage1(x)  # (B, 64, H/8, W/8)
        middle = self.stage2(fine)  # (B, 128, H/16, W/16)
        return {"1": fine, "2": middle, "3": self.stage3(middle)}  # (B, 256, H/32, W/32)


class _Pyramid(nn.Module):
    """Feature pyramid: coarse levels are added to fine ones."""

    def __init__(self, inputs: tuple[int, int, int], width: int, leak: float) -> None:
        super().__init__()
        self.output1, self.output2, self.output3 = (_convolution(count, width, 1, leak) for count in inputs)
        self.merge1, self.merge2 = (_convolution(width, width, 3, leak) for _ in range(2))

    def forward(self, levels: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        fine, middle, coarse = self.output1(levels[0]), self.output2(levels[1]), self.output3(levels[2])
        middle = self.merge2(middle + F.interpolate(coarse, size=middle.shape[2:]))
        fine = self.merge1(fine + F.interpolate(middle, size=fine.shape[2:]))
        return fine, middle, coarse


class _Context(nn.Module):
    """Surroundings of 3, 5 and 7 cells side by side. Source: SSH (Najibi et al., 2017)."""

    def __init__(self, width: int, leak: float) -> None:
        super().__init__()
        self.conv3X3 = _convolution(width, width // 2, 3, None)
        self.conv5X5_1 = _convolution(width, width // 4, 3, leak)
        self.conv5X5_2 = _convolution(width // 4, width // 4, 3, None)
        self.conv7X7_2 = _convolution(width // 4, width // 4, 3, leak)
        self.conv7x7_3 = _convolution(width // 4, width // 4, 3, None)

    def forward(self, x: Tensor) -> Tensor:
        shared = self.conv5X5_1(x)
        return F.relu(torch.cat((self.conv3X3(x), self.conv5X5_2(shared), self.conv7x7_3(self.conv7X7_2(shared))), 1))


class _Head(nn.Module):
    def __init__(self, width: int, values: int) -> None:
        super().__init__()
        self.values = values
        self.conv1x1 = nn.Conv2d(width, values * len(ANCHORS[0]), 1)

    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = self.conv1x1(x).permute(0, 2, 3, 1).reshape(len(x), -1, self.values)  # (B, anchors, values)
        return values
