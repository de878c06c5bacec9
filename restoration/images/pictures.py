"""Pictures inside the package: (H, W, 3) uint8, RGB, sRGB, upright, opaque; to tensors and back, and out as PNG.

Nothing here changes global state, so all functions may be called from several threads.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from torch import Tensor

Image: TypeAlias = NDArray[np.uint8]  # (H, W, 3) RGB

MIN_SIDE = 16  # pixels; below this there is no face, and SSIM's window (11) barely fits
MAX_PIXELS = 50_000_000  # checked before decoding: 150 MB once decoded
TOO_LARGE = f"The picture has more than {MAX_PIXELS / 1e6:.0f} megapixels. Reduce it or crop to the face."


class InputError(ValueError):
    """What the caller handed in cannot be used. The message says what is wrong and what to do about it."""


def write_png(image: Image, destination: str | os.PathLike[str] | BinaryIO) -> None:
    """Write an (H, W, 3) uint8 RGB picture as a lossless PNG to a binary file, or a path as ``write_file``:
    ``read_image`` gives back the same array. InputError: not an ``Image``; a place that cannot be written."""
    buffer = io.BytesIO()
    # Runs of equal bytes alone: a quarter of the time of a full search, and photographs hold little else to find.
    PIL.Image.fromarray(_check_layout(image)).save(buffer, format="PNG", compress_type=zlib.Z_RLE)
    if isinstance(destination, (str, os.PathLike)):
        write_file(Path(destination), buffer.getvalue())
    else:
        destination.write(buffer.getvalue())


def write_file(path: Path, data: bytes) -> None:
    """Write a whole file atomically, and its folders where there are none. InputError: a place that cannot be written,
    or a full disk; its cause is the OSError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror}. Choose a writable place.") from error


def check_image(image: Image) -> Image:
    """Return ``image`` itself if it is (H, W, 3) uint8 of MIN_SIDE to MAX_PIXELS; else raise InputError."""
    height, width = _check_layout(image).shape[:2]
    check_size(width, height)
    return image


def to_tensor(image: Image) -> Tensor:
    """(H, W, 3) uint8 -> new CPU tensor (1, 3, H, W), float32 in [0, 1]. InputError if not an ``Image``."""
    pixels = torch.from_numpy(np.array(_check_layout(image), order="C"))  # a writable copy
    return pixels.permute(2, 0, 1)[None].to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def to_image(tensor: Tensor) -> Image:
    """A float tensor in [0, 1], (3, H, W) or (1, 3, H, W), as an (H, W, 3) uint8 picture: clip(255 x, 0, 255), rounded
    half to even. InputError: another shape or dtype, or NaN: it has no colour, and showing one would hide the fault."""
    if tensor.dim() == 4 and tensor.shape[0] == 1:
        tensor = tensor[0]
    if tensor.dim() != 3 or tensor.shape[0] != 3 or not tensor.is_floating_point():
        raise InputError(f"Expected a float tensor (3, H, W), got {tensor.dtype} {tuple(tensor.shape)}.")
    scaled = tensor.detach().to("cpu", torch.float32).mul(255)
    if torch.aminmax(scaled).min.isnan():
        raise InputError("The tensor holds NaN. Check what produced it.")
    planes = scaled.clamp_(0, 255).round_().to(torch.uint8).numpy()
    return np.stack(list(planes), axis=-1)  # faster than a copy with the axes turned


def _check_layout(image: Image) -> Image:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        given = type(image).__name__, getattr(image, "shape", ""), getattr(image, "dtype", "")
        raise InputError(f"Expected (H, W, 3) uint8, got {' '.join(map(str, given))}. Use read_image.")
    return image


def check_size(width: int, height: int) -> None:
    """InputError where a side is below MIN_SIDE, or where there are more than MAX_PIXELS."""
    if min(width, height) < MIN_SIDE:
        raise InputError(f"The picture is {width} x {height}; a side needs {MIN_SIDE} pixels. Use a larger one.")
    if width * height > MAX_PIXELS:
        raise InputError(TOO_LARGE)


def disk_is_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that no more can be written: a full disk or quota, a limit of files."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return error is not None and (getattr(error, "errno", None) in full or disk_is_full(error.__cause__))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A short temporary name beside ``path``, which becomes ``path`` when the block ends without an error.

    A reader sees the old file or the whole new one, whenever the writer is killed; what it leaves behind then,
    ``.<16 digits>.partial``, nothing reads. The umask decides who may read the file.

    Raises:
        OSError: the folder is missing or cannot be written, or the disk is full; ``path``, which it names, is then as
            it was.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.partial")  # ``path``'s own name may be as long as names can be
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        error.filename = str(path)  # a write that fails names none
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes | memoryview | str) -> None:
    """Write a whole file, text as UTF-8. OSError as ``replacing``."""
    with replacing(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
