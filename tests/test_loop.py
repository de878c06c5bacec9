"""The training loop: it learns, it resumes exactly, and its results are functions of the seed."""

import csv
import dataclasses
import math
from pathlib import Path

import pytest
import torch
from tiny import SMALL, SMALL_FACE, TINY
from torch import nn

from restoration.degrade.protocols import BLIND, HEAVY, ORIGINAL, Distribution, Mixture
from restoration.images import InputError
from restoration.measure.identity import load_identity
from restoration.network import UNet
from restoration.network.checkpoint import load_stage
from train import loop
from train.batches import FaceSquares, Order, Recipe, WholeFaces
from train.config import TrainConfig
from train.data import Faces, degraded_face
from train.loop import Diverged, Trainer
from train.stages import DetailStage, FaceStage


@pytest.fixture
def watched(faces: Faces) -> Faces:
    """A small part of both faces: whole ones take most of the time of a tiny run."""
    return Faces(faces.images[:, :, 200:264, 200:264], faces.names)


def detail_run(
    config: TrainConfig, faces: Faces, watched: Faces, out: Path, degradations: Distribution | Mixture = BLIND
) -> Trainer:
    """A run of the detail stage, behind an untrained face stage."""
    torch.manual_seed(9)
    order = Order(faces, None, config.seed)
    batches = FaceSquares(
        order, Recipe(degradations=degradations, seed=config.seed, jitter=config.jitter), batch=config.batch,
        squares=config.squares, crop=config.crop, alone=config.alone, plain=config.plain,
    )  # fmt: skip
    stage = DetailStage(batches, watched, UNet(SMALL_FACE).eval().requires_grad_(False))
    return Trainer(config, stage, order.fingerprint, torch.device("cpu"), out)


