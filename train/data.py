"""Faces to learn from: folders of aligned ones, photos to align, data sets on the Hub."""

from __future__ import annotations

import hashlib
import itertools
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import psutil
import torch
from torch import Tensor
from tqdm import tqdm

from restoration.faces import FACE_SIZE, Detector, align_face, enlargement
from restoration.faces.detection import EMBEDDED, find_faces, load_detector
from restoration.images import Image, InputError, read_image
from restoration.images.photo_file import SUFFIXES

MIN_FACE = 256  # pixels; a smaller face holds too little detail to teach any
SMALL = 128  # pixels; faces that exist at that size only
HUB = "hub:"  # what a data set that is no folder begins with
Folders = Sequence[str | Path]
Pictures = Iterable[tuple[str, Callable[[], Image]]]  # of each its name and what reads it


@dataclass(frozen=True)
class Source:
    """Pictures in a fixed order, and what makes faces of them.

    Args:
        count: how many pictures there are at most.
        detector: finds the faces of photos; None where the pictures are aligned faces already.
        smallest: side of the smallest face that will do, in the picture's own pixels.
        side: of the faces that come out, pixels; 512 for those of photos.
    """

    count: int
    pictures: Pictures
    detector: Detector | None = None
    smallest: int = MIN_FACE
    side: int = FACE_SIZE

    def face(self, name: str, picture: Callable[[], Image]) -> Image | None:
        """An aligned (side, side, 3) uint8 face; None for a photo that is damaged or has no face that is large enough.

        InputError: a face that cannot be used; its name is in the message.
        """
        try:
            image = picture()
            if self.detector is None:
                return self._square(image)
            faces = find_faces(image, self.detector)
        except (InputError, OSError) as error:
            if self.detector is None:
                raise InputError(f"{name}: {error}") from error
            print(f"left out: {name}: {error}", file=sys.stderr)  # there is always a photo that is damaged
            return None
        large = [face.landmarks for face in faces[:1] if enlargement(face.landmarks) <= FACE_SIZE / self.smallest]
        return align_face(image, large[0]) if large else None

    def _square(self, image: Image) -> Image:
        height, width = image.shape[:2]
        if height != width:
            how = "square, aligned faces are needed. --data PHOTOS --align makes them."
            raise InputError(f"{width}×{height} pixels; {how}")
        if height < self.smallest:
            raise InputError(f"{width} pixels wide; faces of at least {self.smallest} are needed.")
        if height == self.side:
            return image
        method = cv2.INTER_AREA if height > self.side else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(image, (self.side, self.side), interpolation=method), np.uint8)


