"""Weights to the Hub, by the real client: one commit, a tag, nobody's README overwritten, no token anywhere."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from hub_server import READER, WRITER, Hub, stalled, status
from huggingface_hub import ModelCard
from tiny import FACTS, tiny_network

from restoration.cli.main import main
from restoration.hub import WEIGHTS, HubUnreachable, WeightsError, load_weights, push_to_hub, save_weights
from restoration.hub.pull import CHECKSUMS, EMBEDDED
from restoration.hub.staging import prepare, without_folders
from restoration.images import read_image, write_png

REPO = "someone/faces"
ROOT = Path(__file__).parents[1]


def evaluation(folder: Path) -> str:
    methods = {"degraded input": {"psnr": {"mean": 24, "ci95": 1}}, "restored": {"psnr": {"mean": 25, "ci95": 1}}}
    weights = {"name": "tiny", "fingerprint": load_weights(folder / "weights").fingerprint, "source": str(folder)}
    run = {"set": "val", "protocol": "blind", "images": 2, "methods": methods}
    return json.dumps({"weights": weights, "identity": None, "runs": [run]})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder as ``train/run.py`` leaves it, evaluated; among it what must not be published."""
    folder = tmp_path / "run"
    torch.manual_seed(0)
    save_weights(folder / "weights", tiny_network(), {**FACTS, "step": 7})
    for name in ("train.csv", "validation.csv", "curves.png"):
        (folder / name).write_text(f"content of {name}")
    (folder / "run.json").write_text('{"init": null}')
    (folder / "evaluation.md").write_text("| restored | 25.00 ± 1.00 (+1.00) |\n")
    (folder / "evaluation.json").write_text(evaluation(folder))
    (folder / "checkpoint.pt").write_bytes(b"pickle")
    (folder / "images.csv").write_text("names of people")
    return folder


@pytest.fixture
def token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", WRITER)


def retrain(run: Path, seed: int = 1) -> None:
    torch.manual_seed(seed)
    save_weights(run / "weights", tiny_network(), {**FACTS, "step": 8})
    if (run / "evaluation.json").exists():
        (run / "evaluation.json").write_text(evaluation(run))


