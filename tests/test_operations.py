"""Blur, resampling and JPEG against OpenCV and libjpeg."""

import itertools
import math

import cv2
import numpy as np
import pytest
import torch
from pictures import ASTRONAUT, ODD, max_error

from restoration.degrade import Degradation, degrade_image, gaussian_kernel, motion_kernel, point_spread
from restoration.measure import psnr


def test_odd_horizontal_and_vertical_motion_is_a_box() -> None:
    for angle, box in ((0, (9, 1)), (90, (1, 9))):
        expected = cv2.blur(ODD.astype(np.float32), box)
        assert max_error(degrade_image(ODD, Degradation(motion_length=9, motion_angle=angle)), expected) < 0.51


def test_motion_angle_is_counter_clockwise_as_displayed() -> None:
    kernel = motion_kernel(21, 45)
    centre = kernel.shape[0] // 2
    assert kernel[centre - 5, centre + 5] > 0  # up and to the right
    assert kernel[centre + 5, centre + 5] == 0
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("x", "y"), [(3, None), (4, 1)])
def test_gaussian_blur_is_opencv_s(x: float, y: float | None) -> None:
    expected = cv2.GaussianBlur(ODD.astype(np.float32), (41, 41), sigmaX=x, sigmaY=y or x)
    assert max_error(degrade_image(ODD, Degradation(blur_sigma=x, blur_sigma_y=y)), expected) < 0.51


def test_anisotropic_gaussian_has_the_moments_it_is_given() -> None:
    kernel = gaussian_kernel(5, 2, 30).double()
    axis = torch.arange(-20, 21, dtype=torch.float64)
    y, x = torch.meshgrid(-axis, axis, indexing="ij")  # y up
    covariance = torch.stack([(kernel * p * q).sum() for p, q in itertools.product((x, y), repeat=2)]).reshape(2, 2)
    values, vectors = torch.linalg.eigh(covariance)
    assert torch.allclose(values.sqrt(), torch.tensor([2.0, 5.0], dtype=torch.float64), rtol=0.01)
    assert float(vectors[1, 1] / vectors[0, 1]) == pytest.approx(math.tan(math.radians(30)), rel=0.01)


@pytest.mark.parametrize("settings", [
    {"motion_length": 23, "motion_angle": 30, "blur_sigma": 3, "blur_sigma_y": 1, "blur_angle": -50},
    {"motion_length": 9},
    {"blur_sigma": 2},
])  # fmt: skip
def test_the_point_spread_is_what_the_blurs_do_together(settings: dict[str, float]) -> None:
    spread = point_spread(Degradation(**settings)).numpy()
    assert spread.shape == (107, 107)
    assert spread.sum() == pytest.approx(1, abs=1e-5)
    expected = cv2.filter2D(ODD.astype(np.float32), -1, spread, borderType=cv2.BORDER_REFLECT_101)
    assert max_error(degrade_image(ODD, Degradation(**settings)), expected) < 0.52


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


@pytest.mark.parametrize("image", [ASTRONAUT, ODD, ODD[:37, :50]], ids=["512x512", "253x301", "37x50"])
@pytest.mark.parametrize("quality", [1, 10, 30, 50, 75, 95, 100])
def test_jpeg_is_libjpeg_s(image: np.ndarray, quality: int) -> None:
    encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    expected = np.ascontiguousarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1])
    assert psnr(degrade_image(image, Degradation(jpeg=quality)), expected) >= 50
