"""Resampling against OpenCV, and the batch against each of its images alone."""

import cv2
import numpy as np
import pytest
import torch
from pictures import ODD, max_error

from restoration.degrade import Degradation, degrade_image
from restoration.degrade.operations import KERNELS, Kernel, resize


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


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_lies_outside_a_smaller_picture_is_its_border(kernel: Kernel) -> None:
    images = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    source, target = torch.tensor([[48, 64]] * 2), torch.tensor([[24, 32], [13, 20]])
    together = resize(images, source, target, (24, 32), [kernel] * 2)
    alone = resize(images[1:], source[1:], target[1:], (13, 20), [kernel])
    assert torch.allclose(together[1:, :, :13, :20], alone, atol=1e-6)
    assert torch.equal(together[1, :, 13:, :20], together[1, :, 12:13, :20].expand(-1, 11, -1))
    assert torch.equal(together[1, :, :, 20:], together[1, :, :, 19:20].expand(-1, -1, 12))
