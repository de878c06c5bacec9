"""Face restoration: degrade, restore, measure."""
# ruff: noqa: E402 (what OpenCV lacks is said before anything imports it)

import sys

DEBIAN_PACKAGES = ("libgl1", "libglib2.0-0")  # hold the libraries that OpenCV loads; a desktop has them
try:
    import cv2  # noqa: F401
except ImportError as error:
    if not any(library in str(error) for library in ("libGL", "libglib", "libgthread")):
        raise
    sys.exit(f"OpenCV cannot load a library of the system ({error}): run apt-get install {' '.join(DEBIAN_PACKAGES)}")

from restoration.degrade import Degradation, degrade_image
from restoration.faces import Face
from restoration.faces.detection import find_faces, load_detector
from restoration.faces.photo import NoFaceError, Restoration
from restoration.images import InputError, read_image, write_png
from restoration.restorer import Restorer

__version__ = "0.1.0"
__all__ = [
    "Degradation", "Face", "InputError", "NoFaceError", "Restoration", "Restorer", "__version__", "degrade_image",
    "find_faces", "load_detector", "read_image", "write_png",
]  # fmt: skip
