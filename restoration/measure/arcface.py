"""Where does the full-strength identity network come from?  ArcFace IR-SE50: facexlib's architecture and weights."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.faces.download import DownloadError, fetch

NAME = "arcface_ir_se50"
URL = "https://github.com/xinntao/facexlib/releases/download/v0.1.0/recognition_arcface_ir_se50.pth"
# The release states no checksum. This is the one that the Arch User Repository's package of facexlib pins for the
# address above; GenForce's Hammer pins the same for the file of the network's author (TreB1eN's model_ir_se50).
SHA256 = "a035c768259b98ab1ce0e646312f48b9e1e218197a0f80ac6765e88f8b6ddf28"


class _Attention(nn.Module):
    """Squeeze and excitation: each channel weighed by what all channels hold on average."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, width // 16, 1, bias=False)
        self.fc2 = nn.Conv2d(width // 16, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True)))))
        return x * weights


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        project = (nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut_layer = nn.MaxPool2d(1, stride) if inputs == outputs else nn.Sequential(*project)
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            _Attention(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return result


class Backbone(nn.Module):
    """IR-SE50, named as the published weights are: (B, 3, 112, 112) in [-1, 1] to (B, 512) of unit length.

    facexlib has the same network, but asks for opencv-python: that writes the same ``cv2`` folder as
    opencv-python-headless, and needs libGL and X11, which a bare machine does not have.
    """

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
        stages = ((64, 64, 3), (64, 128, 4), (128, 256, 14), (256, 512, 3))
        self.body = nn.Sequential(
            *(
                _Block(inputs if first else outputs, outputs, 2 if first else 1)
                for inputs, outputs, count in stages
                for first in [True] + [False] * (count - 1)
            )
        )
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512), nn.Dropout(0.6), nn.Flatten(), nn.Linear(512 * 7 * 7, 512), nn.BatchNorm1d(512)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.output_layer(self.body(self.input_layer(x))))


class ArcFace(nn.Module):
    """IR-SE50 behind the contract of ``IdentityNetwork``: RGB in [0, 1] in, embeddings out; differentiable.

    Convention:
        - the network was trained on channels in the order blue, green, red, scaled to [-1, 1]

    Source:
        TreB1eN, InsightFace_Pytorch (``data_pipe.py``: training pictures are decoded by OpenCV and not reordered).
        Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone().eval()

    def forward(self, crops: Tensor) -> Tensor:
        """(B, 3, 112, 112) RGB in [0, 1] on ArcFace's template to (B, 512) of unit length."""
        embeddings: Tensor = self.backbone(crops.flip(1) * 2 - 1)
        return embeddings


def load_arcface(folder: Path | None = None, *, url: str = URL, sha256: str = SHA256) -> ArcFace:
    """ArcFace IR-SE50 on the CPU, its weights fetched on the first call (175 MB).

    Args:
        folder: where the weights are or go; None is the project's cache (``download.cache_folder``).
        url, sha256: of the weights.

    Raises:
        DownloadError: the weights cannot be had, or are not the published ones.
    """
    path = fetch(url, sha256, folder=folder)
    network = ArcFace()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.backbone.load_state_dict(state, strict=True)
    except (RuntimeError, pickle.UnpicklingError, AttributeError, TypeError) as error:
        raise DownloadError(f"{path} does not hold the weights of {NAME}.") from error
    return network
