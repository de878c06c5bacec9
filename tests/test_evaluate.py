"""Evaluation: the arithmetic, files, figures that repeat, a grid, groups of faces; and the calibration finds a law."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import EXAMPLES

from examples.make_examples import group
from restoration import Restorer
from restoration.degrade import Degradation
from restoration.degrade.protocols import BLIND, Distribution
from restoration.images import read_image, to_image, write_png
from restoration.measure import Scores, psnr
from restoration.measure.uncertainty import FEATURES, KEY, expected_error
from train import calibrate
from train.batches import degraded_face, fixed_draw
from train.data import Faces
from train.evaluate import GRID, evaluate_face, grid_protocols, main, read_sets
from train.summary import INPUT, RATIO, against, groupings, lightness_groups, markdown, summarise, summary


def test_command_measures_what_the_package_measures_and_a_grid(faces: Faces, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("train.evaluate.GRID", {"noise": (25,), "jpeg": (60,)})
    command = ["--faces", f"one={EXAMPLES}", "--limit", "1", "--protocols", "blind", "--grid", "--device", "cpu"]
    assert main([*command, "--out", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "evaluation.json").read_text(), parse_constant=pytest.fail)
    assert "nan" not in (tmp_path / "evaluation.md").read_text()  # nor an interval, of one face
    assert [(run["set"], run["protocol"], run["images"]) for run in results["runs"]] == [("one", "blind", 1)]
    restorer = Restorer.from_pretrained(precision="fp32")
    assert results["weights"]["fingerprint"] == restorer.fingerprint
    images = pd.read_csv(tmp_path / "images.csv").set_index(["face", "protocol", "method"])
    found = images["psnr"][faces.names[0]]["blind"]
    assert list(found.index) == ["degraded input", "lanczos", "non-local means", "wiener", "restored"]
    degraded, clean = (to_image(image) for image in degraded_face(faces, 0, "blind", BLIND))
    assert found["restored"] == pytest.approx(psnr(restorer.restore_aligned(degraded), clean))

    means = {run["protocol"]: run["methods"][INPUT]["psnr"]["mean"] for run in results["grid"]}
    assert list(means) == ["noise 25", "jpeg 60"]
    assert means["noise 25"] < means["jpeg 60"] - 5
    table = pd.read_csv(tmp_path / "severity.csv").set_index(["set", "method", "metric", "degradation", "severity"])
    shown = table["mean"]["one"][INPUT]["psnr"]
    assert [shown["noise", 25], shown["jpeg", 60]] == pytest.approx(list(means.values()))
    assert read_image(tmp_path / "severity_one.png").shape[1] > 300


def test_photos_are_aligned_and_measured_at_the_size_of_their_faces(tmp_path: Path, capsys) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    write_png(group()[::2, ::2], photos / "group.png")  # faces of 88 and 136 pixels
    command = ["--faces", f"group@128={photos}", "--align", "group", "--protocols", "blind", "--methods", "restored"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    (run,) = json.loads((tmp_path / "out" / "evaluation.json").read_text())["runs"]
    assert (run["images"], run["side"]) == (1, 128)
    assert "(1 images, PSNR and SSIM at 128×128 pixels)" in (tmp_path / "out" / "evaluation.md").read_text()
    [(*_, faces)] = read_sets([f"group@128={photos}"], ["group"], None)
    restorer = Restorer.from_pretrained(precision="fp32")
    degraded, clean = (to_image(image) for image in degraded_face(faces, 0, "blind", BLIND))
    means = [x.reshape(128, 4, 128, 4, 3).mean((1, 3)) for x in (restorer.restore_aligned(degraded), clean)]
    expected = 10 * np.log10(255**2 / np.square(means[0] - means[1]).mean())
    assert run["methods"]["restored"]["psnr"]["mean"] == pytest.approx(expected, abs=0.05)  # rounded to 8 bits
    wrong = {"nowhere": "NAME=FOLDER", f"a@100={EXAMPLES}": "64, 128, 256 or 512", "a=/nowhere": "/nowhere"}
    wrong |= {f"a={EXAMPLES} a=/nowhere": "NAME once", f"a={EXAMPLES} --align b": "has a, not b"}
    for text, message in wrong.items():
        assert main(["--faces", *text.split(), "--out", str(tmp_path)]) == 2
        assert message in capsys.readouterr().err


def test_every_point_is_one_degradation_at_its_severity(faces: Faces) -> None:
    for setting, values in GRID.items():
        for value in values:
            (drawn,), _ = fixed_draw(faces, 0, "p", grid_protocols()[f"{setting} {value}"])
            free = {"motion_angle": drawn.motion_angle, "kernel": drawn.kernel}
            assert drawn == Degradation(**{setting: value, **free})  # type: ignore[arg-type]


def test_what_classic_methods_are_told(faces: Faces) -> None:
    """Lanczos the factor, Wiener the blur; a degradation that is not theirs to undo they leave alone."""
    part = Faces(faces.images[:, :, 128:384, 128:384], faces.names)

    def gains(**settings: tuple[float, float]) -> tuple[float, float]:
        protocol = ("p", Distribution(**settings))  # type: ignore[arg-type]
        found = evaluate_face(0, part, protocol, None, None, [INPUT, "lanczos", "wiener"])
        return found["lanczos"].psnr - found[INPUT].psnr, found["wiener"].psnr - found[INPUT].psnr

    assert gains(noise=(10, 10)) == (0, 0)
    assert gains(downsample=(4, 4), noise=(25, 25))[0] != 0
    assert gains(motion_length=(15, 15))[1] > 2


def test_a_known_unfairness_is_found_with_its_interval(faces: Faces) -> None:
    """Of 18 faces in mixed lights the dark third gains 1 dB, the others 3 and more identity; folders are alike."""
    order = np.random.default_rng(0).permutation(18).tolist()
    images = torch.cat([(faces.images[:1] * (0.3 + 0.04 * step)).to(torch.uint8) for step in order])
    people = Faces(images, tuple(f"{'ab'[index % 2]}/{step:02}.png" for index, step in enumerate(order)))
    labels = lightness_groups(people)
    thirds = [labels[order.index(step)].split()[0] for step in range(18)]
    assert thirds == ["darkest"] * 6 + ["middle"] * 6 + ["lightest"] * 6
    dark = [label.startswith("dark") for label in labels]
    noise = np.random.default_rng(1).normal(0, 0.1, 18)
    before = Scores(25.0, 0.6, 40.0)
    after = [Scores(25 + (1 if d else 3) + e, 0.7, 40 - (2 if d else 10)) for d, e in zip(dark, noise, strict=True)]
    rows = [{"degraded input": before, "restored": scores} for scores in after]
    by_folder, by_light = groupings(people, rows)
    assert [group["images"] for group in by_folder["groups"]] == [9, 9]
    gap = by_light["gap"]["psnr"]
    assert gap["worst"].startswith("darkest")
    assert gap["gap"] == pytest.approx(2, abs=0.2)
    groups = {group["name"]: group for group in by_light["groups"]}
    halves = [groups[gap[end]]["methods"]["restored"]["psnr"]["ci95"] for end in ("best", "worst")]
    assert gap["ci95"] == pytest.approx(np.hypot(*halves))
    assert by_light["gap"]["identity_angle"]["worst"].startswith("darkest")  # a larger angle is worse
    assert groups[gap["worst"]]["gain"]["identity_angle"]["mean"] == pytest.approx(-2)
    run = {"set": "s", "protocol": "p", "images": 18, "methods": groups[gap["worst"]]["methods"]}
    table = markdown({"weights": {"name": "w"}, "identity": "n", "runs": [{**run, "groupings": [by_light]}]})
    assert f"| gap, best to worst |  | {gap['gap']:.2f} ± {gap['ci95']:.2f} |" in table


def test_means_intervals_ratios_and_face_by_face_comparison() -> None:
    """Angles of 40 and 20 become 30 and 10: the ratio of the means is 2/3; the mean of the ratios would be 0.625."""
    rows = [
        {"degraded input": Scores(20, 0.5, 40), "wiener": Scores(22, 0.6, 40), "restored": Scores(25, 0.7, 30)},
        {"degraded input": Scores(20, 0.5, 20), "wiener": Scores(24, 0.6, 20), "restored": Scores(23, 0.7, 10)},
    ]
    means, above = summarise(rows), against(rows)
    assert summary([1.0, 2.0, 3.0, 4.0]) == {"mean": 2.5, "ci95": pytest.approx(1.96 * math.sqrt(5 / 3) / 2)}
    assert summarise([{INPUT: Scores(math.inf, 1.0, 0.0)}] * 2)[INPUT]["psnr"]["mean"] == 60  # its cap
    assert means["restored"][RATIO]["mean"] == pytest.approx(40 / 60)
    # Residuals of the ratio are ±10/3 degrees, the mean angle is 30: (10/3 * sqrt 2) / 30 * 1.96 / sqrt 2.
    assert means["restored"][RATIO]["ci95"] == pytest.approx(1.96 * (10 / 3) / 30)
    assert means["wiener"][RATIO] == {"mean": 1, "ci95": 0}
    assert RATIO not in means["degraded input"]
    assert (above["wiener"]["mean"], above["wiener"]["share"]) == (1, 0.5)
    assert above["degraded input"]["mean"] == 4
    run = {"set": "s", "protocol": "p", "images": 2, "methods": means, "against": above}
    table = markdown({"weights": {"name": "w"}, "identity": "n", "runs": [run]})
    assert "20.0 ± 19.6 (-10.0, ×0.67)" in table
    assert "| +1.00 ± 3.92, on 50% of the faces |" in table


LAW = dict(zip(FEATURES, (0.6, 0.3, -0.2, 0.1), strict=True))


def measured(seed: int, *, noise: float) -> calibrate.Measured:
    """A face whose error follows ``LAW``, with log-normal noise around it."""
    rng = np.random.default_rng(seed)
    features = {name: rng.lognormal(1, 1, (64, 64)).astype(np.float32) for name in FEATURES}
    error = expected_error(features, LAW, 0.4) + 0.5
    error = (error * np.exp(noise * rng.standard_normal(error.shape)) - 0.5).clip(0).astype(np.float32)
    return calibrate.Measured(features, error, error, skin=float(seed), residual=float(seed) / 10)


def test_a_law_is_found_again_and_told_with_correlations_and_percentiles() -> None:
    coefficients, offset = calibrate.fit([measured(seed, noise=0.05) for seed in range(4)])
    assert (coefficients, offset) == (pytest.approx(LAW, abs=0.02), pytest.approx(0.4, abs=0.03))
    faces = [measured(seed, noise=0.3) for seed in range(20)]
    calibration = calibrate.calibrate(faces, "0123456789ab", "blind")
    assert 0.8 < calibration.rank_correlation < 1
    assert calibration.spread_rank_correlation < calibration.rank_correlation - 0.1
    assert calibration.skin_difference == pytest.approx(np.percentile(range(20), 95), abs=0.01)
    assert calibration.residual == pytest.approx(np.percentile(range(20), 95) / 10, abs=0.01)
    for expected, found in calibration.reliability:
        assert found == pytest.approx(expected, rel=0.1)


def test_a_calibration_is_written_where_the_restorer_finds_it(tmp_path: Path, tiny_weights: Path, capsys) -> None:
    weights, faces = tmp_path / "weights", ["--faces", str(EXAMPLES), str(EXAMPLES)]
    shutil.copytree(tiny_weights, weights)
    before = json.loads((weights / "training.json").read_text())
    assert calibrate.main([*faces, "--weights", str(weights), "--device", "cpu"]) == 0
    found = Restorer.from_pretrained(weights).calibration
    assert found is not None
    assert found.faces == 4
    figures = json.loads(capsys.readouterr().out)
    assert json.loads((weights / "training.json").read_text()) == {**before, KEY: figures}
    for option, value, message in (("--limit", "3", "at least 4 faces"), ("--weights", "owner/name", "a local folder")):
        assert calibrate.main([*faces, option, value]) == 2
        assert message in capsys.readouterr().err
