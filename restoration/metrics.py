"""How good is a picture, given the truth? PSNR, SSIM and, where an identity network is at hand, its angle."""

import math
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from restoration.images import Image, InputError, check_image


class IdentityMetric(Protocol):
    """What ``score`` needs of an identity network: the angle in degrees between two aligned 512 faces."""

    def angle(self, image: Image, truth: Image, /) -> float: ...


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
          use_sample_covariance=False``, and takes a quarter of its time
        - the 5 pixels at each border, where the window sticks out, are left out of the mean
        - RGB channels, not luma: published numbers on luma are higher

    Args:
        image, truth: (H, W, 3) uint8 RGB of the same size, sides >= 16. Symmetric in the two.

    Returns:
        In [-1, 1]; 1 only when the pictures are equal.

    Raises:
        InputError: not an ``Image``, or the sizes differ.

    Source:
        Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural
        similarity", IEEE Transactions on Image Processing 13(4), 2004.
    """
    _check_pair(image, truth)
    x, y = image.astype(np.float64), truth.astype(np.float64)
    mean_x, mean_y = _window(x), _window(y)
    variances = _window(x * x) - mean_x**2 + _window(y * y) - mean_y**2
    covariance = _window(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    local = (2 * mean_x * mean_y + c1) * (2 * covariance + c2) / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))
    return float(local[5:-5, 5:-5].mean())


def _window(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean under the Gaussian window around every pixel, (H, W, 3)."""
    result: NDArray[np.float64] = cv2.GaussianBlur(values, (11, 11), 1.5)
    return result


def score(image: Image, truth: Image, identity: IdentityMetric | None = None) -> Scores:
    """All metrics of ``image`` against ``truth``, both (H, W, 3) uint8 RGB of the same size.

    With ``identity`` both must be faces aligned to the 512 template; without it ``identity_angle`` is None.
    InputError as for ``psnr`` and ``ssim``.
    """
    return Scores(
        psnr=psnr(image, truth),
        ssim=ssim(image, truth),
        identity_angle=None if identity is None else identity.angle(image, truth),
    )


def _check_pair(image: Image, truth: Image) -> None:
    if check_image(image).shape != check_image(truth).shape:
        raise InputError(
            f"Cannot compare pictures of different sizes: {image.shape[1]} x {image.shape[0]} and "
            f"{truth.shape[1]} x {truth.shape[0]}. Resize one of them first."
        )
