"""Identity: what a face recogniser says of two aligned faces, as the angle between their embeddings."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.faces.alignment import FACE_SIZE, FACE_TEMPLATE, IDENTITY_TEMPLATE, similarity_transform
from restoration.images import Image, InputError, check_image, to_tensor
from restoration.measure import arcface
from restoration.measure.recogniser import CROP_SIZE, embed, load_recogniser
from restoration.measure.verdict import Bands, read_bands

ENVIRONMENT_VARIABLE = "RESTORATION_IDENTITY"
EMBEDDED = Path(__file__).parent / "embedded_recogniser"
Embedding = NDArray[np.float64]  # (D,), of unit length


def angle_between(one: Embedding, other: Embedding) -> float:
    """Degrees between two embeddings, [0, 180]; 0 is the same. Between those of two networks it means nothing."""
    # The half-angle form keeps its precision where an arc cosine loses it, near 0 and 180 degrees.
    apart, together = np.linalg.norm(one - other), np.linalg.norm(one + other)
    return math.degrees(2 * math.atan2(float(apart), float(together)))


def _crop_grid() -> Tensor:
    """(1, 112, 112, 2): where in an aligned face each pixel of the crop lies, in halves of its side from its middle."""
    to_crop = np.vstack((similarity_transform(FACE_TEMPLATE, IDENTITY_TEMPLATE), (0, 0, 1)))  # 512 px -> 112 px
    to_face = np.linalg.inv(to_crop)[:2]
    # Pixel coordinates (centres at whole numbers) to affine_grid's, where -1 and 1 are the outer borders.
    linear = to_face[:, :2] * CROP_SIZE / 2
    middle = to_face[:, :2] @ np.full(2, (CROP_SIZE - 1) / 2) + to_face[:, 2] + 0.5  # px from the face's outer border
    matrix = np.column_stack((linear, middle - FACE_SIZE / 2)) / (FACE_SIZE / 2)
    return F.affine_grid(torch.tensor(matrix[None]).float(), [1, 3, CROP_SIZE, CROP_SIZE], align_corners=False)


_GRID = _crop_grid()
SIDES = (128, 256, 512)


def identity_crop(faces: Tensor) -> Tensor:
    """Cut the ArcFace-112 crop out of aligned faces, differentiably.

    Args:
        faces: (B, 3, S, S) float, S of 128, 256 or 512, aligned to ``alignment.FACE_TEMPLATE`` (reduced by area where S
            is under 512), range [0, 1].

    Returns:
        (B, 3, 112, 112), same dtype: bilinear, at 512 of means over 2x2 pixels (the crop reduces by 3.6).

    Raises:
        InputError: faces of another size.
    """
    side = faces.shape[-1]
    if faces.ndim != 4 or side not in SIDES or faces.shape[1:] != (3, side, side):
        raise InputError(f"Identity needs aligned faces (B, 3, S, S), S of {SIDES}, not {tuple(faces.shape)}.")
    halved = F.avg_pool2d(faces, 2) if side == FACE_SIZE else faces
    grid = _GRID.to(faces).expand(len(faces), -1, -1, -1)
    return F.grid_sample(halved, grid, mode="bilinear", align_corners=False)


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
        """Angle between embeddings of two (B, 3, 512, 512) batches, (B,) degrees, [0, 180]; 0 is the same."""
        cosine = (self(faces) * self(others)).sum(dim=1).clamp(-1, 1)
        return torch.rad2deg(torch.acos(cosine))

    @torch.inference_mode()
    def embed(self, image: Image) -> Embedding:
        """Embedding of one aligned (512, 512, 3) uint8 face. ValueError when a broken network gives none."""
        if check_image(image).shape != (FACE_SIZE, FACE_SIZE, 3):
            raise InputError(f"Identity needs an aligned face of {FACE_SIZE} × {FACE_SIZE}, not {image.shape}.")
        vector: Embedding = self(to_tensor(image))[0].double().numpy()
        length = float(np.linalg.norm(vector))
        if not length > 0:  # nor NaN
            raise ValueError(f"Network {self.name} gave no embedding: shape {vector.shape}, length {length}.")
        return vector / length  # double precision

    def angle(self, image: Image, other: Image) -> float:
        """Angle between two aligned (512, 512, 3) uint8 faces in degrees, [0, 180]."""
        return angle_between(self.embed(image), self.embed(other))


def load_identity(source: str | Path | None = None) -> IdentityNetwork:
    """The identity network to measure with, and its bands where ``train/verification.py`` measured them.

    TorchScript is code: load only files that you trust.

    Args:
        source: a TorchScript file, whose bands lie beside it in NAME.verification.json; a folder that
            ``save_recogniser`` wrote, whose bands lie in it; or ``arcface_ir_se50`` for ArcFace, which is fetched when
            it is not in the cache. None takes the environment variable ``RESTORATION_IDENTITY``, and where that
            is not set the embedded recogniser.

    Raises:
        InputError: the file or folder is missing, damaged, or no such network.
        DownloadError: ArcFace's weights cannot be had.
    """
    path = Path(source or os.environ.get(ENVIRONMENT_VARIABLE) or EMBEDDED)
    if str(path) == arcface.NAME:
        return IdentityNetwork(arcface.load_arcface(), arcface.NAME)
    name = path.name.split(".")[0]
    folder = path if path.is_dir() else path.parent
    network = load_recogniser(path) if path.is_dir() else load_torchscript(path)
    return IdentityNetwork(network, name, read_bands(folder / f"{name}.verification.json", name))


def load_torchscript(path: Path) -> nn.Module:
    """A network from 112x112 crops to embeddings out of a TorchScript file. It is code: trust it first.

    Raises:
        InputError: the file is missing or not TorchScript.
    """
    if not path.is_file():
        raise InputError(f"Identity network {path} does not exist. Correct the path, or unset {ENVIRONMENT_VARIABLE}.")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit.load.*")
            network: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, OSError) as error:
        raise InputError(f"{path} is not a TorchScript file that this version of torch can read.") from error
    return network.eval()
