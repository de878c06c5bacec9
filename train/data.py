"""Aligned faces in memory, all at once or a window at a time, and the fixed degradations of a measurement."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch import Tensor
from tqdm import tqdm

from restoration.degrade import Degradation, degrade
from restoration.degrade.protocols import Distribution, Mixture
from restoration.faces import FACE_SIZE
from restoration.images import Image, InputError
from train.face_sources import MIN_FACE, Folders, Source, Task

SMALL = 128  # pixels; faces that exist at that size only


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
    def device(self) -> torch.device:
        """Where they are."""
        return self.images.device

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
        self.source, self.size, self.device = source, size, torch.device(device)
        self.count = source.count
        self._windows: dict[int, Future[Faces]] = {}
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="window")

    def __len__(self) -> int:
        return self.size

    @property
    def fingerprint(self) -> str:
        """The same for the same pictures in the same windows."""
        return hashlib.sha256(f"{self.source.label}\n{self.size}".encode()).hexdigest()

    def epoch(self, number: int) -> Faces:
        """The faces of window ``number``, [0, …); waits until they are read.

        Raises:
            InputError: a picture cannot be used, or no picture of the window shows a face.
        """
        for past in [key for key in self._windows if key < number]:
            del self._windows[past]
        for later in (number, number + 1):
            if later not in self._windows:
                self._windows[later] = self._reader.submit(self._window, later)
        return self._windows[number].result()

    def _window(self, number: int) -> Faces:
        start = number * self.size
        if self.count is None and start and next(self.source.read(start), None) is None:
            self.count = sum(1 for _ in self.source.read(0))
        start = start % self.count if self.count else start
        return read_faces(self._endless(start), self.size, self.device)

    def _endless(self, start: int) -> Iterator[Task]:
        while True:
            position = start
            for task in self.source.read(start):
                position += 1
                yield task
            if position == 0:
                raise InputError("The data set holds no picture.")
            self.count, start = position, 0


def read_faces(tasks: Iterable[Task], room: int, device: str | torch.device = "cpu", side: int = FACE_SIZE) -> Faces:
    """Do the tasks of a source of faces of ``side`` pixels, at most ``room`` of them, in threads.

    Raises:
        InputError: as the tasks, or none of them gives a face.
    """
    images = torch.empty(room, 3, side, side, dtype=torch.uint8)  # pages that are not written cost nothing
    names: list[str] = []
    skipped = 0
    for name, face in tqdm(
        _done(itertools.islice(tasks, room)), total=room, desc="reading faces", unit="face", disable=None
    ):
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


def _done(tasks: Iterable[Task]) -> Iterator[tuple[str, Image | None]]:
    """Results in the order of the tasks, a few of which are under way at a time: pictures wait decoded in memory."""
    with ThreadPoolExecutor() as pool:
        under_way: deque[Future[tuple[str, Image | None]]] = deque()
        for task in tasks:
            under_way.append(pool.submit(task))
            if len(under_way) > 32:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def load_faces(
    folders: Sequence[str | Path], *, limit: int | None = None, device: str = "cpu", side: int = FACE_SIZE
) -> Faces:
    """Read every picture below the folders.

    Args:
        folders: searched with their sub-folders; pictures must be square and aligned to the 512 template.
        limit: as for ``find_pictures``.
        device: where they stay, 0.75 MiB a face of 512 pixels.
        side: of the faces, pixels.

    Raises:
        InputError: as ``find_pictures``, or a picture that cannot be read, is not square or is under ``side`` pixels
            (of 512: under 256).
    """
    source = Folders(folders, limit, None, min(side, MIN_FACE), side)
    return read_faces(source.read(0), source.count, device, side)


def gather(source: Source, device: str, window: int | None = None) -> Faces | FaceStream:
    """All faces of a source at once, or where they are too many a stream of them.

    Args:
        device: where the faces go.
        window: at most so many at a time; None is as many as a quarter of that device's free memory holds, since
            the next ones are read beside them.
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


def draw(
    seed: str, count: int, source: Distribution | Mixture, device: torch.device
) -> tuple[list[Degradation], list[torch.Generator]]:
    """Settings and noise sources for one batch, decided by ``seed`` alone.

    Training and evaluation both name their batches, so nothing has to be stored to draw the same ones again.
    """
    rng = random.Random(seed)
    settings = [source.sample(rng) for _ in range(count)]
    return settings, [torch.Generator(device).manual_seed(rng.getrandbits(62)) for _ in range(count)]


def fixed_draw(
    faces: Faces, index: int, protocol_name: str, protocol: Distribution | Mixture
) -> tuple[list[Degradation], list[torch.Generator]]:
    """What ``degraded_face`` does to one face: its settings and a fresh source of its noise, one of each."""
    return draw(f"measure/{protocol_name}/{faces.names[index]}", 1, protocol, torch.device("cpu"))


def degraded_face(
    faces: Faces, index: int, protocol_name: str, protocol: Distribution | Mixture
) -> tuple[Tensor, Tensor]:
    """One face under its own fixed draw of a protocol, decided by the two names alone.

    Returns:
        degraded and clean, both (1, 3, 512, 512) float32 in [0, 1], on the faces' device.
    """
    clean = faces.clean([index])
    return degrade(clean, *fixed_draw(faces, index, protocol_name, protocol)), clean
