"""Degradations against independent references: OpenCV, libjpeg, and arithmetic."""

import itertools
import math

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from restoration.blur import gaussian_kernels, motion_kernels
from restoration.degradations import LIMITS, Degradation, degrade, degrade_image
from restoration.images import InputError, to_tensor
from restoration.metrics import psnr

ASTRONAUT = np.ascontiguousarray(skimage.data.astronaut())
ODD = np.ascontiguousarray(ASTRONAUT[20:273, 90:391])  # 253 x 301: no side is a multiple of 8


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def max_error(image: np.ndarray, reference: np.ndarray) -> float:
    return float(np.abs(image.astype(np.float64) - reference).max())


# ---- settings ----------------------------------------------------------------------------------


def test_defaults_are_the_identity_to_the_bit() -> None:
    noise = torch.rand(2, 3, 65, 70)  # not on the 8-bit grid: nothing may round it
    assert torch.equal(degrade(noise, [Degradation()] * 2, generators(0, 1)), noise)
    assert Degradation().is_identity
    assert Degradation(motion_length=1, motion_angle=30, blur_angle=20).is_identity


@pytest.mark.parametrize(
    "settings",
    [
        {"motion_length": 5},
        {"blur_sigma": 1},
        {"blur_sigma_y": 1},
        {"downsample": 2},
        {"noise": 5},
        {"jpeg": 95},
        {"grayscale": True},
    ],
)
def test_every_setting_has_an_effect(settings: dict) -> None:
    assert not Degradation(**settings).is_identity
    assert not np.array_equal(degrade_image(ODD, Degradation(**settings)), ODD)


@pytest.mark.parametrize(("name", "edge"), [(name, edge) for name in LIMITS for edge in ("low", "high")])
def test_limits_are_allowed_and_work(name: str, edge: str) -> None:
    value = getattr(LIMITS[name], edge)
    settings = Degradation(**{name: int(value) if name == "jpeg" else value})
    result = degrade_image(ASTRONAUT[:80, 200:264], settings)
    assert result.shape == (80, 64, 3)
    assert result.dtype == np.uint8


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise": math.nan},
        {"noise": math.inf},
        {"noise": -1},
        {"noise": 101},
        {"noise": "5"},
        {"noise": True},
        {"noise": None},
        {"jpeg": 0},
        {"jpeg": 55.5},
        {"kernel": "lanczos"},
        {"kernel": None},
        {"grayscale": 1},
        {"downsample": 0},
        {"motion_angle": 181},
    ],
)
def test_wrong_settings_are_refused_by_name(wrong: dict) -> None:
    with pytest.raises(InputError, match=r"noise|jpeg|kernel|grayscale|downsample|motion_angle"):
        Degradation(**wrong)


def test_json_round_trip_and_strictness() -> None:
    settings = Degradation(
        motion_length=9, blur_sigma=1.5, blur_sigma_y=3, downsample=4, kernel="bicubic", jpeg=40, grayscale=True
    )
    assert Degradation.from_json(settings.to_json()) == settings
    assert Degradation.from_json("{}") == Degradation()
    for text in ("", "[1]", '{"blur": 3}', '{"noise": NaN}', '{"noise": "3"}'):
        with pytest.raises(InputError):
            Degradation.from_json(text)


def test_description_names_everything_that_is_on() -> None:
    assert Degradation().describe() == "no degradation"
    words = Degradation(motion_length=9, blur_sigma=2, downsample=4, noise=10, jpeg=50, grayscale=True).describe()
    assert all(
        word in words
        for word in ("motion blur 9", "Gaussian blur 2", "4×", "noise 10", "JPEG quality 50", "monochrome")
    )


