"""Verification: accuracy and percentiles of known angles, and the command on photographs whose faces are known."""

import csv
import json
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import EXAMPLES, Pool

from restoration.images import read_image, write_png
from restoration.measure.identity import read_bands
from train.extras.verification import main, verify


def test_separated_angles_are_told_right_and_mixed_ones_half_the_time() -> None:
    rng = np.random.default_rng(0)
    same = np.repeat([True, False], 100)
    apart = np.concatenate([rng.uniform(20, 50, 100), rng.uniform(70, 110, 100)])
    bands, error = verify(apart, same, "net")
    assert (bands.accuracy, error) == (1.0, 0.0)
    assert 45 < bands.threshold < 75
    np.testing.assert_allclose(bands.same, np.percentile(apart[:100], (5, 50, 95)), atol=0.01)
    np.testing.assert_allclose(bands.different, np.percentile(apart[100:], (5, 50, 95)), atol=0.01)
    mixed, _ = verify(rng.uniform(20, 110, 2000), np.tile([True, False], 1000), "net")
    assert 0.42 < mixed.accuracy < 0.58  # the threshold is chosen on other pairs: chance stays chance


def test_command_measures_pairs_of_photographs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two people, each in five light versions on a larger canvas: the aligned faces must be what is compared."""
    rng, photos = np.random.default_rng(0), tmp_path / "images"
    photos.mkdir()
    names = {person: [f"{person}{index}.png" for index in range(5)] for person in ("eileen_collins", "grace_hopper")}
    for person, files in names.items():
        face = read_image(EXAMPLES / f"{person}.png")
        for index, name in enumerate(files):
            left, top = (int(value) for value in rng.integers(5, 40, 2))
            photo = np.full((560, 560, 3), rng.integers(0, 256), np.uint8)  # what is around the face must not count
            if name != "grace_hopper4.png":  # which shows no face
                photo[top : top + 512, left : left + 512] = (face * (1 - 0.01 * index)).astype(np.uint8)
            write_png(photo, photos / name)
    pairs: list[tuple[object, ...]] = [(*pair, 1) for files in names.values() for pair in combinations(files, 2)]
    pairs += [(*pair, 0) for pair in product(*names.values())]
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("a", "b", "same"), *pairs])
    torch.jit.script(Pool()).save(str(tmp_path / "pool.torchscript.pt"))

    out = tmp_path / "new" / "pool.verification.json"
    common = ["--pairs", str(tmp_path / "pairs.csv"), "--identity", str(tmp_path / "pool.torchscript.pt")]
    assert main([*common, "--out", str(out)]) == 0
    bands = read_bands(out, "pool")
    assert bands is not None
    assert bands.accuracy == 1
    assert bands.same[2] < bands.threshold < bands.different[0]
    assert bands.pairs == len(pairs) - sum("grace_hopper4.png" in pair for pair in pairs) == 36
    assert json.loads(out.read_text())["network"] == "pool"
    assert "no face found in 1 photos" in capsys.readouterr().out

    assert main([*common, "--detector", "nobody"]) == 2
    assert "no detector" in capsys.readouterr().err
    assert main([*common[:-1], "nowhere.pt"]) == 2
    (tmp_path / "pairs.csv").write_text("x,y\n1,2\n")
    assert main(common) == 2
    assert "columns a, b and same" in capsys.readouterr().err
