"""The training loop: it learns, it resumes exactly, and its results are functions of the seed."""

import csv
import dataclasses
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from tiny import TINY
from torch import nn

from restoration.degrade.protocols import BLIND, ORIGINAL, Protocol
from restoration.images import InputError
from restoration.network.unet import UNetConfig
from train import loop
from train.data import Faces, degraded_face
from train.loop import Trainer, learning_rate


@pytest.fixture
def watched(faces: Faces) -> Faces:
    """A small part of both faces: whole ones take most of the time of a tiny run."""
    return Faces(faces.images[:, :, 200:264, 200:264], faces.names)


def states_equal(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_one_batch_is_learned_by_heart(
    faces: Faces, watched: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "TRAINING", Protocol(downsample=(4, 4)))
    wider = UNetConfig(widths=(32, 48, 64), encoder=(1, 1, 1), decoder=(1, 1))
    config = dataclasses.replace(TINY, steps=100, log_every=10, save_every=100, reconstruction="l1", model=wider)
    trainer = Trainer(config, faces, watched, tmp_path, {})
    fixed = trainer.batches(2)
    trainer.batches = lambda step: fixed  # type: ignore[assignment,return-value]
    trainer.run()
    with (tmp_path / loop.TRAIN_LOG).open() as file:
        losses = [float(row["reconstruction"]) for row in csv.DictReader(file)]
    assert losses[-1] < 0.7 * float((fixed[0] - fixed[1]).abs().mean())
    assert losses[-1] < losses[0]


def test_a_stopped_run_ends_with_the_same_weights(faces: Faces, watched: Faces, tmp_path: Path) -> None:
    straight = Trainer(TINY, faces, watched, tmp_path / "straight", {})
    straight.run()
    Trainer(TINY, faces, watched, tmp_path / "stopped", {}).run(until=3)
    resumed = Trainer(TINY, faces, watched, tmp_path / "stopped", {})
    assert resumed.step == 3
    resumed.run()
    assert states_equal(straight.model, resumed.model)
    assert states_equal(straight.average, resumed.average)
    for log in (loop.TRAIN_LOG, loop.VALIDATION_LOG):
        rows = [list(csv.DictReader((tmp_path / run / log).open())) for run in ("straight", "stopped")]
        steps = [[{k: v for k, v in row.items() if k != "seconds"} for row in one] for one in rows]
        if log == loop.TRAIN_LOG:
            assert steps[0] == steps[1]
        assert steps[0][-1] == steps[1][-1]


def test_a_run_killed_between_checkpoints_repeats_what_was_lost(
    faces: Faces, watched: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = Trainer(TINY, faces, watched, tmp_path / "run", {})
    ordinary = killed.update

    def die_at_step_5() -> None:
        if killed.step == 4:
            raise KeyboardInterrupt
        ordinary()

    monkeypatch.setattr(killed, "update", die_at_step_5)
    monkeypatch.setattr(killed, "save", lambda save=killed.save: save() if killed.step <= 2 else None)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    resumed = Trainer(TINY, faces, watched, tmp_path / "run", {})
    assert resumed.step == 2
    resumed.run()
    straight = Trainer(TINY, faces, watched, tmp_path / "straight", {})
    straight.run()
    assert states_equal(straight.average, resumed.average)
    with (tmp_path / "run" / loop.TRAIN_LOG).open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [1, 2, 3, 4, 5, 6]


def test_another_configuration_does_not_overwrite_a_run(faces: Faces, watched: Faces, tmp_path: Path) -> None:
    Trainer(TINY, faces, watched, tmp_path, {}).run(until=2)
    with pytest.raises(InputError, match="learning_rate"):
        Trainer(dataclasses.replace(TINY, learning_rate=2e-3), faces, watched, tmp_path, {})


def test_seed_decides_the_weights(faces: Faces, watched: Faces, tmp_path: Path) -> None:
    runs = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        runs.append(Trainer(dataclasses.replace(TINY, steps=2, seed=seed), faces, watched, tmp_path / name, {}))
        runs[-1].run()
    assert states_equal(runs[0].model, runs[1].model)
    assert not states_equal(runs[0].model, runs[2].model)


def test_validation_is_the_mean_gain_over_all_faces_in_decibels(faces: Faces, watched: Faces, tmp_path: Path) -> None:
    trainer = Trainer(TINY, faces, watched, tmp_path, {})
    trainer.average = nn.AvgPool2d(5, stride=1, padding=2)  # type: ignore[assignment]  # any network will do
    gains = trainer.validate()
    for name, protocol in (("blind", BLIND), ("original", ORIGINAL)):
        expected = []
        for i in range(len(watched)):
            degraded, clean = degraded_face(watched, i, name, protocol)
            before, after = (float((image - clean).square().mean()) for image in (degraded, trainer.average(degraded)))
            expected.append(-10 * math.log10(after) + 10 * math.log10(before))
        assert abs(expected[0] - expected[1]) > 0.01
        assert gains[f"{name}_gain_db"] == pytest.approx(sum(expected) / 2, abs=1e-3)


def test_schedule() -> None:
    config = dataclasses.replace(TINY, steps=100, warmup=10, learning_rate=1.0e-2, final_rate=0.1)
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[0] == pytest.approx(1e-3)
    assert max(rates) == rates[10] == pytest.approx(1e-2)
    assert rates[100] == pytest.approx(1e-3)
    assert all(a > b for a, b in pairwise(rates[10:]))


def test_impossible_configurations_are_refused() -> None:
    for wrong in ({"steps": 0}, {"crop": 100}, {"crop": 1024}, {"ema": 1.0}, {"learning_rate": 0}):
        with pytest.raises(InputError):
            dataclasses.replace(TINY, **wrong)


def test_a_diverged_run_keeps_what_was_saved(
    faces: Faces, watched: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(TINY, log_every=100, save_every=2)
    trainer = Trainer(config, faces, watched, tmp_path, {})
    ordinary = trainer.loss

    def diverging(restored: torch.Tensor, clean: torch.Tensor) -> dict[str, torch.Tensor]:
        terms = ordinary(restored, clean)
        return {name: value * (float("nan") if trainer.step >= 2 else 1) for name, value in terms.items()}

    monkeypatch.setattr(trainer, "loss", diverging)
    with pytest.raises(InputError, match="step 4"):
        trainer.run()
    assert torch.load(tmp_path / loop.CHECKPOINT, weights_only=True)["step"] == 2
    with (tmp_path / loop.VALIDATION_LOG).open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2"]


def test_a_run_is_resumed_on_its_own_faces_alone(faces: Faces, watched: Faces, tmp_path: Path) -> None:
    Trainer(TINY, faces, watched, tmp_path, {}).run(until=2)
    others = Faces(faces.images.flip(0), faces.names)
    with pytest.raises(InputError, match="other faces"):
        Trainer(TINY, others, watched, tmp_path, {})
    (tmp_path / loop.TRAIN_LOG).write_text("")  # a full disk
    assert Trainer(TINY, faces, watched, tmp_path, {}).step == 2
    (tmp_path / loop.CHECKPOINT).unlink()
    assert Trainer(TINY, faces, watched, tmp_path, {}).step == 0
    assert not (tmp_path / loop.VALIDATION_LOG).exists()  # it told of the run before
