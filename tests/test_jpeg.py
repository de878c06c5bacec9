"""JPEG against libjpeg, and what holds for any quality."""

import cv2
import numpy as np
import pytest
from pictures import ASTRONAUT, ODD

from restoration.degrade import Degradation, degrade_image
from restoration.measure.metrics import psnr


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
