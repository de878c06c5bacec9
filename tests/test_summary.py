"""Means, confidence intervals and the tables that show them."""

import math

import pytest

from restoration.measure.metrics import Scores
from train.summary import RATIO, against, markdown, summarise, summary


def test_summary_is_mean_and_confidence_interval() -> None:
    values = summary([1.0, 2.0, 3.0, 4.0])
    assert values["mean"] == 2.5
    assert values["ci95"] == pytest.approx(1.96 * math.sqrt(5 / 3) / 2)
    assert math.isnan(summary([1.0])["ci95"])


def test_identity_is_left_out_when_nothing_was_measured() -> None:
    rows = [{"degraded input": Scores(20, 0.5, None), "restored": Scores(math.inf, 1.0, None)}] * 2
    means = summarise(rows)
    assert means["restored"]["psnr"]["mean"] == 60  # the stated cap
    assert "identity_angle" not in means["restored"]
    run = {"set": "s", "protocol": "p", "images": 2, "methods": means}
    table = markdown({"weights": {"name": "w"}, "identity": None, "runs": [run]})
    assert "| degraded input | 20.00 ± 0.00 | 0.5000 ± 0.0000 | not measured |" in table
    assert "(+40.00)" in table


def test_ratios_and_face_by_face_comparison() -> None:
    """Angles of 40 and 20 become 30 and 10: the ratio of the means is 2/3; the mean of the ratios would be 0.625."""
    rows = [
        {"degraded input": Scores(20, 0.5, 40), "wiener": Scores(22, 0.6, 40), "restored": Scores(25, 0.7, 30)},
        {"degraded input": Scores(20, 0.5, 20), "wiener": Scores(24, 0.6, 20), "restored": Scores(23, 0.7, 10)},
    ]
    means, above = summarise(rows), against(rows)
    assert means["restored"][RATIO]["mean"] == pytest.approx(40 / 60)
    # Residuals of the ratio are ±10/3 degrees, the mean angle is 30: (10/3 * sqrt 2) / 30 * 1.96 / sqrt 2.
    assert means["restored"][RATIO]["ci95"] == pytest.approx(1.96 * (10 / 3) / 30)
    assert means["wiener"][RATIO] == {"mean": 1, "ci95": 0}
    assert RATIO not in means["degraded input"]
    assert (above["wiener"]["mean"], above["wiener"]["share"]) == (1, 0.5)
    assert above["degraded input"]["mean"] == 4
    assert "restored" not in above
    run = {"set": "s", "protocol": "p", "images": 2, "methods": means, "against": above}
    table = markdown({"weights": {"name": "w"}, "identity": "n", "runs": [run]})
    assert "20.0 ± 19.6 (-10.0, ×0.67)" in table
    assert "| +1.00 ± 3.92, on 50% of the faces |" in table
    assert against([{"degraded input": Scores(20, 0.5, None)}]) == {}
