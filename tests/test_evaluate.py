"""Evaluation: the arithmetic, the files, and figures that repeat."""

import csv
import json
from pathlib import Path

import pytest
from tiny import EXAMPLES

from restoration import Restorer
from restoration.images import to_image
from restoration.metrics import psnr
from restoration.protocols import BLIND
from train.data import degraded_face, load_faces
from train.evaluate import main


def test_command_measures_what_the_package_measures(tmp_path: Path) -> None:
    command = ["--faces", f"examples={EXAMPLES}", "--protocols", "blind", "undegraded", "--out"]
    assert main([*command, str(tmp_path / "a")]) == 0
    results = json.loads((tmp_path / "a" / "evaluation.json").read_text())
    assert [(run["set"], run["protocol"], run["images"]) for run in results["runs"]] == [
        ("examples", "blind", 2),
        ("examples", "undegraded", 2),
    ]
    assert results["weights"]["fingerprint"] == Restorer.from_pretrained().fingerprint
    with (tmp_path / "a" / "images.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {"degraded input", "lanczos", "non-local means", "restored"}

    faces = load_faces([EXAMPLES])
    degraded, clean = (to_image(image) for image in degraded_face(faces, 0, "blind", BLIND))
    expected = psnr(Restorer.from_pretrained().restore_aligned(degraded), clean)
    found = next(
        r for r in rows if r["face"] == faces.names[0] and r["protocol"] == "blind" and r["method"] == "restored"
    )
    assert float(found["psnr"]) == pytest.approx(expected)

    assert main([*command, str(tmp_path / "b")]) == 0
    assert (tmp_path / "a" / "images.csv").read_text() == (tmp_path / "b" / "images.csv").read_text()


def test_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--faces", "nowhere", "--out", str(tmp_path)]) == 2
    assert "NAME=FOLDER" in capsys.readouterr().err
    assert main(["--faces", "a=/nowhere", "--out", str(tmp_path)]) == 2
    assert "/nowhere" in capsys.readouterr().err
