"""Means, confidence intervals and the tables that show them."""

import math

import pytest

from restoration.measure.metrics import Scores
from train.summary import markdown, summarise, summary


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
