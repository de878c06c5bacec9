"""What does a photo's file hold beside its colours, and how does that come through a restoration?

What becomes of it:
    - EXIF is kept, its orientation applied to the pixels and set to "upright"; its thumbnail is left out: it shows the
      photo as it was. A TIFF keeps description, camera, date and author alone
    - transparency is kept; the colours under it are used as they are stored, not over white
    - an ICC profile is converted to sRGB, which the result is in; 16 bits become 8
    - a grey photo stays grey
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
from numpy.typing import NDArray

from restoration.images import Image, InputError, read_image
from restoration.images.files import write_atomically

_ORIENTATION = 0x0112
_INNER = (0x8769, 0x8825)  # blocks within EXIF: exposure and its time; place
# What is written under each name. JPEG: what is lost stays below what a restoration changes; GIF cannot hold a photo.
_WRITTEN: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True}),
    ".tif": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ".bmp": ("BMP", {}),
}
SUFFIXES = (*_WRITTEN, ".gif")
_LONGEST = {"WEBP": 16383, "JPEG": 65500}  # pixels a side that the encoders take
_MOST_EXIF = {"JPEG": 65533}  # bytes: one segment
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    struct.error,
)


@dataclass(frozen=True)
class PhotoFile:
    """A photo with what its file held beside its colours.

    Args:
        image: (H, W, 3) uint8 RGB, upright, sRGB.
        alpha: (H, W) uint8, 255 opaque; None where the file holds no transparency.
        grey: whether the file held no colour.
        exif: the EXIF block, upright, without thumbnail; empty where there was none or it could not be read.
        frames: how many pictures the file holds; the first is read.
    """

    image: Image
    alpha: NDArray[np.uint8] | None
    grey: bool
    exif: bytes
    frames: int = 1


def read_photo(source: str | os.PathLike[str] | bytes) -> PhotoFile:
    """Read a photo and what came with it.

    Args:
        source: path or contents of a picture file.

    Raises:
        InputError: as ``read_image``.
    """
    flat = read_image(source)  # every refusal, and the right answer where there is no transparency
    with PIL.Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
        grey = picture.mode in ("1", "L", "LA", "La") or picture.mode.startswith(("I", "F"))
        alpha = None
        if picture.has_transparency_data:
            picture.load()
            if picture.mode.startswith(("I", "F")):  # 16 bits: one grey value stands for "transparent"
                seen = np.asarray(picture) != picture.info["transparency"]
                mask, opaque = PIL.Image.fromarray(seen.astype(np.uint8) * np.uint8(255)), picture.copy()
            else:
                with_alpha = picture.convert("RGBA")
                mask, opaque = with_alpha.getchannel("A"), with_alpha.convert("RGB")
            orientation = _orientation(picture)
            mask.info, opaque.info = {}, {key: value for key, value in picture.info.items() if key == "icc_profile"}
            for part in (mask, opaque):
                part.getexif()[_ORIENTATION] = orientation
            alpha = np.array(PIL.ImageOps.exif_transpose(mask))
            flat = read_image(opaque)
        return PhotoFile(flat, alpha, grey, _upright_exif(picture), _frames(picture))


def check_name(path: Path) -> None:
    """Refuse a name whose format cannot be written.

    Raises:
        InputError: another name than those of ``SUFFIXES`` without GIF.
    """
    if path.suffix.lower() not in _WRITTEN:
        raise InputError(f"{path.name}: photos are written as {', '.join(_WRITTEN)}. Choose one of these names.")


def check_writable(path: Path, width: int, height: int, source: PhotoFile) -> None:
    """Refuse, before the work, a result that its format cannot hold.

    Args:
        width, height: of the result, pixels.

    Raises:
        InputError: a name as ``check_name`` refuses, a side that is too long, or too much EXIF.
    """
    check_name(path)
    form = _WRITTEN[path.suffix.lower()][0]
    if max(width, height) > (most := _LONGEST.get(form, max(width, height))):
        raise InputError(f"{path.name} would be {width} x {height}; {form} holds {most} a side. Write it as .png.")
    if len(source.exif) > (most := _MOST_EXIF.get(form, len(source.exif))):
        raise InputError(f"{path.name}: {len(source.exif)} bytes of EXIF; {form} holds {most}. Write it as .png.")


def write_photo(image: Image, path: str | os.PathLike[str], source: PhotoFile) -> None:
    """Write a restored photo in the format that its name says, with what the source's file held.

    A reader sees the old file or the whole new one. PNG, WebP, TIFF and BMP lose nothing; JPEG is written at quality
    95 without subsampling. JPEG and BMP hold no transparency: it is composited over white.

    Args:
        image: (H, W, 3) uint8 RGB, of the source's size or a whole multiple of it.

    Raises:
        InputError: what ``check_writable`` refuses, or a folder that cannot be written.
    """
    path = Path(path)
    check_writable(path, image.shape[1], image.shape[0], source)
    form, options = _WRITTEN[path.suffix.lower()]
    picture = PIL.Image.fromarray(image)
    if source.grey:
        picture = PIL.Image.fromarray(np.rint(image.astype(np.float32).mean(axis=2)).astype(np.uint8))
    if source.alpha is not None:
        size = image.shape[1], image.shape[0]
        alpha = source.alpha
        if alpha.shape != image.shape[:2]:
            alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
        mask = PIL.Image.fromarray(alpha)
        if form in ("JPEG", "BMP"):
            picture = PIL.Image.composite(picture, PIL.Image.new(picture.mode, size, "white"), mask)
        else:
            picture.putalpha(mask)
    if source.exif and form != "BMP":
        options = {**options, "exif": _without_inner_blocks(source.exif) if form == "TIFF" else source.exif}
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror}. Choose a writable place.") from error


def _without_inner_blocks(exif: bytes) -> PIL.Image.Exif:
    kept = PIL.Image.Exif()
    kept.load(exif)
    for inner in _INNER:
        kept.pop(inner, None)
    return kept


def _upright_exif(picture: PIL.Image.Image) -> bytes:
    """The EXIF block with orientation 1; a TIFF's tags about its own pixels are not EXIF and are left out."""
    try:
        read = picture.getexif()
        kept = PIL.Image.Exif()
        camera = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)  # description, maker, model, …, copyright
        kept.update({tag: read[tag] for tag in camera if tag in read})
        for inner in _INNER:
            if values := read.get_ifd(inner):
                kept.get_ifd(inner).update(values)
                kept[inner] = kept.get_ifd(inner)
        if not len(kept):
            return b""
        kept[_ORIENTATION] = 1
        return kept.tobytes()
    except _BROKEN:
        return b""  # as read_image: a broken EXIF block is no reason to refuse a photo


def _orientation(picture: PIL.Image.Image) -> int:
    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    except _BROKEN:
        return 1  # as read_image
    return int(orientation) if orientation in range(1, 9) else 1


def _frames(picture: PIL.Image.Image) -> int:
    if picture.format not in ("GIF", "WEBP", "PNG", "TIFF"):  # a telephone's JPEG holds a preview beside the photo
        return 1
    try:
        return int(getattr(picture, "n_frames", 1))
    except _BROKEN:
        return 1  # what follows the first is damaged
