"""The severity grid: one degradation at a time, rising, and written as a table and as curves."""

import csv
import json
from pathlib import Path

import pytest
from tiny import EXAMPLES

from restoration.degrade import Degradation
from restoration.degrade.protocols import Distribution
from restoration.images import read_image
from train.data import Faces, fixed_draw
from train.evaluate import evaluate_face, main
from train.severity import GRID, grid_protocols
from train.summary import INPUT


def test_every_point_is_one_degradation_at_its_severity(faces: Faces) -> None:
    protocols = grid_protocols()
    assert len(protocols) == sum(map(len, GRID.values()))
    for name, protocol in protocols.items():
        setting, value = name.split(" ")
        (drawn,), _ = fixed_draw(faces, 0, name, protocol)
        expected = {setting: float(value), "motion_angle": drawn.motion_angle, "kernel": drawn.kernel}
        assert drawn == Degradation(**{**expected, "jpeg": int(value) if setting == "jpeg" else None})  # type: ignore[arg-type]


def test_what_classic_methods_are_told(faces: Faces) -> None:
    """Lanczos the factor, Wiener the blur; a degradation that is not theirs to undo they leave alone."""

    def psnr(method: str, **settings: tuple[float, float]) -> tuple[float, float]:
        scores = evaluate_face(0, faces, ("p", Distribution(**settings)), None, None, [INPUT, method])  # type: ignore[arg-type]
        return scores[INPUT].psnr, scores[method].psnr

    for method in ("lanczos", "wiener"):
        before, after = psnr(method, noise=(10, 10))
        assert after == before
    before, after = psnr("lanczos", downsample=(4, 4), noise=(25, 25))
    assert after != before
    before, after = psnr("wiener", motion_length=(15, 15))
    assert after > before + 2


def test_command_adds_the_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.severity.GRID", {"noise": (5, 25), "jpeg": (60,)})
    command = ["--faces", f"examples={EXAMPLES}", "--protocols", "undegraded", "--methods", "restored", "--grid"]
    assert main([*command, "--device", "cpu", "--out", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "evaluation.json").read_text())
    assert [run["protocol"] for run in results["runs"]] == ["undegraded"]
    assert [run["protocol"] for run in results["grid"]] == ["noise 5", "noise 25", "jpeg 60"]
    means = [run["methods"][INPUT]["psnr"]["mean"] for run in results["grid"]]
    assert means[1] < means[0]
    with (tmp_path / "severity.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["set"] for row in rows} == {"examples"}
    table = {(row["degradation"], row["severity"]): float(row["mean"]) for row in rows
             if (row["method"], row["metric"]) == (INPUT, "psnr")}  # fmt: skip
    assert table == dict(zip([("noise", "5"), ("noise", "25"), ("jpeg", "60")], means, strict=True))
    assert read_image(tmp_path / "severity_examples.png").shape[1] > 500
