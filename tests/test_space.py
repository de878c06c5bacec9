"""The repository as a Space, by the real client: what it holds, and that a second time changes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import READER, WRITER, Hub
from huggingface_hub import RepoCard

from restoration.cli.main import main
from restoration.hub import HubModel, WeightsError
from restoration.hub.push import publish_space
from restoration.hub.staging import LEFT_OUT, prepare_space
from restoration.images import InputError

REPO = "someone/page"
ROOT = Path(__file__).parents[1]
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
SENT = {*(name for name in FILES if not name.startswith(("tests/", "train/", "."))), "packages.txt"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small repository like this one, with files beside it that git does not track."""
    root = tmp_path / "checkout"
    for name, data in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    (root / "secret.txt").write_text("password")
    (root / "restoration" / "scratch.py").write_text("not tracked")
    return root


@pytest.fixture
def token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", WRITER)


def commit(root: Path) -> None:
    subprocess.run(["git", "add", "-u"], cwd=root, check=True)


@pytest.mark.usefixtures("token")
def test_a_space_holds_what_the_app_needs_and_a_second_time_changes_nothing(hub: Hub, checkout: Path) -> None:
    first = publish_space(REPO, root=checkout)
    space = hub.repositories[("spaces", REPO)]
    assert space.private
    assert space.sdk == "gradio"
    assert {name: data for name, data in space.files.items() if name != ".gitattributes"} == {
        **{name: FILES[name] for name in SENT if name in FILES},
        "packages.txt": b"libgl1\nlibglib2.0-0\n",
    }
    assert space.commits[space.head]["restoration/weights/default/model.safetensors"].large
    assert len(hub.asked("PUT /storage")) == 2  # the weights and the picture, not as a part of the commit
    assert first.place == f"{hub.endpoint}/spaces/{REPO}"
    assert publish_space(REPO, root=checkout) == first
    assert len(space.commits) == 2
    assert len(hub.asked("PUT /storage")) == 2


@pytest.mark.usefixtures("token")
def test_what_is_gone_here_goes_there_and_what_is_theirs_stays(hub: Hub, checkout: Path) -> None:
    publish_space(REPO, root=checkout)
    space = hub.repositories[("spaces", REPO)]
    hub.add(REPO, {**space.files, "notes.md": b"theirs"}, kind="spaces")
    (checkout / "examples" / "face.png").unlink()
    with pytest.raises(InputError, match=r"lacks examples/face\.png"):
        publish_space(REPO, root=checkout)
    commit(checkout)
    (checkout / "examples").mkdir(exist_ok=True)
    (checkout / "examples" / "other.png").write_bytes(b"other")
    subprocess.run(["git", "add", "examples"], cwd=checkout, check=True)
    assert publish_space(REPO, root=checkout).deleted == ("examples/face.png",)
    assert "examples/face.png" not in space.files
    assert space.files["notes.md"] == b"theirs"


@pytest.mark.usefixtures("token")
def test_a_model_of_the_hub_is_configured_and_loaded_when_the_space_is_built(hub: Hub, checkout: Path) -> None:
    publish_space(REPO, HubModel("someone/faces", "v2"), root=checkout)
    space = hub.repositories[("spaces", REPO)]
    publish_space(REPO, HubModel("someone/faces", "v2"), root=checkout)
    assert space.variables == {"RESTORATION_MODEL": "someone/faces@v2"}
    assert len(hub.asked("POST .*/variables")) == 1  # each would restart the Space
    data = RepoCard(space.files["README.md"].decode()).data.to_dict()
    [preload] = data["preload_from_hub"]
    repo, names, revision = preload.split()  # "repository file1,file2 revision", the Hub's documented form
    assert (repo, revision) == ("someone/faces", "v2")
    assert set(names.split(",")) == {
        "model.safetensors", "config.json", "golden.safetensors", "training.json", "SHA256SUMS",
    }  # fmt: skip
    assert data["models"] == ["someone/faces"]
    assert (data["title"], data["sdk"], data["python_version"]) == ("Page", "gradio", "3.12")  # still a string
    assert space.files["README.md"].endswith(b"# Page\n")


@pytest.mark.usefixtures("token")
def test_another_space_is_not_overwritten(hub: Hub, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(REPO, {"app.py": b"something else", "README.md": b""}, kind="spaces")
    with pytest.raises(WeightsError, match="is something else"):
        publish_space(REPO, root=checkout)
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(WeightsError, match="may not write to"):
        publish_space("someone/new", root=checkout)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(WeightsError, match="hf auth login"):
        publish_space("someone/new", root=checkout)
    with pytest.raises(WeightsError, match="owner/name"):
        publish_space("page", root=checkout)
    assert hub.repositories[("spaces", REPO)].files["app.py"] == b"something else"


def test_a_dry_run_lists_what_would_be_sent_and_asks_nobody(
    hub: Hub, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prepare_space, "__kwdefaults__", {"root": checkout})
    assert main(["publish-space", REPO, "--dry-run", "--model", "someone/faces"]) == 0
    printed = capsys.readouterr().out
    folder = tmp_path / "runs" / "push" / "space--someone--page"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == SENT
    assert all(f"  {name}\n" in printed for name in SENT)
    assert "preload_from_hub" in (folder / "README.md").read_text()
    assert not hub.requests
    assert main(["publish-space", REPO, "--dry-run", "--model", "faces"]) == 2


def test_the_app_needs_nothing_that_is_left_out(tmp_path: Path) -> None:
    names = prepare_space(tmp_path / "space")
    assert not [name for name in names if name.startswith(tuple(LEFT_OUT))]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    code = "import app, restoration; print(app.__file__, restoration.Restorer.from_pretrained().info['source'])"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "space",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split("\n")[-2] == f"{tmp_path}/space/app.py embedded: default"
