"""Is it still the same person?  Angle between face embeddings of two aligned faces."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restoration.faces.alignment import FACE_SIZE, FACE_TEMPLATE, IDENTITY_TEMPLATE, similarity_transform
from restoration.images import Image, InputError, check_image
from restoration.measure import arcface
from restoration.measure.embedding import Embedding
from restoration.measure.recogniser import CROP_SIZE, embed, load_recogniser
from restoration.measure.verdict import Bands, read_bands

ENVIRONMENT_VARIABLE = "RESTORATION_IDENTITY"
EMBEDDED = Path(__file__).parent / "embedded_recogniser"


def _sampling() -> tuple[slice, slice, Tensor]:
    """Rows and columns of an aligned 512 face that the ArcFace-112 crop is made of; ``affine_grid`` matrix in them."""
    to_crop = np.vstack((similarity_transform(FACE_TEMPLATE, IDENTITY_TEMPLATE), (0, 0, 1)))  # 512 px -> 112 px
    to_face = np.linalg.inv(to_crop)[:2]
    # Pixel coordinates (centres at whole numbers) to affine_grid's, where -1 and 1 are the outer borders.
    linear = to_face[:, :2] * CROP_SIZE / 2
    middle = to_face[:, :2] @ np.full(2, (CROP_SIZE - 1) / 2) + to_face[:, 2] + 0.5  # px from the face's outer border
    reach = np.abs(linear).sum(axis=1) + 2  # and what bilinear sampling of means over 2x2 looks at
    start = 2 * np.floor((middle - reach) / 2).astype(int)
    size = 2 * np.ceil((middle + reach) / 2).astype(int) - start
    matrix = np.column_stack((linear / (size / 2)[:, None], (middle - start) / (size / 2) - 1))
    columns, rows = (slice(int(first), int(first + count)) for first, count in zip(start, size, strict=True))
    return rows, columns, torch.tensor(matrix, dtype=torch.float32)


_ROWS, _COLUMNS, _MATRIX = _sampling()
_GRID = F.affine_grid(_MATRIX[None], [1, 3, CROP_SIZE, CROP_SIZE], align_corners=False)  # (1, 112, 112, 2)


def identity_crop(faces: Tensor) -> Tensor:
    """Cut the ArcFace-112 crop out of aligned faces, differentiably.

    Args:
        faces: (B, 3, 512, 512) float, aligned to ``alignment.FACE_TEMPLATE``, range [0, 1].

    Returns:
        (B, 3, 112, 112), same dtype: means over 2x2 pixels, then bilinear (the crop reduces by 3.6).

    Raises:
        InputError: faces of another size.
    """
    if faces.shape[1:] != (3, FACE_SIZE, FACE_SIZE):
        raise InputError(f"Identity needs aligned faces (B, 3, {FACE_SIZE}, {FACE_SIZE}), not {tuple(faces.shape)}.")
    return _sample(F.avg_pool2d(faces[..., _ROWS, _COLUMNS], 2))


def _sample(halved: Tensor) -> Tensor:
    """(B, 3, rows / 2, columns / 2), means over 2x2 of those parts of aligned faces, to (B, 3, 112, 112)."""
    grid = _GRID.to(halved).expand(len(halved), -1, -1, -1)
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
        """(B, 3, 512, 512) aligned faces in [0, 1] to (B, D) float32 embeddings of unit length; differentiable."""
        return embed(self.network, identity_crop(faces.clamp(0, 1)))

    def angles(self, faces: Tensor, others: Tensor) -> Tensor:
        """Angle between embeddings of two (B, 3, 512, 512) batches, (B,) degrees, [0, 180]; 0 is the same."""
        cosine = (self(faces) * self(others)).sum(dim=1).clamp(-1, 1)
        return torch.rad2deg(torch.acos(cosine))

    @torch.inference_mode()
    def embed(self, image: Image) -> Embedding:
        """Embedding of one aligned (512, 512, 3) uint8 face."""
        if check_image(image).shape != (FACE_SIZE, FACE_SIZE, 3):
            raise InputError(f"Identity needs an aligned face of {FACE_SIZE} × {FACE_SIZE}, not {image.shape}.")
        part = image[_ROWS, _COLUMNS].astype(np.float32)
        halved = cv2.resize(part, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)  # means over 2x2, soonest so
        crop = _sample(torch.from_numpy(halved).permute(2, 0, 1)[None] / 255)
        return Embedding(self.name, embed(self.network, crop)[0].double().numpy())

    def angle(self, image: Image, other: Image) -> float:
        """Angle between two aligned (512, 512, 3) uint8 faces in degrees, [0, 180]."""
        return self.embed(image).angle(self.embed(other))


def load_identity(source: str | Path | None = None) -> IdentityNetwork:
    """The identity network to measure with, and its bands where ``train/extras/verification.py`` measured them.

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
    network = load_recogniser(path).merged() if path.is_dir() else load_torchscript(path)
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