def open_folders(folders: Folders, limit: int | None) -> tuple[int, Pictures]:
    """All picture files below the folders, sorted, named relative to their folder, or ``limit`` of them, spread evenly:
    how many, and each. InputError: a folder is missing, or has no picture."""
    found: list[tuple[str, Path]] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder} with faces.")
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        found += [(str(path.relative_to(folder)), path) for path in paths]
    if not found:
        raise InputError(f"No pictures ({', '.join(SUFFIXES)}) in {', '.join(map(str, folders))}.")
    count = min(limit or len(found), len(found))
    chosen = [found[i * len(found) // count] for i in range(count)]
    return count, [(name, partial(read_image, path)) for name, path in chosen]


def open_hub(text: str, limit: int | None) -> tuple[int, Pictures]:
    """Of a data set of pictures on the Hub, owner/name[@revision][:split], or in the form of one in a folder, the first
    ``limit``, streamed by 🤗 Datasets. InputError: it cannot be read, or holds something else."""
    try:
        import datasets
    except ImportError as error:
        raise InputError("Data sets of the Hub are read by 🤗 Datasets: pip install datasets") from error
    name, _, split = text.partition(":")
    repository, _, revision = name.partition("@")
    if not repository:
        raise InputError(f"Name the data set after {HUB}: {HUB}OWNER/NAME[@REVISION][:SPLIT].")
    split = split or "train"
    try:
        stream = datasets.load_dataset(repository, split=split, revision=revision or None, streaming=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{HUB}{name} ({split}) cannot be read: {error}") from error
    columns = [key for key, kind in (stream.features or {}).items() if isinstance(kind, datasets.Image)]
    if len(columns) != 1:
        raise InputError(f"{HUB}{name} has {len(columns)} columns of pictures; one is needed.")
    known = (stream.info.splits or {}).get(split)
    count = min(size for size in (limit, known and known.num_examples, math.inf) if size)
    if count == math.inf:
        raise InputError(f"{HUB}{name} does not say how many pictures it holds: give --limit.")
    rows = enumerate(stream.take(int(count)))
    return int(count), ((f"{name}/{i}", partial(np.asarray, row[columns[0]].convert("RGB"))) for i, row in rows)


def open_source(
    data: Folders, *, limit: int | None = None, align: bool = False, smallest: int = MIN_FACE, side: int = FACE_SIZE
) -> Source:
    """What ``--data`` names. InputError: it cannot be read, is empty, or mixes what cannot be mixed.

    Args:
        data: folders, or one ``hub:OWNER/NAME[@REVISION][:SPLIT]``; the split is train.
        limit: at most so many pictures, [1, …].
        align: the pictures are photos: find the largest face of each and align it.
        smallest, side: as in ``Source``.
    """
    if limit is not None and limit < 1:
        raise InputError(f"--limit must be at least 1, not {limit}.")
    detector = load_detector(EMBEDDED) if align else None
    if not any(str(text).startswith(HUB) for text in data):
        return Source(*open_folders(data, limit), detector, smallest, side)
    if len(data) > 1:
        raise InputError(f"Give folders, or one {HUB}… alone, not {' '.join(map(str, data))}.")
    return Source(*open_hub(str(data[0]).removeprefix(HUB), limit), detector, smallest, side)


@dataclass(frozen=True)
class Faces:
    """Aligned faces.

    Args:
        images: (N, 3, S, S) uint8 RGB, S of 512, or 128 for faces that exist at that size only.
        names: N paths relative to the folder that was given; the first part is the group.
    """

    images: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def fingerprint(self) -> str:
        """The same for the same names and, as a few of their pixels tell, pictures."""
        pixels = self.images[:, :, ::64, ::64].cpu().contiguous().numpy().tobytes()
        return hashlib.sha256("\n".join(self.names).encode() + pixels).hexdigest()

    def clean(self, indices: Iterable[int]) -> Tensor:
        """(B, 3, S, S) float32 in [0, 1] of the chosen faces; a copy."""
        return self.images[list(indices)].float() / 255


def read_faces(source: Source, device: str | torch.device = "cpu", store: Path | None = None) -> Faces:
    """Read all faces of a source, in threads, to stay on a device, 0.75 MiB a face of 512 pixels, or in a file, written
    anew, where they would not fit. InputError: as ``Source.face``; no picture gives a face; the memory is too small."""
    shape = source.count, 3, source.side, source.side
    if store is None:
        on_gpu = torch.device(device).type == "cuda"
        free = torch.cuda.mem_get_info(device)[0] if on_gpu else psutil.virtual_memory().available
        if math.prod(shape) > free:  # the system would end the run later, without a word
            need = f"{source.count} faces take {math.prod(shape) / 2**30:.1f} GiB, and {free / 2**30:.1f} are free."
            raise InputError(f"{need} Keep them in a file with --on-disk, or take fewer with --limit.")
        images = torch.empty(shape, dtype=torch.uint8, device=device)
    else:
        store.parent.mkdir(parents=True, exist_ok=True)
        images = torch.from_file(str(store), shared=True, size=math.prod(shape), dtype=torch.uint8).view(shape)
    names: list[str] = []
    skipped, left = 0, iter(source.pictures)
    bar = tqdm(total=source.count, desc="reading faces", unit="face", disable=None)
    with bar, ThreadPoolExecutor() as pool:
        while some := list(itertools.islice(left, 32)):  # a few at a time: they wait decoded in memory
            for (name, _), face in zip(some, pool.map(source.face, *zip(*some, strict=True)), strict=True):
                bar.update()
                if face is None:
                    skipped += 1
                    continue
                images[len(names)] = torch.from_numpy(face).permute(2, 0, 1)
                names.append(name)
    if not names:
        raise InputError(f"In none of the {skipped} photos is a face large enough to learn from.")
    if skipped:
        print(f"{skipped} of {skipped + len(names)} photos show no face that is large enough, and are left out.")
    return Faces(images[: len(names)], tuple(names))


def load_faces(folders: Folders, *, limit: int | None = None, device: str = "cpu", side: int = FACE_SIZE) -> Faces:
    """Read aligned, square faces as ``open_source`` and ``read_faces`` do; each is of at least ``side`` pixels (of 512:
    256), and becomes that size."""
    return read_faces(open_source(folders, limit=limit, smallest=min(side, MIN_FACE), side=side), device)
