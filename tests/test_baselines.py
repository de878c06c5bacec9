"""The methods to beat: that they do what they say, and do it well enough to be worth beating."""

import math

import cv2
import numpy as np
import PIL.Image
import pytest

from examples.make_examples import FOLDER
from restoration.images import Image, InputError, read_image
from restoration.measure.baselines import MAX_FACTOR, MAX_SIGMA, lanczos, noise_sigma, non_local_means, wiener
from restoration.measure.metrics import psnr, ssim


@pytest.fixture(scope="module")
def face() -> Image:
    return read_image(FOLDER / "eileen_collins.png")


def noisy(image: Image, sigma: float, seed: int = 0) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


# ---------------------------------------------------------------------------------------------- lanczos


@pytest.mark.parametrize("factor", [1, 1.5, 2, 3.7, 8, 32])
@pytest.mark.parametrize("size", [(512, 512), (97, 64), (16, 16)])
def test_lanczos_keeps_shape_and_type(factor: float, size: tuple[int, int], face: Image) -> None:
    image = face[: size[0], : size[1]]
    before = image.copy()
    result = lanczos(image, factor)
    assert result.shape == image.shape
    assert result.dtype == np.uint8
    assert np.array_equal(image, before)
    assert not np.shares_memory(result, image)


def test_lanczos_of_factor_one_is_the_identity(face: Image) -> None:
    assert np.array_equal(lanczos(face, 1), face)


def test_lanczos_keeps_flat_pictures() -> None:
    flat = np.full((64, 80, 3), (10, 128, 250), np.uint8)
    assert np.array_equal(lanczos(flat, 4), flat)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_lanczos_agrees_with_pil(factor: int, face: Image) -> None:
    """PIL's Lanczos has a 6 x 6 kernel where OpenCV's has 8 x 8, and its box filter is the same area averaging."""
    side = 512 // factor
    reduced = PIL.Image.fromarray(face).resize((side, side), PIL.Image.Resampling.BOX)
    reference = np.asarray(reduced.resize((512, 512), PIL.Image.Resampling.LANCZOS))
    assert psnr(lanczos(face, factor), reference) > 40


def test_lanczos_does_not_move_the_picture() -> None:
    """Half a small pixel of displacement would move a centred ramp by 4 levels."""
    ramp = np.tile(np.arange(0, 256, dtype=np.uint8)[:, None, None], (1, 64, 3))
    error = lanczos(ramp, 8).astype(int) - ramp
    assert np.abs(error[32:-32]).max() <= 1


def test_lanczos_scores_worse_as_the_factor_grows(face: Image) -> None:
    values = [psnr(lanczos(face, factor), face) for factor in (1.5, 2, 4, 8, 16, 32)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1] + 10


def test_lanczos_undoes_what_averaging_can(face: Image) -> None:
    """A face shown in blocks of 4 x 4 pixels, with noise in each block: smooth interpolation is nearer to the truth."""
    small = cv2.resize(face, (128, 128), interpolation=cv2.INTER_AREA)
    blocks = cv2.resize(small, (512, 512), interpolation=cv2.INTER_NEAREST)
    assert psnr(lanczos(blocks, 4), face) > psnr(blocks, face) + 1


@pytest.mark.parametrize("factor", [0, 0.99, -2, MAX_FACTOR + 1, math.nan, math.inf])
def test_lanczos_refuses_bad_factors(factor: float, face: Image) -> None:
    with pytest.raises(InputError, match="between 1 and 32"):
        lanczos(face, factor)


# ---------------------------------------------------------------------------------------- non-local means


@pytest.mark.parametrize(("sigma", "gain"), [(5, 5), (10, 8), (20, 10), (40, 11)])
def test_non_local_means_removes_noise(sigma: float, gain: float, face: Image) -> None:
    image = noisy(face, sigma)
    known, estimated = non_local_means(image, sigma), non_local_means(image)
    for result in (known, estimated):
        assert psnr(result, face) > psnr(image, face) + gain
        assert ssim(result, face) > ssim(image, face) + 0.1
    assert abs(psnr(known, face) - psnr(estimated, face)) < 1


def test_non_local_means_is_at_least_as_good_as_opencvs(face: Image) -> None:
    image = noisy(face, 20)
    best = max(psnr(cv2.fastNlMeansDenoisingColored(image, None, h, h, 7, 21), face) for h in (14, 17, 20))
    assert psnr(non_local_means(image), face) > best


def test_non_local_means_keeps_edges() -> None:
    image = np.full((96, 96, 3), 60, np.uint8)
    image[:, 48:] = 180
    result = non_local_means(noisy(image, 15), 15).astype(float)
    assert np.abs(result[8:-8, 47].mean() - 60) < 4
    assert np.abs(result[8:-8, 48].mean() - 180) < 4
    assert result[:, 8:40].std() < 3
    assert cv2.GaussianBlur(image, (0, 0), 3)[48, 48].min() < 150  # what blurring away the noise does to it