def states_equal(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_one_batch_is_learned_by_heart(faces: Faces, watched: Faces, tmp_path: Path) -> None:
    wider = dataclasses.replace(SMALL, widths=(32, 48, 64))
    config = dataclasses.replace(TINY, steps=100, log_every=10, save_every=100, reconstruction="l1", model=wider)
    trainer = detail_run(config, faces, watched, tmp_path, Distribution(downsample=(4, 4)))
    (degraded, guide), clean = trainer.stage.batch(2)
    trainer.stage.batch = lambda step: ((degraded, guide), clean)  # type: ignore[method-assign]
    trainer.run()
    with (tmp_path / loop.TRAIN_LOG).open() as file:
        losses = [float(row["reconstruction"]) for row in csv.DictReader(file)]
    assert losses[-1] < 0.7 * float((degraded - clean).abs().mean())
    assert losses[-1] < losses[0]


def test_the_face_stage_learns_both_terms_of_its_loss(faces: Faces, tmp_path: Path) -> None:
    config = dataclasses.replace(
        TINY, stage="face", model=SMALL_FACE, reconstruction="l1", lambda_id=0.1, steps=4, log_every=2, save_every=2
    )
    order = Order(faces, None, 0)
    batches = WholeFaces(order, Recipe(degradations=BLIND, seed=0), batch=2, side=128)
    stage = FaceStage(batches, faces, 128, load_identity())
    run = Trainer(config, stage, order.fingerprint, torch.device("cpu"), tmp_path)
    run.run()
    with (tmp_path / loop.TRAIN_LOG).open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        terms = float(row["reconstruction"]), float(row["identity"])
        assert min(terms) > 0
        assert float(row["total"]) == pytest.approx(terms[0] + 0.1 * terms[1], rel=1e-4)
    with (tmp_path / loop.VALIDATION_LOG).open() as file:
        measured = list(csv.DictReader(file))[-1]
    assert {"blind_gain_db", "heavy_gain_db", "original_gain_db", "blind_angle_ratio"} <= set(measured)
    saved = load_stage(tmp_path / loop.RESULT)
    assert states_equal(saved, run.average)


def test_the_validation_of_the_face_stage_is_gain_and_angle_at_its_size(faces: Faces) -> None:
    stage = FaceStage(
        WholeFaces(Order(faces, None, 0), Recipe(degradations=BLIND, seed=0), batch=2, side=128),
        faces,
        128,
        load_identity(),
    )
    unchanged, worse = stage.measure(lambda images: images), stage.measure(lambda images: 0.5 * images)
    for name in ("blind", "heavy", "original"):
        assert unchanged[f"{name}_gain_db"] == pytest.approx(0, abs=1e-5)
        assert unchanged[f"{name}_angle_ratio"] == pytest.approx(1, abs=1e-4)
        assert worse[f"{name}_gain_db"] < -1
    assert stage.measure(lambda images: images.flip(-2))["blind_angle_ratio"] > 1.2


def test_a_stopped_run_ends_with_the_same_weights(faces: Faces, watched: Faces, tmp_path: Path) -> None:
    straight = detail_run(TINY, faces, watched, tmp_path / "straight")
    straight.run()
    detail_run(TINY, faces, watched, tmp_path / "stopped").run(until=3)
    resumed = detail_run(TINY, faces, watched, tmp_path / "stopped")
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
    killed = detail_run(TINY, faces, watched, tmp_path / "run")
    ordinary = killed.update

    def die_at_step_5() -> None:
        if killed.step == 4:
            raise KeyboardInterrupt
        ordinary()

    monkeypatch.setattr(killed, "update", die_at_step_5)
    monkeypatch.setattr(killed, "save", lambda save=killed.save: save() if killed.step <= 2 else None)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    resumed = detail_run(TINY, faces, watched, tmp_path / "run")
    assert resumed.step == 2
    resumed.run()
    straight = detail_run(TINY, faces, watched, tmp_path / "straight")
    straight.run()
    assert states_equal(straight.average, resumed.average)
    with (tmp_path / "run" / loop.TRAIN_LOG).open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [1, 2, 3, 4, 5, 6]


def test_validation_is_the_mean_gain_over_all_faces_in_decibels(faces: Faces, watched: Faces, tmp_path: Path) -> None:
    stage = detail_run(TINY, faces, watched, tmp_path).stage
    assert isinstance(stage, DetailStage)
    smooth = nn.AvgPool2d(5, stride=1, padding=2)  # any network will do
    gains = stage.measure(lambda degraded, guide: smooth(degraded))
    for name, protocol in (("blind", BLIND), ("heavy", HEAVY), ("original", ORIGINAL)):
        expected = []
        for i in range(len(watched)):
            degraded, clean = degraded_face(watched, i, name, protocol)
            before, after = (float((image - clean).square().mean()) for image in (degraded, smooth(degraded)))
            expected.append(-10 * math.log10(after) + 10 * math.log10(before))
        assert gains[f"{name}_gain_db"] == pytest.approx(sum(expected) / 2, abs=1e-3)


def test_squares_come_with_their_part_of_the_face_stages_answer(faces: Faces, watched: Faces, tmp_path: Path) -> None:
    stage = detail_run(dataclasses.replace(TINY, alone=0.5, batch=4), faces, watched, tmp_path).stage
    assert isinstance(stage, DetailStage)
    squares = stage.batches(0)
    (_, guide), clean = stage.batch(0)
    answer = stage.guide(squares.degraded)
    assert answer is not None
    assert set(squares.alone) == {False, True}
    for index, (face, top, left) in enumerate(squares.boxes):
        wanted = squares.degraded if squares.alone[face] else answer
        assert torch.equal(guide[index], wanted[face, :, top : top + 64, left : left + 64])
        assert torch.equal(clean[index], squares.clean[face, :, top : top + 64, left : left + 64])


def test_impossible_configurations_are_refused() -> None:
    wrong = {"steps": (0,), "crop": (100, 1024), "ema": (1.0,), "learning_rate": (0,), "decay": (0,), "squares": (3,)}
    for name, values in {**wrong, "stage": ("eye", "face")}.items():
        for value in values:
            with pytest.raises(InputError):
                dataclasses.replace(TINY, **{name: value})


def test_a_diverged_run_keeps_what_was_saved(
    faces: Faces, watched: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(TINY, log_every=100, save_every=2)
    trainer = detail_run(config, faces, watched, tmp_path)
    ordinary = trainer.loss

    def diverging(restored: torch.Tensor, clean: torch.Tensor) -> dict[str, torch.Tensor]:
        terms = ordinary(restored, clean)
        return {name: value * (float("nan") if trainer.step >= 2 else 1) for name, value in terms.items()}

    monkeypatch.setattr(trainer, "loss", diverging)
    with pytest.raises(Diverged, match="step 4"):
        trainer.run()
    assert torch.load(tmp_path / loop.CHECKPOINT, weights_only=True)["step"] == 2
    with (tmp_path / loop.VALIDATION_LOG).open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2"]


def test_a_run_is_resumed_with_its_own_faces_and_configuration_alone(
    faces: Faces, watched: Faces, tmp_path: Path
) -> None:
    detail_run(TINY, faces, watched, tmp_path).run(until=2)
    with pytest.raises(InputError, match="learning_rate"):
        detail_run(dataclasses.replace(TINY, learning_rate=2e-3), faces, watched, tmp_path)
    other_machine = dataclasses.replace(TINY, precision="bf16")
    assert detail_run(other_machine, faces, watched, tmp_path).step == 2
    others = Faces(faces.images.flip(0), faces.names)
    with pytest.raises(InputError, match="other faces"):
        detail_run(TINY, others, watched, tmp_path)
    (tmp_path / loop.TRAIN_LOG).write_text("")  # a full disk
    assert detail_run(TINY, faces, watched, tmp_path).step == 2
    (tmp_path / loop.CHECKPOINT).unlink()
    assert detail_run(TINY, faces, watched, tmp_path).step == 0
    assert not (tmp_path / loop.VALIDATION_LOG).exists()  # it told of the run before
