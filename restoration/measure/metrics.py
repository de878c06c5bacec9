"""PSNR, SSIM and identity angle of a picture against the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from restoration.images import Image, InputError, check_image
from restoration.measure.identity import IdentityNetwork


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
        of its pictures'.
    """
    _check_pair(image, truth)
    with np.errstate(divide="ignore"):  # equal pictures
        return float(peak_signal_noise_ratio(truth, image, data_range=255))


def ssim(image: Image, truth: Image) -> float:
    """Structural similarity, the mean over pixels and the three RGB channels, by scikit-image.

    Convention:
        - the settings of the paper: Gaussian window of sigma 1.5, 11 x 11 pixels, K1 = 0.01, K2 = 0.03, L = 255,
          population covariance
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
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(truth, image, data_range=255, channel_axis=2, **settings))


def score(image: Image, truth: Image, identity: IdentityNetwork | None = None) -> Scores:
    """All metrics of ``image`` against ``truth``, both (H, W, 3) uint8 RGB of the same size.

    With ``identity`` both must be faces aligned to the 512 template; without it ``identity_angle`` is None.
    InputError as for ``psnr`` and ``ssim``.
    """
    angle = None if identity is None else identity.angle(image, truth)
    return Scores(psnr=psnr(image, truth), ssim=ssim(image, truth), identity_angle=angle)


def _check_pair(image: Image, truth: Image) -> None:
    if check_image(image).shape != check_image(truth).shape:
        raise InputError(
            f"Cannot compare pictures of different sizes: {image.shape[1]} x {image.shape[0]} and "
            f"{truth.shape[1]} x {truth.shape[0]}. Resize one of them first."
        )
