"""What a photo's file holds beside its colours, and what a result keeps of it, as far as its format can hold it.

EXIF (in a TIFF description, camera, date, author and keywords alone), XMP, IPTC, a JPEG's comment, a PNG's texts, dots
an inch (times the enlargement), transparency (over colours as they are stored) and greyness are kept. What describes
the old pixels goes: thumbnail, size, orientation, colour space.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngInfo

from restoration.images import Image, InputError
from restoration.images.pictures import BROKEN, Source, decode, opened, over_white, write_file

# Tags of EXIF: what is kept of the first block (description, maker, model, software, date, artist, copyright, rating,
# Windows' title, comment, author, keywords, subject), and what of the exposure's block is about the pixels.
_KEPT = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298, 0x4746, 0x4749, *range(0x9C9B, 0x9CA0))
_EXPOSURE, _PLACE = 0x8769, 0x8825
_OF_PIXELS = (0xA001, 0xA002, 0xA003, 0xA005)  # colour space, width, height, interoperability
_IPTC = 0x0404  # within what Photoshop leaves in a JPEG
_XMP_OF_PIXELS = (
    rb"tiff:(?:Orientation|ImageWidth|ImageLength|XResolution|YResolution)|exif:(?:PixelXDimension|PixelYDimension|"
    rb"ColorSpace)|xmp:Thumbnails|photoshop:ICCProfile"
)
_JPEG: tuple[str, dict[str, Any]] = ("JPEG", {"quality": 95, "subsampling": 0})
_TIFF: tuple[str, dict[str, Any]] = ("TIFF", {"compression": "tiff_adobe_deflate"})
# What is written under each name. JPEG: what is lost stays below what a restoration changes.
_WRITTEN: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), _JPEG),
    ".webp": ("WEBP", {"lossless": True}),
    **dict.fromkeys((".tif", ".tiff"), _TIFF),
    ".bmp": ("BMP", {}),
}
# What a result is called that cannot be written under its photo's name.
RENAMED = {".gif": ".png", ".avif": ".png", ".heic": ".jpg", ".heif": ".jpg", ".hif": ".jpg"}
SUFFIXES = (*_WRITTEN, *RENAMED)
FORMS = ("png", "jpg", "webp", "tif", "bmp")
_LONGEST = {"WEBP": 16383, "JPEG": 65500}  # pixels a side that the encoders take
_MOST = {"JPEG": {"EXIF": 65533, "XMP": 65502, "comment": 65533}}  # bytes: one segment each


@dataclass(frozen=True)
class PhotoFile:
    """A photo with what its file held beside its colours; empty or None where there was none.

    Args:
        image: (H, W, 3) uint8 RGB, upright, sRGB.
        alpha: (H, W) uint8, 255 opaque.
        grey: whether the file held no colour.
        exif: the EXIF block, upright, without thumbnail; also empty where it could not be read.
        frames: how many pictures the file holds; the first is read.
        dpi: dots an inch, across and down.
        xmp, iptc, comment: as the file held them, but for what describes the pixels.
        texts: a PNG's, by keyword.
    """

    image: Image
    alpha: NDArray[np.uint8] | None
    grey: bool
    exif: bytes
    frames: int = 1
    dpi: tuple[float, float] | None = None
    xmp: bytes = b""
    iptc: bytes = b""
    comment: bytes = b""
    texts: dict[str, str] = field(default_factory=dict)


def read_photo(source: Source) -> PhotoFile:
    """Read a photo, and what came with it; its pixels are ``read_image``'s, but not composited. InputError as there."""
    with opened(source) as picture:
        pixels, info = decode(picture), picture.info
        xmp = info.get("xmp", b"")
        xmp = xmp.encode() if isinstance(xmp, str) else xmp
        of_jpeg = info if picture.format == "JPEG" else {}
        iptc, comment = (of_jpeg.get("photoshop") or {}).get(_IPTC, b""), of_jpeg.get("comment", b"")
        texts = {key: str(text) for key, text in getattr(picture, "text", {}).items() if not key.startswith("XML:")}
        dpi = _dpi(info.get("dpi"))
        exif = _upright_exif(picture)
        frames = 1  # a telephone's JPEG or HEIC holds previews beside the photo
        if picture.format in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
            with contextlib.suppress(*BROKEN):  # what follows the first may be damaged
                frames = int(getattr(picture, "n_frames", 1))
    names = (_XMP_OF_PIXELS, _XMP_OF_PIXELS)
    xmp = re.sub(rb"\s(?:%b)=\"[^\"]*\"|<(%b)[\s>].*?</\1>" % names, b"", xmp, flags=re.DOTALL)
    return PhotoFile(*pixels, exif, frames, dpi, xmp, iptc, comment, texts)


def check_name(path: Path) -> None:
    """Refuse, by an InputError, a name whose format cannot be written."""
    if path.suffix.lower() not in _WRITTEN:
        raise InputError(f"{path.name}: photos are written as {', '.join(_WRITTEN)}. Choose one of these names.")


