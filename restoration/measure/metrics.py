"""How good is a picture, given the truth? PSNR, SSIM and, where an identity network is at hand, its angle."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.images import Image, InputError, check_image

_RADIUS = 5  # pixels, of SSIM's Gaussian window
_ROWS = 64  # whose SSIM is computed at a time


class Angle(Protocol):
    """What ``Truth`` needs of a face's embedding: the angle in degrees to another one of the same network."""

    def angle(self, other: Any, /) -> float: ...


class IdentityMetric(Protocol):
    """What ``Truth`` needs of an identity network: the embedding of an aligned 512 face."""

    def embed(self, image: Image, /) -> Angle: ...


@dataclass(frozen=True)
class Scores:
    """The metrics of one picture.

    psnr: dB, higher is better, inf when equal. ssim: at most 1, higher is better. identity_angle: degrees,
    lower is better, None when there was no identity network (not 0: nothing was measured).
    """

    psnr: float
    ssim: float
    identity_angle: float | None


def psnr(image: Image, truth: Image) -> float:
    """Peak signal-to-noise ratio over all pixels and channels of one picture.

    PSNR = 10 log10(255^2 / MSE)

    Args:
        image, truth: (H, W, 3) uint8 RGB of the same size, sides >= 16. Symmetric in the two.

    Returns:
        dB; inf when the pictures are equal (no cap).

    Raises:
        InputError: not an ``Image``, or the sizes differ.

    Source:
        The convention of face-restoration papers: RGB, not luma; no border is shaved; a set's PSNR is the mean
        of its pictures'. Equals ``skimage.metrics.peak_signal_noise_ratio(..., data_range=255)``.
    """
    _check_pair(image, truth)
    error = image.astype(np.int32) - truth.astype(np.int32)
    mse = float(np.mean(np.square(error), dtype=np.float64))
    return math.inf if mse == 0 else 10 * math.log10(255**2 / mse)


def ssim(image: Image, truth: Image) -> float:
    """Structural similarity, the mean over pixels and the three RGB channels.

    Convention:
        - the settings of the paper: Gaussian window of sigma 1.5, 11 x 11 pixels, K1 = 0.01, K2 = 0.03, L = 255,
          population covariance; equals scikit-image's with ``gaussian_weights=True, sigma=1.5,
          use_sample_covariance=False`` to 1e-7 (to 1e-5 where truth and picture have nothing in common)
        - the 5 pixels at each border, where the window sticks out, are left out of the mean
        - RGB channels, not luma: published numbers on luma are higher

    Args:
        image, truth: (H, W, 3) uint8 RGB of the same size, sides >= 16. Symmetric in the two, likewise.

    Returns:
        In [-1, 1]; 1 only when the pictures are equal.

    Raises:
        InputError: not an ``Image``, or the sizes differ.

    Source:
        Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural
        similarity", IEEE Transactions on Image Processing 13(4), 2004.
    """
    return Truth(truth).ssim(image)


def _window(values: NDArray[Any]) -> NDArray[Any]:
    """Mean under the Gaussian window around every pixel, (H, W, 3), same dtype."""
    result: NDArray[Any] = cv2.GaussianBlur(values, (2 * _RADIUS + 1,) * 2, 1.5)
    return result


def score(image: Image, truth: Image, identity: IdentityMetric | None = None) -> Scores:
    """All metrics of ``image`` against ``truth``, both (H, W, 3) uint8 RGB of the same size.

    With ``identity`` both must be faces aligned to the 512 template; without it ``identity_angle`` is None.
    InputError as for ``psnr`` and ``ssim``.
    """
    return Truth(truth, identity).score(image)


class Truth:
    """A clean picture that many others are measured against: what they have in common is computed once.

    Safe to share between threads.

    Args:
        picture: (H, W, 3) uint8 RGB, sides >= 16. Not modified.
        identity: as for ``score``.
    """

    def __init__(self, picture: Image, identity: IdentityMetric | None = None) -> None:
        self._picture, self._identity = check_image(picture), identity
        self._embedding = None if identity is None else identity.embed(picture)
        values = picture.astype(np.float64)
        mean = _window(values)
        variance = _window(np.square(values)) - np.square(mean)
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        # What ``ssim`` needs of the truth y, in float32; y less a mid grey, which a product rounds less.
        self._colour = cv2.mean(picture)[:3]
        self._centred, self._mean, self._mean_centred, self._luminance, self._contrast = (
            part.astype(np.float32)
            for part in (values - 128, mean, mean - 128, 2 * np.square(mean) + c1, 2 * variance + c2)
        )

    def score(self, image: Image) -> Scores:
        """As ``score``, bit for bit."""
        angle = None
        psnr_db, similarity = psnr(image, self._picture), self.ssim(image)
        if self._identity is not None and self._embedding is not None:
            angle = self._identity.embed(image).angle(self._embedding)
        return Scores(psnr=psnr_db, ssim=similarity, identity_angle=angle)

    def ssim(self, image: Image) -> float:
        """As ``ssim``, bit for bit."""
        _check_pair(image, self._picture)
        # Of the difference d = x - y to the truth, which is small where precision counts: then float32 is precise.
        #   2 mx my + c1     = luminance + 2 my md          mx^2 + my^2 + c1 = that + md^2
        #   2 cov(x, y) + c2 = contrast + 2 cov(d, y)       var x + var y + c2 = that + var d
        # Brightness, the same everywhere, changes the means alone.
        brightness = np.rint(np.subtract(cv2.mean(image)[:3], self._colour)).astype(np.float32)
        brightness = np.tile(brightness, (image.shape[1], 1))  # whole rows are soonest added
        # A few rows at a time stay in a core's cache; what lies around them is looked at, but not asked for.
        total, height = 0.0, len(image)
        for start in range(_RADIUS, height - _RADIUS, _ROWS):
            stop = min(start + _ROWS, height - _RADIUS)
            total += self._similarity(image, slice(start - _RADIUS, stop + _RADIUS), brightness)
        return float(total / ((height - 2 * _RADIUS) * (image.shape[1] - 2 * _RADIUS) * 3))

    def _similarity(self, image: Image, rows: slice, brightness: NDArray[np.float32]) -> float:
        """Sum over these rows without those and the columns whose window sticks out, and over the channels."""
        inside = slice(_RADIUS, -_RADIUS)
        difference = image[rows].astype(np.float32) - 128
        difference -= self._centred[rows]
        difference -= brightness
        mean, covariance = _window(difference), _window(difference * self._centred[rows])
        variance = _window(np.square(difference, out=difference))
        covariance -= mean * self._mean_centred[rows]
        covariance *= 2
        covariance += self._contrast[rows]
        variance -= np.square(mean)
        mean += brightness
        means = mean * self._mean[rows]
        means *= 2
        means += self._luminance[rows]
        variance += covariance
        np.square(mean, out=mean)
        mean += means
        means *= covariance
        mean *= variance
        means /= mean
        return float(means[inside, inside].sum(dtype=np.float64))


def _check_pair(image: Image, truth: Image) -> None:
    if check_image(image).shape != check_image(truth).shape:
        raise InputError(
            f"Cannot compare pictures of different sizes: {image.shape[1]} x {image.shape[0]} and "
            f"{truth.shape[1]} x {truth.shape[0]}. Resize one of them first."
        )
