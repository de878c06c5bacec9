"""Faces to learn from: folders, CelebA, data sets on the Hub, photos to align; all in memory, or a window at a time."""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import torch
from torch import Tensor
from tqdm import tqdm

from restoration.faces import FACE_SIZE, Detector, align_face, enlargement
from restoration.faces.detection import EMBEDDED, find_faces, load_detector
from restoration.images import Image, InputError, read_image

MIN_FACE = 256  # pixels; a smaller face holds too little detail to teach any
SMALL = 128  # pixels; faces that exist at that size only
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
CELEBA, HUB = "celeba:", "hub:"  # what a data set that is no folder begins with
Task = Callable[[], tuple[str, Image | None]]
Pictures = Iterator[tuple[str, Callable[[], Image]]]  # the name of each and what reads it


@dataclass
class Source:
    """Pictures in a fixed order.

    Args:
        label: what tells this source from others.
        count: how many there are; None where only reading to the end would tell.
        pictures: from a number on, [0, …), to the end.
        detector: finds the faces of photos; None where the pictures are aligned faces already.
        smallest: side of the smallest face that will do, in the picture's own pixels.
        side: of the faces that come out, pixels; 512 for those of photos.
    """

    label: str
    count: int | None
    pictures: Callable[[int], Pictures]
    detector: Detector | None = None
    smallest: int = MIN_FACE
    side: int = FACE_SIZE

    def read(self, start: int) -> Iterator[Task]:
        """One task a picture, from picture ``start`` on, to the end; for any thread to do.

        A task returns a name and an aligned (side, side, 3) uint8 face, or None for a photo that is damaged or has no
        face that is large enough. It raises ``InputError`` for a face that cannot be used; its name is in the message.
        """
        return (partial(self._face, name, picture) for name, picture in self.pictures(start))

    def _face(self, name: str, picture: Callable[[], Image]) -> tuple[str, Image | None]:
        try:
            image = picture()
            if self.detector is None:
                return name, self._square(image)
            faces = find_faces(image, self.detector)
        except (InputError, OSError) as error:
            if self.detector is None:
                raise InputError(f"{name}: {error}") from error
            print(f"left out: {name}: {error}", file=sys.stderr)  # there is always a photo that is damaged
            return name, None
        if not faces:
            return name, None
        landmarks = max(faces, key=lambda face: face.box[2] - face.box[0]).landmarks
        return name, align_face(image, landmarks) if enlargement(landmarks) <= FACE_SIZE / self.smallest else None

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


