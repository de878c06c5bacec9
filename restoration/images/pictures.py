"""How does a picture come in and go out? The only border between PIL, files, arrays and tensors.

Everything inside the package is an ``Image``: (H, W, 3) uint8, RGB, sRGB, upright, opaque. ``read_image``
makes one out of whatever people hand in, or raises ``InputError`` with a sentence that can be shown to them.
Nothing here changes global PIL state, so all functions may be called from several threads.
"""

import io
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from PIL import ImageCms
from torch import Tensor

from restoration.images.files import write_atomically

Image: TypeAlias = NDArray[np.uint8]  # (H, W, 3) RGB
Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | PIL.Image.Image | np.ndarray

MIN_SIDE = 16  # pixels; below this there is no face, and SSIM's window (11) barely fits
MAX_PIXELS = 50_000_000  # checked before decoding: 150 MB once decoded
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

_ACCEPTED = "Supported formats: PNG, JPEG, WebP, GIF, BMP, TIFF."
# What PIL raises on damaged data: the list it catches itself in Image.open, plus ValueError.
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, IndexError, KeyError, TypeError, EOFError, struct.error)
_BOMBS = (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning)
_UPRIGHT = {  # EXIF orientation -> what turns the stored picture upright
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
_PROFILE_SPACE = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}  # PIL mode -> ICC colour space


class InputError(ValueError):
    """What the caller handed in cannot be used. The message says what is wrong and what to do about it."""


def read_image(source: Source) -> Image:
    """Read a picture from anywhere as upright, opaque, 8-bit sRGB.

    Convention:
        - EXIF (or XMP) orientation is applied; an unreadable EXIF block counts as "upright"
        - transparency is composited over white, so the hidden colour of a fully transparent pixel never shows
        - 16 bits become 8 by v / 257, rounded to nearest; in 16-bit colour files by the high byte (PIL's
          decoder), which differs from that by at most one level. 32-bit integer pictures (PIL mode I) must
          hold 0..65535 and scale likewise; float pictures (mode F) must hold [0, 1]
        - an embedded ICC profile is converted to sRGB (perceptual intent); a profile that is broken, or made
          for another colour space than the picture's, is ignored: the numbers are then taken as sRGB
        - CMYK JPEGs are taken to store inverted ink, as Adobe's do (PIL's decoder)
        - of an animated file or a multi-page TIFF the first frame is taken; of a PIL image the current one

    Args:
        source: a path; the bytes of a file; a binary file object, read from its position to its end and left
            open; a PIL image of any mode; or an array in RGB(A) order, (H, W), (H, W, 1), (H, W, 3) or
            (H, W, 4), of bool, uint8, uint16, or float in [0, 1]. None of them is modified.

    Returns:
        (H, W, 3) uint8 RGB, contiguous, writable, never sharing memory with ``source``.

    Raises:
        InputError: missing, empty, damaged, truncated or unsupported file; a side below MIN_SIDE; more than
            MAX_PIXELS (refused from the header, before any pixel is decoded); an array of another shape, type
            or range.
    """
    try:
        if isinstance(source, np.ndarray):
            return _flatten(_from_array(source))
        if isinstance(source, PIL.Image.Image):
            return _decode(source)
        if isinstance(source, (str, os.PathLike)):
            return _read_path(source)
        if not isinstance(source, bytes) and not hasattr(source, "read"):
            raise InputError(f"Expected a path, bytes, file, PIL image or array, got {type(source).__name__}.")
        data = source if isinstance(source, bytes) else source.read()
        if not isinstance(data, bytes):
            raise InputError("The file was opened in text mode. Open it in binary mode ('rb').")
        return _read_stream(io.BytesIO(data))
    except _BOMBS as error:  # PIL's own limits come before ours for the largest; its message holds the size
        pixels = next(int(word) for word in str(error).replace("(", " ").split() if word.isdigit())
        raise InputError(_too_large(f"{pixels / 1e6:.1f} megapixels")) from error


