"""A restored face goes back into its photo without a seam; on request only what ParseNet calls face."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from restoration.faces import FACE_SIZE, face_to_photo, frame, resample
from restoration.faces.download import fetch, load_checkpoint
from restoration.images import Image, InputError, to_tensor

# Rounded squares around the whole head, hair included, that fade out before the edge of the 512 face.
MASK_CENTRE = (255.5, 264.0)  # x, y
MASK_RADIUS = (250.0, 244.0)  # pixels across and down
MASK_ROUNDNESS = 4  # exponent of the superellipse: 2 is an ellipse, infinity a square
MASK_FADE = (0.84, 0.99)  # shares of the radius: the mask is 1 within the first, 0 from the second on
TEXTURE_FADE = (0.60, 0.86)  # the same for the restored texture, which is gone where the mask's border begins
TEXTURE_SIGMA = 24.0  # pixels of the 512 face: what varies faster is texture
COLOUR_SIGMA = 32.0  # pixels of the 512 face: what varies more slowly is lighting and takes the photo's colour
DETAIL_SIGMA, LOCAL_SIGMA = 1.5, 8.0  # pixels of the 512 face: what is finer is detail; how far its energy is averaged
MAX_RESULT = 100_000_000  # pixels of an enlarged photo
# ParseNet, 85 MB. The release states no checksum; the Arch User Repository's package of facexlib pins this one.
URL = "https://github.com/xinntao/facexlib/releases/download/v0.2.2/parsing_parsenet.pth"
SHA256 = "3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2"
# Classes of CelebAMask-HQ: 0 background, 1 to 13 skin, features, ears and hair, 14 hat, 15 earring, 16 to 18 necklace,
# neck and clothes.
FACE_CLASSES = (*range(1, 14), 15)
FEATHER = 12.0  # pixels of the 512 face: standard deviation by which the parts' border is softened
BAND_PIXELS = 1 << 20  # pixels drawn at a time, so that a face that fills a large photo needs no more memory


class Patch(NamedTuple):
    """What one face changes in a photo: from pixel (``left``, ``top``) of it, (h, w, 3) uint8 RGB, at full strength."""

    left: int
    top: int
    pixels: Image

    def region(self, photo: Image) -> Image:
        """The part of a photo that the patch covers; a view."""
        return photo[self.top : self.top + self.pixels.shape[0], self.left : self.left + self.pixels.shape[1]]


@functools.cache
def face_mask(fade: tuple[float, float] = MASK_FADE) -> NDArray[np.uint8]:
    """(512, 512, 1) uint8, read-only: 255 over the head of an aligned face, falling smoothly to 0 before its edge."""
    start, end = fade
    y, x = np.mgrid[0:FACE_SIZE, 0:FACE_SIZE].astype(np.float64)
    across, down = abs(x - MASK_CENTRE[0]) / MASK_RADIUS[0], abs(y - MASK_CENTRE[1]) / MASK_RADIUS[1]
    radius = (across**MASK_ROUNDNESS + down**MASK_ROUNDNESS) ** (1 / MASK_ROUNDNESS)
    share = np.clip((end - radius) / (end - start), 0, 1)
    mask: NDArray[np.uint8] = np.rint(255 * share * share * (3 - 2 * share)).astype(np.uint8)[..., None]
    mask.setflags(write=False)
    return mask


def match_colour(restored: Image, original: Image) -> Image:
    """A restored face in the lighting of the one that it was made from: restored + G(original - restored), G a Gaussian
    of ``COLOUR_SIGMA``; all (512, 512, 3) uint8 RGB."""
    return _rounded(restored + _blurred(original.astype(np.float32) - restored, COLOUR_SIGMA))


def fit_texture(restored: Image, original: Image, parts: NDArray[np.uint8] | None = None) -> Image:
    """Give the outside of a restored face the texture of its photo, so that the mask's border does not show: each band
    fades by its own mask, the coarse one at the mask's border, the fine one further inside and over a wider way.

    Args:
        restored, original: (512, 512, 3) uint8 RGB. Not modified.
        parts: (512, 512, 1) uint8, 255 where the restored texture is wanted; None is everywhere.

    Returns:
        (512, 512, 3) uint8 RGB: restored where ``face_mask(TEXTURE_FADE)`` is 255; where it is 0, original +
        G(restored - original), G a Gaussian of ``TEXTURE_SIGMA``; between, a mixture.

    Source: Burt and Adelson, "A multiresolution spline", ACM Transactions on Graphics 2(4), 1983.
    """
    mask = face_mask(TEXTURE_FADE) if parts is None else np.minimum(face_mask(TEXTURE_FADE), parts)
    change = restored.astype(np.float32) - original
    coarse = _blurred(change, TEXTURE_SIGMA)
    return _rounded(original + coarse + mask / np.float32(255) * (change - coarse))


def kept_detail(restored: Image, original: Image) -> NDArray[np.uint8]:
    """(512, 512, 1) uint8: how much of a face's finest detail the network left, 255 for all: the local ratio of the
    amplitudes of what is finer than ``DETAIL_SIGMA``, restored over original, (512, 512, 3) uint8 RGB, at most 1."""
    levels = [image.astype(np.float32) for image in (original, restored)]
    before, after = (_blurred(((x - _blurred(x, DETAIL_SIGMA)) ** 2).mean(axis=2), LOCAL_SIGMA) for x in levels)
    ratio = np.where(after >= before, 1, np.sqrt(after / np.maximum(before, 1e-3)))
    return _rounded(255 * ratio[..., None])


def make_patch(
    photo: Image,
    face: Image,
    restored: Image,
    landmarks: ArrayLike,
    *,
    scale: int,
    taken: NDArray[np.uint8],
    parts: NDArray[np.uint8] | None = None,
) -> Patch:
    """Draw a restored face where it belongs.

    Cutting a face out and drawing it back loses what is finer than a pixel of the crop. That loss is known, and is
    added again as far as the network kept such detail (``kept_detail``): an unchanged face changes nothing.

    Args:
        photo: (H, W, 3) uint8 RGB, enlarged by ``scale`` already. Not modified.
        face: (512, 512, 3) uint8 RGB, as ``align_face`` cut it out of the photo before it was enlarged.
        restored: (512, 512, 3) uint8 RGB.
        landmarks: as ``align_face`` took them.
        taken: (H, W) uint8: the share of each pixel, of 255, that other faces have; this face's share is added.
        parts: as for ``fit_texture``.
    """
    place = face_to_photo(landmarks, scale)
    corners = frame(place, FACE_SIZE, FACE_SIZE)
    low = np.maximum(np.floor(corners.min(axis=1)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(axis=1)).astype(int) + 1, photo.shape[1::-1])
    (left, top), (right, bottom) = low.tolist(), high.tolist()
    fitted = fit_texture(match_colour(restored, face), face, parts)
    source = np.concatenate((fitted, face, kept_detail(fitted, face), face_mask()), axis=2)  # (512, 512, 8)
    pixels = photo[top:bottom, left:right].copy()
    rows = max(1, BAND_PIXELS // (right - left))
    for first in range(0, bottom - top, rows):
        band = pixels[first : first + rows]
        local = place - np.array([[0, 0, left], [0, 0, top + first]])
        drawn = resample(source, local, band.shape[1], band.shape[0])
        others = taken[top + first : top + first + len(band), left:right]  # a view
        share = np.rint(np.minimum(drawn[..., 7].clip(0, 255), 255.0 - others))
        others += share.astype(np.uint8)
        lost = band - drawn[..., 3:6]
        target = drawn[..., :3] + drawn[..., 6:7].clip(0, 255) / 255 * lost
        band[:] = _rounded(band + share[..., None] / 255 * (target.clip(0, 255) - band))
    return Patch(left, top, pixels)


def blend(photo: Image, patches: Sequence[Patch], strengths: Sequence[float]) -> Image:
    """The photo with its faces, each as strong as wanted, at the cost of copying it.

    Args:
        photo: (H, W, 3) uint8 RGB, that the patches were drawn on. Not modified.
        strengths: one a patch, 0 (untouched) to 1 (restored). Outside the patches' masks, and everywhere at strength
            0, the photo's own pixels stay.

    InputError: another number of strengths, or one that is no number or outside [0, 1].
    """
    numbers = [each for each in strengths if isinstance(each, (int, float, np.number)) and not isinstance(each, bool)]
    if not len(strengths) == len(patches) == len(numbers) or not all(0 <= each <= 1 for each in numbers):
        given = list(strengths)
        raise InputError(f"A strength is from 0 (untouched) to 1, one for each face ({len(patches)}), not {given}.")
    result: Image = photo.copy()
    for patch, strength in zip(patches, map(float, strengths), strict=True):
        change = cv2.addWeighted(patch.pixels, strength, patch.region(photo), -strength, 0, dtype=cv2.CV_16S)
        region = patch.region(result)
        region[:] = cv2.add(region, change, dtype=cv2.CV_8U)
    return result


def enlarge(photo: Image, scale: int) -> Image:
    """The photo by Lanczos (8 x 8), ``scale`` times as large: x lies at scale (x + 0.5) - 0.5; a copy at 1. InputError:
    a scale other than 1, 2 and 4, or a result of more than ``MAX_RESULT`` pixels."""
    if scale not in (1, 2, 4):
        raise InputError(f"A photo can be enlarged by 1, 2 or 4, not {scale}.")
    height, width = photo.shape[0] * scale, photo.shape[1] * scale
    if width * height > MAX_RESULT:
        most = f"{MAX_RESULT / 1e6:.0f} megapixels"
        raise InputError(f"{width}×{height} are more than {most}. Choose a smaller scale, or reduce the photo.")
    if scale == 1:
        return np.array(photo)
    enlarged: Image = cv2.resize(photo, (width, height), interpolation=cv2.INTER_LANCZOS4)
    return enlarged


@functools.cache
def load_parser() -> nn.Module:
    """facexlib's ParseNet, from the project's cache or fetched into it once (85 MB). DownloadError: its weights cannot
    be had, or the file is damaged."""
    from facexlib.parsing.parsenet import ParseNet  # here: takes seconds to import

    return load_checkpoint(fetch(URL, SHA256), ParseNet(in_size=FACE_SIZE, out_size=FACE_SIZE, parsing_ch=19))


@torch.inference_mode()
def face_parts(face: Image, parser: nn.Module) -> NDArray[np.uint8]:
    """(512, 512, 1) uint8 of an aligned (512, 512, 3) uint8 RGB face: 255 well inside skin, features and hair, 0 well
    outside, smooth between."""
    classes = parser(to_tensor(face) * 2 - 1)[0][0].argmax(dim=0).numpy()
    return _rounded(_blurred(np.isin(classes, FACE_CLASSES).astype(np.float32) * 255, FEATHER))[..., None]


def _blurred(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    blurred: NDArray[np.float32] = cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return blurred


def _rounded(values: NDArray[Any]) -> Image:
    result: Image = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return result
