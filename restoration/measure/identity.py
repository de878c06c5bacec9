"""Identity: what a face recogniser says of two aligned faces, as an angle, and what that means, in words."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.faces import FACE_SIZE, FACE_TEMPLATE, IDENTITY_TEMPLATE, similarity_transform
from restoration.images import Image, InputError, check_image, to_tensor
from restoration.measure.recogniser import ARCFACE, CROP_SIZE, embed, load_arcface, load_recogniser

ENVIRONMENT_VARIABLE = "RESTORATION_IDENTITY"
# The least change of each metric that is called better or worse, in words and in colour: about half of the width of the
# 95 % interval of a gain over the validation set's 205 faces.
NOTICEABLE = {"psnr": 0.1, "ssim": 0.005, "identity_angle": 1.0}
EMBEDDED = Path(__file__).parent / "embedded_recogniser"
Embedding = Tensor  # (D,) float64, of unit length


def angle_between(one: Tensor, other: Tensor) -> Tensor:
    """(..., D) embeddings of one network, of unit length, to (...) degrees, [0, 180]; 0 is the same."""
    # The half-angle form keeps its precision where an arc cosine loses it, near 0 and 180 degrees.
    return torch.rad2deg(2 * torch.atan2((one - other).norm(dim=-1), (one + other).norm(dim=-1)))


def check_aligned(*faces: Image) -> None:
    """InputError where one is not an aligned face, (512, 512, 3) uint8."""
    for face in faces:
        if check_image(face).shape != (FACE_SIZE, FACE_SIZE, 3):
            size = f"{face.shape[1]} x {face.shape[0]}"
            raise InputError(f"This needs an aligned face of {FACE_SIZE} x {FACE_SIZE}, not {size}. Align it first.")


def _crop_grid() -> Tensor:
    """(1, 112, 112, 2): where in an aligned face each pixel of the crop lies, as ``F.grid_sample`` counts."""
    to_crop = np.vstack((similarity_transform(FACE_TEMPLATE, IDENTITY_TEMPLATE), (0, 0, 1)))  # 512 px -> 112 px
    to_face = np.linalg.inv(to_crop)[:2]
    # Pixel coordinates (centres at whole numbers) to affine_grid's, where -1 and 1 are the outer borders.
    linear = to_face[:, :2] * CROP_SIZE / 2
    middle = to_face[:, :2] @ np.full(2, (CROP_SIZE - 1) / 2) + to_face[:, 2] + 0.5  # px from the face's outer border
    matrix = np.column_stack((linear, middle - FACE_SIZE / 2)) / (FACE_SIZE / 2)
    return F.affine_grid(torch.tensor(matrix[None]).float(), [1, 3, CROP_SIZE, CROP_SIZE], align_corners=False)


_GRID = _crop_grid()
SIDES = (128, 256, 512)  # of aligned faces that can be measured


def identity_crop(faces: Tensor) -> Tensor:
    """Cut the ArcFace-112 crop out of aligned faces, differentiably: bilinear, at 512 of means over 2x2 pixels.

    (B, 3, S, S) float in [0, 1], S of ``SIDES``, aligned to ``faces.FACE_TEMPLATE`` (reduced by area where S is under
    512), to (B, 3, 112, 112) of the same dtype. InputError: faces of another size.
    """
    side = faces.shape[-1]
    if faces.ndim != 4 or side not in SIDES or faces.shape[1:] != (3, side, side):
        raise InputError(f"Identity needs aligned faces (B, 3, S, S), S of {SIDES}, not {tuple(faces.shape)}.")
    halved = F.avg_pool2d(faces, 2) if side == FACE_SIZE else faces
    grid = _GRID.to(faces).expand(len(faces), -1, -1, -1)
    return F.grid_sample(halved, grid, mode="bilinear", align_corners=False)


@dataclass(frozen=True, kw_only=True)
class Bands:
    """What one identity network measures between different photos of the same person, and of different people.

    Args:
        accuracy: share of the ``pairs`` of photos that ``threshold``, degrees, tells right, 10 folds, [0, 1].
        same, different: 5th, 50th and 95th percentile over pairs of different photos, degrees, [0, 180], or an
            InputError. Two versions of one photo lie far below ``same``: a restored face inside that band is not
            thereby faithful.
    """

    network: str
    pairs: int
    accuracy: float
    threshold: float
    same: tuple[float, float, float]
    different: tuple[float, float, float]

    def __post_init__(self) -> None:
        for name in ("same", "different"):
            values = tuple(map(float, getattr(self, name)))
            if len(values) != 3 or not 0 <= values[0] <= values[1] <= values[2] <= 180:
                raise InputError(f"Bands need three rising angles in [0, 180] for {name}, not {values}.")
            object.__setattr__(self, name, values)

    def place(self, angle: float) -> str:
        """Where an angle lies among the pairs, one sentence, and no verdict about the restoration."""
        if angle >= self.different[0]:
            return "As far apart as photos of different people often are."
        if angle < self.same[0]:
            return "Closer than most photos of one person are to each other."
        if angle <= self.same[2]:
            return "Within what different photos of one person show."
        return "Further apart than most photos of one person, nearer than most of different people."


def read_bands(path: Path, network: str) -> Bands | None:
    """The bands in a file, None where there is none. InputError: it is damaged, or another network's."""
    if not path.is_file():
        return None
    try:
        bands = Bands(**json.loads(path.read_text()))
        if bands.network != network:
            raise ValueError(f"those of {bands.network}")
    except (ValueError, TypeError) as error:
        advice = "Measure them with train/extras/verification.py."
        raise InputError(f"{path} does not hold the bands of {network} ({error}). {advice}") from error
    return bands


