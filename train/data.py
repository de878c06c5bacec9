"""What is learned from?  Aligned faces in memory, degraded on the fly."""

from __future__ import annotations

import random
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from restoration.alignment import FACE_SIZE
from restoration.degradations import Degradation, degrade
from restoration.images import InputError, read_image
from restoration.protocols import Mixture, Protocol

MIN_FACE = 256  # pixels; a smaller face holds too little detail to teach any
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Faces:
    """Aligned faces.

    Args:
        images: (N, 3, 512, 512) uint8 RGB, on the device that trains.
        names: N paths relative to the folder that was given; the first part is the group.
    """

    images: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def clean(self, indices: Iterable[int]) -> Tensor:
        """(B, 3, 512, 512) float32 in [0, 1] of the chosen faces; a copy."""
        return self.images[list(indices)].float() / 255


def find_faces(folders: Iterable[str | Path], *, limit: int | None = None) -> list[tuple[str, Path]]:
    """Names (relative to their folder) and paths of all pictures below the folders, sorted, without reading them.

    Args:
        limit: at most so many, [1, …], spread evenly over the sorted names.

    Raises:
        InputError: a folder that is missing, no picture in it, or a limit below 1.
    """
    found: list[tuple[str, Path]] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder} with faces.")
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        found += [(str(path.relative_to(folder)), path) for path in paths]
    if not found:
        raise InputError(f"No pictures ({', '.join(sorted(SUFFIXES))}) in {', '.join(map(str, folders))}.")
    if limit is not None and limit < 1:
        raise InputError(f"At least one face is needed, not {limit}.")
    if limit is not None and limit < len(found):
        found = [found[i * len(found) // limit] for i in range(limit)]
    return found


def load_faces(folders: Iterable[str | Path], *, limit: int | None = None, device: str = "cpu") -> Faces:
    """Read every picture below the folders.

    Args:
        folders: searched with their sub-folders; pictures must be square and aligned to the 512 template.
        limit: as for ``find_faces``.
        device: where they stay, 0.75 MiB a face.

    Raises:
        InputError: as ``find_faces``, or a picture that cannot be read, is not square or is under 256 pixels.
    """
    found = find_faces(folders, limit=limit)
    images = torch.empty(len(found), 3, FACE_SIZE, FACE_SIZE, dtype=torch.uint8)

    def read(item: tuple[int, Path]) -> None:
        index, path = item
        try:
            image = read_image(path)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        if image.shape[0] != image.shape[1]:
            raise InputError(f"{path} is {image.shape[1]}×{image.shape[0]}; training needs square, aligned faces.")
        if image.shape[0] < MIN_FACE:
            raise InputError(f"{path} is {image.shape[1]} pixels wide; training needs faces of at least {MIN_FACE}.")
        if image.shape[0] != FACE_SIZE:
            method = cv2.INTER_AREA if image.shape[0] > FACE_SIZE else cv2.INTER_CUBIC
            image = cv2.resize(image, (FACE_SIZE, FACE_SIZE), interpolation=method).astype(np.uint8)
        images[index] = torch.from_numpy(image).permute(2, 0, 1)

    with ThreadPoolExecutor() as pool:
        work = pool.map(read, enumerate(path for _, path in found))
        for _ in tqdm(work, total=len(found), desc="reading faces", unit="face", disable=None):
            pass
    return Faces(images.to(device), tuple(name for name, _ in found))


def draw(
    seed: str, count: int, source: Protocol | Mixture, device: torch.device
) -> tuple[list[Degradation], list[torch.Generator]]:
    """Settings and noise sources for one batch, decided by ``seed`` alone.

    Training and evaluation both name their batches, so nothing has to be stored to draw the same ones again.
    """
    rng = random.Random(seed)
    settings = [source.sample(rng) for _ in range(count)]
    return settings, [torch.Generator(device).manual_seed(rng.getrandbits(62)) for _ in range(count)]


class TrainingBatches:
    """Batch ``step`` is a function of (seed, step): a resumed run sees what an uninterrupted one would have.

    Args:
        faces: what to draw from, without replacement within an epoch.
        batch: images a step.
        crop: side of the random square that is cut out, pixels, [64, 512]; 512 keeps the face whole.
        degradations: what they go through.
        seed: of everything that is drawn.
        part, parts: of several processes that share a batch, which one this is; ``batch`` is a multiple of ``parts``.
            Together they see what one process alone would.
    """

    def __init__(
        self,
        faces: Faces,
        *,
        batch: int,
        crop: int,
        degradations: Protocol | Mixture,
        seed: int,
        part: int = 0,
        parts: int = 1,
    ) -> None:
        if batch % parts:
            raise InputError(f"A batch of {batch} cannot be shared by {parts} processes: choose a multiple of {parts}.")
        self.faces, self.batch, self.crop, self.degradations, self.seed = faces, batch, crop, degradations, seed
        self.mine = slice(part * batch // parts, (part + 1) * batch // parts)
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))

    def _indices(self, step: int) -> list[int]:
        count = len(self.faces)
        result = []
        for position in range(step * self.batch, (step + 1) * self.batch):
            epoch, place = divmod(position, count)
            if self._order[0] != epoch:
                shuffle = torch.Generator().manual_seed(random.Random(f"order/{self.seed}/{epoch}").getrandbits(62))
                self._order = epoch, torch.randperm(count, generator=shuffle)
            result.append(int(self._order[1][place]))
        return result

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Degraded and clean, both (B / parts, 3, crop, crop) float32 in [0, 1], on the faces' device."""
        rng = random.Random(f"crop/{self.seed}/{step}")
        crops = []
        for index in self._indices(step):
            top, left = (rng.randint(0, FACE_SIZE - self.crop) for _ in range(2))
            image = self.faces.images[index, :, top : top + self.crop, left : left + self.crop]
            crops.append(image.flip(-1) if rng.random() < 0.5 else image)
        clean = torch.stack(crops[self.mine]).float() / 255
        settings, noise = draw(f"degrade/{self.seed}/{step}", self.batch, self.degradations, clean.device)
        return degrade(clean, settings[self.mine], noise[self.mine]), clean


def fixed_draw(
    faces: Faces, index: int, protocol_name: str, protocol: Protocol | Mixture
) -> tuple[list[Degradation], list[torch.Generator]]:
    """What ``degraded_face`` does to one face: its settings and a fresh source of its noise, one of each."""
    return draw(f"measure/{protocol_name}/{faces.names[index]}", 1, protocol, torch.device("cpu"))


def degraded_face(faces: Faces, index: int, protocol_name: str, protocol: Protocol | Mixture) -> tuple[Tensor, Tensor]:
    """One face under its own fixed draw of a protocol, decided by the two names alone.

    Returns:
        degraded and clean, both (1, 3, 512, 512) float32 in [0, 1], on the faces' device.
    """
    clean = faces.clean([index])
    return degrade(clean, *fixed_draw(faces, index, protocol_name, protocol)), clean
