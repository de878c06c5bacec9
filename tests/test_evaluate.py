"""Evaluation: the arithmetic, the files, and figures that repeat."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny import EXAMPLES

from restoration import Restorer
from restoration.degrade.protocols import BLIND
from restoration.images import to_image
from restoration.measure.metrics import psnr
from train.data import degraded_face, load_faces
from train.evaluate import main, read_set


def test_command_measures_what_the_package_measures(tmp_path: Path) -> None:
    command = ["--faces", f"examples={EXAMPLES}", "--protocols", "blind", "undegraded", "--out"]
    assert main([*command, str(tmp_path / "a")]) == 0
    results = json.loads((tmp_path / "a" / "evaluation.json").read_text())
    assert [(run["set"], run["protocol"], run["images"]) for run in results["runs"]] == [
        ("examples", "blind", 2),
        ("examples", "undegraded", 2),
    ]
    assert results["weights"]["fingerprint"] == Restorer.from_pretrained(precision="fp32").fingerprint
    with (tmp_path / "a" / "images.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {"degraded input", "lanczos", "non-local means", "wiener", "restored"}

    faces = load_faces([EXAMPLES])
    degraded, clean = (to_image(image) for image in degraded_face(faces, 0, "blind", BLIND))
    expected = psnr(Restorer.from_pretrained(precision="fp32").restore_aligned(degraded), clean)
    found = next(
        r for r in rows if r["face"] == faces.names[0] and r["protocol"] == "blind" and r["method"] == "restored"
    )
    assert float(found["psnr"]) == pytest.approx(expected)

    assert main([*command, str(tmp_path / "b")]) == 0
    assert (tmp_path / "a" / "images.csv").read_text() == (tmp_path / "b" / "images.csv").read_text()


def test_photos_are_aligned_and_measured_at_the_size_of_their_faces(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(EXAMPLES.parent / ".assets" / "photo_group.png", photos)
    command = ["--faces", f"group@128={photos}", "--align", "group", "--protocols", "blind", "--methods", "restored"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    (run,) = json.loads((tmp_path / "out" / "evaluation.json").read_text())["runs"]
    assert (run["images"], run["side"]) == (1, 128)
    assert "(1 images, PSNR and SSIM at 128×128 pixels)" in (tmp_path / "out" / "evaluation.md").read_text()
    _, side, faces = read_set(f"group@128={photos}", ["group"], None)
    restorer = Restorer.from_pretrained(precision="fp32")
    degraded, clean = (to_image(image) for image in degraded_face(faces, 0, "blind", BLIND))
    means = [x.reshape(128, 4, 128, 4, 3).mean((1, 3)) for x in (restorer.restore_aligned(degraded), clean)]
    expected = 10 * np.log10(255**2 / np.square(means[0] - means[1]).mean())
    assert side == 128
    assert run["methods"]["restored"]["psnr"]["mean"] == pytest.approx(expected, abs=0.05)  # rounded to 8 bits


def test_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--faces", "nowhere", "--out", str(tmp_path)]) == 2
    assert "NAME=FOLDER" in capsys.readouterr().err
    assert main(["--faces", f"a@100={EXAMPLES}", "--out", str(tmp_path)]) == 2
    assert "64, 128, 256 or 512" in capsys.readouterr().err
    assert main(["--faces", "a=/nowhere", "--out", str(tmp_path)]) == 2
    assert "/nowhere" in capsys.readouterr().err