def check_writable(path: Path, width: int, height: int, source: PhotoFile) -> None:
    """Refuse, by an InputError before the work, a result of this size, pixels, that cannot be written: a name as
    ``check_name`` refuses or one that is too long, a side that is too long, or too much EXIF, XMP or comment."""
    check_name(path)
    form = _WRITTEN[path.suffix.lower()][0]
    if max(width, height) > (most := _LONGEST.get(form, max(width, height))):
        raise InputError(f"{path.name} would be {width} x {height}; {form} holds {most} a side. Write it as .png.")
    for what, data in (("EXIF", source.exif), ("XMP", source.xmp), ("comment", source.comment)):
        if len(data) > (most := _MOST.get(form, {}).get(what, len(data))):
            raise InputError(f"{path.name}: {len(data)} bytes of {what}; {form} holds {most}. Write it as .png.")
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise InputError(f"Cannot write {path}: {error.strerror}. Choose another name.") from error


def write_photo(image: Image, path: str | os.PathLike[str], source: PhotoFile, quality: int | None = None) -> None:
    """Write a restored photo in the format that its name says, atomically, with what the source's file held.

    PNG, WebP, TIFF and BMP lose nothing; JPEG is written at quality 95 without subsampling. JPEG and BMP hold no
    transparency: it is composited over white.

    Args:
        image: (H, W, 3) uint8 RGB, of the source's size or a whole multiple of it.
        quality: 1 to 100, of a JPEG or a WebP, which then loses something; others have none.

    InputError: what ``check_writable`` refuses, or a folder that cannot be written; the OSError is its cause.
    """
    path = Path(path)
    check_writable(path, image.shape[1], image.shape[0], source)
    form, options = _WRITTEN[path.suffix.lower()]
    if quality is not None and form in ("JPEG", "WEBP"):
        options = {"quality": quality}
    alpha = source.alpha
    if alpha is not None and alpha.shape != image.shape[:2]:
        alpha = cv2.resize(alpha, image.shape[1::-1], interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    if form in ("JPEG", "BMP"):
        image, alpha = over_white(image, alpha), None
    levels = np.rint(image.astype(np.float32).mean(axis=2)).astype(np.uint8) if source.grey else image
    picture = PIL.Image.fromarray(levels)
    if alpha is not None:
        picture.putalpha(PIL.Image.fromarray(alpha))
    buffer = io.BytesIO()
    picture.save(buffer, form, **options, **_beside(source, form, image.shape[1] / source.image.shape[1]))
    write_file(path, buffer.getvalue())


def _beside(source: PhotoFile, form: str, scale: float) -> dict[str, Any]:
    """PIL's options that write what a format can hold beside the pixels of ``source`` enlarged."""
    options: dict[str, Any] = {}
    if source.dpi and form != "WEBP":
        options["dpi"] = tuple(dots * scale for dots in source.dpi)
    if source.exif and form != "BMP":
        options["exif"] = source.exif
    if source.xmp and form in ("JPEG", "WEBP"):
        options["xmp"] = source.xmp
    if form == "JPEG":
        options["comment"] = source.comment
        resource = b"8BIM%b\0\0%b%b%b" % (
            _IPTC.to_bytes(2, "big"), len(source.iptc).to_bytes(4, "big"), source.iptc, bytes(len(source.iptc) % 2),
        )  # fmt: skip
        block = b"Photoshop 3.0\0" + resource
        if source.iptc and len(block) < 65534:
            options["extra"] = b"\xff\xed" + (len(block) + 2).to_bytes(2, "big") + block
    if form == "PNG":
        options["pnginfo"] = texts = PngInfo()
        for keyword, text in source.texts.items():
            texts.add_itxt(keyword, text) if not text.isascii() else texts.add_text(keyword, text)
        if source.xmp:
            texts.add_itxt("XML:com.adobe.xmp", source.xmp.decode(errors="replace"))
    if form == "TIFF":
        kept = PIL.Image.Exif()
        kept.load(source.exif)
        for inner in (_EXPOSURE, _PLACE):
            kept.pop(inner, None)
        kept.update({tag: data for tag, data in ((700, source.xmp), (33723, source.iptc)) if data})
        options["exif"] = kept
    return options


def _dpi(value: Any) -> tuple[float, float] | None:
    try:
        across, down = (float(dots) for dots in value)
    except BROKEN:
        return None
    return (across, down) if 1 <= across <= 60_000 and 1 <= down <= 60_000 else None


def _upright_exif(picture: PIL.Image.Image) -> bytes:
    """The EXIF block without its orientation; a TIFF's tags about its own pixels are not EXIF and are left out."""
    kept = PIL.Image.Exif()
    with contextlib.suppress(*BROKEN):  # as read_image: a broken EXIF block is no reason to refuse a photo
        read = picture.getexif()
        kept.update({tag: read[tag] for tag in _KEPT if tag in read})
        for inner in (_EXPOSURE, _PLACE):
            if values := {tag: value for tag, value in read.get_ifd(inner).items() if tag not in _OF_PIXELS}:
                kept.get_ifd(inner).update(values)
                kept[inner] = kept.get_ifd(inner)
        return kept.tobytes() if len(kept) else b""
    return b""