def test_non_local_means_leaves_a_clean_picture_nearly_alone(face: Image) -> None:
    assert psnr(non_local_means(face), face) > 45
    assert np.array_equal(non_local_means(face, 0), face)
    assert not np.shares_memory(non_local_means(face, 0), face)


def test_non_local_means_is_deterministic_and_leaves_its_input_alone(face: Image) -> None:
    image = noisy(face, 10)[:128, :100]
    before = image.copy()
    first, second = non_local_means(image), non_local_means(image)
    assert np.array_equal(first, second)
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    assert np.array_equal(image, before)


def test_non_local_means_smooths_more_when_stronger(face: Image) -> None:
    image = noisy(face[100:300, 100:300], 15)
    distances = [psnr(non_local_means(image, strength), image) for strength in (5, 10, 20, 40)]
    assert distances == sorted(distances, reverse=True)


@pytest.mark.parametrize("strength", [-1, MAX_SIGMA + 1, math.nan, math.inf])
def test_non_local_means_refuses_bad_strengths(strength: float, face: Image) -> None:
    with pytest.raises(InputError, match="between 0 and 100"):
        non_local_means(face, strength)


# --------------------------------------------------------------------------------------- noise estimate


@pytest.mark.parametrize("sigma", [2, 5, 10, 20])
def test_noise_is_estimated_within_a_tenth_on_a_face(sigma: float, face: Image) -> None:
    assert noise_sigma(noisy(face, sigma)) == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize("sigma", [3, 15, 30])
def test_noise_is_estimated_exactly_where_there_is_nothing_else(sigma: float) -> None:
    y, x = np.mgrid[0:256, 0:256]
    ramp = np.stack([(x + y) / 8 + 96] * 3, axis=2).astype(np.uint8)
    assert noise_sigma(noisy(ramp, sigma)) == pytest.approx(sigma, rel=0.03)


def test_no_noise_is_no_noise(face: Image) -> None:
    assert noise_sigma(np.full((32, 32, 3), 77, np.uint8)) == 0
    assert noise_sigma(face) < 1
    extreme = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (64, 64, 3))
    assert noise_sigma(extreme) == MAX_SIGMA


@pytest.mark.parametrize("method", [lambda image: lanczos(image, 2), non_local_means, noise_sigma])
def test_what_is_no_image_is_refused(method, face: Image) -> None:
    for bad in (face[..., 0], face / 255, face[:10]):
        with pytest.raises(InputError):
            method(bad)


# ---------------------------------------------------------------------------------------------- Wiener


def spread(sigma: float) -> np.ndarray:
    """A Gaussian's, computed without the package."""
    axis = np.exp(-np.square(np.arange(-20, 21) / sigma) / 2)
    return np.outer(axis, axis) / axis.sum() ** 2


def blurred(image: Image, sigma: float) -> Image:
    return cv2.GaussianBlur(image, (41, 41), sigma, borderType=cv2.BORDER_REFLECT_101)


@pytest.mark.parametrize(("sigma", "noise", "decibels"), [(2, 0, 1), (4, 0, 1), (4, 5, 1), (3, 15, 2)])
def test_wiener_undoes_a_known_blur(face: Image, sigma: float, noise: float, decibels: float) -> None:
    degraded = noisy(blurred(face, sigma), noise)
    before = degraded.copy()
    result = wiener(degraded, spread(sigma), noise)
    assert result.dtype == np.uint8
    assert result.shape == face.shape
    assert np.array_equal(degraded, before)
    assert psnr(result, face) > psnr(degraded, face) + decibels
    assert psnr(result[:24], face[:24]) > psnr(degraded[:24], face[:24])  # no ringing comes in from the border


def test_wiener_with_the_wrong_blur_is_worse(face: Image) -> None:
    degraded = blurred(face, 3)
    assert psnr(wiener(degraded, spread(3), 0), face) > psnr(wiener(degraded, spread(6), 0), face) + 3


def test_wiener_does_not_move_the_picture(face: Image) -> None:
    point = np.zeros((107, 107))
    point[53, 53] = 1
    shifted = [np.roll(face, shift, axis=axis) for axis in (0, 1) for shift in (-1, 1)]
    result = wiener(face, point, 0)
    assert psnr(result, face) > 5 + max(psnr(result, other) for other in shifted)


@pytest.mark.parametrize("kernel", [np.ones((4, 4)) / 16, np.ones((3, 5)) / 15, np.ones((115, 115))])
def test_wiener_refuses_other_point_spreads(face: Image, kernel: np.ndarray) -> None:
    with pytest.raises(InputError, match="point spread"):
        wiener(face, kernel, 0)


@pytest.mark.parametrize("noise", [-1, 101, math.nan])
def test_wiener_refuses_other_noise(face: Image, noise: float) -> None:
    with pytest.raises(InputError, match="noise"):
        wiener(face, spread(2), noise)
