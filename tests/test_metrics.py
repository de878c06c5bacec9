"""Golden values, directions, ranges and units of the metrics."""

import itertools
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import skimage.data
import skimage.metrics
from skimage.metrics import structural_similarity

from restoration.images import Image, InputError
from restoration.measure.metrics import Scores, Truth, psnr, score, ssim


@pytest.fixture(scope="module")
def photo() -> Image:
    return np.ascontiguousarray(skimage.data.astronaut()[:256, 100:356])


def noisy(image: Image, sigma: float, seed: int = 0) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def camera_pair() -> tuple[Image, Image]:
    """scikit-image's cameraman and its noisy copy, as scikit-image's own tests make it; grey in all channels."""
    camera = skimage.data.camera()
    noise = 20.0 * np.random.RandomState(5).randn(*camera.shape)
    degraded = np.clip(camera + noise, 0, 255).astype(np.uint8)
    return np.stack([camera] * 3, axis=2), np.stack([degraded] * 3, axis=2)


# Source of both golden values: the IPOL program imdiff (https://www.ipol.im/pub/art/2011/g_lmii/), run on this
# pair by scikit-image's maintainers, whose tolerances these are too:
# https://github.com/scikit-image/scikit-image/pull/4913#issuecomment-700653165
def test_psnr_matches_ipol(camera_pair: tuple[Image, Image]) -> None:
    assert psnr(camera_pair[1], camera_pair[0]) == pytest.approx(22.409353363576034, abs=1e-4)


def test_ssim_matches_ipol(camera_pair: tuple[Image, Image]) -> None:
    assert ssim(camera_pair[1], camera_pair[0]) == pytest.approx(0.357959091663361, abs=1.5e-3)


@pytest.mark.parametrize(("difference", "expected"), [(1, 48.130803608679), (10, 28.130803608679), (255, 0.0)])
def test_psnr_is_in_decibels(difference: int, expected: float) -> None:
    """20 log10(255 / d) for a constant difference d: a tenfold error costs exactly 20 dB."""
    black = np.zeros((32, 48, 3), np.uint8)
    assert psnr(black + np.uint8(difference), black) == pytest.approx(expected, abs=1e-9)


def test_psnr_of_bright_minus_dark_does_not_wrap() -> None:
    """uint8 subtraction would make 0 - 1 = 255."""
    black = np.zeros((32, 32, 3), np.uint8)
    assert psnr(black, black + np.uint8(1)) == psnr(black + np.uint8(1), black)


def test_psnr_averages_the_error_over_channels() -> None:
    truth = np.zeros((32, 32, 3), np.uint8)
    image = truth.copy()
    image[..., 0] = 30  # MSE 900 / 3
    assert psnr(image, truth) == pytest.approx(10 * math.log10(255**2 / 300), abs=1e-9)


def test_psnr_matches_scikit_image(photo: Image) -> None:
    image = noisy(photo, 12)
    expected = skimage.metrics.peak_signal_noise_ratio(photo, image, data_range=255)
    assert psnr(image, photo) == pytest.approx(expected, abs=1e-9)


def test_ssim_is_the_mean_over_channels(photo: Image) -> None:
    image = noisy(photo, 12)
    image[..., 2] = 128
    channels = [ssim(*(np.stack([picture[..., c]] * 3, axis=2) for picture in (image, photo))) for c in range(3)]
    assert max(channels) - min(channels) > 0.1
    assert ssim(image, photo) == pytest.approx(np.mean(channels), abs=1e-7)


def test_ssim_by_the_formula_of_the_paper(photo: Image) -> None:
    """One window of 11 x 11: a 16 x 16 picture has 6 x 6 of them; the first, computed by hand."""
    image, truth = noisy(photo, 30)[100:116, 100:116], photo[100:116, 100:116]
    axis = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(axis, axis) / axis.sum() ** 2

    def one(x: np.ndarray, y: np.ndarray) -> float:
        mx, my = (window * x).sum(), (window * y).sum()
        vx, vy = (window * x * x).sum() - mx**2, (window * y * y).sum() - my**2
        cov = (window * x * y).sum() - mx * my
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        return (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))

    values = [
        one(image[r : r + 11, c : c + 11, k].astype(float), truth[r : r + 11, c : c + 11, k].astype(float))
        for k in range(3)
        for r in range(6)
        for c in range(6)
    ]
    assert ssim(image, truth) == pytest.approx(np.mean(values), abs=1e-7)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_more_noise_scores_worse(metric, photo: Image) -> None:
    values = [metric(noisy(photo, sigma), photo) for sigma in (2, 5, 10, 20, 40, 80)]
    assert all(better > worse for better, worse in itertools.pairwise(values))