@pytest.fixture(autouse=True)
def small_face(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A card's picture of 96 pixels a side, which takes no time; a test that looks at the real one has no ``hub``."""
    if "hub" in request.fixturenames:
        write_png(read_image(ROOT / "examples" / "eileen_collins.png")[208:304, 208:304], tmp_path / "face.png")
        monkeypatch.setattr("restoration.hub.staging.FACE", tmp_path / "face.png")


SENT = {
    "README.md", CHECKSUMS, "config.json", "curves.png", "evaluation.json", "evaluation.md", "golden.safetensors",
    WEIGHTS, "picture.png", "run.json", "train.csv", "training.json", "validation.csv",
}  # fmt: skip


@pytest.mark.usefixtures("token")
def test_push_then_pull_gives_the_same_bytes_and_the_same_output(hub: Hub, run: Path) -> None:
    pushed = push_to_hub(run, REPO)
    model = hub.model(REPO)
    assert model.private
    assert model.messages == ["initial commit", "tiny, step 7"]  # one commit
    assert set(model.files) == SENT | {".gitattributes"}
    assert (pushed.revision, pushed.tag, model.tags) == (model.head, "v1", {"v1": model.head})
    local, remote = load_weights(run / "weights"), load_weights(REPO, revision="v1")
    assert remote.commit == pushed.revision
    for name in ("model.safetensors", "config.json", "golden.safetensors", "training.json"):
        assert model.files[name] == (run / "weights" / name).read_bytes()
    face = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(local.model(face), remote.model(face))
    for line in model.files[CHECKSUMS].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(model.files[name]).hexdigest() == digest
    card = ModelCard(model.files["README.md"].decode())
    assert card.data.to_dict()["model-index"][0]["results"][0]["metrics"][0]["value"] == 25
    assert "| restored | 25.00 ± 1.00 (+1.00) |" in card.text
    assert not hub.tokens_elsewhere


@pytest.mark.usefixtures("token")
def test_a_second_push_replaces_what_the_first_sent_and_a_third_changes_nothing(hub: Hub, run: Path) -> None:
    push_to_hub(run, REPO)
    (run / "evaluation.json").unlink()
    retrain(run)
    second = push_to_hub(run, REPO)
    model = hub.model(REPO)
    assert "evaluation.json" not in model.files  # it was about other weights
    assert ".gitattributes" in model.files
    assert second.tag == "v2"
    assert push_to_hub(run, REPO) == second
    assert len(model.commits) == 3
    retrain(run, 2)
    assert push_to_hub(run, REPO, tag="2026.11").tag == "2026.11"
    retrain(run, 3)
    assert push_to_hub(run, REPO).tag == "v3"
    with pytest.raises(WeightsError, match="tag or branch v1 already"):
        push_to_hub(run, REPO, tag="v1")
    head, asked = model.head, len(hub.requests)
    for tag in ("", "bad tag~^", "main", "v1..2", "x.lock", "-v1", "deadbeef"):
        with pytest.raises(WeightsError, match="--tag"):
            push_to_hub(run, REPO, tag=tag)
        assert main(["push", str(run), REPO, "--dry-run", f"--tag={tag}"]) == 2
    assert len(hub.requests) == asked
    model.branches["next"] = head
    with pytest.raises(WeightsError, match="tag or branch next"):
        push_to_hub(run, REPO, tag="next")
    assert model.head == head


@pytest.mark.usefixtures("token")
def test_a_readme_by_a_person_is_not_overwritten_without_being_told(hub: Hub, run: Path) -> None:
    push_to_hub(run, REPO)
    model = hub.model(REPO)
    theirs = model.files["README.md"].replace(b"faithful", b"rather faithful")
    hub.add(REPO, {**model.files, "README.md": theirs})
    retrain(run)
    head = model.head
    with pytest.raises(WeightsError, match="--card keep"):
        push_to_hub(run, REPO)
    assert model.head == head
    push_to_hub(run, REPO, card="keep")
    assert model.files["README.md"] == theirs
    assert model.files[WEIGHTS] == (run / "weights" / WEIGHTS).read_bytes()
    push_to_hub(run, REPO, card="replace")
    assert b"rather faithful" not in model.files["README.md"]
    push_to_hub(run, REPO)  # what we wrote is ours again


@pytest.mark.usefixtures("token")
def test_nothing_becomes_public_by_accident(hub: Hub, run: Path) -> None:
    push_to_hub(run, "someone/open", public=True)
    assert not hub.model("someone/open").private
    retrain(run)
    with pytest.raises(WeightsError, match="exists and is public"):
        push_to_hub(run, "someone/open")
    push_to_hub(run, REPO)
    with pytest.raises(WeightsError, match="exists and is private"):
        push_to_hub(run, REPO, public=True)


def test_a_push_says_what_the_token_lacks(hub: Hub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="hf auth login"):
        push_to_hub(run, REPO)
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(WeightsError, match="may not write"):
        push_to_hub(run, REPO)
    for wrong, message in (("hf_nonsense", "refuses the token"), ("hf_ünsinn", "letters that no token has")):
        monkeypatch.setenv("HF_TOKEN", wrong)
        with pytest.raises(WeightsError, match=message) as caught:
            push_to_hub(run, REPO)
        assert wrong not in str(caught.value)
    assert not hub.repositories


@pytest.mark.usefixtures("token")
def test_a_fault_at_any_step_leaves_the_old_revision(hub: Hub, run: Path) -> None:
    first = push_to_hub(run, REPO)
    retrain(run)
    for code, message in ((409, "Try again"), (412, "Try again"), (429, "429"), (500, "500")):
        hub.faults.clear()
        hub.fail("POST .*/commit/", status(code))
        with pytest.raises(WeightsError, match=message):
            push_to_hub(run, REPO)
        assert hub.model(REPO).head == first.revision
    hub.faults.clear()
    hub.fail("POST .*/tag/", status(500), times=1)
    with pytest.raises(HubUnreachable, match="Everything was sent"):
        push_to_hub(run, REPO)
    hub.fail("POST .*/tag/", status(400), times=1)
    with pytest.raises(WeightsError, match=r"tag v2 was not set.*status 400") as caught:
        push_to_hub(run, REPO)
    assert not isinstance(caught.value, HubUnreachable)
    assert push_to_hub(run, REPO).tag == "v2"  # the commit is there: only the tag was missing
    assert len(hub.model(REPO).commits) == 3


@pytest.mark.usefixtures("token")
def test_somebody_elses_commit_in_between_is_not_overwritten(hub: Hub, run: Path) -> None:
    push_to_hub(run, REPO)
    retrain(run)

    def meanwhile(handler) -> None:  # type: ignore[no-untyped-def]
        hub.add(REPO, {**hub.model(REPO).files, "notes.md": b"theirs"})
        handler.serve()

    hub.fail("POST .*/preupload/", meanwhile, times=1)
    with pytest.raises(WeightsError, match="same moment"):
        push_to_hub(run, REPO)
    assert "notes.md" in hub.model(REPO).files
    push_to_hub(run, REPO)
    assert hub.model(REPO).files["notes.md"] == b"theirs"  # not ours to delete
    hub.add(REPO, {**hub.model(REPO).files, "a/b/run.json": b"theirs", "old/run.json": b"{}"})
    pushed = push_to_hub(run, REPO)
    assert str(pushed).splitlines()[1:] == ["deleted there: old/run.json"]
    assert {"notes.md", ".gitattributes", "a/b/run.json"} < set(hub.model(REPO).files)


def test_a_push_that_is_killed_half_way_leaves_the_old_revision_and_no_token(
    hub: Hub, run: Path, tmp_path: Path, hub_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", WRITER)
    command = [sys.executable, "-m", "restoration", "push", str(run), REPO]
    environment = {**hub_environment, "HF_TOKEN": WRITER, "HF_DEBUG": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    old = hub.model(REPO).head
    assert done.stdout == f"{REPO}: revision {old}, tag v1\n"
    assert WRITER not in done.stdout + done.stderr
    assert not [name for name, data in hub.model(REPO).files.items() if WRITER.encode() in data]
    retrain(run)
    begun = threading.Event()
    hub.fail("PUT /storage/", stalled(begun, 3))
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    assert begun.wait(200)
    process.kill()
    process.wait()
    assert hub.model(REPO).head == old
    assert load_weights(REPO).commit == old
    hub.faults.clear()
    assert push_to_hub(run, REPO).tag == "v2"


@pytest.mark.usefixtures("token")
def test_a_silent_hub_is_given_up(hub: Hub, run: Path) -> None:
    hub.fail("GET /api", stalled())
    begun = time.monotonic()
    with pytest.raises(HubUnreachable):
        push_to_hub(run, REPO)
    assert time.monotonic() - begun < 6


def test_a_dry_run_writes_the_folder_and_asks_nobody(
    hub: Hub, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["push", str(run), REPO, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    folder = tmp_path / "runs" / "push" / "someone--faces"
    assert {path.name for path in folder.iterdir()} == SENT
    assert set(re.findall(r"\d  (\S+)$", printed, re.MULTILINE)) == SENT
    assert "(private)" in printed
    assert not hub.requests
    monkeypatch.setenv("HF_TOKEN", WRITER)
    push_to_hub(run, REPO)
    assert {path.name: path.read_bytes() for path in folder.iterdir()}.items() <= hub.model(REPO).files.items()


def test_a_dry_run_deletes_nothing_but_its_own_folder(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    theirs = tmp_path / "runs" / "mine" / "notes.txt"
    for path in (theirs, tmp_path / "runs" / "push" / "other" / "notes.txt"):
        path.parent.mkdir(parents=True)
        path.write_text("mine")
    for name in ("..", ".", "", "nonsense", "a/b/c", "a/b@v1", "a/b@main"):
        for command in (["push", str(run), name], ["publish-space", name]):
            assert main([*command, "--dry-run"]) == 2
            assert "owner/name" in capsys.readouterr().err
        with pytest.raises(WeightsError, match="owner/name"):
            prepare(run, tmp_path / "out", name)
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
    facts = {**FACTS, "config": config, "data": ["/home/my secret/train"], "hardware": "one GPU, /mnt/secret/disk"}
    torch.manual_seed(0)
    save_weights(run / "weights", tiny_network(), facts)
    (run / "evaluation.md").write_text("Weights: /home/secret/runs/r0, 1/2.\n")
    (run / "stage1").mkdir()
    (run / "stage1" / "run.json").write_text('{"init": "C:\\\\secret\\\\weights", "out": "./secret/x"}')
    for name in prepare(run, tmp_path / "out", REPO):
        content = (tmp_path / "out" / name).read_bytes()
        assert b"secret" not in content, name
        assert str(tmp_path).encode() not in content, name
    told = json.loads((tmp_path / "out" / "training.json").read_text())
    assert told["config"] == {"init": "weights", "identity": "teacher.pt", "license": "CC BY / MIT"}
    assert (told["data"], told["hardware"]) == (["train"], "one GPU, disk")
    assert json.loads((tmp_path / "out" / "stage1" / "run.json").read_text()) == {"init": "weights", "out": "x"}
    assert (tmp_path / "out" / "evaluation.md").read_text() == "Weights: r0, 1/2.\n"
    assert load_weights(tmp_path / "out").training == told
    kept = '{"a": "owner/name@v1", "b": "Hub: owner/name", "c": ["hub:owner/name:train"], "d": "https://a/b/c"}'
    assert without_folders(kept) == kept


def test_the_committed_weights_can_be_pushed_and_name_no_folder(tmp_path: Path) -> None:
    prepare(EMBEDDED / "default", tmp_path / "out", REPO)  # its evaluation is of these weights
    for path in (EMBEDDED / "default").rglob("*.json"):
        assert without_folders(path.read_text()) == path.read_text()


def test_the_picture_shows_what_these_weights_make(run: Path, tmp_path: Path) -> None:
    prepare(run, tmp_path / "out", REPO)
    picture = read_image(tmp_path / "out" / "picture.png")
    assert picture.shape == (512, 3 * 512 + 2 * 8, 3)
    face, degraded, restored = (picture[:, i * 520 : i * 520 + 512] for i in range(3))
    assert (face == read_image(ROOT / "examples" / "eileen_collins.png")).all()
    assert (degraded != face).mean() > 0.5
    assert (restored != degraded).mean() > 0.1


def test_what_is_not_a_set_of_weights_is_refused_before_anything_is_asked(
    hub: Hub, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)  # the same name and size
    save_weights(run / "weights", tiny_network(), FACTS)
    with pytest.raises(WeightsError, match="not about these weights"):
        prepare(run, tmp_path / "out", REPO)
    (run / "evaluation.json").write_text("[" * 99_000)
    with pytest.raises(WeightsError, match=r"evaluation\.json cannot be read"):
        prepare(run, tmp_path / "out", REPO)
    monkeypatch.setenv("HF_TOKEN", WRITER)
    shutil.rmtree(run / "weights")
    with pytest.raises(WeightsError, match="incomplete"):
        push_to_hub(run, REPO)
    for name in ("faces", "a/b@v1", "a/b/c", "../x"):
        with pytest.raises(WeightsError, match="owner/name"):
            push_to_hub(run, name)
    assert not [request for request in hub.requests if not request.startswith("GET")]
