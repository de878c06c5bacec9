"""Weights to the Hub, by the real client: one commit, a tag, nobody's README overwritten, no token anywhere."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from hub_server import READER, WRITER, Hub, stalled, status
from served import EILEEN, ROOT
from tiny import FACTS, REPO, tiny_network

from restoration.cli.main import main
from restoration.hub import CHECKSUMS, EMBEDDED, HubUnreachable, load_weights
from restoration.hub.push import push_to_hub
from restoration.hub.staging import prepare, without_folders
from restoration.images import read_image, write_png
from restoration.network.checkpoint import WEIGHTS, WeightsError, save_weights

SENT = {
    "README.md", CHECKSUMS, "config.json", "curves.png", "evaluation.json", "evaluation.md", "golden.safetensors",
    WEIGHTS, "picture.png", "run.json", "train.csv", "training.json", "validation.csv",
}  # fmt: skip


def train(run: Path, seed: int, **facts: object) -> None:
    """Other weights in a run's folder, and their evaluation where there is one."""
    torch.manual_seed(seed)
    save_weights(run / "weights", tiny_network(), {**FACTS, "step": 7 + seed, **facts})
    if (run / "evaluation.json").exists():
        methods = {"degraded input": {"psnr": {"mean": 24, "ci95": 1}}, "restored": {"psnr": {"mean": 25, "ci95": 1}}}
        weights = {"name": "tiny", "fingerprint": load_weights(run / "weights").fingerprint, "source": str(run)}
        runs = [{"set": "val", "protocol": "blind", "images": 2, "methods": methods}]
        (run / "evaluation.json").write_text(json.dumps({"weights": weights, "identity": None, "runs": runs}))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder as ``train/run.py`` leaves it, evaluated; among it what must not be published."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("train.csv", "validation.csv", "curves.png", "evaluation.json", "checkpoint.pt", "images.csv"):
        (folder / name).write_text(f"content of {name}")
    (folder / "run.json").write_text('{"init": null}')
    (folder / "evaluation.md").write_text("| restored | 25.00 ± 1.00 (+1.00) |\n")
    train(folder, 0)
    return folder


