"""Metrics against their formulas and a reference, and methods to beat: that they do what they say, and do it well."""

import itertools
import math

import cv2
import numpy as np
import PIL.Image
import pytest
import skimage.data
from pictures import ASTRONAUT
from tiny import EXAMPLES, Pool

from restoration.images import Image, InputError, read_image
from restoration.measure import Scores, lanczos, noise_sigma, non_local_means, psnr, score, ssim, wiener
from restoration.measure.identity import IdentityNetwork

PHOTO, FACE = np.ascontiguousarray(ASTRONAUT[:256, 100:356]), read_image(EXAMPLES / "eileen_collins.png")


def noisy(image: Image, sigma: float, seed: int = 0) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def test_both_match_ipol() -> None:
    """scikit-image's cameraman and its noisy copy, as scikit-image's own tests make it; grey in all channels.

    Source of both golden values: the IPOL program imdiff (https://www.ipol.im/pub/art/2011/g_lmii/), run on this
    pair by scikit-image's maintainers, whose tolerances these are too:
    https://github.com/scikit-image/scikit-image/pull/4913#issuecomment-700653165
    """
    camera = skimage.data.camera()
    degraded = np.clip(camera + 20.0 * np.random.RandomState(5).randn(*camera.shape), 0, 255).astype(np.uint8)
    truth, image = (np.stack([grey] * 3, axis=2) for grey in (camera, degraded))
    assert psnr(image, truth) == pytest.approx(22.409353363576034, abs=1e-4)
    assert ssim(image, truth) == pytest.approx(0.357959091663361, abs=1.5e-3)


@pytest.mark.parametrize(("metric", "best"), [(psnr, math.inf), (ssim, 1.0)])
def test_more_noise_scores_worse_and_the_truth_itself_best(metric, best: float) -> None:
    values = [metric(noisy(PHOTO, sigma), PHOTO) for sigma in (2, 5, 10, 20, 40, 80)]
    assert all(better > worse for better, worse in itertools.pairwise(values))
    assert metric(PHOTO, PHOTO.copy()) == best
    almost = PHOTO.copy()
    almost[128, 128, 1] ^= 1
    assert values[0] < metric(almost, PHOTO) < best


def test_score_gathers_all() -> None:
    truth, identity = read_image(EXAMPLES / "grace_hopper.png"), IdentityNetwork(Pool(), "pool")
    image = noisy(truth, 20)
    scores = score(image, truth, identity)
    assert scores == Scores(psnr(image, truth), ssim(image, truth), identity.angle(image, truth))
    assert score(truth, truth) == Scores(math.inf, 1.0, None)  # nothing is claimed that was not measured


@pytest.mark.parametrize("metric", [psnr, ssim, score])
def test_bad_pairs_are_refused(metric) -> None:
    for image, truth, message in (
        (PHOTO[:128], PHOTO, "256 x 128 and 256 x 256"),
        (PHOTO.astype(np.float32) / 255, PHOTO, "uint8"),
        (PHOTO[..., 0], PHOTO[..., 0], r"\(H, W, 3\)"),
        (PHOTO[:, :15], PHOTO[:, :15], "15 x 256"),
    ):
        with pytest.raises(InputError, match=message):
            metric(image, truth)


def spread(sigma: float) -> np.ndarray:
    """A Gaussian's, computed without the package."""
    axis = cv2.getGaussianKernel(41, sigma)
    return axis @ axis.T


@pytest.mark.parametrize("factor", [2, 8])
def test_lanczos_agrees_with_pil(factor: int) -> None:
    """PIL's Lanczos has a 6 x 6 kernel where OpenCV's has 8 x 8, and its box filter is the same area averaging."""
    side = 512 // factor
    reduced = PIL.Image.fromarray(FACE).resize((side, side), PIL.Image.Resampling.BOX)
    reference = np.asarray(reduced.resize((512, 512), PIL.Image.Resampling.LANCZOS))
    assert psnr(lanczos(FACE, factor), reference) > 40


@pytest.mark.parametrize(("sigma", "gain"), [(5, 5), (20, 8), (40, 11)])
def test_non_local_means_removes_noise_that_it_estimates_itself_at_least_as_well_as_opencvs(sigma, gain: float) -> None:
    clean = FACE[128:384, 128:384]
    image = noisy(clean, sigma)
    result = non_local_means(image)
    assert psnr(result, clean) > psnr(image, clean) + gain
    assert ssim(result, clean) > ssim(image, clean) + 0.1
    strengths = (0.7 * sigma, 0.85 * sigma, sigma)
    best = max(psnr(cv2.fastNlMeansDenoisingColored(image, None, h, h, 7, 21), clean) for h in strengths)
    assert psnr(result, clean) > best


@pytest.mark.parametrize(("sigma", "noise", "decibels"), [(2, 0, 1), (4, 5, 1), (3, 15, 2)])
def test_wiener_undoes_a_known_blur(sigma: float, noise: float, decibels: float) -> None:
    blurred = cv2.GaussianBlur(FACE, (41, 41), sigma, borderType=cv2.BORDER_REFLECT_101)
    degraded = noisy(blurred, noise)
    result = wiener(degraded, spread(sigma), noise)
    assert psnr(result, FACE) > psnr(degraded, FACE) + decibels
    assert psnr(result, FACE) > psnr(wiener(degraded, spread(2 * sigma), noise), FACE)  # another blur
    assert psnr(result[:24], FACE[:24]) > psnr(degraded[:24], FACE[:24])  # no ringing comes in from the border


def test_noise_is_estimated() -> None:
    y, x = np.mgrid[0:256, 0:256]
    ramp = np.stack([(x + y) / 8 + 96] * 3, axis=2).astype(np.uint8)
    for sigma in (2, 5, 20):
        assert noise_sigma(noisy(FACE, sigma)) == pytest.approx(sigma, rel=0.1)
        assert noise_sigma(noisy(ramp, sigma)) == pytest.approx(sigma, rel=0.03)  # where there is nothing else
    flat = np.full((32, 32, 3), 77, np.uint8)
    assert noise_sigma(flat) == 0
    assert np.array_equal(non_local_means(flat), flat)
    assert noise_sigma(FACE) < 1
