"""The training command: it trains, resumes, refuses, and a dry run writes nothing; and the sweep over its settings."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from hub_server import WRITER, Hub, status
from tiny import COMMAND as COMMON
from tiny import SMALL, SMALL_FACE, tiny_network

from restoration.hub import load_weights
from restoration.images import InputError
from restoration.network import UNet, parameter_count
from restoration.network.checkpoint import load_stage
from train import sweep
from train.loop import CHECKPOINT, CONFIG, CURVES
from train.run import main
from train.stages import RESULT

ROOT = Path(__file__).parents[1]
COMMAND = [*COMMON, "--validation-faces", "1"]


def test_command_trains_resumes_and_leaves_loadable_weights(tmp_path: Path, capsys) -> None:
    out = ["--out", str(tmp_path / "run")]
    assert main([*COMMAND, *out, "--stop-after", "1"]) == 0
    assert main([*COMMAND, *out]) == 0
    weights, said = load_weights(tmp_path / "run" / "weights"), capsys.readouterr().out
    assert weights.model.config == {"detail": SMALL.to_dict(), "face": SMALL_FACE.to_dict()}
    assert (weights.training["training_faces"], weights.training["license"]) == (2, "other")
    for stage in ("face", "detail"):
        folder = tmp_path / "run" / stage
        assert f"averaged {stage} stage of step 2" in said
        assert weights.training["stages"][stage]["step"] == 2
        assert json.loads((folder / CONFIG).read_text())["steps"] == 2
        assert (folder / CURVES).stat().st_size > 1000
        found, saved = (each.state_dict() for each in (load_stage(folder / RESULT), getattr(weights.model, stage)))
        torch.testing.assert_close(found, saved, rtol=0, atol=1e-3)  # float16 on disk
    row = sweep.measure(tmp_path / "run")  # a name says of which stage
    assert row["detail parameters"] < row["face parameters"]
    assert row["face seconds_a_step"] > 0
    assert main([*COMMAND, *out, "--seed", "1", "--dry-run"]) == 2
    assert "other settings (seed)" in capsys.readouterr().err
    again = ["--out", str(tmp_path / "next"), "--init", str(tmp_path / "run" / "weights"), "--stop-after", "1"]
    assert main([*COMMAND, *again]) == 0


def test_either_stage_is_trained_alone(tmp_path: Path, capsys) -> None:
    out = ["--out", str(tmp_path / "run")]
    assert main([*COMMAND, *out, "--stage", "detail"]) == 2
    assert "needs a face stage" in capsys.readouterr().err
    assert main([*COMMAND, *out, "--stage", "face"]) == 0
    assert not (tmp_path / "run" / "weights").exists()
    other = ["--out", str(tmp_path / "other"), "--face", str(tmp_path / "run" / "face" / RESULT)]
    for run in (out, other):
        assert main([*COMMAND, *run, "--stage", "detail"]) == 0
    one, two = (load_weights(tmp_path / name / "weights").model for name in ("run", "other"))
    torch.testing.assert_close(one.state_dict(), two.state_dict(), rtol=0, atol=0)


def test_command_says_what_is_wrong(tmp_path: Path, capsys) -> None:
    out = ["--out", str(tmp_path / "run")]
    wrong = (
        (["--crop", "1024"], "64 to 512"),
        (["--steps", "0"], "steps"),
        (["--squares", "3"], "no multiple of 3"),
        (["--lambda-rec", "0", "--stage", "detail"], "lambda-rec or lambda-id"),
        (["--unshuffle", "3"], "positions"),
        (["--data", "/nowhere"], "/nowhere"),
        (["--stage", "detail", "--lambda-id", "1"], "--crop 512"),
        (["--limit", "0"], "--limit"),
        (["--batch", "100000000000"], "from 1 to 65,536"),
        (["--widths", "8", "16"], "--encoder takes as many"),
        (["--compile", "--dry-run"], "for a GPU"),
        (["--stage", "detail", "--dry-run"], "needs a face stage"),
        (["--lambda-rec", "nan", "--dry-run"], "finite"),
        (["--init", "nonsense", "--dry-run"], "nonsense"),
        (["--device", "toaster"], "not available"),
        (["--out", "/proc/nowhere"], "Cannot write in /proc"),
        (["--datasets", "FFHQ"], "NAME=LICENCE"),
        (["--push-to-hub", ".."], "owner/name"),
        (["--push-to-hub", ".."], "--data and --validation share a folder"),
    )
    for extra, message in wrong:
        assert main([*COMMAND, *out, *extra]) == 2
        assert message in capsys.readouterr().err
    assert not list((tmp_path / "run").glob("*/checkpoint.pt"))


def test_a_push_that_cannot_work_is_refused_before_the_training(hub: Hub, tmp_path: Path, monkeypatch, capsys) -> None:
    out = ["--out", str(tmp_path / "run")]
    assert main([*COMMAND, *out, "--push-to-hub", "a/b"]) == 2
    assert "HF_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("HF_TOKEN", WRITER)
    hub.fail("GET /api", status(503))
    assert main([*COMMAND, *out, "--push-to-hub", "a/b"]) == 2
    assert "503" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_dry_run_writes_nothing(tmp_path: Path, capsys) -> None:
    assert main([*COMMAND, "--out", str(tmp_path / "run"), "--dry-run", "--limit", "1"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["parameters"] == parameter_count(tiny_network())
    assert facts["faces"] == {"data": 1, "small": 0, "validation": 1}
    assert not (tmp_path / "run").exists()


def test_two_processes_train_what_one_would(tmp_path: Path) -> None:
    command = [*COMMAND, "--batch", "4", "--squares", "2", "--warmup", "0", "--precision", "fp32"]
    assert main([*command, "--out", str(tmp_path / "1")]) == 0
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "train/run.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*start, *command, "--out", str(tmp_path / "2")], cwd=ROOT, env=environment, check=True, timeout=300)
    for stage, config in (("face", SMALL_FACE), ("detail", SMALL)):
        torch.manual_seed(0)
        states = [UNet(config).state_dict()]  # before the first step
        states += [torch.load(tmp_path / n / stage / CHECKPOINT, weights_only=True)["model"] for n in ("1", "2")]
        start, one, two = (torch.cat([x.flatten() for x in state.values()]) for state in states)
        assert float((two - one).norm()) < 0.1 * float((one - start).norm()) > 0
    assert json.loads((tmp_path / "2" / "weights" / "training.json").read_text())["processes"] == 2


def test_one_option_at_a_time_or_every_combination() -> None:
    axes = [["batch", "1", "2"], ["jitter", "0", "1"]]
    alone = [sweep.label(variant) for variant in sweep.variants(axes, grid=False)]
    assert alone == ["as given", "batch=1", "batch=2", "jitter=0", "jitter=1"]
    assert len({sweep.label(variant) for variant in sweep.variants(axes, grid=True)}) == 4
    for wrong in ([["batch"]], [["batch", "1"], ["batch", "2"]]):
        with pytest.raises(InputError, match="--vary"):
            list(sweep.variants(wrong, grid=True))


def test_a_sweep_trains_a_stage_and_its_table_holds_what_that_measures(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        sweep.main(["--out", str(tmp_path), "--vary", "foo", "1", "--", *COMMAND, "--stage", "face"])
    assert not list(tmp_path.iterdir())  # nothing was trained
    vary = ["--vary", "identity", "nowhere", "--vary", "widths", "8,12,20"]
    assert sweep.main(["--out", str(tmp_path), *vary, "--", *COMMAND, "--stage", "face"]) == 2
    assert "'identity=nowhere' failed" in capsys.readouterr().err  # and the others are there
    rows = pd.read_csv(tmp_path / "sweep.csv", index_col="run")
    assert list(rows.index) == ["as given", "widths=8,12,20"]
    measured = pd.read_csv(tmp_path / "as_given" / "face" / "validation.csv").iloc[-1].drop("seconds")
    assert set(rows) == {*measured.index, "parameters", "seconds_a_step"} > {"blind_gain_db"}
    pd.testing.assert_series_equal(rows.loc["as given", measured.index], measured, check_names=False)
    assert rows["parameters"].is_monotonic_increasing
    assert (rows[["seconds_a_step", "step"]] > 0).all(axis=None)
    shown = f"| widths=8,12,20 | 2 | {rows.loc['widths=8,12,20', 'blind_gain_db']:.4g} |"
    assert shown in (tmp_path / "sweep.md").read_text()
