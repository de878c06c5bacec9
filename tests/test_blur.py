"""Blur against OpenCV and against the moments of its kernels."""

import itertools
import math

import cv2
import numpy as np
import pytest
import torch
from pictures import ODD, max_error

from restoration.degrade import Degradation, degrade_image, point_spread
from restoration.degrade.operations import gaussian_kernels, motion_kernels


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


@pytest.mark.parametrize(
    "settings",
    [
        Degradation(motion_length=23, motion_angle=30, blur_sigma=3, blur_sigma_y=1, blur_angle=-50),
        Degradation(motion_length=9),
        Degradation(blur_sigma=2),
    ],
    ids=["both", "motion", "gaussian"],
)
def test_the_point_spread_is_what_the_blurs_do_together(settings: Degradation) -> None:
    spread = point_spread(settings).numpy()
    assert spread.shape == (107, 107)
    assert spread.sum() == pytest.approx(1, abs=1e-5)
    expected = cv2.filter2D(ODD.astype(np.float32), -1, spread, borderType=cv2.BORDER_REFLECT_101)
    assert max_error(degrade_image(ODD, settings), expected) < 0.52
