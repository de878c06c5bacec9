"""The sweep: which runs it makes, and a table that says what they reached."""

import csv
import dataclasses
import json
from pathlib import Path

import pytest
from tiny import EXAMPLES, SMALL

from restoration.images import InputError
from restoration.network import UNet
from restoration.network.checkpoint import save_stage
from train.sweep import label, main, measure, variants

BASE = [
    "--data", str(EXAMPLES), "--validation", str(EXAMPLES), "--validation-faces", "1", "--steps", "2",
    "--save-every", "2", "--widths", "8", "12", "16", "--encoder", "1", "1", "1", "--decoder", "1", "1",
    "--batch", "2", "--device", "cpu",
]  # fmt: skip


def test_one_option_at_a_time_or_every_combination() -> None:
    axes = [["batch", "1", "2"], ["jitter", "0", "1"]]
    alone = [label(variant) for variant in variants(axes, [], grid=False)]
    assert alone == ["as given", "batch=1", "batch=2", "jitter=0", "jitter=1"]
    assert len({label(variant) for variant in variants(axes, [], grid=True)}) == 4
    for wrong in ([["batch"]], [["batch", "1"], ["batch", "2"]]):
        with pytest.raises(InputError, match="--vary"):
            list(variants(wrong, [], grid=True))
    for torn in (["batch"], ["batch="], ["batch=1", "batch=2"]):
        with pytest.raises(InputError, match="OPTION=VALUE"):
            list(variants([], [torn], grid=False))


def test_a_sweep_trains_a_stage_and_its_table_holds_what_that_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vary = ["--vary", "lambda-id", "0", "nan", "--together", "batch=1", "widths=8,12,20"]
    assert main(["--out", str(tmp_path), *vary, "--", *BASE, "--stage", "face"]) == 2
    assert "'lambda-id=nan' failed" in capsys.readouterr().err  # and the others are there
    rows = json.loads((tmp_path / "sweep.json").read_text())
    assert list(rows) == ["as given", "lambda-id=0", "batch=1 widths=8,12,20"]
    with (tmp_path / "as_given" / "face" / "validation.csv").open() as file:
        *_, last = csv.DictReader(file)
    measured = last.keys() - {"seconds"}
    assert len(measured) > 1
    for row in rows.values():
        assert row.keys() == measured | {"parameters", "seconds_a_step"}
        assert row["step"] == 2
        assert row["seconds_a_step"] > 0
    assert {name: rows["as given"][name] for name in measured} == {name: float(last[name]) for name in measured}
    assert rows["batch=1 widths=8,12,20"]["parameters"] > rows["as given"]["parameters"]
    with (tmp_path / "sweep.csv").open() as file:
        assert [row["run"] for row in csv.DictReader(file)] == list(rows)
    table = (tmp_path / "sweep.md").read_text()
    assert f"| lambda-id=0 | 2 | {float(rows['lambda-id=0']['blind_gain_db']):.4g} |" in table


def test_two_stages_are_told_apart(tmp_path: Path) -> None:
    for stage, channels in (("face", 8), ("detail", 16)):
        folder = tmp_path / stage
        folder.mkdir()
        (folder / "validation.csv").write_text("step,seconds,good\n5,1,0.5\n10,3,0.7\n")
        save_stage(folder / "stage.safetensors", UNet(dataclasses.replace(SMALL, widths=(channels, 12, 16))))
    row = measure(tmp_path)
    assert row["face good"] == row["detail good"] == 0.7
    assert row["face seconds_a_step"] == 0.3
    assert row["detail parameters"] > row["face parameters"]
