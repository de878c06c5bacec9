"""How a picture comes in and goes out: arrays, files, profiles and metadata."""

from restoration.images.pictures import Image, InputError, check_image, read_image, to_image, to_tensor, write_png

__all__ = ["Image", "InputError", "check_image", "read_image", "to_image", "to_tensor", "write_png"]
