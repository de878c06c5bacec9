"""Face restoration: degrade, restore, measure.

A name is imported when it is first asked for: torch takes seconds, and not every module needs it.
"""

import importlib
import sys
from typing import TYPE_CHECKING

DEBIAN_PACKAGES = ("libgl1", "libglib2.0-0")  # hold the libraries that OpenCV loads; a desktop has them
try:
    import cv2  # noqa: F401
except ImportError as error:
    if not any(library in str(error) for library in ("libGL", "libglib", "libgthread")):
        raise
    sys.exit(f"OpenCV cannot load a library of the system ({error}): run apt-get install {' '.join(DEBIAN_PACKAGES)}")

if TYPE_CHECKING:
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
_MODULES = {
    "degrade": ("Degradation", "degrade_image"),
    "faces.detection": ("find_faces", "load_detector"),
    "faces": ("Face",),
    "images": ("InputError", "read_image", "write_png"),
    "faces.photo": ("NoFaceError", "Restoration"),
    "restorer": ("Restorer",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
