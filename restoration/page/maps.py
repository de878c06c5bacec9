"""How does a map of numbers become a picture that a person can read?"""

from __future__ import annotations

import cv2
import numpy as np

from restoration.images import Image
from restoration.measure.faithfulness import Difference
from restoration.measure.uncertainty import Map


def amplified(difference: Difference, gain: int) -> Image:
    """A signed difference around middle grey: 128 + gain * difference, clipped. Grey is "no difference".

    Args:
        difference: (H, W, 3) int16, grey levels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return np.clip(128 + gain * difference.astype(np.int32), 0, 255).astype(np.uint8)


def heat(values: Map, top: float) -> Image:
    """Numbers from 0 to ``top`` and above as colours from dark to light, which read as well without colour: viridis.

    Args:
        values: (H, W), >= 0.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    levels = np.clip(np.rint(values * (255 / top)), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1])