def write_png(image: Image, destination: str | os.PathLike[str] | BinaryIO) -> None:
    """Write a lossless PNG: ``read_image`` gives back the same array.

    Args:
        image: (H, W, 3) uint8 RGB.
        destination: a path, written under another name and then renamed, so that a reader sees the old file
            or the new one and never half of it; an existing file is replaced. Or a binary file object.

    Raises:
        InputError: not an ``Image``; the folder is missing or not writable.
    """
    buffer = io.BytesIO()
    # Runs of equal bytes alone: a quarter of the time of a full search, and photographs hold little else to find.
    PIL.Image.fromarray(_check_layout(image)).save(buffer, format="PNG", compress_type=zlib.Z_RLE)
    if not isinstance(destination, (str, os.PathLike)):
        destination.write(buffer.getvalue())
        return
    path = Path(destination)
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror}. Choose a writable place.") from error


def check_image(image: Image) -> Image:
    """Return ``image`` itself if it is (H, W, 3) uint8 of MIN_SIDE to MAX_PIXELS; else raise InputError."""
    height, width = _check_layout(image).shape[:2]
    _check_size(width, height)
    return image


def to_tensor(image: Image) -> Tensor:
    """(H, W, 3) uint8 -> new CPU tensor (1, 3, H, W), float32 in [0, 1]. InputError if not an ``Image``."""
    pixels = torch.from_numpy(np.array(_check_layout(image), order="C"))  # a writable copy
    return pixels.permute(2, 0, 1)[None].to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def to_image(tensor: Tensor) -> Image:
    """Turn a float tensor in [0, 1] into an 8-bit picture: clip(255 x, 0, 255), rounded half to even.

    Args:
        tensor: (3, H, W) or (1, 3, H, W), any float dtype and device; clipped to [0, 1]. Not modified.

    Returns:
        (H, W, 3) uint8 RGB, contiguous.

    Raises:
        InputError: another shape or dtype, or NaN: it has no colour, and showing one would hide the fault.
    """
    if tensor.dim() == 4 and tensor.shape[0] == 1:
        tensor = tensor[0]
    if tensor.dim() != 3 or tensor.shape[0] != 3 or not tensor.is_floating_point():
        raise InputError(f"Expected a float tensor (3, H, W), got {tensor.dtype} {tuple(tensor.shape)}.")
    scaled = tensor.detach().to("cpu", torch.float32).mul(255)
    if torch.aminmax(scaled).min.isnan():
        raise InputError("The tensor holds NaN. Check what produced it.")
    planes = scaled.clamp_(0, 255).round_().to(torch.uint8).numpy()
    return np.stack(list(planes), axis=-1)  # faster than a copy with the axes turned


def _read_path(source: str | os.PathLike[str]) -> Image:
    try:
        file = open(source, "rb")  # noqa: SIM115 - closed by the `with` below: only opening is in this `try`
    except FileNotFoundError as error:
        raise InputError(f"There is no file at {source}. Check the path.") from error
    except IsADirectoryError as error:
        raise InputError(f"{source} is a folder. Give the path of one picture in it.") from error
    except (OSError, ValueError) as error:  # no permission, name too long, a zero byte in the name
        raise InputError(f"Cannot open {source}: {error}. Check the path and its permissions.") from error
    with file:
        return _read_stream(file)


def _read_stream(stream: BinaryIO) -> Image:
    head = stream.read(32)
    stream.seek(0)
    if not head:
        raise InputError("The file is empty. Save or upload it again.")
    try:
        picture = PIL.Image.open(stream, formats=FORMATS)
    except _DECODE_ERRORS as error:
        raise InputError(_why_unreadable(head)) from error
    with picture:
        return _decode(picture)


def _decode(picture: PIL.Image.Image) -> Image:
    """A PIL image, possibly not yet decoded, to an ``Image``; sizes are checked before pixels are."""
    _check_size(*picture.size)
    try:
        picture.load()  # the whole first frame or an error: PIL's default refuses truncated data
        upright = _turn_upright(picture)
    except _DECODE_ERRORS as error:
        raise InputError("The picture is damaged or cut short. Save or export it again.") from error
    return _flatten(upright)


def _turn_upright(picture: PIL.Image.Image) -> PIL.Image.Image:
    # Called after load(): a PNG may store its EXIF last, and a TIFF has applied and dropped its orientation.
    try:
        orientation = picture.getexif().get(0x0112, 1)
    except _DECODE_ERRORS:  # the pixels are fine: a broken EXIF block is no reason to refuse a photo
        orientation = 1
    turn = _UPRIGHT.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def _flatten(picture: PIL.Image.Image) -> Image:
    """Any mode -> 8 bits -> sRGB -> over white."""
    try:
        colour, alpha = _to_8_bit(picture)
        colour = _to_srgb(colour, picture.info.get("icc_profile"))
        if alpha is not None:
            colour = PIL.Image.composite(colour, PIL.Image.new("RGB", colour.size, "white"), alpha)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot convert mode {picture.mode} ({error}). Export it as 8-bit RGB.") from error
    return np.array(colour)  # (H, W, 3), a copy


