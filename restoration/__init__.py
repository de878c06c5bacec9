"""Face restoration: degrade, restore, measure."""

from restoration.degradations import Degradation, degrade, degrade_image
from restoration.detection import find_faces, load_detector
from restoration.faces import Face
from restoration.images import InputError, read_image, write_png
from restoration.photo import NoFaceError, Restoration
from restoration.pipeline import Restorer

__version__ = "0.1.0"
__all__ = [
    "Degradation",
    "Face",
    "InputError",
    "NoFaceError",
    "Restoration",
    "Restorer",
    "__version__",
    "degrade",
    "degrade_image",
    "find_faces",
    "load_detector",
    "read_image",
    "write_png",
]
