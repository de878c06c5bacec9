"""The sweep: which runs it makes, and a table that says what they reached."""

import csv
import json
from pathlib import Path

import pytest
from tiny import EXAMPLES

from restoration.images import InputError
from train.sweep import combined, label, main, variants

BASE = [
    "--data", str(EXAMPLES), "--validation", str(EXAMPLES), "--validation-faces", "1", "--steps", "2", "--crop", "64",
    "--save-every", "2", "--widths", "8", "12", "16", "--encoder", "1", "1", "1", "--decoder", "1", "1",
    "--device", "cpu",
]  # fmt: skip


def test_one_option_at_a_time_or_every_combination() -> None:
    axes = [["batch", "1", "2"], ["block", "residual", "gated"]]
    alone = [label(variant) for variant in variants(axes, grid=False)]
    assert alone == ["as given", "batch=1", "batch=2", "block=residual", "block=gated"]
    assert len({label(variant) for variant in variants(axes, grid=True)}) == 4
    for wrong in ([["batch"]], [["batch", "1"], ["batch", "2"]]):
        with pytest.raises(InputError, match="--vary"):
            list(variants(wrong, grid=True))


def test_one_run_in_which_several_settings_differ(tmp_path: Path) -> None:
    assert combined(["block=gated", "widths=8,12,16"]) == {"block": "gated", "widths": "8,12,16"}
    for wrong in (["block"], ["=gated"], ["batch=1", "batch=2"]):
        with pytest.raises(InputError, match="--together"):
            combined(wrong)
    command = ["--out", str(tmp_path), "--together", "unshuffle=2", "widths=8,12,20"]
    assert main([*command, "--", *BASE]) == 0
    rows = json.loads((tmp_path / "sweep.json").read_text())
    assert set(rows) == {"as given", "unshuffle=2 widths=8,12,20"}
    as_given, finer = rows["as given"], rows["unshuffle=2 widths=8,12,20"]
    # level 0 alone at four times as many places: two 3x3 convolutions of 8 channels, up and down
    assert finer["gflop"] - as_given["gflop"] > 2 * 4 * 9 * 8 * 8 * (256**2 - 128**2) / 1e9


def test_a_sweep_trains_and_writes_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--out", str(tmp_path), "--grid", "--vary", "batch", "1", "--vary", "widths", "8,12,16", "8,12,20"]
    assert main([*command, "--", *BASE]) == 0
    rows = json.loads((tmp_path / "sweep.json").read_text())
    assert set(rows) == {"batch=1 widths=8,12,16", "batch=1 widths=8,12,20"}
    assert rows["batch=1 widths=8,12,20"]["parameters"] > rows["batch=1 widths=8,12,16"]["parameters"]
    gains = [row["blind_gain_db"] for row in rows.values()]
    assert gains == sorted(gains, reverse=True)
    with (tmp_path / "sweep.csv").open() as file:
        assert [row["run"] for row in csv.DictReader(file)] == list(rows)
    assert "| batch=1 widths=8,12,16 | 2 |" in (tmp_path / "sweep.md").read_text()
    capsys.readouterr()
    assert main([*command, "--", *BASE, "--crop", "63"]) == 2
    assert "crop" in capsys.readouterr().err


def test_a_run_that_fails_does_not_end_the_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path), "--grid", "--vary", "lambda-rec", "nan", "1", "--", *BASE]) == 2
    assert "'lambda-rec=nan' failed" in capsys.readouterr().err
    assert set(json.loads((tmp_path / "sweep.json").read_text())) == {"lambda-rec=1"}
