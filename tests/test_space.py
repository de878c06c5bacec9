"""The repository as a Space, by the real client: what it holds, and that a second time changes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import WRITER, Hub, Repository
from huggingface_hub import RepoCard

from restoration.cli.main import main
from restoration.hub import FILES as OF_A_MODEL
from restoration.hub import HubModel, staging
from restoration.hub.push import publish_space
from restoration.hub.staging import LEFT_OUT, prepare_space
from restoration.images import InputError
from restoration.network.checkpoint import WeightsError

REPO = "someone/page"
FILES = {
    "README.md": b'---\ntitle: Page\nsdk: gradio\npython_version: "3.12"\n---\n\n# Page\n',
    "app.py": b"print('app')\n",
    "requirements.txt": b"gradio\n",
    "restoration/__init__.py": b"",
    "restoration/weights/default/model.safetensors": bytes(3_000_000),
    "examples/face.png": b"png",
    "tests/test_app.py": b"",
    "train/run.py": b"",
    ".ci/run": b"",
    ".gitignore": b"secret.txt\n",
}
SENT = {name: data for name, data in FILES.items() if not name.startswith(("tests/", "train/", "."))}
SENT["packages.txt"] = b"libgl1\nlibglib2.0-0\n"


def write(root: Path, **files: bytes) -> None:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository like this one, with files beside it that git does not track."""
    root = tmp_path / "checkout"
    monkeypatch.setattr(staging, "ROOT", root)
    write(root, **FILES)
    for command in (("init", "-q"), ("add", ".")):
        subprocess.run(["git", *command], cwd=root, check=True)
    write(root, **{"secret.txt": b"password", "restoration/scratch.py": b"not tracked"})
    return root


@pytest.fixture
def space(hub: Hub, checkout: Path, monkeypatch) -> Repository:
    """As it is published by somebody who may write."""
    monkeypatch.setenv("HF_TOKEN", WRITER)
    assert publish_space(REPO).place == f"{hub.endpoint}/spaces/{REPO}"
    return hub.repositories["spaces", REPO]


def test_a_space_holds_what_the_app_needs_and_a_second_time_changes_nothing(
    hub: Hub, checkout: Path, space: Repository
) -> None:
    assert (space.private, space.sdk) == (True, "gradio")
    assert {name: data for name, data in space.files.items() if name != ".gitattributes"} == SENT
    assert space.commits[space.head]["restoration/weights/default/model.safetensors"].large
    assert len(hub.asked("PUT /storage")) == 2  # the weights and the picture, not as a part of the commit
    assert publish_space(REPO).revision == space.head
    assert (len(space.commits), len(hub.asked("PUT /storage"))) == (2, 2)


def test_what_is_gone_here_goes_there_and_what_is_theirs_stays(hub: Hub, checkout: Path, space: Repository) -> None:
    hub.add(REPO, {**space.files, "notes.md": b"theirs"}, kind="spaces")
    (checkout / "examples" / "face.png").unlink()
    with pytest.raises(InputError, match=r"lacks examples/face\.png"):
        publish_space(REPO)
    write(checkout, **{"examples/other.png": b"other"})
    subprocess.run(["git", "add", "-A", "examples"], cwd=checkout, check=True)
    assert publish_space(REPO).deleted == ("examples/face.png",)
    assert "examples/face.png" not in space.files
    assert space.files["notes.md"] == b"theirs"


def test_a_model_of_the_hub_is_configured_and_loaded_when_the_space_is_built(
    hub: Hub, checkout: Path, space: Repository
) -> None:
    for _ in range(2):
        publish_space(REPO, HubModel("someone/faces", "v2"))
    assert space.variables == {"RESTORATION_MODEL": "someone/faces@v2"}
    assert len(hub.asked("POST .*/variables")) == 1  # each would restart the Space
    data = RepoCard(space.files["README.md"].decode()).data.to_dict()
    [preload] = data["preload_from_hub"]
    repo, names, revision = preload.split()  # "repository file1,file2 revision", the Hub's documented form
    assert (repo, set(names.split(",")), revision) == ("someone/faces", set(OF_A_MODEL), "v2")
    assert data["models"] == ["someone/faces"]
    assert (data["title"], data["sdk"], data["python_version"]) == ("Page", "gradio", "3.12")  # still a string
    assert space.files["README.md"].endswith(b"# Page\n")


def test_another_space_is_not_overwritten(hub: Hub, checkout: Path, monkeypatch) -> None:
    hub.add(REPO, {"app.py": b"something else", "README.md": b""}, kind="spaces")
    monkeypatch.setenv("HF_TOKEN", WRITER)
    with pytest.raises(WeightsError, match="is something else"):
        publish_space(REPO)
    assert hub.repositories["spaces", REPO].files["app.py"] == b"something else"


def test_a_dry_run_lists_what_would_be_sent_and_asks_nobody(
    hub: Hub, checkout: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["publish-space", REPO, "--dry-run", "--model", "someone/faces"]) == 0
    printed = capsys.readouterr().out
    folder = tmp_path / "runs" / "push" / "space--someone--page"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == set(SENT)
    assert all(f"  {name}\n" in printed for name in SENT)
    assert "preload_from_hub" in (folder / "README.md").read_text()
    assert not hub.requests
    assert main(["publish-space", REPO, "--dry-run", "--model", "faces"]) == 2


def test_the_app_needs_nothing_that_is_left_out(tmp_path: Path) -> None:
    names = prepare_space(tmp_path / "space")
    assert not [name for name in names if name.startswith(tuple(LEFT_OUT))]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    code = "import app, restoration; print(app.__file__, restoration.Restorer.from_pretrained().info['source'])"
    command = [sys.executable, "-c", code]
    told = subprocess.check_output(command, cwd=tmp_path / "space", env=environment, text=True)
    assert told.split("\n")[-2] == f"{tmp_path}/space/app.py embedded: default"
