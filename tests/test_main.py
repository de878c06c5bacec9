"""The command line: what it prints, and what it refuses."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import Hub, status
from tiny import REPO, Files

from restoration.cli.main import main

ROOT = Path(__file__).parents[1]


def test_info_command(capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_weights: Path) -> None:
    assert main(["info"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["weights"]["source"], facts["devices"][0]) == ("embedded: default", "cpu")
    (tmp_path / "weights").symlink_to(tiny_weights)  # as in a run's folder
    assert main(["info", "--weights", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["weights"]["source"] == str(tmp_path)
    assert main(["info", "--weights", "/nowhere"]) == 2
    told = capsys.readouterr().err
    assert "no weights" in told
    assert "embedded set: default, permissive." in told  # the estimator's folder is none


def test_info_and_pull_tell_what_the_hub_has(hub: Hub, files: Files, newer: Files, capsys, caplog, monkeypatch) -> None:
    def told(*command: str) -> dict[str, Any]:
        assert main([*command]) == 0
        return json.loads(capsys.readouterr().out)

    first = hub.add(REPO, files)
    facts = told("info", "--weights", REPO)
    assert (facts["weights"]["source"], facts["weights"]["revision"]) == (f"Hub: {REPO}", first)
    assert facts["update"] is None
    second = hub.add(REPO, newer)
    assert second in told("info", "--weights", REPO)["update"]
    assert told("pull", REPO)["revision"] == second
    hub.fail("GET /api", status(503))
    assert "could not be reached" in told("info", "--weights", REPO)["update"]
    assert (main(["pull", REPO]), main(["pull", "nonsense"])) == (2, 2)
    assert "owner/name" in capsys.readouterr().err
    monkeypatch.setenv("RESTORATION_MODEL", f"{REPO}@elsewhere")
    assert main(["benchmark", "--device", "meta"]) == 2
    assert (caplog.text + capsys.readouterr().err).count("the embedded weights are in use") == 1


def test_benchmark_prints_a_row_a_method(capsys: pytest.CaptureFixture[str], tiny_weights: Path) -> None:
    threads = torch.get_num_threads()
    assert main(["benchmark", "--weights", str(tiny_weights), "--size", "64", "--rounds", "2"]) == 0
    torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert re.match(r"64x64, 2 threads, cpu, (bf16|fp32), median of 2\n", printed)
    number = r"(\d+\.\d{3})"
    rows = re.findall(rf"^\| (.+?) \| {number} \| {number} – {number} \| (\d+\.\d\d) \|$", printed, re.MULTILINE)
    names = ["restoration", "Lanczos (÷4, ×4)", "non-local means", "identity of one face (embedded_recogniser)"]
    assert [name for name, *_ in rows] == names
    assert rows[0][-1] == "1.00"
    assert all(fastest <= median <= slowest for _, median, fastest, slowest, _ in rows)


@pytest.mark.parametrize(("command", "library"), [
    (["-m", "restoration", "--version"], "libgthread-2.0.so.0"),
    (["app.py"], "libGL.so.1"),
    (["train/run.py", "--help"], "libGL.so.1"),
])  # fmt: skip
def test_without_opencv_s_libraries_one_sentence_names_the_packages(
    tmp_path: Path, command: list[str], library: str
) -> None:
    (tmp_path / library).write_bytes(b"")  # comes before the system's, and is none
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    run = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (1, "")
    [line] = run.stderr.splitlines()
    assert library in line
    assert line.endswith("apt-get install libgl1 libglib2.0-0")
