"""The restorer's stages: they learn, they resume exactly, and their losses and validation are what they say."""

import dataclasses
import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from tiny import SMALL, SMALL_FACE, TINY, Pool
from torch import nn

from restoration.degrade.protocols import BLIND, HEAVY, ORIGINAL, Distribution, Mixture
from restoration.measure.identity import IdentityNetwork, load_identity
from restoration.network import UNet
from restoration.network.checkpoint import load_stage
from train.batches import Recipe, cut, degraded_face, face_squares
from train.config import TrainConfig
from train.data import Faces
from train.loop import TRAIN_LOG, VALIDATION_LOG, Trainer
from train.stages import DISTANCES, RESULT, DetailStage, FaceStage, loss_terms, stage_trainer

FACE = dataclasses.replace(
    TINY, stage="face", model=SMALL_FACE, reconstruction="l1", lambda_id=0.1, steps=4, log_every=2, jitter=0.0
)


def face_stage(faces: Faces) -> FaceStage:
    return FaceStage(FACE, Recipe(faces, degradations=BLIND), faces, load_identity())


def detail_stage(faces: Faces, config: TrainConfig = TINY, degradations: Distribution | Mixture = BLIND) -> DetailStage:
    """Behind an untrained face stage; watches a small part of both faces, since whole ones take most of the time."""
    torch.manual_seed(9)
    recipe = Recipe(faces, degradations=degradations, seed=config.seed, jitter=config.jitter)
    watched = Faces(faces.images[:, :, 200:264, 200:264], faces.names)
    return DetailStage(config, recipe, watched, UNet(SMALL_FACE).eval().requires_grad_(False))


def trainer(stage: FaceStage | DetailStage, out: Path) -> Trainer:
    return stage_trainer(stage, out, torch.device("cpu"))