def find_pictures(folders: Sequence[str | Path], *, limit: int | None = None) -> list[tuple[str, Path]]:
    """Names (relative to their folder) and paths of all picture files below the folders, sorted.

    At most ``limit``, [1, …], spread evenly over the names. InputError: a folder is missing, or has no picture.
    """
    found: list[tuple[str, Path]] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder} with faces.")
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        found += [(str(path.relative_to(folder)), path) for path in paths]
    if not found:
        raise InputError(f"No pictures ({', '.join(sorted(SUFFIXES))}) in {', '.join(map(str, folders))}.")
    if limit is None or limit >= len(found):
        return found
    if limit < 1:
        raise InputError(f"At least one face is needed, not {limit}.")
    return [found[i * len(found) // limit] for i in range(limit)]


def open_folders(folders: Sequence[str | Path], limit: int | None = None, **how: Any) -> Source:
    """Pictures in folders, with detector, smallest and side of ``Source``; the rest is as for ``find_pictures``."""
    found = find_pictures(folders, limit=limit)

    def pictures(start: int) -> Pictures:
        return ((name, partial(read_image, path)) for name, path in found[start:])

    return Source("\n".join(name for name, _ in found), len(found), pictures, **how)


def open_celeba(root: str, split: str, limit: int | None) -> Source:
    """The first ``limit`` of CelebA's split train, valid, test or all, in the folder that holds torchvision's celeba.

    Each face is aligned by the landmarks that come with it. They are 178x218 pixels small: aligned to 512 they are
    enlarged about three times, and teach no finer detail.
    """
    from torchvision.datasets import CelebA

    try:
        data = CelebA(root, split, "landmarks")
    except (RuntimeError, ValueError, OSError) as error:
        how = f"Download it with torchvision.datasets.CelebA({root!r}, download=True)."
        reason = str(error).partition(" You can")[0]  # torchvision's advice has no root
        raise InputError(f"{root} does not hold CelebA's split {split!r}: {reason} {how}") from error

    def aligned(index: int) -> Image:
        picture, points = data[index]
        return align_face(np.asarray(picture.convert("RGB")), points.double().numpy().reshape(5, 2))

    count = min(len(data), limit or len(data))
    names = [f"celeba/{name}" for name in data.filename[:count]]
    return Source(
        f"{CELEBA}{split}", count, lambda start: ((names[i], partial(aligned, i)) for i in range(start, count))
    )


def open_hub(name: str, split: str, limit: int | None, detector: Detector | None) -> Source:
    """A data set of pictures on the Hub, owner/name[@revision], or in the form of one in a folder; by 🤗 Datasets.

    Of the split the first ``limit`` are streamed.
    """
    try:
        import datasets
    except ImportError as error:
        raise InputError("Data sets of the Hub are read by 🤗 Datasets: pip install datasets") from error
    repository, _, revision = name.partition("@")
    if not repository:
        raise InputError(f"Name the data set after {HUB}: {HUB}OWNER/NAME[@REVISION][:SPLIT].")
    try:
        stream = datasets.load_dataset(repository, split=split, revision=revision or None, streaming=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{HUB}{name} ({split}) cannot be read: {error}") from error
    columns = [key for key, kind in (stream.features or {}).items() if isinstance(kind, datasets.Image)]
    if len(columns) != 1:
        raise InputError(f"{HUB}{name} has {len(columns)} columns of pictures; one is needed.")

    stream = stream if limit is None else stream.take(limit)

    def pictures(start: int) -> Pictures:
        for index, row in enumerate(stream.skip(start), start):
            yield f"{name}/{index}", partial(np.asarray, row[columns[0]].convert("RGB"))

    known = (stream.info.splits or {}).get(split)
    total = known.num_examples if known is not None else None
    return Source(f"{HUB}{name}:{split}", min(total, limit or total) if total else None, pictures, detector)


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
        return open_folders(data, limit, detector=detector)
    if len(data) > 1:
        raise InputError(f"Give folders, or one {CELEBA}… or {HUB}… alone, not {' '.join(data)}.")
    kind, _, rest = data[0].partition(":")
    name, _, split = rest.partition(":")
    if f"{kind}:" == CELEBA:
        return open_celeba(name, split or "train", limit)
    return open_hub(name, split or "train", limit, detector)


@dataclass(frozen=True)
class Faces:
    """Aligned faces in memory.

    Args:
        images: (N, 3, S, S) uint8 RGB, S of 512, or 128 for faces that exist at that size only; on the device that
            trains.
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

    def epoch(self, number: int) -> Faces:
        """What epoch ``number``, [0, …), is drawn from: always the same faces."""
        return self

    def clean(self, indices: Iterable[int]) -> Tensor:
        """(B, 3, S, S) float32 in [0, 1] of the chosen faces; a copy."""
        return self.images[list(indices)].float() / 255


class FaceStream:
    """Faces that do not fit into memory together: epoch ``n`` is drawn from the ``n``-th window of the source.

    The next window is read while one is learned from. After its last picture the source begins again.

    Args:
        source: of the faces.
        size: pictures a window, [1, …]; an epoch has as many draws.
        device: where two windows are at a time, 0.75 MiB a face.
    """

    def __init__(self, source: Source, size: int, device: str | torch.device) -> None:
        self.source, self.size, self.device, self.count = source, size, device, source.count
        self._windows: dict[int, Future[Faces]] = {}
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="window")

    def __len__(self) -> int:
        return self.size

    @property
    def fingerprint(self) -> str:
        """The same for the same pictures in the same windows."""
        return hashlib.sha256(f"{self.source.label}\n{self.size}".encode()).hexdigest()

    def epoch(self, number: int) -> Faces:
        """The faces of window ``number``, [0, …); waits until they are read. InputError as ``read_faces``."""
        for past in [key for key in self._windows if key < number]:
            del self._windows[past]
        for later in (number, number + 1):
            if later not in self._windows:
                self._windows[later] = self._reader.submit(self._window, later)
        return self._windows[number].result()

    def _window(self, number: int) -> Faces:
        start = number * self.size
        if self.count is None and next(self.source.read(start), None) is None:
            self.count = sum(1 for _ in self.source.read(0))
        if self.count == 0:
            raise InputError("The data set holds no picture.")
        starts = itertools.chain([start % self.count if self.count else start], itertools.repeat(0))
        return read_faces(itertools.chain.from_iterable(map(self.source.read, starts)), self.size, self.device)


def read_faces(tasks: Iterable[Task], room: int, device: str | torch.device = "cpu", side: int = FACE_SIZE) -> Faces:
    """Do the tasks of a source of faces of ``side`` pixels, at most ``room`` of them, in threads.

    InputError: as the tasks, or none of them gives a face.
    """
    images = torch.empty(room, 3, side, side, dtype=torch.uint8)  # pages that are not written cost nothing
    names: list[str] = []
    skipped, left = 0, itertools.islice(tasks, room)
    bar = tqdm(total=room, desc="reading faces", unit="face", disable=None)
    with bar, ThreadPoolExecutor() as pool:
        while some := list(itertools.islice(left, 32)):  # a few at a time: they wait decoded in memory
            for name, face in pool.map(lambda task: task(), some):
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
    return Faces(images[: len(names)].to(device), tuple(names))


def load_faces(
    folders: Sequence[str | Path], *, limit: int | None = None, device: str = "cpu", side: int = FACE_SIZE
) -> Faces:
    """Read every picture below the folders: square faces on the template, of at least ``side`` pixels (of 512: 256).

    Args:
        folders, limit: as for ``find_pictures``, which also says what is refused.
        device: where they stay, 0.75 MiB a face of 512 pixels.
        side: of the faces, pixels.
    """
    source = open_folders(folders, limit, smallest=min(side, MIN_FACE), side=side)
    return read_faces(source.read(0), source.count or 0, device, side)


def gather(source: Source, device: str, window: int | None = None) -> Faces | FaceStream:
    """All faces of a source at once, or where they are more than ``window`` a stream of them.

    Args:
        device: where the faces go.
        window: None is as many as a quarter of the device's free memory holds: the next ones are read beside them.
    """
    size = window or max(1, free_memory(device) // 4 // (3 * FACE_SIZE**2))
    if source.count is None:  # only reading tells whether it fits
        tasks = iter(source.read(0))
        first = read_faces(tasks, size, device)
        return first if next(tasks, None) is None else FaceStream(source, size, device)
    if source.count <= size:
        return read_faces(source.read(0), source.count, device)
    return FaceStream(source, size, device)


def free_memory(device: str) -> int:
    """Bytes that a device has left; of a GPU its own, else the machine's."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)
