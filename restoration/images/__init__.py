"""How a picture comes in and goes out: arrays, files, profiles and metadata."""

from restoration.images.decode import FORMATS, Source, read_image
from restoration.images.pictures import (
    MAX_PIXELS,
    MIN_SIDE,
    Image,
    InputError,
    check_image,
    to_image,
    to_tensor,
    write_png,
)

__all__ = [
    "FORMATS", "MAX_PIXELS", "MIN_SIDE", "Image", "InputError", "Source", "check_image", "read_image", "to_image",
    "to_tensor", "write_png",
]  # fmt: skip
