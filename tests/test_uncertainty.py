"""The uncertainty map: passes that undo their own change, features in the right units, the stated formula."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from tiny import CALIBRATION, EXAMPLES

from restoration.images import InputError, read_image, to_tensor
from restoration.measure import uncertainty
from restoration.measure.uncertainty import FEATURES, KEY, PASSES, calibration_of, expected_error

FACE = to_tensor(read_image(EXAMPLES / "eileen_collins.png"))
INNER = np.s_[..., 8:-8, 8:-8]


def soft(face: torch.Tensor) -> torch.Tensor:
    """Without the detail that half a pixel of shift, there and back, would lose."""
    return torch.nn.functional.avg_pool2d(face, 9, 1, 4)


def test_a_network_that_changes_nothing_is_sure_but_for_the_noise() -> None:
    face = soft(FACE)[..., 128:384, 128:384]
    seen: list[torch.Tensor] = []

    def network(batch: torch.Tensor) -> torch.Tensor:
        seen.append(batch)
        return batch

    passes = uncertainty.perturbed_restorations(face, network)
    assert [tuple(batch.shape) for batch in seen] == [(PASSES, 3, 256, 256)]  # one batch
    assert torch.equal(passes[0], face[0])
    assert torch.equal(passes[1], face[0])  # mirrored there and back
    quiet, noisy = passes[2:4], passes[4:]
    assert float((quiet - face)[INNER].abs().max()) < 1.5 / 255  # shifted there and back
    levels = (noisy - face)[INNER].flatten(1).std(dim=1) * 255
    assert 0.5 < float(levels[:2].mean()) < 2 < float(levels[2:].mean()) < 5  # interpolation averages some of it away
    assert len({batch.numpy().tobytes() for batch in seen[0]}) == PASSES
    assert torch.equal(uncertainty.perturbed_restorations(face, network), passes)


def test_the_spread_is_high_where_the_network_wavers() -> None:
    def network(batch: torch.Tensor) -> torch.Tensor:
        wavering = batch.clone()
        wavering[..., :256, :] += torch.arange(len(batch))[:, None, None, None] * 4 / 255
        return wavering

    face = torch.full((1, 3, 512, 512), 0.5)
    features = uncertainty.uncertainty_features(face, uncertainty.perturbed_restorations(face, network))
    assert tuple(features) == FEATURES
    expected = 4 * np.sqrt((PASSES**2 - 1) / 12)  # of 0, 4, 8 … grey levels
    assert features["spread"][100, 256] == pytest.approx(expected, rel=0.25)  # and the noise on top
    assert features["spread"][400, 256] < 3
    assert features["change"][100, 256] == pytest.approx(0, abs=1e-3)  # pass 0 did not waver


def test_expected_error_is_the_stated_formula_and_never_negative() -> None:
    values = {name: np.full((2, 2), level, np.float32) for name, level in zip(FEATURES, (1, 3, 0, 7), strict=True)}
    weights = dict(zip(FEATURES, (0.5, 0.25, -0.1, 0.2), strict=True))
    error = expected_error(values, weights, 0.3)
    np.testing.assert_allclose(error, np.exp(0.3) * 1.5**0.5 * 3.5**0.25 * 0.5**-0.1 * 7.5**0.2 - 0.5, rtol=1e-6)
    assert expected_error(values, dict.fromkeys(FEATURES, 0.0), -5.0).min() == 0


def test_figures_travel_as_json_and_those_of_other_weights_or_damaged_ones_are_refused() -> None:
    stored = dataclasses.asdict(CALIBRATION)
    facts = json.loads(json.dumps({"name": "x", KEY: stored}))
    assert calibration_of(facts, "0123456789ab") == CALIBRATION
    assert calibration_of({"name": "x"}, "0123456789ab") is None
    with pytest.raises(InputError, match="measured on other weights"):
        calibration_of({KEY: stored}, "ba9876543210")
    without = {key: value for key, value in stored.items() if key != "offset"}
    strange = ({"more": 1}, {"coefficients": {"spread": 1.0}}, {"offset": float("nan")}, {"residual": "much"})
    for damaged in ([], without, *(stored | change for change in strange)):
        with pytest.raises(InputError, match="calibration"):
            calibration_of({KEY: damaged}, "0123456789ab")
