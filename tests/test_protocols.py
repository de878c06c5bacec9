"""Distributions and presets."""

import random

import numpy as np
import pytest

from restoration.degrade import Degradation
from restoration.degrade.protocols import BLIND, IDENTITY, ORIGINAL, PRESETS, PROTOCOLS, TRAINING, Distribution, Mixture
from restoration.images import InputError


def draws(source: Distribution | Mixture, count: int = 400, seed: int = 0) -> list[Degradation]:
    rng = random.Random(seed)
    return [source.sample(rng) for _ in range(count)]


def test_blind_protocol_covers_its_published_ranges() -> None:
    drawn = draws(BLIND, 2000)
    for name, (low, high) in {
        "blur_sigma": (0.1, 10),
        "downsample": (0.8, 8),
        "noise": (0, 20),
        "jpeg": (60, 100),
    }.items():
        values = np.array([getattr(one, name) for one in drawn], dtype=float)
        span = high - low
        assert low <= values.min() < low + 0.02 * span
        assert high - 0.02 * span < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.03 * span)
    isotropic = np.mean([one.blur_sigma_y is None for one in drawn])
    assert isotropic == pytest.approx(0.5, abs=0.05)
    assert {one.kernel for one in drawn} == {"bilinear"}
    assert {one.motion_length for one in drawn} == {0}


def test_original_three_come_one_at_a_time() -> None:
    drawn = draws(ORIGINAL, 300)
    on = [(one.motion_length > 0) + (one.downsample > 1) + (one.noise > 0) for one in drawn]
    assert set(on) == {1}


def test_draws_depend_on_the_seed_alone() -> None:
    assert draws(TRAINING["face"], seed=1) == draws(TRAINING["face"], seed=1)
    assert draws(TRAINING["face"], seed=1) != draws(TRAINING["face"], seed=2)


def test_mixture_keeps_its_shares_and_ranges() -> None:
    mixture = Mixture(((3, Distribution(noise=(1, 2))), (1, Distribution(noise=(5, 9), jpeg=(20, 30)))))
    share = np.mean([one.jpeg is None for one in draws(mixture, 2000)])
    assert share == pytest.approx(0.75, abs=0.04)
    assert mixture.ranges() == {"noise": (1, 9), "jpeg": (20, 30)}


@pytest.mark.parametrize("stage", TRAINING)
def test_training_covers_every_protocol_that_is_measured(stage: str) -> None:
    trained = TRAINING[stage].ranges()
    for name, protocol in PROTOCOLS.items():
        for setting, (low, high) in protocol.ranges().items():
            assert trained[setting][0] <= low, (name, setting)
            assert high <= trained[setting][1], (name, setting)
    assert IDENTITY.sample(random.Random(0)).is_identity


def test_skip_and_grayscale_shares() -> None:
    drawn = draws(Distribution(noise=(1, 2), jpeg=(50, 60), skip=0.25, grayscale=0.3), 2000)
    assert np.mean([one.noise > 0 for one in drawn]) == pytest.approx(0.75, abs=0.04)
    assert np.mean([one.grayscale for one in drawn]) == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize("wrong", [{"noise": (5, 1)}, {"noise": (0, 300)}, {"grayscale": 1.5}, {"skip": -0.1}])
def test_wrong_protocols_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError):
        Distribution(**wrong)


@pytest.mark.parametrize("key", PRESETS)
def test_presets_degrade_and_describe_themselves(key: str) -> None:
    preset = PRESETS[key]
    assert preset.label
    assert preset.description.endswith(".")
    assert not preset.draw(0).is_identity
    assert preset.draw(7) == preset.draw(7)
    if "seed" in preset.description:
        assert preset.draw(0) != preset.draw(1)
