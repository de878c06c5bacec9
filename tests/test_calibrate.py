"""The calibration command: it finds a law that is there, and writes what the loader reads."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny import EXAMPLES

from restoration import Restorer
from restoration.measure.uncertainty import FEATURES, KEY, expected_error
from train.calibrate import Measured, calibrate, fit, main

LAW = dict(zip(FEATURES, (0.6, 0.3, -0.2, 0.1), strict=True))


def measured(seed: int, *, noise: float) -> Measured:
    """A face whose error follows ``LAW``, with log-normal noise around it."""
    rng = np.random.default_rng(seed)
    features = {name: rng.lognormal(1, 1, (64, 64)).astype(np.float32) for name in FEATURES}
    error = expected_error(features, LAW, 0.4) + 0.5
    error = (error * np.exp(noise * rng.standard_normal(error.shape)) - 0.5).clip(0).astype(np.float32)
    return Measured(features, error, error, skin=float(seed), residual=float(seed) / 10)


def test_a_law_is_found_again() -> None:
    coefficients, offset = fit([measured(seed, noise=0.05) for seed in range(4)])
    assert coefficients == pytest.approx(LAW, abs=0.02)
    assert offset == pytest.approx(0.4, abs=0.03)
    faces = [measured(seed, noise=0.8) for seed in range(4)]  # the mean is right whatever the noise
    foretold = [expected_error(face.features, *fit(faces)) for face in faces]
    assert np.mean(foretold) == pytest.approx(np.mean([face.error for face in faces]), rel=0.05)


def test_correlations_and_percentiles() -> None:
    faces = [measured(seed, noise=0.3) for seed in range(20)]
    calibration = calibrate(faces, "0123456789ab", "blind")
    assert calibration.faces == 20
    assert 0.8 < calibration.rank_correlation < 1
    assert calibration.spread_rank_correlation < calibration.rank_correlation - 0.1
    assert calibration.skin_difference == pytest.approx(np.percentile(range(20), 95), abs=0.01)
    assert calibration.residual == pytest.approx(np.percentile(range(20), 95) / 10, abs=0.01)
    for expected, found in calibration.reliability:
        assert found == pytest.approx(expected, rel=0.1)


def test_command_writes_what_the_restorer_finds(
    tmp_path: Path, tiny_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(tiny_weights, weights)
    before = json.loads((weights / "training.json").read_text())
    faces = ["--faces", str(EXAMPLES), str(EXAMPLES)]
    assert main([*faces, "--weights", str(weights), "--device", "cpu"]) == 0
    restorer = Restorer.from_pretrained(weights)
    assert restorer.calibration is not None
    assert restorer.calibration.faces == 4
    after = json.loads((weights / "training.json").read_text())
    assert after.pop(KEY) == json.loads(capsys.readouterr().out)
    assert after == before
    for wrong, message in (
        (("--limit", "3"), "at least 4 faces"),
        (("--weights", "owner/name"), "Give a local folder"),
    ):
        assert main([*faces, *wrong]) == 2
        assert message in capsys.readouterr().err
