"""Face restoration: degrade, restore, measure."""

from restoration.degradations import Degradation, degrade, degrade_image
from restoration.images import InputError, read_image, write_png
from restoration.pipeline import Restoration, Restorer

__version__ = "0.1.0"
__all__ = [
    "Degradation",
    "InputError",
    "Restoration",
    "Restorer",
    "__version__",
    "degrade",
    "degrade_image",
    "read_image",
    "write_png",
]