@pytest.mark.parametrize(("metric", "best"), [(psnr, math.inf), (ssim, 1.0)])
def test_the_truth_itself_scores_best(metric, best: float, photo: Image) -> None:
    assert metric(photo, photo.copy()) == best
    almost = photo.copy()
    almost[128, 128, 1] ^= 1
    assert metric(almost, photo) < best


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_symmetric_and_leaves_its_inputs_alone(metric, photo: Image) -> None:
    image, truth = noisy(photo, 15), photo.copy()
    before = image.copy(), truth.copy()
    assert metric(image, truth) == pytest.approx(metric(truth, image), abs=1e-7)
    assert np.array_equal(image, before[0])
    assert np.array_equal(truth, before[1])


def test_ssim_stays_in_range(photo: Image) -> None:
    assert -1 <= ssim(255 - photo, photo) < 0.2
    random = np.random.default_rng(1).integers(0, 256, photo.shape, dtype=np.uint8)
    assert abs(ssim(random, photo)) < 0.1
    smallest = photo[:16, :16]
    assert -1 <= ssim(255 - smallest, smallest) <= 1


class Mean:
    """The mean of a picture in place of an embedding, the difference in place of an angle."""

    def __init__(self, image: Image) -> None:
        self.mean = float(image.mean())

    def angle(self, other: "Mean", /) -> float:
        return abs(self.mean - other.mean)


class AnglesByMean:
    """An identity network of known answers."""

    def __init__(self) -> None:
        self.seen = 0

    def embed(self, image: Image, /) -> Mean:
        self.seen += 1
        return Mean(image)


def test_score_gathers_all(photo: Image) -> None:
    image = np.clip(photo.astype(int) + 7, 0, 255).astype(np.uint8)
    expected = Scores(psnr(image, photo), ssim(image, photo), Mean(image).angle(Mean(photo)))
    assert expected.identity_angle is not None
    assert expected.identity_angle > 1
    assert score(image, photo, AnglesByMean()) == expected


def test_a_truth_measures_many_as_score_does_one_by_one(photo: Image) -> None:
    identity, before = AnglesByMean(), photo.copy()
    truth, pictures = Truth(photo, identity), [noisy(photo, level) for level in (5, 20, 40)]
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(truth.score, pictures)) == [score(image, photo, AnglesByMean()) for image in pictures]
    assert identity.seen == 4  # the truth once
    np.testing.assert_array_equal(photo, before)


def test_score_without_an_identity_network_claims_nothing(photo: Image) -> None:
    assert score(photo, photo) == Scores(math.inf, 1.0, None)


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


OPTIONS = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 2, "data_range": 255}


@pytest.mark.parametrize("sigma", [0.3, 3, 20, 80])
@pytest.mark.parametrize("brightness", [0, 90])
def test_ssim_is_scikit_images(photo: Image, sigma: float, brightness: int) -> None:
    image = noisy(np.maximum(photo, brightness), sigma)
    assert ssim(image, photo) == pytest.approx(structural_similarity(image, photo, **OPTIONS), abs=1e-7)


def test_ssim_is_scikit_images_where_nothing_is_in_common(photo: Image) -> None:
    random = np.random.default_rng(1).integers(0, 256, photo.shape, dtype=np.uint8)
    board = (255 * (np.indices(photo.shape).sum(axis=0) % 2)).astype(np.uint8)
    pictures = [photo, 255 - photo, np.zeros_like(photo), np.full_like(photo, 255), random, board]
    for image, truth in itertools.product(pictures, repeat=2):
        assert ssim(image, truth) == pytest.approx(structural_similarity(image, truth, **OPTIONS), abs=1e-5)
