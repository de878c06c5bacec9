"""Where do faces to learn from come from?  Folders, CelebA, data sets on the Hub; photos are aligned on request."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from restoration.faces import FACE_SIZE, Detector, align_face, enlargement
from restoration.faces.detection import EMBEDDED, find_faces, load_detector
from restoration.images import Image, InputError, read_image

MIN_FACE = 256  # pixels; a smaller face holds too little detail to teach any
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
CELEBA, HUB = "celeba:", "hub:"  # what a data set that is no folder begins with
Task = Callable[[], tuple[str, Image | None]]


class Source(Protocol):
    """Pictures in a fixed order."""

    @property
    def count(self) -> int | None:
        """How many there are; None where only reading to the end would tell."""
        ...

    @property
    def label(self) -> str:
        """What tells this source from others."""
        ...

    def read(self, start: int) -> Iterator[Task]:
        """One task a picture, from picture ``start`` on, [0, …), to the end; for any thread to do.

        A task returns a name and an aligned (512, 512, 3) uint8 face, or None for a photo without a usable one. It
        raises ``InputError`` for a picture that cannot be used; its name is in the message.
        """
        ...


def find_pictures(folders: Sequence[str | Path], *, limit: int | None = None) -> list[tuple[str, Path]]:
    """Names (relative to their folder) and paths of all picture files below the folders, sorted, without reading them.

    Args:
        limit: at most so many, [1, …], spread evenly over the sorted names.

    Raises:
        InputError: a folder that is missing, no picture in it, or a limit below 1.
    """
    found: list[tuple[str, Path]] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder} with faces.")
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        found += [(str(path.relative_to(folder)), path) for path in paths]
    if not found:
        raise InputError(f"No pictures ({', '.join(sorted(SUFFIXES))}) in {', '.join(map(str, folders))}.")
    if limit is not None and limit < 1:
        raise InputError(f"At least one face is needed, not {limit}.")
    if limit is not None and limit < len(found):
        found = [found[i * len(found) // limit] for i in range(limit)]
    return found


def square_face(image: Image, smallest: int = MIN_FACE, side: int = FACE_SIZE) -> Image:
    """An aligned face of any size as (side, side, 3) uint8.

    Raises:
        InputError: it is not square, or under ``smallest`` pixels.
    """
    height, width = image.shape[:2]
    if height != width:
        raise InputError(
            f"{width}×{height} pixels; square, aligned faces are needed. --data PHOTOS --align makes them."
        )
    if height < smallest:
        raise InputError(f"{width} pixels wide; faces of at least {smallest} are needed.")
    if height == side:
        return image
    method = cv2.INTER_AREA if height > side else cv2.INTER_CUBIC
    resized: Image = cv2.resize(image, (side, side), interpolation=method).astype(np.uint8)
    return resized


class Folders:
    """Pictures in folders and their sub-folders.

    Args:
        folders, limit: as for ``find_pictures``.
        detector: finds the faces of photos; None where the pictures are aligned faces already.
        smallest: side of the smallest face that will do, in the picture's own pixels.
        side: of the faces that come out, pixels; 512 for those of photos.
    """

    def __init__(
        self,
        folders: Sequence[str | Path],
        limit: int | None,
        detector: Detector | None,
        smallest: int = MIN_FACE,
        side: int = FACE_SIZE,
    ) -> None:
        self.pictures, self.detector, self.smallest = find_pictures(folders, limit=limit), detector, smallest
        self.side = side
        self.count = len(self.pictures)
        self.label = "\n".join(name for name, _ in self.pictures)

    def read(self, start: int) -> Iterator[Task]:
        for name, path in self.pictures[start:]:
            yield partial(self._read, name, path)

    def _read(self, name: str, path: Path) -> tuple[str, Image | None]:
        try:
            return name, _face(read_image(path), self.detector, self.smallest, self.side)
        except InputError as error:
            if self.detector:  # among one's own photos there is always one that is damaged
                print(f"left out: {path}: {error}", file=sys.stderr)
                return name, None
            raise InputError(f"{path}: {error}") from error


class CelebA:
    """CelebA as torchvision reads it, each face aligned by the landmarks that come with it.

    They are 178x218 pixels small: aligned to 512 they are enlarged about three times, and teach no finer detail.

    Args:
        root: the folder that holds torchvision's ``celeba``.
        split: train, valid, test or all.
        limit: the first so many.
    """

    def __init__(self, root: str, split: str, limit: int | None) -> None:
        from torchvision.datasets import CelebA as Pictures

        try:
            self.pictures = Pictures(root, split, "landmarks")
        except (RuntimeError, ValueError, OSError) as error:
            how = f"Download it with torchvision.datasets.CelebA({root!r}, download=True)."
            reason = str(error).partition(" You can")[0]  # torchvision's advice has no root
            raise InputError(f"{root} does not hold CelebA's split {split!r}: {reason} {how}") from error
        self.count = min(len(self.pictures), limit or len(self.pictures))
        self.label = f"{CELEBA}{split}"

    def read(self, start: int) -> Iterator[Task]:
        return (partial(self._read, index) for index in range(start, self.count))

    def _read(self, index: int) -> tuple[str, Image | None]:
        picture, points = self.pictures[index]
        landmarks = points.double().numpy().reshape(5, 2)
        return f"celeba/{self.pictures.filename[index]}", align_face(np.asarray(picture.convert("RGB")), landmarks)


class HubDataset:
    """A data set of pictures on the Hub (or in the form of one, in a folder), streamed by 🤗 Datasets.

    Args:
        name: owner/name[@revision].
        split: of the data set.
        limit: the first so many.
        detector: as for ``Folders``.
    """

    def __init__(self, name: str, split: str, limit: int | None, detector: Detector | None) -> None:
        try:
            import datasets
        except ImportError as error:
            raise InputError("Data sets of the Hub are read by 🤗 Datasets: pip install datasets") from error
        repository, _, revision = name.partition("@")
        if not repository:
            raise InputError(f"Name the data set after {HUB}: {HUB}OWNER/NAME[@REVISION][:SPLIT].")
        self.name, self.detector, self.limit, self.label = name, detector, limit, f"{HUB}{name}:{split}"
        self.count: int | None = None
        try:
            self.stream = datasets.load_dataset(repository, split=split, revision=revision or None, streaming=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(f"{HUB}{name} ({split}) cannot be read: {error}") from error
        pictures = [key for key, kind in (self.stream.features or {}).items() if isinstance(kind, datasets.Image)]
        if len(pictures) != 1:
            raise InputError(f"{HUB}{name} has {len(pictures)} columns of pictures; one is needed.")
        self.column = pictures[0]
        known = (self.stream.info.splits or {}).get(split)
        if known is not None and known.num_examples:
            self.count = min(known.num_examples, limit or known.num_examples)

    def read(self, start: int) -> Iterator[Task]:
        for index, row in enumerate(self.stream.skip(start), start):
            if self.limit is not None and index >= self.limit:
                return
            yield partial(self._read, f"{self.name}/{index}", row[self.column])

    def _read(self, name: str, picture: Any) -> tuple[str, Image | None]:
        try:
            return name, _face(np.asarray(picture.convert("RGB")), self.detector)
        except (InputError, OSError) as error:
            raise InputError(f"{HUB}{name}: {error}") from error


def open_source(data: Sequence[str], *, limit: int | None = None, align: bool = False) -> Source:
    """What ``--data`` names.

    Args:
        data: folders; or one ``celeba:ROOT[:SPLIT]``; or one ``hub:OWNER/NAME[@REVISION][:SPLIT]``; the split is train.
        limit: at most so many pictures, [1, …].
        align: the pictures are photos: find the largest face of each and align it. CelebA always is, by its landmarks.

    Raises:
        InputError: it cannot be read, is empty, or mixes what cannot be mixed.
    """
    if limit is not None and limit < 1:
        raise InputError(f"At least one face is needed, not {limit}.")
    detector = load_detector(EMBEDDED) if align else None
    if not any(text.startswith((CELEBA, HUB)) for text in data):
        return Folders(data, limit, detector)
    if len(data) > 1:
        raise InputError(f"Give folders, or one {CELEBA}… or {HUB}… alone, not {' '.join(data)}.")
    kind, _, rest = data[0].partition(":")
    name, _, split = rest.partition(":")
    if f"{kind}:" == CELEBA:
        return CelebA(name, split or "train", limit)
    return HubDataset(name, split or "train", limit, detector)


def _face(image: Image, detector: Detector | None, smallest: int = MIN_FACE, side: int = FACE_SIZE) -> Image | None:
    """The picture itself, or of a photo its largest face, where that is large enough to teach anything."""
    if detector is None:
        return square_face(image, smallest, side)
    faces = find_faces(image, detector)
    if not faces:
        return None
    landmarks = max(faces, key=lambda face: face.box[2] - face.box[0]).landmarks
    return align_face(image, landmarks) if enlargement(landmarks) <= FACE_SIZE / smallest else None