# ---- blur --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "angle"), [(9, 0), (9, 90), (23.5, 30), (64, -45)])
def test_motion_blur_is_filter2d_with_its_kernel(length: float, angle: float) -> None:
    kernel = motion_kernels(torch.tensor([length]), torch.tensor([float(angle)]))[0].numpy()
    expected = cv2.filter2D(ODD.astype(np.float32), -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    assert max_error(degrade_image(ODD, Degradation(motion_length=length, motion_angle=angle)), expected) < 0.51


def test_odd_horizontal_and_vertical_motion_is_a_box() -> None:
    for angle, box in ((0, (9, 1)), (90, (1, 9))):
        expected = cv2.blur(ODD.astype(np.float32), box)
        assert max_error(degrade_image(ODD, Degradation(motion_length=9, motion_angle=angle)), expected) < 0.51


def test_motion_angle_is_counter_clockwise_as_displayed() -> None:
    kernel = motion_kernels(torch.tensor([21.0]), torch.tensor([45.0]))[0]
    centre = kernel.shape[0] // 2
    assert kernel[centre - 5, centre + 5] > 0  # up and to the right
    assert kernel[centre + 5, centre + 5] == 0
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)


def test_gaussian_blur_is_opencv_s() -> None:
    expected = cv2.GaussianBlur(ODD.astype(np.float32), (41, 41), 3.0)
    assert max_error(degrade_image(ODD, Degradation(blur_sigma=3)), expected) < 0.51
    expected = cv2.GaussianBlur(ODD.astype(np.float32), (41, 41), sigmaX=4.0, sigmaY=1.0)
    assert max_error(degrade_image(ODD, Degradation(blur_sigma=4, blur_sigma_y=1)), expected) < 0.51


def test_anisotropic_gaussian_has_the_moments_it_is_given() -> None:
    kernel = gaussian_kernels(torch.tensor([5.0]), torch.tensor([2.0]), torch.tensor([30.0]))[0].double()
    axis = torch.arange(-20, 21, dtype=torch.float64)
    y, x = torch.meshgrid(-axis, axis, indexing="ij")  # y up
    covariance = torch.stack([(kernel * p * q).sum() for p, q in itertools.product((x, y), repeat=2)]).reshape(2, 2)
    values, vectors = torch.linalg.eigh(covariance)
    assert torch.allclose(values.sqrt(), torch.tensor([2.0, 5.0], dtype=torch.float64), rtol=0.01)
    assert float(vectors[1, 1] / vectors[0, 1]) == pytest.approx(math.tan(math.radians(30)), rel=0.01)


# ---- resampling --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "flag"), [("bilinear", cv2.INTER_LINEAR), ("bicubic", cv2.INTER_CUBIC), ("area", cv2.INTER_AREA)]
)
@pytest.mark.parametrize("factor", [0.8, 1.7, 4, 8.3, 32])
def test_resampling_is_opencv_s(kernel: str, flag: int, factor: float) -> None:
    if kernel == "area" and factor < 1:
        flag = cv2.INTER_LINEAR  # as the settings document
    height, width = (max(1, int(n / factor)) for n in ODD.shape[:2])
    reduced = cv2.resize(ODD.astype(np.float32), (width, height), interpolation=flag).clip(0, 255)
    back = cv2.INTER_CUBIC if kernel == "bicubic" else cv2.INTER_LINEAR
    expected = cv2.resize(reduced, ODD.shape[1::-1], interpolation=back).clip(0, 255)
    assert max_error(degrade_image(ODD, Degradation(downsample=factor, kernel=kernel)), expected) < 0.52


# ---- JPEG --------------------------------------------------------------------------------------


@pytest.mark.parametrize("image", [ASTRONAUT, ODD, ODD[:37, :50]], ids=["512x512", "253x301", "37x50"])
@pytest.mark.parametrize("quality", [1, 10, 30, 50, 75, 95, 100])
def test_jpeg_is_libjpeg_s(image: np.ndarray, quality: int) -> None:
    encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    expected = np.ascontiguousarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1])
    assert psnr(degrade_image(image, Degradation(jpeg=quality)), expected) >= 45


