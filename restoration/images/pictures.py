"""Pictures are (H, W, 3) uint8, RGB, sRGB, upright, opaque: read in one way, to tensors and back, and out as PNG.

Nothing here changes global state, so all functions may be called from several threads.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import PIL.Image
import pillow_heif
import torch
from numpy.typing import NDArray
from PIL import ImageCms
from torch import Tensor

pillow_heif.register_heif_opener(thumbnails=False, depth_images=False)  # type: ignore[no-untyped-call]

Image: TypeAlias = NDArray[np.uint8]  # (H, W, 3) RGB
Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | PIL.Image.Image | np.ndarray
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")

# What PIL and its plug-ins raise on damaged data.
BROKEN = (
    OSError, SyntaxError, ValueError, LookupError, TypeError, AttributeError, EOFError, ArithmeticError, RuntimeError,
    struct.error,
)  # fmt: skip
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
# Chromaticities (x, y) of white, red, green and blue.
_SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_ADOBE_RGB = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
_DISPLAY_P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)

MIN_SIDE = 16  # pixels; below this there is no face, and SSIM's window (11) barely fits
MAX_PIXELS = 50_000_000  # checked before decoding: 150 MB once decoded
TOO_LARGE = f"The picture has more than {MAX_PIXELS / 1e6:.0f} megapixels. Reduce it or crop to the face."


class InputError(ValueError):
    """What the caller handed in cannot be used. The message says what is wrong and what to do about it."""


def read_image(source: Source) -> Image:
    """Read a picture as upright, opaque, 8-bit sRGB: a path, the bytes of a file, a binary file, a PIL image, or a
    uint8 array (H, W) or (H, W, 3 | 4). None of them is modified.

    Convention:
        - EXIF (or XMP) orientation is applied; an unreadable EXIF block counts as "upright"
        - transparency is composited over white
        - 16 bits become 8 by v / 257, rounded to nearest; in colour files by the high byte (PIL's decoder), which
          differs from that by at most one level. 32-bit integers must lie in 0..65535, floats in [0, 1]
        - an embedded ICC profile is converted to sRGB (perceptual intent); one that is broken, or made for another
          colour space than the picture's, is ignored: the numbers are then taken as sRGB
        - without a profile a PNG's gAMA and cHRM count where no sRGB chunk stands beside them, as do EXIF's mark of
          Adobe RGB and HEIC's of Display P3; a gamma within 5 % of 1/2.2 is sRGB's
        - CMYK JPEGs are taken to store inverted ink, as Adobe's do (PIL's decoder)
        - of an animated file or a multi-page TIFF the first frame is taken

    Returns:
        (H, W, 3) uint8 RGB, contiguous, writable.

    InputError: missing, damaged, truncated or unsupported file; a side below MIN_SIDE; more than MAX_PIXELS (refused
    from the header, before any pixel is decoded).
    """
    with opened(source) as picture:
        colour, alpha, _ = decode(picture)
    return over_white(colour, alpha)


def over_white(image: Image, alpha: NDArray[np.uint8] | None) -> Image:
    """Composite a picture over white; (H, W) ``alpha``, None is opaque."""
    if alpha is None:
        return image
    colour = PIL.Image.fromarray(image)
    return np.array(PIL.Image.composite(colour, PIL.Image.new("RGB", colour.size, "white"), PIL.Image.fromarray(alpha)))


@contextmanager
def opened(source: Source) -> Iterator[PIL.Image.Image]:
    """A PIL image of what ``read_image`` takes, not yet decoded, and open as long as the block. InputError as there."""
    if isinstance(source, np.ndarray):
        what = f"shape {source.shape} and type {source.dtype}"
        try:
            source = PIL.Image.fromarray(source)
        except (TypeError, ValueError) as error:
            raise InputError(f"No picture has {what}. Hand over (H, W) or (H, W, 3 | 4) uint8.") from error
    if isinstance(source, PIL.Image.Image):
        yield source
        return
    try:
        data = source if isinstance(source, (bytes, str, os.PathLike)) else source.read()
        stream = io.BytesIO(data) if isinstance(data, bytes) else open(data, "rb")  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:  # nothing there, a folder, no permission, a zero byte in the name
        raise InputError(f"Cannot open {source!s}: {getattr(error, 'strerror', error)}. Check the path.") from error
    with stream:
        try:
            picture = PIL.Image.open(stream, formats=FORMATS)
        except PIL.Image.DecompressionBombError as error:  # PIL's own limit comes before ours for the largest
            raise InputError(TOO_LARGE) from error
        except BROKEN as error:
            accepted = "Supported formats: PNG, JPEG, WebP, GIF, BMP, TIFF, HEIC, AVIF."
            raise InputError(f"This is not a picture, or it is damaged or cut short. {accepted}") from error
        with picture:
            yield picture


def decode(picture: PIL.Image.Image) -> tuple[Image, NDArray[np.uint8] | None, bool]:
    """A PIL image that was opened, but not yet decoded, to its pixels; sizes are checked before.

    Returns:
        (H, W, 3) uint8 RGB, sRGB, upright, under transparency as stored; (H, W) alpha, 255 opaque, None where all is;
        whether the picture holds no colour. InputError as ``read_image``.
    """
    check_size(*picture.size)
    try:
        picture.load()  # the whole first frame or an error: PIL's default refuses truncated data
        turn = None
        with suppress(*BROKEN):  # a photo is not refused for a broken EXIF block, which a PNG may store last
            turn = _UPRIGHT.get(picture.getexif().get(0x0112, 1))
        colour, alpha = _to_8_bit(picture if turn is None else picture.transpose(turn))
        srgb = _to_srgb(colour, picture)
    except InputError:
        raise
    except BROKEN as error:
        raise InputError("The picture is damaged or cut short. Save or export it again, as 8-bit RGB.") from error
    return np.array(srgb), None if alpha is None else np.array(alpha), colour.mode == "L"


def _to_8_bit(picture: PIL.Image.Image) -> tuple[PIL.Image.Image, PIL.Image.Image | None]:
    """Any mode -> (L, RGB or CMYK, still in the colour space of its profile; L alpha or None)."""
    if picture.mode.startswith(("I", "F")):  # 16-bit grey is I;16, I;16B or, from older PIL, I
        values, white = np.asarray(picture), 1 if picture.mode == "F" else 65535
        if not (values.min() >= 0 and values.max() <= white):  # NaN fails both
            raise InputError(f"The picture holds values outside 0..{white}, or NaN. Export it as 8 or 16 bits.")
        hidden = picture.info.get("transparency")  # PNG: the one grey value that stands for "transparent"
        grey = PIL.Image.fromarray(np.rint(values * np.float32(255 / white)).astype(np.uint8))
        return grey, None if hidden is None else PIL.Image.fromarray(values != hidden).convert("L")
    is_grey = picture.mode in ("1", "L", "LA", "La")
    if picture.has_transparency_data:
        with_alpha = picture.convert("LA" if is_grey else "RGBA")
        return with_alpha.convert("L" if is_grey else "RGB"), with_alpha.getchannel("A")
    return (picture if picture.mode == "CMYK" else picture.convert("L" if is_grey else "RGB")), None


def _to_srgb(colour: PIL.Image.Image, picture: PIL.Image.Image) -> PIL.Image.Image:
    """L, RGB or CMYK -> RGB, by what ``picture`` says about its colours where that is sound and fits."""
    if icc_profile := picture.info.get("icc_profile"):
        with suppress(ImageCms.PyCMSError, OSError, TypeError, ValueError):
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
            if profile.profile.xcolor_space.strip() == _PROFILE_SPACE[colour.mode]:
                srgb = ImageCms.createProfile("sRGB")
                if converted := ImageCms.profileToProfile(colour, profile, srgb, outputMode="RGB"):
                    return converted
    elif "srgb" not in picture.info and colour.mode != "CMYK":
        if gamma := picture.info.get("gamma"):
            exponent = None if abs(gamma * 2.2 - 1) < 0.05 or not 0.1 < gamma < 10 else 1 / gamma
            return _from_space(colour, exponent, picture.info.get("chromaticity", _SRGB))
        with suppress(*BROKEN):
            if picture.getexif().get_ifd(0xA005).get(1) == "R03":  # a camera's mark of Adobe RGB
                return _from_space(colour, 563 / 256, _ADOBE_RGB)
        if (picture.info.get("nclx_profile") or {}).get("color_primaries") == 12:
            return _from_space(colour, None, _DISPLAY_P3)
    return colour.convert("RGB")


def _from_space(picture: PIL.Image.Image, exponent: float | None, primaries: tuple[float, ...]) -> PIL.Image.Image:
    """L or RGB -> RGB in sRGB, from levels whose power is the light (None: sRGB's curve) of these primaries."""
    values, matrix = np.array(picture.convert("RGB")), np.eye(3)
    if exponent is None and primaries == _SRGB:
        return PIL.Image.fromarray(values)
    with np.errstate(divide="raise", invalid="raise"), suppress(FloatingPointError, np.linalg.LinAlgError):
        matrix = np.linalg.inv(_to_xyz(_SRGB)) @ _to_xyz(primaries)  # an error: no colours have such primaries
    x = np.arange(256) / 255
    light = x**exponent if exponent else np.where(x > 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)
    for top in range(0, len(values), 256):  # little memory beside the picture's own
        linear = (light[values[top : top + 256]] @ matrix.T).clip(0, 1)
        curve = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
        values[top : top + 256] = np.rint(255 * curve)
    return PIL.Image.fromarray(values)


def _to_xyz(primaries: tuple[float, ...]) -> NDArray[np.float64]:
    """(3, 3): linear RGB of these primaries to XYZ in which their white is (1, 1, 1)."""
    x, y = np.array(primaries).reshape(4, 2).T
    white, *colours = np.stack((x / y, np.ones(4), (1 - x - y) / y), axis=1)
    matrix = np.array(colours).T
    return np.array(matrix * np.linalg.solve(matrix, white) / white[:, None])


def write_png(image: Image, path: str | os.PathLike[str]) -> None:
    """Write an (H, W, 3) uint8 RGB picture as a lossless PNG, as ``write_file``: ``read_image`` gives back the same
    array. InputError: not an ``Image``; a place that cannot be written."""
    write_file(Path(path), encode_png(image))


def encode_png(image: Image) -> bytes:
    """An (H, W, 3) uint8 RGB picture as a lossless PNG. InputError: not an ``Image``."""
    buffer = io.BytesIO()
    # Runs of equal bytes alone: a quarter of the time of a full search, and photographs hold little else to find.
    PIL.Image.fromarray(_check_layout(image)).save(buffer, format="PNG", compress_type=zlib.Z_RLE)
    return buffer.getvalue()


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
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,) or not image.size:
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
    ``.<16 digits>.partial``, nothing reads. The umask decides who may read the file. OSError: the folder is missing or
    cannot be written, or the disk is full; ``path``, which it names, is then as it was.
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