@pytest.fixture(autouse=True)
def logged_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Somebody who may write; and a card's picture of 96 pixels a side, which takes no time: a test that looks at the
    real one has no ``hub``."""
    if "hub" in request.fixturenames:
        request.getfixturevalue("hub")
        monkeypatch.setenv("HF_TOKEN", WRITER)
        write_png(read_image(EILEEN)[208:304, 208:304], tmp_path / "face.png")
        monkeypatch.setattr("restoration.hub.staging.FACE", tmp_path / "face.png")


def test_push_then_pull_gives_the_same_bytes_and_the_same_output(hub: Hub, run: Path) -> None:
    pushed = push_to_hub(run, REPO)
    model = hub.model(REPO)
    assert model.private
    assert model.messages == ["initial commit", "tiny, step 7"]  # one commit
    assert set(model.files) == SENT | {".gitattributes"}
    assert (pushed.revision, pushed.tag, model.tags) == (model.head, "v1", {"v1": model.head})
    local, remote = load_weights(run / "weights"), load_weights(REPO, revision="v1")
    assert remote.commit == pushed.revision
    for path in (run / "weights").iterdir():
        assert model.files[path.name] == path.read_bytes()
    face = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(local.model(face), remote.model(face))
    for line in model.files[CHECKSUMS].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(model.files[name]).hexdigest() == digest
    assert "| restored | 25.00 ± 1.00 (+1.00) |" in model.files["README.md"].decode()
    assert not hub.tokens_elsewhere


def test_a_second_push_replaces_what_the_first_sent_and_a_third_changes_nothing(hub: Hub, run: Path) -> None:
    push_to_hub(run, REPO)
    (run / "evaluation.json").unlink()
    train(run, 1)
    second = push_to_hub(run, REPO)
    model = hub.model(REPO)
    assert "evaluation.json" not in model.files  # it was about other weights
    assert ".gitattributes" in model.files
    assert second.tag == "v2"
    assert push_to_hub(run, REPO)[:3] == second[:3]
    assert len(model.commits) == 3
    train(run, 2)
    assert push_to_hub(run, REPO, tag="2026.11").tag == "2026.11"
    train(run, 3)
    assert push_to_hub(run, REPO).tag == "v3"
    head, asked = model.head, len(hub.requests)
    for tag in ("", "bad tag~^"):
        assert main(["push", str(run), REPO, "--dry-run", f"--tag={tag}"]) == 2
    assert len(hub.requests) == asked
    for tag, message in (("-v1", "not a revision"), ("v1", "branch v1 already"), ("main", "branch main already")):
        with pytest.raises(WeightsError, match=message):
            push_to_hub(run, REPO, tag=tag)
    assert model.head == head


def test_a_readme_by_a_person_is_not_overwritten_without_being_told(hub: Hub, run: Path) -> None:
    push_to_hub(run, REPO)
    model = hub.model(REPO)
    theirs = model.files["README.md"].replace(b"faithful", b"rather faithful")
    head = hub.add(REPO, {**model.files, "README.md": theirs})
    train(run, 1)
    with pytest.raises(WeightsError, match="--card keep"):
        push_to_hub(run, REPO)
    assert model.head == head
    push_to_hub(run, REPO, card="keep")
    assert model.files["README.md"] == theirs
    assert model.files[WEIGHTS] == (run / "weights" / WEIGHTS).read_bytes()
    push_to_hub(run, REPO, card="replace")
    assert b"rather faithful" not in model.files["README.md"]
    push_to_hub(run, REPO)  # what we wrote is ours again


def test_nothing_becomes_public_by_accident(hub: Hub, run: Path) -> None:
    for public, now in ((True, "public"), (False, "private")):
        push_to_hub(run, f"someone/{now}", public=public)
        assert hub.model(f"someone/{now}").private != public
        with pytest.raises(WeightsError, match=f"exists and is {now}"):
            push_to_hub(run, f"someone/{now}", public=not public)


def test_a_push_says_what_the_token_lacks(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for token, message in (
        ("", "hf auth login"),
        (READER, "rights to write"),
        ("hf_nonsense", "Invalid credentials"),
        ("hf_ünsinn", "letters that no token has"),
    ):
        monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(WeightsError, match=message) as caught:
            push_to_hub(run, REPO)
        assert not token or token not in str(caught.value)
    assert not hub.repositories


def test_a_fault_at_any_step_leaves_the_old_revision(hub: Hub, run: Path) -> None:
    first = push_to_hub(run, REPO)
    train(run, 1)
    for code in (409, 500):
        hub.faults.clear()
        hub.fail("POST .*/commit/", status(code))
        with pytest.raises(WeightsError, match=str(code)):
            push_to_hub(run, REPO)
        assert hub.model(REPO).head == first.revision
    hub.faults.clear()
    hub.fail("POST .*/tag/", status(500), times=1)
    with pytest.raises(HubUnreachable, match="500"):
        push_to_hub(run, REPO)
    assert push_to_hub(run, REPO).tag == "v2"  # the commit is there: only the tag was missing
    assert len(hub.model(REPO).commits) == 3


def test_somebody_elses_commit_in_between_is_not_overwritten(hub: Hub, run: Path) -> None:
    push_to_hub(run, REPO)
    train(run, 1)

    def meanwhile(handler) -> None:  # type: ignore[no-untyped-def]
        hub.add(REPO, {**hub.model(REPO).files, "notes.md": b"theirs", "a/b/run.json": b"{}", "old/run.json": b"{}"})
        handler.serve()

    hub.fail("POST .*/preupload/", meanwhile, times=1)
    with pytest.raises(WeightsError, match="A commit has happened since"):
        push_to_hub(run, REPO)
    assert "notes.md" in hub.model(REPO).files
    pushed = push_to_hub(run, REPO)
    assert str(pushed).splitlines()[1:] == ["deleted there: old/run.json"]
    assert {"notes.md", ".gitattributes", "a/b/run.json"} < set(hub.model(REPO).files)  # not ours to delete


def test_a_push_that_is_killed_half_way_leaves_the_old_revision_and_no_token(hub: Hub, run: Path, capfd) -> None:
    assert main(["push", str(run), REPO]) == 0
    old, told = hub.model(REPO).head, capfd.readouterr()
    assert told.out == f"{REPO}: revision {old}, tag v1\n"
    assert WRITER not in told.out + told.err
    assert not [name for name, data in hub.model(REPO).files.items() if WRITER.encode() in data]
    train(run, 1)
    begun = threading.Event()
    hub.fail("PUT /storage/", stalled(begun, 3))
    client = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(run.parent / "another"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "restoration", "push", str(run), REPO]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **client}) as process:
        assert begun.wait(200)
        process.kill()
    assert hub.model(REPO).head == load_weights(REPO).commit == old
    hub.faults.clear()
    assert push_to_hub(run, REPO).tag == "v2"


def test_a_dry_run_writes_the_folder_and_asks_nobody(hub: Hub, run: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["push", str(run), REPO, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    folder = tmp_path / "runs" / "push" / "someone--faces"
    assert {path.name for path in folder.iterdir()} == SENT
    assert set(re.findall(r"\d  (\S+)$", printed, re.MULTILINE)) == SENT
    assert "(private)" in printed
    assert not hub.requests
    push_to_hub(run, REPO)
    assert {path.name: path.read_bytes() for path in folder.iterdir()}.items() <= hub.model(REPO).files.items()


def test_a_dry_run_deletes_nothing_but_its_own_folder(run: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    theirs = tmp_path / "runs" / "mine" / "notes.txt"
    for path in (theirs, tmp_path / "runs" / "push" / "other" / "notes.txt"):
        path.parent.mkdir(parents=True)
        path.write_text("mine")
    for name in ("..", ".", "", "nonsense", "a/b/c", "a/b@v1", "a/b@main"):
        for command in (["push", str(run), name], ["publish-space", name]):
            assert main([*command, "--dry-run"]) == 2
            assert "owner/name" in capsys.readouterr().err
    assert theirs.read_text() == "mine"
    assert [path.name for path in (tmp_path / "runs" / "push").iterdir()] == ["other"]
    staged = tmp_path / "runs" / "push" / "someone--faces"
    shutil.copytree(run, staged)
    for folder, out in ((staged, staged), (run, run / "weights"), (run / "weights", run), (run, run / "stage1")):
        before = sorted(folder.rglob("*"))
        with pytest.raises(WeightsError, match="overlaps"):
            prepare(folder, out, REPO)
        assert sorted(folder.rglob("*")) == before


def test_no_folder_of_the_machine_leaves_it(run: Path, tmp_path: Path) -> None:
    config = {"init": "runs/secret/r0/weights", "identity": "/home/secret/teacher.pt", "license": "CC BY / MIT"}
    train(run, 0, config=config, data=["/home/my secret/train"], hardware="one GPU, /mnt/secret/disk")
    (run / "evaluation.md").write_text("Weights: /home/secret/runs/r0, 1/2.\n")
    (run / "stage1").mkdir()
    (run / "stage1" / "run.json").write_text('{"init": "C:\\\\secret\\\\weights", "out": "./secret/x"}')
    out = tmp_path / "out"
    for name in prepare(run, out, REPO):
        content = (out / name).read_bytes()
        assert b"secret" not in content, name
        assert str(tmp_path).encode() not in content, name
    told = json.loads((out / "training.json").read_text())
    assert told["config"] == {"init": "weights", "identity": "teacher.pt", "license": "CC BY / MIT"}
    assert (told["data"], told["hardware"]) == (["train"], "one GPU, disk")
    assert json.loads((out / "stage1" / "run.json").read_text()) == {"init": "weights", "out": "x"}
    assert (out / "evaluation.md").read_text() == "Weights: r0, 1/2.\n"
    assert load_weights(out).training == told
    kept = '{"a": "owner/name@v1", "b": "Hub: owner/name", "c": ["hub:owner/name:train"], "d": "https://a/b/c"}'
    assert without_folders(kept) == kept
    picture = read_image(out / "picture.png")
    assert picture.shape == (512, 3 * 512 + 2 * 8, 3)
    face, degraded, restored = (picture[:, i * 520 : i * 520 + 512] for i in range(3))
    assert (face == read_image(EILEEN)).all()
    assert (degraded != face).mean() > 0.5
    assert (restored != degraded).mean() > 0.1


def test_the_committed_weights_can_be_pushed_and_name_no_folder(tmp_path: Path) -> None:
    prepare(EMBEDDED / "default", tmp_path / "out", REPO)  # its evaluation is of these weights
    for path in (EMBEDDED / "default").rglob("*.json"):
        assert without_folders(path.read_text()) == path.read_text()


def test_what_is_not_a_set_of_weights_is_refused_before_anything_is_asked(hub: Hub, run: Path) -> None:
    shutil.rmtree(run / "weights")
    with pytest.raises(WeightsError, match="cannot be read"):
        push_to_hub(run, REPO)
    assert not [request for request in hub.requests if not request.startswith("GET")]
