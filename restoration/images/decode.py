"""The one way in for pictures: files, bytes, PIL images and arrays become upright 8-bit sRGB."""

import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import PIL.Image
import pillow_heif
from numpy.typing import NDArray
from PIL import ImageCms

from restoration.images.pictures import TOO_LARGE, Image, InputError, check_size

pillow_heif.register_heif_opener(thumbnails=False, depth_images=False)  # type: ignore[no-untyped-call]

Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | PIL.Image.Image | np.ndarray
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")

_ACCEPTED = "Supported formats: PNG, JPEG, WebP, GIF, BMP, TIFF, HEIC, AVIF."
# What PIL and its plug-ins raise on damaged data.
BROKEN = (
    OSError, SyntaxError, ValueError, IndexError, KeyError, TypeError, AttributeError, EOFError, OverflowError,
    RuntimeError, struct.error,
)  # fmt: skip
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
# Chromaticities (x, y) of white, red, green and blue.
_SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_ADOBE_RGB = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
_DISPLAY_P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


def read_image(source: Source) -> Image:
    """Read a picture from anywhere as upright, opaque, 8-bit sRGB.

    Convention:
        - EXIF (or XMP) orientation is applied; an unreadable EXIF block counts as "upright"
        - transparency is composited over white
        - 16 bits become 8 by v / 257, rounded to nearest; in 16-bit colour files by the high byte (PIL's
          decoder), which differs from that by at most one level. 32-bit integer pictures (PIL mode I) must
          hold 0..65535 and scale likewise; float pictures (mode F) must hold [0, 1]
        - an embedded ICC profile is converted to sRGB (perceptual intent); a profile that is broken, or made
          for another colour space than the picture's, is ignored: the numbers are then taken as sRGB
        - without a profile a PNG's gAMA and cHRM count where no sRGB chunk stands beside them, as do EXIF's mark of
          Adobe RGB and HEIC's of Display P3; a gamma within 5 % of 1/2.2 is sRGB's
        - CMYK JPEGs are taken to store inverted ink, as Adobe's do (PIL's decoder)
        - of an animated file or a multi-page TIFF the first frame is taken; of a PIL image the current one

    Args:
        source: a path; the bytes of a file; a binary file object, read from its position to its end and left
            open; a PIL image of any mode; or an array in RGB(A) order, (H, W), (H, W, 1), (H, W, 3) or
            (H, W, 4), of bool, uint8, uint16, or float in [0, 1]. None of them is modified.

    Returns:
        (H, W, 3) uint8 RGB, contiguous, writable, never sharing memory with ``source``.

    Raises:
        InputError: missing, damaged, truncated or unsupported file; a side below MIN_SIDE; more than MAX_PIXELS
            (refused from the header, before any pixel is decoded); an array of another shape, type or range.
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
    try:
        if isinstance(source, np.ndarray):
            yield _from_array(source)
        elif isinstance(source, PIL.Image.Image):
            yield source
        else:
            with _stream(source) as stream, _identified(stream) as picture:
                yield picture
    except _BOMBS as error:  # PIL's own limits come before ours for the largest
        raise InputError(TOO_LARGE) from error


def decode(picture: PIL.Image.Image) -> tuple[Image, NDArray[np.uint8] | None, bool]:
    """A PIL image, possibly not yet decoded, to its pixels; sizes are checked before.

    Returns:
        (H, W, 3) uint8 RGB, sRGB, upright, under transparency as stored; (H, W) alpha, 255 opaque, None where all is;
        whether the picture holds no colour. InputError as ``read_image``.
    """
    check_size(*picture.size)
    try:
        picture.load()  # the whole first frame or an error: PIL's default refuses truncated data
    except BROKEN as error:
        raise InputError("The picture is damaged or cut short. Save or export it again.") from error
    try:
        turn = _UPRIGHT.get(exif_of(picture).get(0x0112, 1))
        colour, alpha = _to_8_bit(picture if turn is None else picture.transpose(turn))
        srgb = _to_srgb(colour, picture)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot convert mode {picture.mode} ({error}). Export it as 8-bit RGB.") from error
    return np.array(srgb), None if alpha is None else np.array(alpha), colour.mode == "L"


def exif_of(picture: PIL.Image.Image) -> PIL.Image.Exif:
    """A picture's EXIF block after it was loaded (a PNG may store it last); empty where it is broken: a photo is not
    refused for that."""
    try:
        return picture.getexif()
    except BROKEN:
        return PIL.Image.Exif()


def _stream(source: Any) -> BinaryIO:
    if isinstance(source, (str, os.PathLike)):
        try:
            return open(source, "rb")
        except (OSError, ValueError) as error:  # nothing there, a folder, no permission, a zero byte in the name
            raise InputError(f"Cannot open {source}: {getattr(error, 'strerror', error)}. Check the path.") from error
    data = source.read() if hasattr(source, "read") else source
    if not isinstance(data, bytes):
        raise InputError(f"Expected a path, bytes, binary file, PIL image or array, got {type(source).__name__}.")
    return io.BytesIO(data)


def _identified(stream: BinaryIO) -> PIL.Image.Image:
    try:
        return PIL.Image.open(stream, formats=FORMATS)
    except BROKEN as error:
        raise InputError(f"This is not a picture, or it is damaged or cut short. {_ACCEPTED}") from error


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


def _to_srgb(colour: PIL.Image.Image, picture: PIL.Image.Image) -> PIL.Image.Image:
    """L, RGB or CMYK -> RGB, by what ``picture`` says about its colours where that is sound and fits."""
    if icc_profile := picture.info.get("icc_profile"):
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
            if profile.profile.xcolor_space.strip() == _PROFILE_SPACE[colour.mode]:
                srgb = ImageCms.createProfile("sRGB")
                converted = ImageCms.profileToProfile(colour, profile, srgb, outputMode="RGB")
                if converted is not None:
                    return converted
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
            pass  # documented in read_image: the numbers are then taken as sRGB, as if there were no profile
    elif "srgb" not in picture.info and colour.mode != "CMYK":
        if "gamma" in picture.info:
            gamma, primaries = picture.info["gamma"], picture.info.get("chromaticity", _SRGB)
            exponent = None if abs(gamma * 2.2 - 1) < 0.05 or not 0.1 < gamma < 10 else 1 / gamma
            return _from_space(colour, exponent, primaries)
        with suppress(*BROKEN):
            if picture.getexif().get_ifd(0xA005).get(1) == "R03":  # a camera's mark of Adobe RGB
                return _from_space(colour, 563 / 256, _ADOBE_RGB)
        if (picture.info.get("nclx_profile") or {}).get("color_primaries") == 12:
            return _from_space(colour, None, _DISPLAY_P3)
    return colour.convert("RGB")


def _from_space(picture: PIL.Image.Image, exponent: float | None, primaries: tuple[float, ...]) -> PIL.Image.Image:
    """L or RGB -> RGB in sRGB, from levels whose power is the light (None: sRGB's curve) of these primaries."""
    x = np.arange(256) / 255
    light = x**exponent if exponent else np.where(x > 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)
    try:
        with np.errstate(divide="raise", invalid="raise"):
            matrix = np.linalg.inv(_to_xyz(_SRGB)) @ _to_xyz(primaries)
    except (FloatingPointError, np.linalg.LinAlgError):  # no colours have such primaries
        matrix = np.eye(3)

    def encoded(linear: NDArray[Any]) -> NDArray[np.uint8]:
        linear = linear.clip(0, 1)
        curve = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
        levels: NDArray[np.uint8] = np.rint(255 * curve).astype(np.uint8)
        return levels

    if picture.mode == "L" or np.abs(matrix - np.eye(3)).max() < 0.01:
        return picture.point(encoded(light).tolist() * len(picture.getbands())).convert("RGB")
    values = np.array(picture)
    for top in range(0, len(values), 256):  # little memory beside the picture's own
        values[top : top + 256] = encoded(light[values[top : top + 256]] @ matrix.T)
    return PIL.Image.fromarray(values)


def _to_xyz(primaries: tuple[float, ...]) -> NDArray[np.float64]:
    """(3, 3): linear RGB of these primaries to XYZ in which their white is (1, 1, 1)."""
    x, y = np.array(primaries).reshape(4, 2).T
    white, *colours = np.stack((x / y, np.ones(4), (1 - x - y) / y), axis=1)
    matrix = np.array(colours).T
    return np.array(matrix * np.linalg.solve(matrix, white) / white[:, None])


def _from_array(array: np.ndarray) -> PIL.Image.Image:
    """(H, W), (H, W, 1 | 3 | 4) of bool, uint8, uint16 or float in [0, 1] -> L, RGB or RGBA."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InputError(f"Expected an array (H, W) or (H, W, 1 | 3 | 4), got shape {array.shape}.")
    check_size(array.shape[1], array.shape[0])
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
