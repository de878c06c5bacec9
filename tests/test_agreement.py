"""Agreement of a recogniser with its teacher: 1 with itself, less with another, and of the people asked for alone."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import EXAMPLES

from restoration.images import write_png
from restoration.measure.identity import EMBEDDED
from restoration.measure.recogniser import Recogniser, save_recogniser
from train.extras.agreement import main


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recogniser that has not learned anything."""
    folder = tmp_path_factory.mktemp("changed") / "other"
    torch.manual_seed(0)
    save_recogniser(folder, Recogniser().eval(), {})
    return folder


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty crops of forty people."""
    folder, draws = tmp_path_factory.mktemp("crops"), np.random.default_rng(0)
    for number in range(40):
        coarse = draws.integers(0, 256, (7, 7, 3), np.uint8)
        write_png(np.kron(coarse, np.ones((16, 16, 1), np.uint8)), folder / f"Person_{chr(97 + number)}_0001.png")
    return folder


def values(text: str) -> dict[str, tuple[int, float]]:
    rows = re.findall(r"\| (\w+) \| (\d+) \| (-?[\d.]+) ±", text)
    return {name: (int(count), float(mean)) for name, count, mean in rows}


def test_a_network_agrees_with_itself_and_not_with_another(
    changed: Path, crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = ["--faces", f"examples={EXAMPLES}", "--crops", f"drawn={crops}"]
    out = tmp_path / "deep" / "agreement.json"
    assert main(["--teacher", str(EMBEDDED), *sets, "--out", str(out)]) == 0
    assert values(capsys.readouterr().out) == {"examples": (2, 1.0), "drawn": (40, 1.0)}
    facts = json.loads(out.read_text())
    assert (facts["network"], facts["teacher"]) == ("embedded_recogniser", "embedded_recogniser")
    assert [(each["set"], each["pictures"]) for each in facts["sets"]] == [("examples", 2), ("drawn", 40)]
    assert main(["--teacher", str(EMBEDDED), "--identity", str(changed), *sets]) == 0
    assert all(abs(mean) < 0.5 for _, mean in values(capsys.readouterr().out).values())


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "Give --faces, --crops or both"),
    (["--crops", "examples"], "NAME=FOLDER"),
    (["--faces", "examples"], "NAME=FOLDER"),
    (["--crops", f"a={EXAMPLES}"], "is not 112×112"),
    (["--faces", "a=/nowhere"], "/nowhere"),
    (["--faces", f"examples={EXAMPLES}", "--held-out"], "has nobody that was held out"),
])  # fmt: skip
def test_what_cannot_be_measured_is_said(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--teacher", str(EMBEDDED), *arguments]) == 2
    assert message in capsys.readouterr().err