def _to_8_bit(picture: PIL.Image.Image) -> tuple[PIL.Image.Image, PIL.Image.Image | None]:
    """Any mode -> (L, RGB or CMYK, still in the colour space of its profile; L alpha or None)."""
    if picture.mode.startswith(("I", "F")):  # 16-bit grey is I;16, I;16B or, from older PIL, I
        values = np.asarray(picture)
        if picture.mode == "I":
            if not (values.min() >= 0 and values.max() <= 65535):
                raise InputError("32-bit pictures must hold values in 0..65535. Export it as 8 or 16 bits.")
            values = values.astype(np.uint16)
        hidden = picture.info.get("transparency")  # PNG: the one grey value that stands for "transparent"
        return _from_array(values), None if hidden is None else _from_array(values != hidden)
    grey = picture.mode in ("1", "L", "LA", "La")
    if picture.has_transparency_data:
        with_alpha = picture.convert("LA" if grey else "RGBA")
        return with_alpha.convert("L" if grey else "RGB"), with_alpha.getchannel("A")
    return (picture if picture.mode == "CMYK" else picture.convert("L" if grey else "RGB")), None


def _to_srgb(picture: PIL.Image.Image, icc_profile: bytes | None) -> PIL.Image.Image:
    """L, RGB or CMYK -> RGB, by the embedded ICC profile where it is sound and fits."""
    if icc_profile:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
            if profile.profile.xcolor_space.strip() == _PROFILE_SPACE[picture.mode]:
                srgb = ImageCms.createProfile("sRGB")
                converted = ImageCms.profileToProfile(picture, profile, srgb, outputMode="RGB")
                if converted is not None:
                    return converted
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
            pass  # documented in read_image: the numbers are then taken as sRGB, as if there were no profile
    return picture.convert("RGB")


def _from_array(array: np.ndarray) -> PIL.Image.Image:
    """(H, W), (H, W, 1 | 3 | 4) of bool, uint8, uint16 or float in [0, 1] -> L, RGB or RGBA."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InputError(f"Expected an array (H, W) or (H, W, 1 | 3 | 4), got shape {array.shape}.")
    _check_size(array.shape[1], array.shape[0])
    if array.dtype == np.uint8:
        levels = array
    elif array.dtype == np.bool_:
        levels = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype.kind == "u" and array.dtype.itemsize == 2:
        levels = ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):  # NaN fails both
            raise InputError("Float pictures must hold values in [0, 1], no NaN. Divide by the white level.")
        levels = np.rint(array * array.dtype.type(255)).astype(np.uint8)
    else:
        raise InputError(f"Arrays of type {array.dtype} are not supported. Convert to uint8.")
    return PIL.Image.fromarray(np.ascontiguousarray(levels))


def _check_layout(image: Image) -> Image:
    if not isinstance(image, np.ndarray):
        raise InputError(f"Expected an array, got {type(image).__name__}. Use read_image.")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"Expected (H, W, 3) uint8, got {image.shape} {image.dtype}. Use read_image.")
    return image


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise InputError(f"The picture is {width} x {height}; a side needs {MIN_SIDE} pixels. Use a larger one.")
    if width * height > MAX_PIXELS:
        raise InputError(_too_large(f"{width} x {height} = {width * height / 1e6:.1f} megapixels"))


def _too_large(size: str) -> str:
    return f"The picture has {size}; the limit is {MAX_PIXELS / 1e6:.0f}. Reduce it or crop to the face."


def _why_unreadable(head: bytes) -> str:
    """What to say when no decoder accepts a file that starts with these 32 bytes."""
    if head[4:8] == b"ftyp":
        return f"HEIC, AVIF and video files are not supported. {_ACCEPTED} Save it as JPEG or PNG."
    starts = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*")
    if head.startswith(starts):
        return f"The picture is damaged or cut short. Download, save or export it again. {_ACCEPTED}"
    return f"This is not a picture in a supported format. {_ACCEPTED}"
