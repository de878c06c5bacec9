"""What a restoration is worth: here PSNR, SSIM and identity angle, and methods without learning to compare with."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity
from skimage.restoration import denoise_nl_means

from restoration.degrade import MARGIN
from restoration.images import Image, InputError, check_image
from restoration.measure.identity import IdentityNetwork


@dataclass(frozen=True)
class Scores:
    """The metrics of one picture: psnr, dB, and ssim, at most 1, higher is better; identity_angle, degrees, lower is
    better, None when there was no identity network (not 0: nothing was measured)."""

    psnr: float
    ssim: float
    identity_angle: float | None


def psnr(image: Image, truth: Image) -> float:
    """Peak signal-to-noise ratio over all pixels and channels of one picture, dB: 10 log10(255^2 / MSE), no cap.

    Both are (H, W, 3) uint8 RGB of the same size, sides >= 16, or it is an InputError. As in face-restoration papers no
    border is shaved, and a set's PSNR is the mean of its pictures'.
    """
    _check_pair(image, truth)
    error = np.square(np.subtract(image, truth, dtype=np.float64)).mean()
    with np.errstate(divide="ignore"):  # equal pictures
        return float(10 * np.log10(255**2 / error))


def ssim(image: Image, truth: Image) -> float:
    """Structural similarity, [-1, 1], the mean over pixels and the three RGB channels; pictures as for ``psnr``.

    Convention:
        - the settings of the paper: Gaussian window of sigma 1.5, 11 x 11 pixels, K1 = 0.01, K2 = 0.03, L = 255,
          population covariance; the 5 pixels at each border, where the window sticks out, are left out
        - RGB channels, not luma: published numbers on luma are higher

    Source:
        Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity",
        IEEE Transactions on Image Processing 13(4), 2004.
    """
    _check_pair(image, truth)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(truth, image, data_range=255, channel_axis=2, **settings))


def score(image: Image, truth: Image, identity: IdentityNetwork | None = None) -> Scores:
    """All metrics of ``image`` against ``truth``; with ``identity`` both must be faces aligned to the 512 template.
    InputError as for ``psnr``."""
    angle = None if identity is None else identity.angle(image, truth)
    return Scores(psnr=psnr(image, truth), ssim=ssim(image, truth), identity_angle=angle)


def _check_pair(image: Image, truth: Image) -> None:
    if check_image(image).shape != check_image(truth).shape:
        sizes = " and ".join(f"{each.shape[1]} x {each.shape[0]}" for each in (image, truth))
        raise InputError(f"Cannot compare pictures of different sizes: {sizes}. Resize one of them first.")


_NLM_FILTER_PER_SIGMA = 0.6  # filter strength h per noise sigma: best PSNR on faces lies at 0.5 to 0.6 for sigma 10-40
_NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def lanczos(image: Image, factor: float) -> Image:
    """Reduce an (H, W, 3) uint8 RGB picture by area averaging, then enlarge it back by OpenCV's 8 x 8 Lanczos kernel.
    The factor is at least 1, and best the degradation's own."""
    height, width = check_image(image).shape[:2]
    size = max(1, round(width / factor)), max(1, round(height / factor))
    reduced = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LANCZOS4))


def non_local_means(image: Image) -> Image:
    """Denoise an (H, W, 3) uint8 RGB picture by averaging pixels whose surroundings look alike, as scikit-image does
    fast, as strongly as ``noise_sigma`` says; blur stays."""
    sigma = noise_sigma(image)
    if sigma == 0:
        return np.array(image)
    filtered = {"patch_size": 5, "patch_distance": 6, "h": _NLM_FILTER_PER_SIGMA * sigma, "sigma": sigma}
    return _rounded(denoise_nl_means(image.astype(np.float64), channel_axis=2, **filtered))


def wiener(image: Image, point_spread: NDArray[np.floating], noise: float) -> Image:
    """Undo a known blur of an (H, W, 3) uint8 RGB picture by Wiener's filter, each channel by itself, mirrored at the
    borders. It is told the exact blur and noise, which no restorer knows: an upper bound for a linear method, no rival.

    Args:
        point_spread: (K, K), K odd, at most 107; what the blur made of one point, sum 1, centred.
        noise: standard deviation of the noise in 8-bit grey levels, [0, 100].
    """
    from skimage.restoration import wiener as filter_by  # here: slow to import, and the page opens without it

    padded = np.pad(check_image(image) / 255, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="reflect")
    balance = 1 + 0.3 * noise  # for motion blurs, whose spectrum has zeros; slight Gaussian ones would take less
    channels = [filter_by(padded[..., c], point_spread, balance, clip=False) for c in range(3)]
    return _rounded(np.stack(channels, axis=2)[MARGIN:-MARGIN, MARGIN:-MARGIN] * 255)


def _rounded(levels: NDArray[np.float64]) -> Image:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def noise_sigma(image: Image) -> float:
    """Estimate the standard deviation of white noise from an (H, W, 3) uint8 picture alone, in 8-bit grey levels.

    sigma = median |L * image| / (6 * 0.6745), averaged over the channels; flat, sloping and straight-edged areas do not
    answer to the 3 x 3 kernel L. Fine texture counts as noise; what was blurred, compressed or clipped counts less.

    Source:
        Kernel: Immerkaer, "Fast noise variance estimation", CVIU 64(2), 1996. Median / 0.6745: Donoho and Johnstone,
        "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81(3), 1994.
    """
    response = cv2.filter2D(check_image(image).astype(np.float32), -1, _NOISE_KERNEL)[1:-1, 1:-1]
    return float(np.median(np.abs(response), axis=(0, 1)).mean()) / (6 * 0.6745)
