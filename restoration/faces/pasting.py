"""How does a restored face go back into its photo without a seam?

Convention: coordinates are ``alignment``'s. "Enlarged" means that a point x of the photo lies at
scale (x + 0.5) - 0.5, so that pixel borders, not pixel centres, fall on each other.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from restoration.faces.alignment import FACE_SIZE, face_to_photo, resample
from restoration.images import Image, InputError

# Rounded squares around the whole head, hair included, that fade out before the edge of the 512 face.
MASK_CENTRE = (255.5, 264.0)  # x, y
MASK_RADIUS = (250.0, 244.0)  # pixels across and down
MASK_ROUNDNESS = 4  # exponent of the superellipse: 2 is an ellipse, infinity a square
MASK_FADE = (0.84, 0.99)  # shares of the radius: the mask is 1 within the first, 0 from the second on
TEXTURE_FADE = (0.60, 0.86)  # the same for the restored texture, which is gone where the mask's border begins
TEXTURE_SIGMA = 24.0  # pixels of the 512 face: what varies faster is texture
COLOUR_SIGMA = 32.0  # pixels of the 512 face: what varies more slowly is lighting and takes the photo's colour
DETAIL_SIGMA, LOCAL_SIGMA = 1.5, 8.0  # pixels of the 512 face: what is finer is detail; how far its energy is averaged
BAND_PIXELS = 1 << 20  # pixels drawn at a time, so that a face that fills a large photo needs no more memory


@dataclass(frozen=True)
class Patch:
    """What one face changes in a photo.

    Args:
        left, top: pixel of the photo where the patch begins.
        pixels: (h, w, 3) uint8 RGB, the photo there with the face at full strength.
    """

    left: int
    top: int
    pixels: Image

    def region(self, photo: Image) -> Image:
        """The part of a photo that the patch covers; a view."""
        return photo[self.top : self.top + self.pixels.shape[0], self.left : self.left + self.pixels.shape[1]]


@functools.cache
def face_mask() -> NDArray[np.uint8]:
    """(512, 512, 1) uint8, read-only: 255 over the head of an aligned face, falling smoothly to 0 before its edge."""
    return _fading(*MASK_FADE)


@functools.cache
def texture_mask() -> NDArray[np.uint8]:
    """As ``face_mask``, for restored texture: 0 where the other one begins to fall."""
    return _fading(*TEXTURE_FADE)


def _fading(start: float, end: float) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:FACE_SIZE, 0:FACE_SIZE].astype(np.float64)
    across, down = abs(x - MASK_CENTRE[0]) / MASK_RADIUS[0], abs(y - MASK_CENTRE[1]) / MASK_RADIUS[1]
    radius = (across**MASK_ROUNDNESS + down**MASK_ROUNDNESS) ** (1 / MASK_ROUNDNESS)
    fade = np.clip((end - radius) / (end - start), 0, 1)
    mask: NDArray[np.uint8] = np.rint(255 * fade * fade * (3 - 2 * fade)).astype(np.uint8)[..., None]
    mask.setflags(write=False)
    return mask


def match_colour(restored: Image, original: Image) -> Image:
    """Give a restored face the lighting of the face that it was made from, so that it fits its surroundings.

    Args:
        restored, original: (512, 512, 3) uint8 RGB. Not modified.

    Returns:
        (512, 512, 3) uint8 RGB: restored + G(original - restored), G a Gaussian of ``COLOUR_SIGMA``.
    """
    difference = original.astype(np.float32) - restored
    slow = cv2.GaussianBlur(difference, (0, 0), COLOUR_SIGMA, borderType=cv2.BORDER_REPLICATE)
    matched: Image = np.clip(np.rint(restored + slow), 0, 255).astype(np.uint8)
    return matched


def fit_texture(restored: Image, original: Image, parts: NDArray[np.uint8] | None = None) -> Image:
    """Give the outside of a restored face the texture of its photo, so that the mask's border does not show.

    A network sharpens, or removes grain, and what lies beside the face stays as it was. As in a multiresolution spline
    (Burt and Adelson, ACM Transactions on Graphics 2(4), 1983), each band fades by its own mask: the coarse one at the
    mask's border, the fine one further inside and over a wider way.

    Args:
        restored, original: (512, 512, 3) uint8 RGB. Not modified.
        parts: (512, 512, 1) uint8, 255 where the restored texture is wanted; None is everywhere.

    Returns:
        (512, 512, 3) uint8 RGB: restored where ``texture_mask`` is 255; where it is 0, original +
        G(restored - original), G a Gaussian of ``TEXTURE_SIGMA``; between, a mixture.
    """
    mask = texture_mask() if parts is None else np.minimum(texture_mask(), parts)
    change = restored.astype(np.float32) - original
    coarse = cv2.GaussianBlur(change, (0, 0), TEXTURE_SIGMA, borderType=cv2.BORDER_REPLICATE)
    fitted = original + coarse + mask / np.float32(255) * (change - coarse)
    result: Image = np.clip(np.rint(fitted), 0, 255).astype(np.uint8)
    return result


def kept_detail(restored: Image, original: Image) -> NDArray[np.uint8]:
    """How much of the finest detail of a face the network left: where it removed noise, noise must not come back.

    Args:
        restored, original: (512, 512, 3) uint8 RGB. Not modified.

    Returns:
        (512, 512, 1) uint8, 255 for "all": the local ratio of the amplitudes of what is finer than ``DETAIL_SIGMA``,
        restored over original, at most 1.
    """

    def energy(image: Image) -> NDArray[np.float32]:
        levels = image.astype(np.float32)
        detail = ((levels - cv2.GaussianBlur(levels, (0, 0), DETAIL_SIGMA)) ** 2).mean(axis=2)
        averaged: NDArray[np.float32] = cv2.GaussianBlur(detail, (0, 0), LOCAL_SIGMA).astype(np.float32)
        return averaged

    before, after = energy(original), energy(restored)
    ratio = np.sqrt(after / np.maximum(before, 1e-3))
    kept: NDArray[np.uint8] = np.where(after >= before, 255, np.rint(255 * ratio.clip(0, 1))).astype(np.uint8)
    return kept[..., None]


def make_patch(
    photo: Image,
    face: Image,
    restored: Image,
    landmarks: ArrayLike,
    *,
    scale: int,
    taken: NDArray[np.uint8],
    parts: NDArray[np.uint8] | None = None,
) -> Patch | None:
    """Draw a restored face where it belongs.

    Convention:
        - cutting a face out and drawing it back loses a little sharpness, and all detail that is finer than a pixel
          of the crop. That loss is known, and is added again as far as the network kept such detail
          (``kept_detail``): a face that was not changed leaves the photo exactly as it was

    Args:
        photo: (H, W, 3) uint8 RGB, enlarged by ``scale`` already. Not modified.
        face: (512, 512, 3) uint8 RGB, as ``align_face`` cut it out of the photo before it was enlarged.
        restored: (512, 512, 3) uint8 RGB.
        landmarks: (5, 2) in the photo before it was enlarged.
        scale: how much the photo was enlarged.
        taken: (H, W) uint8: the share of each pixel, of 255, that other faces have; this face's share is added.
        parts: as for ``fit_texture``.

    Returns:
        the patch, or None where the face lies outside the photo.

    Raises:
        InputError: landmarks that ``align_face`` refuses.
    """
    place = face_to_photo(landmarks, scale)
    corners = place @ np.array([[-0.5, 511.5, 511.5, -0.5], [-0.5, -0.5, 511.5, 511.5], [1, 1, 1, 1]])
    low = np.maximum(np.floor(corners.min(axis=1)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(axis=1)).astype(int) + 1, (photo.shape[1], photo.shape[0]))
    if (low >= high).any():
        return None
    left, top, right, bottom = int(low[0]), int(low[1]), int(high[0]), int(high[1])
    fitted = fit_texture(match_colour(restored, face), face, parts)
    layers = (fitted, face, kept_detail(fitted, face), face_mask())
    source = np.concatenate(layers, axis=2)  # (512, 512, 8)
    pixels = photo[top:bottom, left:right].copy()
    rows = max(1, BAND_PIXELS // (right - left))
    for first in range(0, bottom - top, rows):
        band = pixels[first : first + rows]
        local = place - np.array([[0, 0, left], [0, 0, top + first]])
        drawn = resample(source, local, band.shape[1], band.shape[0])
        if drawn is None:
            continue
        free = 255.0 - taken[top + first : top + first + len(band), left:right]
        share = np.rint(np.minimum(_inside(local, band) * drawn[..., 7].clip(0, 255), free))
        taken[top + first : top + first + len(band), left:right] += share.astype(np.uint8)
        lost = band - drawn[..., 3:6]
        target = drawn[..., :3] + drawn[..., 6:7].clip(0, 255) / 255 * lost
        mixed = band + share[..., None] / 255 * (target.clip(0, 255) - band)
        band[:] = np.rint(mixed).astype(np.uint8)
    return Patch(left, top, pixels)


def blend(photo: Image, patches: Sequence[Patch | None], strengths: Sequence[float]) -> Image:
    """The photo with its faces, each as strong as wanted; costs no more than copying it.

    Args:
        photo: (H, W, 3) uint8 RGB, that the patches were drawn on. Not modified.
        patches: of the faces; shares of overlapping ones must not exceed 1, as ``make_patch`` sees to.
        strengths: one a patch, 0 (untouched) to 1 (restored).

    Returns:
        (H, W, 3) uint8 RGB; outside the patches' masks, and everywhere at strength 0, the photo's own pixels.

    Raises:
        InputError: another number of strengths, or one outside [0, 1].
    """
    if len(strengths) != len(patches):
        raise InputError(f"There are {len(patches)} faces; give one strength or that many, not {len(strengths)}.")
    if not all(0 <= strength <= 1 for strength in strengths):
        raise InputError(f"A strength lies between 0 (untouched) and 1 (restored), not {list(strengths)}.")
    result: Image = photo.copy()
    for patch, strength in zip(patches, strengths, strict=True):
        if patch is None or strength == 0:
            continue
        original, region = patch.region(photo), patch.region(result)
        rows = max(1, BAND_PIXELS // patch.pixels.shape[1])
        for first in range(0, len(region), rows):
            band = slice(first, first + rows)
            change = strength * (patch.pixels[band].astype(np.float32) - original[band])
            region[band] = np.clip(np.rint(region[band] + change), 0, 255).astype(np.uint8)
    return result


def _inside(place: NDArray[np.float64], band: Image) -> NDArray[np.float64]:
    """(h, w): 1 where a pixel of the band lies on the 512 face, else 0; ``resample`` repeats the face's edge there."""
    inverse = np.linalg.inv(np.vstack([place, [0, 0, 1]]))
    y, x = np.mgrid[0 : band.shape[0], 0 : band.shape[1]]
    u = inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2]
    v = inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2]
    edge = FACE_SIZE - 0.5
    inside: NDArray[np.float64] = ((u >= -0.5) & (u < edge) & (v >= -0.5) & (v < edge)).astype(np.float64)
    return inside


def enlarge(photo: Image, scale: int) -> Image:
    """The photo by Lanczos (8 x 8), ``scale`` times as large.

    Raises:
        InputError: a scale other than 1, 2 and 4.
    """
    check_scale(scale)
    size = photo.shape[1] * scale, photo.shape[0] * scale
    enlarged: Image = cv2.resize(photo, size, interpolation=cv2.INTER_LANCZOS4) if scale > 1 else photo.copy()
    return enlarged


def check_scale(scale: int) -> None:
    """InputError unless ``scale`` is 1, 2 or 4."""
    if scale not in (1, 2, 4):
        raise InputError(f"A photo can be enlarged by 1, 2 or 4, not {scale}.")
