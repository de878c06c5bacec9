"""The embedded detector's networks: coordinates in and out."""

import cv2
import numpy as np

from examples.make_examples import PORTRAITS
from restoration.faces import align_face
from restoration.faces.small_detector import (
    CROP,
    CROP_EYES,
    CROP_TEMPLATE,
    cut_crops,
    pyramid,
)


def test_the_pyramid_falls_by_half_the_area_and_says_its_scales() -> None:
    photo = PORTRAITS[0].read()[:500, :509]
    levels = pyramid(photo, 12)
    assert [round(scale, 3) for _, scale in levels[:4]] == [1, 0.707, 0.5, 0.354]
    for picture, scale in levels:
        assert picture.shape[0] % 8 == picture.shape[1] % 8 == 0
        assert 0 <= picture.shape[1] - round(509 * scale) < 8


def test_crops_are_what_alignment_cuts_and_their_transform_leads_back() -> None:
    for portrait in PORTRAITS:
        photo, landmarks = portrait.read(), np.array(portrait.landmarks)
        [crop], [back] = cut_crops(photo, landmarks[None])
        scale, (dx, dy) = CROP_EYES / 125.92, CROP_TEMPLATE[2] - (np.array([256.63, 314.02]) * CROP_EYES / 125.92)
        expected = cv2.warpAffine(
            cv2.GaussianBlur(align_face(photo, landmarks), (0, 0), 2.5),
            np.array([[scale, 0, dx], [0, scale, dy]]),
            (CROP, CROP),
            borderMode=cv2.BORDER_REPLICATE,
        )
        inner = np.s_[8:56, 8:56]
        assert np.abs(crop[inner].astype(int) - expected[inner]).mean() < 8
        placed = CROP_TEMPLATE @ back[:, :2].T + back[:, 2]
        assert np.abs(placed - landmarks).max() < 4  # five points never fall on the template exactly
