"""Golden values, directions, ranges and units of the metrics."""

import itertools
import math

import numpy as np
import pytest
import skimage.data
from tiny import EXAMPLES, Pool

from restoration.images import Image, InputError, read_image
from restoration.measure.identity import IdentityNetwork
from restoration.measure.metrics import Scores, psnr, score, ssim


@pytest.fixture(scope="module")
def photo() -> Image:
    return np.ascontiguousarray(skimage.data.astronaut()[:256, 100:356])


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


@pytest.mark.parametrize(("difference", "expected"), [(1, 48.130803608679), (10, 28.130803608679), (255, 0.0)])
def test_psnr_is_in_decibels(difference: int, expected: float) -> None:
    """20 log10(255 / d) for a constant difference d: a tenfold error costs exactly 20 dB."""
    black = np.zeros((32, 48, 3), np.uint8)
    assert psnr(black + np.uint8(difference), black) == pytest.approx(expected, abs=1e-9)
    assert psnr(black, black + np.uint8(difference)) == pytest.approx(expected, abs=1e-9)  # uint8 would wrap


@pytest.mark.parametrize(("metric", "best"), [(psnr, math.inf), (ssim, 1.0)])
def test_more_noise_scores_worse_and_the_truth_itself_best(metric, best: float, photo: Image) -> None:
    values = [metric(noisy(photo, sigma), photo) for sigma in (2, 5, 10, 20, 40, 80)]
    assert all(better > worse for better, worse in itertools.pairwise(values))
    assert metric(photo, photo.copy()) == best
    almost = photo.copy()
    almost[128, 128, 1] ^= 1
    assert values[0] < metric(almost, photo) < best


def test_score_gathers_all() -> None:
    truth, identity = read_image(EXAMPLES / "grace_hopper.png"), IdentityNetwork(Pool(), "pool")
    image = noisy(truth, 20)
    scores = score(image, truth, identity)
    assert scores == Scores(psnr(image, truth), ssim(image, truth), identity.angle(image, truth))
    assert scores.identity_angle is not None
    assert scores.identity_angle > 0
    assert score(truth, truth) == Scores(math.inf, 1.0, None)  # nothing is claimed that was not measured


@pytest.mark.parametrize("metric", [psnr, ssim, score])
def test_bad_pairs_are_refused(metric, photo: Image) -> None:
    with pytest.raises(InputError, match="256 x 128 and 256 x 256"):
        metric(photo[:128], photo)
    with pytest.raises(InputError, match="uint8"):
        metric(photo.astype(np.float32) / 255, photo)
    with pytest.raises(InputError, match=r"\(H, W, 3\)"):
        metric(photo[..., 0], photo[..., 0])
    with pytest.raises(InputError, match="15 x 256"):
        metric(photo[:, :15], photo[:, :15])
