"""Regions of an aligned face: where they lie, and what is measured on them."""

import numpy as np
import pytest
from skimage.color import lab2rgb
from tiny import EXAMPLES

from restoration.faces import FACE_TEMPLATE
from restoration.images import read_image
from restoration.measure.faithfulness import (
    REGIONS,
    region_errors,
    region_masks,
    skin_colour_difference,
    skin_lightness,
)

FACE = read_image(EXAMPLES / "eileen_collins.png")


def test_masks_hold_their_landmarks_and_do_not_overlap() -> None:
    masks = region_masks()
    assert tuple(masks) == REGIONS
    assert sum(mask.astype(int) for mask in masks.values()).max() == 1
    for name, landmarks in {"eyes": FACE_TEMPLATE[:2], "nose": FACE_TEMPLATE[2:3], "mouth": FACE_TEMPLATE[3:]}.items():
        for x, y in landmarks.round().astype(int):
            assert masks[name][y, x]
    cheeks = FACE_TEMPLATE[:2] * 0.5 + FACE_TEMPLATE[3:] * 0.5 + [[-15, 0], [15, 0]]
    assert all(masks["skin"][y, x] for x, y in cheeks.round().astype(int))
    with pytest.raises(ValueError, match="read-only"):
        masks["skin"][0, 0] = True


@pytest.mark.parametrize("region", REGIONS)
def test_an_error_is_found_in_its_region(region: str) -> None:
    changed = FACE.copy()
    changed[region_masks()[region]] ^= 16  # every value moves by 16
    errors = region_errors(changed, FACE)
    assert errors.pop("whole picture") == pytest.approx(16 * region_masks()[region].mean())
    assert errors.pop(region) == 16
    assert set(errors.values()) == {0}


def test_colour_difference_is_ciede2000() -> None:
    # Two greys at L* 50 and 55: dE00 = dL / S_L with S_L = 1 + 0.015 (Lm - 50)^2 / sqrt(20 + (Lm - 50)^2), k_L = 1.
    greys = [
        np.full((512, 512, 3), np.rint(255 * lab2rgb([[[float(level), 0.0, 0.0]]])[0, 0, 0]), np.uint8)
        for level in (50, 55)
    ]
    weight = 1 + 0.015 * 2.5**2 / np.sqrt(20 + 2.5**2)
    assert skin_colour_difference(*greys) == pytest.approx(5 / weight, abs=0.25)  # 8 bits: L* in steps of 0.4
    assert skin_colour_difference(FACE, FACE) == 0
    elsewhere = FACE.copy()
    elsewhere[~region_masks()["skin"]] = 0
    assert skin_colour_difference(elsewhere, FACE) == 0


def test_skin_lightness_is_that_of_the_cheeks() -> None:
    grey = np.full((512, 512, 3), np.rint(255 * lab2rgb([[[70.0, 0.0, 0.0]]])[0, 0, 0]), np.uint8)
    assert skin_lightness(grey) == pytest.approx(70, abs=0.3)
    assert skin_lightness(FACE // 2) < skin_lightness(FACE) < 90