def test_jpeg_of_a_reduced_picture_pads_as_libjpeg_does() -> None:
    reduced = cv2.resize(ODD, (301 // 3, 253 // 3), interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", reduced[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]
    expected = cv2.resize(decoded.astype(np.float32), (301, 253), interpolation=cv2.INTER_LINEAR)
    result = degrade_image(ODD, Degradation(downsample=3, jpeg=40))
    assert psnr(result, expected.round().clip(0, 255).astype(np.uint8)) >= 40


# ---- noise and randomness ----------------------------------------------------------------------


def test_noise_has_the_moments_it_is_given() -> None:
    grey = np.full((256, 256, 3), 128, np.uint8)
    noise = degrade_image(grey, Degradation(noise=20), seed=3).astype(np.float64) - 128
    count = noise.size
    assert abs(noise.mean()) < 4 * 20 / math.sqrt(count)
    assert noise.std() == pytest.approx(math.sqrt(20**2 + 1 / 12), rel=4 / math.sqrt(2 * count))
    correlation = np.corrcoef(noise.reshape(-1, 3).T)
    assert np.abs(correlation - np.eye(3)).max() < 4 / math.sqrt(count / 3)  # channels are independent
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) / 400 < 4 / math.sqrt(count)  # so are neighbours


def test_monochrome_noise_is_monochrome() -> None:
    result = degrade_image(ODD, Degradation(noise=20, grayscale=True))
    assert np.array_equal(result[..., 0], result[..., 1])
    assert np.array_equal(result[..., 0], result[..., 2])
    expected = cv2.cvtColor(ODD, cv2.COLOR_RGB2GRAY).astype(float)
    assert max_error(degrade_image(ODD, Degradation(grayscale=True))[..., 0], expected) <= 1


def test_seed_decides_the_picture() -> None:
    settings = Degradation(noise=10, downsample=2)
    assert np.array_equal(degrade_image(ODD, settings, seed=1), degrade_image(ODD, settings, seed=1))
    assert not np.array_equal(degrade_image(ODD, settings, seed=1), degrade_image(ODD, settings, seed=2))
    for wrong in (-1, 2**63, 1.5, None, True):
        with pytest.raises(InputError, match="seed"):
            degrade_image(ODD, settings, seed=wrong)  # type: ignore[arg-type]


def test_a_sample_does_not_depend_on_its_batch() -> None:
    settings = [
        Degradation(motion_length=11, motion_angle=20, downsample=3, noise=8, jpeg=70),
        Degradation(blur_sigma=2, noise=4),
        Degradation(),
        Degradation(downsample=7.3, kernel="bilinear", jpeg=30, grayscale=True),
        Degradation(blur_sigma=5, blur_sigma_y=1, downsample=0.8, kernel="bicubic", noise=12, jpeg=90),
    ]
    images = torch.cat([to_tensor(np.roll(ODD, 20 * i, axis=1)) for i in range(len(settings))])
    before = images.clone()
    together = degrade(images, settings, generators(*range(len(settings))))
    assert torch.equal(images, before)
    for i, one in enumerate(settings):
        alone = degrade(images[i : i + 1], [one], generators(i))[0]
        # FFTs of another batch may differ in the last bit, which rounding to 8 bits can show as one level.
        assert float((alone - together[i]).abs().max()) <= 1 / 255 + 1e-6
        assert float((alone != together[i]).float().mean()) < 1e-3


def test_results_are_8_bit_pictures() -> None:
    result = degrade(to_tensor(ODD), [Degradation(blur_sigma=1.3, noise=30)], generators(0)) * 255
    assert float((result - result.round()).abs().max()) < 1e-3
    assert 0 <= float(result.min()) <= float(result.max()) <= 255


def test_wrong_batches_are_refused() -> None:
    one = [Degradation()]
    for images in (torch.rand(3, 64, 64), torch.rand(1, 1, 64, 64), torch.rand(1, 3, 64, 64).double()):
        with pytest.raises(InputError):
            degrade(images, one, generators(0))
    with pytest.raises(InputError, match="as many"):
        degrade(torch.rand(2, 3, 64, 64), one, generators(0))


@pytest.mark.gpu
def test_cpu_and_gpu_agree() -> None:
    settings = [Degradation(motion_length=15, blur_sigma=2, downsample=3, noise=8, jpeg=70)]
    cpu = degrade(to_tensor(ODD), settings, generators(0))
    gpu = degrade(to_tensor(ODD).cuda(), settings, generators(0)).cpu()
    assert float((cpu - gpu).abs().mean()) < 0.1 / 255
