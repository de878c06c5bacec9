"""The estimator: its scales, that it looks at what it should, and that its committed weights hold what they promise."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import EXAMPLES

from restoration import Degradation, InputError, degrade_image, read_image
from restoration.measure import estimate
from restoration.measure.estimate import FOLDER, HIGHEST, LOWEST, QUANTITIES, Estimator, load_estimator
from train.data import Faces
from train.extras.estimator import EstimatorConfig, make_examples, measure, train
from train.loop import TRAIN_LOG

FACES = [read_image(EXAMPLES / f"{name}.png") for name in ("eileen_collins", "grace_hopper")]


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return load_estimator()


def test_the_truth_of_known_settings() -> None:
    assert estimate.truth(Degradation()) == {"blur": 0, "downsample": 1, "noise": 0, "jpeg": 100}
    known = estimate.truth(Degradation(blur_sigma=3, blur_sigma_y=4, downsample=2.5, noise=7, jpeg=40))
    assert known == {"blur": pytest.approx(np.sqrt(12.5)), "downsample": 2.5, "noise": 7, "jpeg": 40}
    assert estimate.truth(Degradation(motion_length=12))["blur"] == pytest.approx(12 / np.sqrt(24))
    assert estimate.truth(Degradation(motion_length=1))["blur"] == 0  # one pixel long is no blur


@pytest.mark.parametrize("face", FACES, ids=["collins", "hopper"])
@pytest.mark.parametrize(("name", "few", "many"), [
    ("noise", {"noise": 2}, {"noise": 25}),
    ("blur", {"blur_sigma": 0.5, "noise": 1}, {"blur_sigma": 6, "noise": 1}),
    ("downsample", {"downsample": 1.2, "noise": 1}, {"downsample": 10, "noise": 1}),
])  # fmt: skip
def test_more_of_a_degradation_is_estimated_as_more(
    estimator: Estimator, face: np.ndarray, name: str, few: dict[str, float], many: dict[str, float]
) -> None:
    less, more = (
        getattr(estimator.estimate(degrade_image(face, Degradation(**each), 0)), name).value for each in (few, many)
    )
    assert less < more


def test_an_estimate_is_an_interval_and_can_be_replayed(estimator: Estimator) -> None:
    seen = estimator.estimate(degrade_image(FACES[0], Degradation(blur_sigma=2, downsample=3, noise=10, jpeg=50), 0))
    for name in QUANTITIES:
        value = getattr(seen, name)
        assert LOWEST[name] <= value.low <= value.value <= value.high <= HIGHEST[name]
    assert seen.resolution.low <= seen.resolution.value <= seen.resolution.high
    assert seen.resolution.value == pytest.approx(512 / seen.downsample.value)
    degrade_image(FACES[1], seen.settings(), 0)  # Degradation takes it


def test_the_committed_errors_are_told(estimator: Estimator) -> None:
    validation = estimator.facts["validation"]
    assert validation["pictures"] >= 100
    for name in QUANTITIES:
        assert abs(validation["errors"][name]["covered"] - estimator.facts["coverage"]) < 0.1
    assert (FOLDER / "model.safetensors").stat().st_size < 2**20


def test_damaged_weights_are_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="does not hold these weights"):
        load_estimator(tmp_path)
    (tmp_path / "facts.json").write_text((FOLDER / "facts.json").read_text())
    (tmp_path / "model.safetensors").write_bytes((FOLDER / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(InputError, match="does not hold these weights"):
        load_estimator(tmp_path)


def test_training_learns_and_measuring_tells_how_well(faces: Faces, tmp_path: Path) -> None:
    found, wanted = make_examples(faces, 16, "test")
    config = EstimatorConfig(steps=300, batch=16, log_every=150, save_every=300)
    network = train(found, wanted, config, tmp_path)
    with (tmp_path / TRAIN_LOG).open() as file:
        first, last = csv.DictReader(file)
    assert float(last["total"]) < float(first["total"]) < 2
    facts = measure(network, found, wanted)
    assert facts["validation"]["pictures"] == 8
    assert set(facts["reach"]) == set(QUANTITIES)
    for errors in facts["validation"]["errors"].values():
        assert errors["correlation"] > 0.8  # of what it learned from
        assert errors["median_absolute_error"] <= errors["p90_absolute_error"]
    noisy = measure(network, found, wanted + torch.randn(wanted.shape, generator=torch.Generator().manual_seed(0)))
    assert all(noisy["reach"][name] > facts["reach"][name] for name in QUANTITIES)
