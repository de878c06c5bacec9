"""Regions of an aligned face: eyes, nose, mouth and skin, as masks around the template's landmarks.

Convention:
    - a mask is (512, 512) bool over an aligned face; the four do not overlap and leave most of the picture out
    - lengths are in units of the template's distance between the eyes, so the masks follow the landmarks
    - skin is the cheeks: no brow, hair, glasses' upper rim or beard there on most faces
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from restoration.faces.alignment import FACE_SIZE, FACE_TEMPLATE
from restoration.images import Image, InputError, check_image

REGIONS = ("eyes", "nose", "mouth", "skin")
WHOLE = "whole picture"


@functools.cache
def region_masks() -> Mapping[str, NDArray[np.bool_]]:
    """The masks by the names in ``REGIONS``; read-only."""
    left_eye, right_eye, nose, left_mouth, right_mouth = FACE_TEMPLATE
    unit = float(np.linalg.norm(right_eye - left_eye))
    eye_line, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    eyes = _ellipse(left_eye, 0.36 * unit, 0.24 * unit) | _ellipse(right_eye, 0.36 * unit, 0.24 * unit)
    lips = _ellipse(mouth, 0.62 * unit, 0.27 * unit)
    bridge = (eye_line + 2 * nose) / 3 + (0, 0.08 * unit)
    snout = _ellipse(bridge, 0.3 * unit, 0.48 * unit)
    rows = np.arange(FACE_SIZE)[:, None]
    below_eyes, above_chin = rows > eye_line[1] + 0.26 * unit, rows < mouth[1] + 0.1 * unit
    oval = _ellipse((eye_line + mouth) / 2, 0.86 * unit, 0.98 * unit)
    features = _ellipse(mouth, 0.68 * unit, 0.33 * unit) | snout | eyes
    masks = {
        "eyes": eyes,
        "nose": snout & ~eyes & ~lips,
        "mouth": lips,
        "skin": oval & below_eyes & above_chin & ~features,
    }
    for mask in masks.values():
        mask.setflags(write=False)
    return MappingProxyType(masks)


def region_errors(image: Image, truth: Image) -> dict[str, float]:
    """Mean absolute difference of every region and of the whole face, in 8-bit grey levels.

    Args:
        image, truth: (512, 512, 3) uint8 RGB, aligned.

    Returns:
        The names of ``REGIONS`` and ``WHOLE`` to [0, 255].

    Raises:
        InputError: not two aligned faces.
    """
    _check_aligned(image, truth)
    return region_means(np.abs(image.astype(np.int16) - truth.astype(np.int16)).mean(axis=2))


def region_means(values: NDArray[np.floating]) -> dict[str, float]:
    """Mean of a (512, 512) map over every region and, by the name ``WHOLE``, over all of it."""
    means = {name: float(values[mask].mean()) for name, mask in region_masks().items()}
    return {**means, WHOLE: float(values.mean())}


def skin_colour_difference(image: Image, truth: Image) -> float:
    """Mean CIEDE2000 over the skin: 1 is just visible side by side, 5 at a glance.

    Convention:
        - sRGB, D65, 2 degree observer; each pixel with its counterpart, so lost texture counts as well as tint

    Args:
        image, truth: (512, 512, 3) uint8 RGB, aligned.

    Raises:
        InputError: not two aligned faces.

    Source:
        Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula", Color Research and Application 30(1), 2005.
    """
    _check_aligned(image, truth)
    mask = region_masks()["skin"]
    return float(deltaE_ciede2000(rgb2lab(image[mask]), rgb2lab(truth[mask])).mean())


def skin_lightness(image: Image) -> float:
    """Median CIELAB L* of the skin of an aligned (512, 512, 3) uint8 face, [0, 100]. It depends on the light as well.

    Raises:
        InputError: not an aligned face.
    """
    _check_aligned(image)
    return float(np.median(rgb2lab(image[region_masks()["skin"]])[:, 0]))


def _ellipse(centre: ArrayLike, across: float, down: float) -> NDArray[np.bool_]:
    """(512, 512): inside the ellipse about (x, y) with these half-axes, pixels."""
    x, y = np.asarray(centre, np.float64)
    rows, columns = np.mgrid[:FACE_SIZE, :FACE_SIZE]
    inside: NDArray[np.bool_] = ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1
    return inside


def _check_aligned(*images: Image) -> None:
    for image in images:
        if check_image(image).shape != (FACE_SIZE, FACE_SIZE, 3):
            size = f"{image.shape[1]} x {image.shape[0]}"
            raise InputError(f"Regions lie in {FACE_SIZE} x {FACE_SIZE} faces, not in {size}. Align the face first.")
