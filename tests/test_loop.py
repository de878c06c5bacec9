"""The loop of every training: it resumes exactly, refuses what is not its own, and its optimiser is torch's."""

import copy
import math
import signal
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.figure
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from restoration.images import InputError
from train.config import Diverged, Session, command
from train.loop import CHECKPOINT, TRAIN_LOG, VALIDATION_LOG, Trainer, WeightOptimizer, plot_curves

CONFIGURATION = Session(steps=6, batch=4, log_every=1, save_every=2, learning_rate=1e-2, warmup=1)


def trainer(out: Path, config: Session = CONFIGURATION, faces: str = "a") -> Trainer:
    """A regression with dropout, whose draws a resumed run must repeat, and a moving average."""
    torch.manual_seed(config.seed)
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1)).train()

    def batch(step: int) -> Tensor:
        return torch.randn(config.batch, 3, generator=torch.Generator().manual_seed(step))

    def score(made: Tensor) -> dict[str, Tensor]:
        loss = (model(made) - made.sum(1, keepdim=True)).square().mean()
        return {"half": loss / 2, "total": loss}

    def save(row: dict[str, float]) -> dict[str, float]:
        return {"good": row["step"] / 2}

    return Trainer(config, out, model, batch, score, save, average=(copy.deepcopy(model), 0.9), faces=faces)


def log(path: Path) -> list[dict[str, float]]:
    """Rows of a log, but for the seconds."""
    rows: list[dict[str, float]] = pd.read_csv(path).drop(columns="seconds").to_dict("records")
    return rows


def same(a: Trainer, b: Trainer) -> bool:
    """Whether both ended with the same weights, and the same averages of them, which are others."""
    states = []
    for run in (a, b):
        assert run.average
        states.append(torch.cat([x.flatten() for x in (*run.model.parameters(), *run.average[0].parameters())]))
        assert not torch.equal(*states[-1].chunk(2))
    return torch.equal(*states)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """A run without a stop."""
    run = trainer(tmp_path_factory.mktemp("straight"))
    run.run()
    return run


def ends_like(straight: Trainer, out: Path, at: int) -> None:
    """The run in ``out`` goes on at a step, and ends with the weights and the log of one without a stop."""
    resumed = trainer(out)
    assert resumed.step == at
    resumed.run()
    assert same(straight, resumed)
    assert log(out / TRAIN_LOG) == log(straight.out / TRAIN_LOG)
    assert {file.name for file in out.iterdir()} == {file.name for file in straight.out.iterdir()}


def test_a_run_killed_between_checkpoints_repeats_what_was_lost(straight: Trainer, tmp_path: Path) -> None:
    killed = trainer(tmp_path)
    score = killed.score

    def die_at_step_5(made: Tensor) -> dict[str, Tensor]:
        if killed.step == 5:
            raise KeyboardInterrupt
        return score(made)

    killed.score = die_at_step_5
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    rows = log(tmp_path / TRAIN_LOG)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["half"] for row in rows] == pytest.approx([row["total"] / 2 for row in rows], rel=1e-4)
    ends_like(straight, tmp_path, at=4)
    assert log(tmp_path / VALIDATION_LOG) == [{"step": s, "good": s / 2} for s in (2, 4, 6)]


@pytest.mark.parametrize(("kind", "old"), [(2, signal.default_int_handler), (15, signal.SIG_DFL), (2, signal.SIG_IGN)])
def test_a_signal_ends_a_run_after_its_step_unless_ignored(kind: int, old: Any, straight, tmp_path, capsys) -> None:
    run, before, ignored = trainer(tmp_path), signal.signal(kind, old), old == signal.SIG_IGN

    def signalled(made: Tensor, score: Any = run.score) -> Any:
        if run.step == 2:
            signal.raise_signal(kind)
            assert signal.getsignal(kind) == old  # a second one does what it does without a training
        return score(made)

    run.score = signalled
    assert command(lambda _: run.run() or 0)() == (0 if ignored else 128 + kind)
    signal.signal(kind, before)
    assert ("stopped at step 3. The same command goes on there." in capsys.readouterr().err) != ignored
    ends_like(straight, tmp_path, at=6 if ignored else 3)


def test_a_full_disk_is_a_sentence_and_the_run_goes_on(straight: Trainer, tmp_path: Path, full_disk, capsys) -> None:
    path = tmp_path / CHECKPOINT
    trainer(tmp_path).run(until=2)
    before = path.read_bytes()
    full_disk(len(before) - 1)
    assert command(lambda _: trainer(tmp_path).run() or 0)() == 2
    full_disk(-1)
    told = capsys.readouterr().err
    assert f"{path}: File too large. What was saved before is whole. Free some space, and repeat the command." in told
    assert path.read_bytes() == before
    with (tmp_path / TRAIN_LOG).open("a") as file:
        file.write("1")  # the begin of a row, of step 10 perhaps
    ends_like(straight, tmp_path, at=2)


