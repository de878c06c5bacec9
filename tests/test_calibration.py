"""What travels with weights: strict, complete, and only for the weights that were measured."""

import json

import pytest

from restoration import Restorer
from restoration.images import InputError
from restoration.measure.calibration import KEY, Calibration, calibration_of
from restoration.measure.uncertainty import FEATURES

CALIBRATION = Calibration(
    weights="0123456789ab",
    protocol="blind",
    faces=60,
    coefficients=dict.fromkeys(FEATURES, 0.3),
    offset=0.1,
    rank_correlation=0.6,
    pixel_rank_correlation=0.4,
    spread_rank_correlation=0.5,
    reliability=((1.0, 1.1), (2.0, 1.9)),
    skin_difference=6.0,
    residual=3.0,
)


def test_it_travels_as_json() -> None:
    facts = json.loads(json.dumps({"name": "x", KEY: CALIBRATION.to_dict()}))
    assert calibration_of(facts, "0123456789ab") == CALIBRATION
    assert calibration_of({"name": "x"}, "0123456789ab") is None


def test_other_weights_and_damage_are_refused() -> None:
    stored = CALIBRATION.to_dict()
    with pytest.raises(InputError, match="measured on other weights"):
        calibration_of({KEY: stored}, "ba9876543210")
    damaged = (
        [],
        stored | {"more": 1},
        {key: value for key, value in stored.items() if key != "offset"},
        stored | {"coefficients": {"spread": 1.0}},
        stored | {"offset": float("nan")},
        stored | {"skin_difference": "much"},
    )
    for content in damaged:
        with pytest.raises(InputError, match="calibration"):
            calibration_of({KEY: content}, "0123456789ab")


def test_the_default_weights_are_calibrated_and_know_their_errors() -> None:
    """After new default weights: ``python train/calibrate.py --faces VALIDATION_FACES``."""
    calibration = Restorer.from_pretrained().calibration
    assert calibration is not None
    assert calibration.protocol == "blind"
    assert calibration.rank_correlation >= 0.5
    assert calibration.rank_correlation > calibration.spread_rank_correlation
    for expected, measured in calibration.reliability:
        assert measured == pytest.approx(expected, rel=0.35)