def states(run: Trainer) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The weights, and their average."""
    assert run.average
    return dict(run.model.state_dict()), dict(run.average[0].state_dict())


def test_one_batch_is_learned_by_heart(faces: Faces, tmp_path: Path) -> None:
    wider = dataclasses.replace(SMALL, widths=(32, 48, 64))
    config = dataclasses.replace(TINY, steps=100, log_every=10, save_every=100, reconstruction="l1", model=wider)
    stage = detail_stage(faces, config, Distribution(downsample=(4, 4)))
    run = trainer(stage, tmp_path)
    (degraded, guide), clean = stage.batch(2)
    run.batch = lambda step: ((degraded, guide), clean)
    run.run()
    first, *_, last = pd.read_csv(tmp_path / TRAIN_LOG)["reconstruction"]
    assert last < 0.7 * float((degraded - clean).abs().mean())
    assert last < first


def test_the_face_stage_learns_both_terms_of_its_loss(faces: Faces, tmp_path: Path) -> None:
    run = trainer(face_stage(faces), tmp_path)
    run.run()
    log = pd.read_csv(tmp_path / TRAIN_LOG)
    assert log[["reconstruction", "identity"]].min().min() > 0
    assert list(log["total"]) == pytest.approx(list(log["reconstruction"] + 0.1 * log["identity"]), rel=1e-4)
    assert {"blind_gain_db", "blind_angle_ratio"} < set(pd.read_csv(tmp_path / VALIDATION_LOG))
    torch.testing.assert_close(dict(load_stage(tmp_path / RESULT).state_dict()), states(run)[1], rtol=0, atol=0)


def test_a_stopped_stage_ends_with_the_same_weights(faces: Faces, tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, steps=5)
    straight = trainer(detail_stage(faces, config), tmp_path / "straight")
    straight.run()
    trainer(detail_stage(faces, config), tmp_path / "stopped").run(until=3)
    on_another_machine = dataclasses.replace(config, precision="bf16")
    assert trainer(detail_stage(faces, on_another_machine), tmp_path / "stopped").step == 3
    resumed = trainer(detail_stage(faces, config), tmp_path / "stopped")
    resumed.run()
    torch.testing.assert_close(states(resumed), states(straight), rtol=0, atol=0)
    ends = [pd.read_csv(tmp_path / name / VALIDATION_LOG).iloc[-1] for name in ("straight", "stopped")]
    pd.testing.assert_series_equal(*(end.drop("seconds") for end in ends), check_exact=True, check_names=False)


def test_the_validation_of_the_face_stage_is_gain_and_angle_at_its_size(faces: Faces) -> None:
    stage = face_stage(faces)
    unchanged, worse = stage.measure(lambda images: images), stage.measure(lambda images: 0.5 * images.flip(-2))
    for name in ("blind", "heavy", "original"):
        assert unchanged[f"{name}_gain_db"] == pytest.approx(0, abs=1e-5)
        assert unchanged[f"{name}_angle_ratio"] == pytest.approx(1, abs=1e-4)
        assert worse[f"{name}_gain_db"] < -1
    assert worse["blind_angle_ratio"] > 1.2


def test_validation_is_the_mean_gain_over_all_faces_in_decibels(faces: Faces) -> None:
    stage, smooth = detail_stage(faces), nn.AvgPool2d(5, stride=1, padding=2)  # any network will do
    measured = stage.measure(lambda degraded, guide: smooth(degraded))
    for name, protocol in (("blind", BLIND), ("heavy", HEAVY), ("original", ORIGINAL)):
        gains = []
        for i in range(2):
            degraded, clean = degraded_face(stage.validation, i, name, protocol)
            before, after = (float((image - clean).square().mean()) for image in (degraded, smooth(degraded)))
            gains.append(10 * math.log10(before / after))
        assert measured[f"{name}_gain_db"] == pytest.approx(sum(gains) / 2, abs=1e-3)


def test_squares_come_with_their_part_of_the_face_stages_answer(faces: Faces) -> None:
    stage = detail_stage(faces, dataclasses.replace(TINY, alone=0.5, batch=4))
    degraded, whole, boxes, alone = face_squares(stage.recipe, 0, stage.config)
    (_, guide), clean = stage.batch(0)
    answer = stage.guide(degraded)
    assert answer is not None
    assert set(alone) == {False, True}
    assert torch.equal(clean, cut(whole, boxes, 64))
    for shown, box in zip(guide, boxes, strict=True):
        assert torch.equal(shown, cut(degraded if alone[box[0]] else answer, [box], 64)[0])


def test_loss_terms_are_named_and_add_up() -> None:
    zero, half = torch.zeros(1, 3, 64, 64), torch.full((1, 3, 64, 64), 0.5)
    assert float(DISTANCES["l2"](half, zero)) == pytest.approx(0.25)
    assert float(DISTANCES["psnr"](half, zero)) == pytest.approx(-0.602, abs=1e-3)  # -6.02 dB
    config = dataclasses.replace(FACE, lambda_rec=2, lambda_id=0.5)
    clean, restored = torch.rand(2, 3, 512, 512), torch.rand(2, 3, 512, 512, requires_grad=True)
    pool = IdentityNetwork(Pool(), "pool")
    terms = loss_terms(restored, clean, config, pool)
    assert torch.allclose(terms["total"], 2 * (restored - clean).abs().mean() + 0.5 * terms["identity"])
    assert [float(term) for term in loss_terms(clean, clean, config, pool).values()] == pytest.approx([0] * 3, abs=1e-5)
    terms["identity"].backward()
    assert bool(restored.grad.any())


def test_the_grid_term_is_the_power_of_what_repeats_every_four_pixels() -> None:
    clean, config = torch.rand(2, 3, 64, 64), dataclasses.replace(TINY, lambda_grid=3.0)
    wave = torch.tensor([1.0, 0.0, -1.0, 0.0]).repeat(16) / 255  # along x, mean of squares 1/2 in grey levels
    assert float(loss_terms(clean + wave, clean, config)["grid"]) == pytest.approx(0.5, rel=1e-3)
    assert float(loss_terms(clean + 0.1, clean, config)["grid"]) == pytest.approx(0, abs=1e-6)  # a level is no pattern
    terms = loss_terms(clean + wave, clean, config)
    assert torch.allclose(terms["total"], terms["reconstruction"] + 3 * terms["grid"])
