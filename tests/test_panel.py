"""The panel: maps that can be read back, a scale in words and patterns, and nothing claimed that is not known."""

import dataclasses

import numpy as np
import pytest
from test_page import Tags
from tiny import BANDS, CALIBRATION

from restoration.measure.faithfulness import Examination, Identity, Region
from restoration.measure.verdict import judge
from restoration.page.maps import amplified, heat
from restoration.page.panel import face_maps, panel

ZERO = np.zeros((512, 512, 3), np.int16)
FULL = Examination(
    change=ZERO + 3,
    uncertainty=np.full((512, 512), 5, np.float32),
    calibrated=True,
    residual=ZERO - 2,
    error=ZERO + 1,
    regions=(
        Region(name="eyes", expected=9.04, degraded=12.0, restored=8.0),
        Region(name="skin", expected=3.0, degraded=2.0, restored=2.6),
    ),
    identity=Identity(network="<net>", degraded=40, restored=31, verdict=judge(40, 31, BANDS)),
    skin=4.25,
    warnings=["Skin & more"],
)
PHOTO = dataclasses.replace(
    FULL,
    residual=None,
    error=None,
    regions=(Region(name="eyes", expected=9.0, degraded=None, restored=None),),
    identity=None,
    skin=None,
    warnings=[],
)


def test_a_signed_difference_can_be_read_back() -> None:
    difference = np.random.default_rng(0).integers(-30, 31, (32, 32, 3)).astype(np.int16)
    picture = amplified(difference, 4)
    np.testing.assert_array_equal((picture.astype(int) - 128) / 4, difference)
    assert amplified(np.full((1, 1, 3), 200, np.int16), 4).max() == 255
    assert amplified(np.full((1, 1, 3), -200, np.int16), 4).min() == 0


def test_heat_rises_in_lightness_and_ends_at_its_top() -> None:
    values = np.linspace(0, 25, 256, dtype=np.float32)[None]
    colours = heat(values, 20.0)[0].astype(float)
    luma = colours @ (0.299, 0.587, 0.114)
    assert (np.diff(luma) >= -1).all()  # readable without colour, but for rounding
    assert luma[0] < 50 < 200 < luma[-1]
    assert colours[0, 2] > colours[0, 1]  # violet, not red: channels are RGB
    np.testing.assert_array_equal(colours[values[0] >= 20], np.broadcast_to(colours[-1], (sum(values[0] >= 20), 3)))


def test_maps_are_those_that_are_known_each_with_an_alternative_text() -> None:
    assert [map_.name for map_ in face_maps(FULL)] == ["change", "uncertainty", "consistency", "error"]
    assert [map_.name for map_ in face_maps(PHOTO)] == ["change", "uncertainty"]
    for map_, number in zip(face_maps(FULL), ("3.0", "5.0", "2.0", "1.0"), strict=True):
        assert number in map_.alt
        assert map_.picture.shape == (512, 512, 3)
    plain = next(map_ for map_ in face_maps(dataclasses.replace(FULL, calibrated=False)) if map_.name == "uncertainty")
    assert "Expected error" not in plain.note
    assert "grey levels" not in plain.note + plain.alt


def test_the_panel_says_everything_in_words() -> None:
    text = panel(FULL, BANDS, CALIBRATION)
    Tags(text)
    assert '<p class="verdict better">▲ Closer to the person than the degraded photo by 9°</p>' in text
    assert "Input <b>40°</b>" in text
    assert "Photos of one person <b>30–66°</b>" in text
    assert 'class="same" style="left:25.0%;width:30.0%"' in text  # 30° to 66° of 120°
    assert 'class="after" style="left:25.8%"' in text
    assert "&lt;net&gt;" in text
    assert "<net>" not in text
    assert "Skin &amp; more" in text
    assert "<td>9.0</td><td>12.0</td>" in text
    assert "▲ −4.0" in text
    assert "▼ +0.6 worse" in text
    assert "ΔE2000 4.2 from the clean face; 95 % of validation faces stay below 6.0" in text
    assert "correlation of 0.60" in text


def test_without_bands_or_calibration_there_are_no_such_claims() -> None:
    text = panel(dataclasses.replace(FULL, calibrated=False), None, None)
    Tags(text)
    assert "Photos of one person" not in text
    assert "validation faces" not in text


@pytest.mark.parametrize("expected", [9.0, None])
def test_a_photo_without_a_truth_has_no_verdict_and_no_measured_error(expected: float | None) -> None:
    region = dataclasses.replace(PHOTO.regions[0], expected=expected)
    text = panel(dataclasses.replace(PHOTO, regions=(region,)), BANDS, CALIBRATION)
    Tags(text)
    assert "measured" not in text
    assert "verdict" not in text
    assert "ΔE" not in text
    assert ("<td>9.0</td>" in text) == (expected is not None)


def test_a_step_away_is_marked_in_words() -> None:
    away = Identity(network="net", degraded=30, restored=36, verdict=judge(30, 36))
    text = panel(dataclasses.replace(FULL, identity=away), None, CALIBRATION)
    assert '<p class="verdict worse">▼ Further from the person than the degraded photo by 6°</p>' in text
