"""Training: it learns, it resumes exactly, its draws are functions of seed and step."""

import csv
import dataclasses
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from restoration.hub import load_weights
from restoration.identity import IdentityNetwork
from restoration.images import InputError, read_image, write_png
from restoration.model import UNet, UNetConfig
from restoration.protocols import BLIND, Protocol
from train import loop
from train.data import Faces, TrainingBatches, degraded_face, load_faces
from train.loop import TrainConfig, Trainer, learning_rate
from train.losses import CompositeLoss, charbonnier
from train.run import main

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = UNetConfig(widths=(8, 12, 16), encoder=(1, 1, 1), decoder=(1, 1))
TINY = TrainConfig(
    name="tiny",
    steps=6,
    batch=2,
    crop=64,
    warmup=2,
    learning_rate=1e-3,
    precision="fp32",
    log_every=1,
    save_every=2,
    model=SMALL,
)


@pytest.fixture(scope="module")
def faces() -> Faces:
    return load_faces([EXAMPLES])


def states_equal(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


# ---- data --------------------------------------------------------------------------------------


def test_faces_are_read_as_they_are(faces: Faces) -> None:
    assert faces.names == ("eileen_collins.png", "grace_hopper.png")
    assert np.array_equal(faces.images[0].permute(1, 2, 0).numpy(), read_image(EXAMPLES / "eileen_collins.png"))


def test_other_sizes_are_resized_and_other_shapes_refused(tmp_path: Path) -> None:
    face = read_image(EXAMPLES / "eileen_collins.png")
    (tmp_path / "person").mkdir()
    write_png(face[::2, ::2], tmp_path / "person" / "half.png")
    loaded = load_faces([tmp_path])
    assert loaded.images.shape == (1, 3, 512, 512)
    assert loaded.names == ("person/half.png",)
    write_png(face[:400], tmp_path / "wide.png")
    with pytest.raises(InputError, match=r"wide\.png is 512×400"):
        load_faces([tmp_path])


def test_folders_without_faces_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        load_faces([tmp_path / "missing"])
    with pytest.raises(InputError, match="No pictures"):
        load_faces([tmp_path])


def test_batches_are_functions_of_seed_and_step(faces: Faces) -> None:
    def batches(seed: int) -> TrainingBatches:
        return TrainingBatches(faces, batch=3, crop=64, degradations=BLIND, seed=seed)

    straight, jumped = batches(0), batches(0)
    straight(0), straight(1)
    for a, b in zip(straight(2), jumped(2), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(batches(0)(2)[1], batches(1)(2)[1])
    degraded, clean = straight(2)
    assert degraded.shape == clean.shape == (3, 3, 64, 64)
    assert float((degraded - clean).abs().mean()) > 0


def test_an_epoch_shows_every_face_once() -> None:
    images = torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(10, 3, 512, 512)
    batches = TrainingBatches(Faces(images, ("x",) * 10), batch=5, crop=512, degradations=Protocol(), seed=0)
    seen = torch.cat([batches(step)[1][:, 0, 0, 0] * 255 for step in range(4)]).round().int().tolist()
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_measured_faces_do_not_depend_on_what_else_is_measured(faces: Faces) -> None:
    alone = Faces(faces.images[1:], faces.names[1:])
    assert torch.equal(degraded_face(faces, 1, "blind", BLIND)[0], degraded_face(alone, 0, "blind", BLIND)[0])


# ---- losses ------------------------------------------------------------------------------------


class Pool(nn.Module):
    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(crops - 0.5, 4).flatten(1)


def test_loss_terms_are_named_and_add_up() -> None:
    clean, restored = torch.rand(2, 3, 512, 512), torch.rand(2, 3, 512, 512, requires_grad=True)
    loss = CompositeLoss(lambda_rec=2, lambda_id=0.5, identity=IdentityNetwork(Pool(), "pool"))
    terms = loss(restored, clean)
    assert set(terms) == {"reconstruction", "identity", "total"}
    assert torch.allclose(terms["total"], 2 * terms["reconstruction"] + 0.5 * terms["identity"])
    assert torch.allclose(terms["reconstruction"], (restored - clean).abs().mean())
    same = loss(clean, clean)
    assert float(same["reconstruction"]) == 0
    assert abs(float(same["identity"])) < 1e-5
    terms["identity"].backward()
    assert restored.grad is not None
    assert float(restored.grad.abs().max()) > 0


def test_reconstruction_losses() -> None:
    zero, half = torch.zeros(1, 3, 64, 64), torch.full((1, 3, 64, 64), 0.5)
    assert float(CompositeLoss(reconstruction="l2")(half, zero)["total"]) == pytest.approx(0.25)
    assert float(charbonnier(half, zero)) == pytest.approx(0.5, abs=2e-3)
    assert float(charbonnier(zero, zero)) == 0
    assert float(CompositeLoss(reconstruction="psnr")(half, zero)["total"]) == pytest.approx(
        -0.602, abs=1e-3
    )  # -6.02 dB
    assert float(CompositeLoss(reconstruction="psnr")(zero, zero)["total"]) == pytest.approx(-5)  # 50 dB


def test_impossible_losses_are_refused() -> None:
    for wrong in ({"lambda_rec": -1}, {"lambda_rec": 0}, {"lambda_id": 1}, {"reconstruction": "lpips"}):
        with pytest.raises(InputError):
            CompositeLoss(**wrong)
    with pytest.raises(InputError, match="--crop 512"):
        CompositeLoss(lambda_id=1, identity=IdentityNetwork(Pool(), "pool"))(
            torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
        )


# ---- the loop ----------------------------------------------------------------------------------


def test_one_batch_is_learned_by_heart(faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "TRAINING", Protocol(downsample=(4, 4)))
    wider = UNetConfig(widths=(32, 48, 64), encoder=(1, 1, 1), decoder=(1, 1))
    config = dataclasses.replace(TINY, steps=100, log_every=10, save_every=100, reconstruction="l1", model=wider)
    trainer = Trainer(config, faces, faces, tmp_path, {})
    fixed = trainer.batches(0)
    trainer.batches = lambda step: fixed  # type: ignore[assignment,return-value]
    trainer.run()
    with (tmp_path / loop.TRAIN_LOG).open() as file:
        losses = [float(row["reconstruction"]) for row in csv.DictReader(file)]
    assert losses[-1] < 0.7 * float((fixed[0] - fixed[1]).abs().mean())
    assert losses[-1] < losses[0]


def test_a_stopped_run_ends_with_the_same_weights(faces: Faces, tmp_path: Path) -> None:
    straight = Trainer(TINY, faces, faces, tmp_path / "straight", {})
    straight.run()
    Trainer(TINY, faces, faces, tmp_path / "stopped", {}).run(until=3)
    resumed = Trainer(TINY, faces, faces, tmp_path / "stopped", {})
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
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = Trainer(TINY, faces, faces, tmp_path / "run", {})
    ordinary = killed._train_step

    def die_at_step_5() -> dict[str, torch.Tensor]:
        if killed.step == 4:
            raise KeyboardInterrupt
        return ordinary()

    monkeypatch.setattr(killed, "_train_step", die_at_step_5)
    monkeypatch.setattr(killed, "save", lambda save=killed.save: save() if killed.step <= 2 else None)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    resumed = Trainer(TINY, faces, faces, tmp_path / "run", {})
    assert resumed.step == 2
    resumed.run()
    straight = Trainer(TINY, faces, faces, tmp_path / "straight", {})
    straight.run()
    assert states_equal(straight.average, resumed.average)
    with (tmp_path / "run" / loop.TRAIN_LOG).open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [1, 2, 3, 4, 5, 6]


def test_another_configuration_does_not_overwrite_a_run(faces: Faces, tmp_path: Path) -> None:
    Trainer(TINY, faces, faces, tmp_path, {}).run(until=2)
    with pytest.raises(InputError, match="learning_rate"):
        Trainer(dataclasses.replace(TINY, learning_rate=2e-3), faces, faces, tmp_path, {})


def test_seed_decides_the_weights(faces: Faces, tmp_path: Path) -> None:
    runs = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        runs.append(Trainer(dataclasses.replace(TINY, steps=2, seed=seed), faces, faces, tmp_path / name, {}))
        runs[-1].run()
    assert states_equal(runs[0].model, runs[1].model)
    assert not states_equal(runs[0].model, runs[2].model)


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


# ---- the command -------------------------------------------------------------------------------

COMMAND = [
    "--data", str(EXAMPLES), "--validation", str(EXAMPLES), "--steps", "2", "--batch", "1", "--crop", "64",
    "--save-every", "1", "--widths", "8", "12", "16", "--encoder", "1", "1", "1", "--decoder", "1", "1",
    "--device", "cpu",
]  # fmt: skip


def test_command_trains_resumes_and_leaves_loadable_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "run")]
    assert main([*COMMAND, *out, "--stop-after", "1"]) == 0
    assert main([*COMMAND, *out]) == 0
    weights = load_weights(tmp_path / "run" / "weights")
    assert weights.model.config == SMALL
    assert weights.training["step"] == 2
    assert weights.training["training_faces"] == 2
    assert json.loads((tmp_path / "run" / loop.CONFIG).read_text())["steps"] == 2
    assert (tmp_path / "run" / "curves.png").stat().st_size > 1000
    assert "averaged weights of step 2" in capsys.readouterr().out
    again = ["--out", str(tmp_path / "next"), "--init", str(tmp_path / "run" / "weights"), "--stop-after", "1"]
    assert main([*COMMAND, *again]) == 0


def test_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "run")]
    wrong = ((["--crop", "70"], "crop"), (["--data", "/nowhere"], "/nowhere"), (["--lambda-id", "1"], "--identity"))
    for extra, message in wrong:
        assert main([*COMMAND, *out, *extra]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / loop.CHECKPOINT).exists()


def test_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--out", str(tmp_path / "run"), "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == UNet(SMALL).parameter_count()
    assert not (tmp_path / "run").exists()
