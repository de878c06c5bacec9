"""The photograph that several tests degrade, and how far two pictures are apart."""

import numpy as np
import skimage.data

ASTRONAUT = np.ascontiguousarray(skimage.data.astronaut())
ODD = np.ascontiguousarray(ASTRONAUT[20:273, 90:391])  # 253 x 301: no side is a multiple of 8


def max_error(image: np.ndarray, reference: np.ndarray) -> float:
    return float(np.abs(image.astype(np.float64) - reference).max())
