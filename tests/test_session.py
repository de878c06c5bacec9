"""A side network's training: what stops it, resuming, and what its commands share."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from restoration.images import InputError
from train.command import command
from train.extras.session import CHECKPOINT, LOG, Session, fit

CONFIG = Session(steps=6, batch=4, save_every=2, learning_rate=1e-2, warmup=1)


def run(out: Path, config: Session = CONFIG, dies_at: int | None = None) -> dict[str, Tensor]:
    """A regression with dropout, whose draws a resumed run must repeat."""
    torch.manual_seed(config.seed)
    model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1)).train()

    def batch(step: int) -> Tensor:
        return torch.randn(config.batch, 3, generator=torch.Generator().manual_seed(step))

    def score(made: Tensor, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        if step == dies_at:
            raise KeyboardInterrupt
        loss = (model(made) - made.sum(1, keepdim=True)).square().mean()
        return loss, {"loss": loss}

    fit(model, batch, score, out, config, lambda row: row | {"half": row["step"] / 2})
    return model.state_dict()


def test_a_stopped_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    straight = run(tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", dies_at=5)
    resumed = run(tmp_path / "stopped")
    assert all(torch.equal(value, resumed[name]) for name, value in straight.items())
    logs = []
    for name in ("straight", "stopped"):
        with (tmp_path / name / LOG).open() as file:
            logs.append([{key: row[key] for key in ("step", "loss", "half")} for row in csv.DictReader(file)])
    assert logs[0] == logs[1]
    assert [row["step"] for row in logs[0]] == ["2", "4", "6"]
    assert run(tmp_path / "other", replace(CONFIG, seed=1)).keys() == straight.keys()
    assert not torch.equal(run(tmp_path / "other", replace(CONFIG, seed=1))["0.weight"], straight["0.weight"])


def test_other_settings_and_damage_are_refused(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(InputError, match="other settings"):
        run(tmp_path, replace(CONFIG, steps=7))
    (tmp_path / CHECKPOINT).write_bytes((tmp_path / CHECKPOINT).read_bytes()[:300])
    with pytest.raises(InputError, match="damaged"):
        run(tmp_path)


def test_a_command_says_user_errors_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    @command
    def main(arguments: list[str] | None = None) -> int:
        if arguments == ["wrong"]:
            raise InputError("There is no folder.")
        if arguments == ["stopped"]:
            raise KeyboardInterrupt
        return 0

    assert [main([]), main(["wrong"]), main(["stopped"])] == [0, 2, 130]
    assert capsys.readouterr().err.startswith("test_session.py: There is no folder.\n\ntest_session.py: stopped.")