def test_a_diverged_run_keeps_what_was_saved(tmp_path: Path) -> None:
    run = trainer(tmp_path, replace(CONFIGURATION, log_every=100))
    score = run.score
    run.score = lambda made: {name: x * (math.nan if run.step >= 2 else 1) for name, x in score(made).items()}
    with pytest.raises(Diverged, match="step 4"):
        run.run()
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["step"] == 2
    assert [row["step"] for row in log(tmp_path / VALIDATION_LOG)] == [2]


def test_a_run_is_resumed_with_its_own_faces_and_configuration_alone(tmp_path: Path) -> None:
    trainer(tmp_path).run(until=2)
    with pytest.raises(InputError, match=r"other settings \(learning_rate\)"):
        trainer(tmp_path, replace(CONFIGURATION, learning_rate=2e-3))
    with pytest.raises(InputError, match="other faces"):
        trainer(tmp_path, faces="b")
    (tmp_path / TRAIN_LOG).write_text("")  # a full disk
    assert trainer(tmp_path).step == 2
    (tmp_path / CHECKPOINT).write_bytes((tmp_path / CHECKPOINT).read_bytes()[:300])
    with pytest.raises(InputError, match=r"checkpoint\.pt is damaged"):
        trainer(tmp_path)
    (tmp_path / CHECKPOINT).unlink()
    assert trainer(tmp_path).step == 0
    assert not (tmp_path / VALIDATION_LOG).exists()  # it told of the run before


def test_a_command_says_user_errors_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(error: BaseException) -> int:
        raise error

    errors = InputError("no folder"), Diverged("not a number"), KeyboardInterrupt()
    assert [command(fail)(error) for error in errors] == [2, 1, 130]
    said = capsys.readouterr().err
    assert said.startswith("test_loop.py: no folder\ntest_loop.py: not a number\n\ntest_loop.py: stopped.")


def test_the_rate_warms_up_stays_level_and_falls_by_half_a_cosine() -> None:
    level = Session(steps=100, learning_rate=0.2, final_rate=0.1, warmup=10, decay=0.3)
    assert [level.rate(step) for step in (10, 71)] == [0.2, pytest.approx(0.1995, 1e-3)]
    rates = [replace(level, steps=110, decay=1.0).rate(step) for step in range(111)]
    known = {0: 0.02, 9: 0.2, 10: 0.2, 60: 0.11, 110: 0.02, 35: 0.02 + 0.18 * (1 + math.cos(math.pi / 4)) / 2}
    assert {step: rates[step] for step in known} == pytest.approx(known)


def test_every_term_and_gain_is_a_named_line(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / TRAIN_LOG).write_text("step,seconds,learning_rate,identity,total\n20,1,1,0.3,0.31\n40,2,1,0.2,0.22\n")
    (tmp_path / VALIDATION_LOG).write_text("step,seconds,blind_gain_db\n20,1,0.5\n40,2,1.25\n")
    figures: list[Any] = []
    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", lambda self, *_, **__: figures.append(self))
    plot_curves(tmp_path)
    lines = [{line.get_label(): line.get_ydata().tolist() for line in axis.lines} for axis in figures[0].axes]
    assert lines == [{"identity": [0.3, 0.2], "total": [0.31, 0.22]}, {"blind": [0.5, 1.25]}]


def test_a_convolution_moves_orthogonally_and_the_rest_by_torchs_adamw() -> None:
    torch.manual_seed(0)
    layers = {
        "head": nn.Conv2d(3, 16, 3, padding=1),
        "body": nn.Conv2d(16, 24, 3, padding=1),
        "depthwise": nn.Conv2d(24, 24, 3, padding=1, groups=24),
        "tail": nn.Conv2d(24, 3, 1),
    }
    model = nn.Sequential(OrderedDict(layers)).to(memory_format=torch.channels_last)
    before, theirs = model.get_parameter("body.weight").detach().clone(), copy.deepcopy(model)
    image = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.autograd.backward((model(image) - image).square().mean())
    for ours, other in zip(model.parameters(), theirs.parameters(), strict=True):
        other.grad = ours.grad
    WeightOptimizer(model, "muon", weight_decay=0.1).step(0.01)
    torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1, betas=(0.9, 0.99)).step()
    body = model.get_parameter("body.weight")
    # Five Newton-Schulz steps bring the singular values near one another; of 24 by 144, the length is 0.2 sqrt(144).
    relative = torch.linalg.svdvals((body - 0.999 * before).flatten(1)) / (0.01 * 0.2 * 12)
    assert float(relative.max()) < 1.3
    assert float(relative.quantile(0.1)) > 0.6
    gradient = torch.linalg.svdvals(body.grad.flatten(1))  # type: ignore[union-attr]
    assert float(gradient.quantile(0.1) / gradient.max()) < 0.3  # which they were not before
    for name in ("head.weight", "depthwise.weight", "tail.weight", "body.bias"):
        torch.testing.assert_close(model.get_parameter(name), theirs.get_parameter(name))