@dataclass(frozen=True)
class Verdict:
    """What became of the person, and where there is need for it a warning; a sentence each."""

    text: str
    better: bool | None
    warning: str | None


def judge(degraded: float, restored: float, bands: Bands | None = None) -> Verdict:
    """Say what restoration did to the likeness; ``better`` is None where it is below ``NOTICEABLE``.

    Args:
        degraded, restored: angle of each to the true face by one network, degrees.
        bands: that network's, for a warning when the restored face looks like somebody else.
    """
    gain, warning = round(degraded, 1) - round(restored, 1), None  # as both are written
    if bands is not None and restored >= bands.different[0]:
        warning = "To the identity network the restored face is as far from the person as a different person's."
    if abs(gain) < NOTICEABLE["identity_angle"]:
        return Verdict("As close to the person as the degraded photo", None, warning)
    if gain > 0:
        return Verdict(f"Closer to the person than the degraded photo by {gain:.1f}°", True, warning)
    away = f"Restoration moved the face away from the person by {-gain:.1f}°: do not take it for a likeness."
    return Verdict(f"Further from the person than the degraded photo by {-gain:.1f}°", False, warning or away)


class IdentityNetwork(nn.Module):
    """A face recogniser behind the crop that it expects. Its weights are frozen.

    Args:
        network: maps (B, 3, 112, 112) RGB in [0, 1], ArcFace-112 crops, to (B, D) embeddings.
        name: shown beside every number; angles of two networks must never be compared.
        bands: what its angles mean; None where that was not measured.
    """

    def __init__(self, network: nn.Module, name: str, bands: Bands | None = None) -> None:
        super().__init__()
        self.network = network.eval()
        for parameter in network.parameters():  # ScriptModule has no requires_grad_
            parameter.requires_grad_(False)
        self.name, self.bands = name, bands

    def forward(self, faces: Tensor) -> Tensor:
        """(B, 3, S, S) aligned faces in [0, 1], S of ``SIDES``, to (B, D) float32 unit embeddings; differentiable."""
        return embed(self.network, identity_crop(faces.clamp(0, 1)))

    def angles(self, faces: Tensor, others: Tensor) -> Tensor:
        """Angles between two batches as ``forward`` takes them, (B,) degrees, [0, 180]; 0 is the same."""
        return angle_between(self(faces), self(others))

    @torch.inference_mode()
    def embed(self, image: Image) -> Embedding:
        """Embedding of one aligned (512, 512, 3) uint8 face. ValueError when a broken network gives none."""
        check_aligned(image)
        vector: Embedding = self(to_tensor(image))[0].double()
        if not (length := float(vector.norm())) > 0:  # nor NaN
            raise ValueError(f"Network {self.name} gave no embedding: shape {vector.shape}, length {length}.")
        return vector / length  # double precision

    def angle(self, image: Image, other: Image) -> float:
        """Angle between two aligned (512, 512, 3) uint8 faces in degrees, [0, 180]."""
        return float(angle_between(self.embed(image), self.embed(other)))


def load_identity(source: str | Path | None = None) -> IdentityNetwork:
    """The identity network to measure with, and its bands where ``train/extras/verification.py`` measured them.

    Args:
        source: a TorchScript file (code: load only what you trust) with its bands beside it in NAME.verification.json;
            a folder that a training left, with its bands in it; or ``arcface_ir_se50``, fetched when it is not in the
            cache. None takes what ``RESTORATION_IDENTITY`` names, else the embedded recogniser. InputError: missing,
            damaged, or no such network. DownloadError: ArcFace's weights cannot be had.
    """
    path = Path(source or os.environ.get(ENVIRONMENT_VARIABLE) or EMBEDDED)
    if str(path) == ARCFACE:
        return IdentityNetwork(load_arcface(), ARCFACE)
    name = path.name.split(".")[0]
    folder = path if path.is_dir() else path.parent
    network = load_recogniser(path) if path.is_dir() else load_torchscript(path)
    return IdentityNetwork(network, name, read_bands(folder / f"{name}.verification.json", name))


def load_torchscript(path: Path) -> nn.Module:
    """A network from 112x112 crops to embeddings. InputError: the file is missing or not TorchScript."""
    try:
        network: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        told = f"{path} does not exist, or is not a TorchScript file that this version of torch can read."
        unset = f", or unset {ENVIRONMENT_VARIABLE}" if os.environ.get(ENVIRONMENT_VARIABLE) == str(path) else ""
        raise InputError(f"{told} Correct the path{unset}.") from error
    return network.eval()
