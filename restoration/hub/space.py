"""How does this repository become a Space?  The files that the app needs, in one commit."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, RepoCard, SpaceInfo, get_token
from huggingface_hub.errors import RepositoryNotFoundError

from restoration.hub.client import ANSWER, SLOWEST, HubModel, in_time, refusals
from restoration.hub.pull import FILES
from restoration.hub.sources import ENVIRONMENT
from restoration.images import InputError
from restoration.network.checkpoint import WeightsError

ROOT = Path(__file__).parents[2]
# What the app does not need: tests, training, and the tools' settings. Everything else that git tracks is sent.
LEFT_OUT = {"tests", "train", ".ci", ".gitignore", ".mypy.ini", ".pytest.ini", ".ruff.toml"}
APP, README, MARK = "app.py", "README.md", "restoration/__init__.py"


@dataclass(frozen=True)
class Published:
    """A Space on the Hub: its address, the commit, and how many files it took away."""

    url: str
    revision: str
    deleted: list[str]


def prepare_space(out: Path, model: HubModel | None = None, *, root: Path = ROOT) -> list[str]:
    """Write everything that a Space of this repository holds. No network connection is used.

    Args:
        out: emptied first; made when it does not exist.
        model: of the Hub, that the app is to run; the Space then downloads it when it is built. None is the embedded
            weights.
        root: a git checkout of the repository. Only what git tracks is taken, as it is on disk.

    Returns:
        Names of the files, with forward slashes, sorted.

    Raises:
        InputError: ``root`` is not a checkout, or lacks a file that git tracks.
    """
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(f"{root} is not a git checkout: publish the Space from a clone of the repository.") from error
    names = sorted(name for name in listed.split("\0") if name and name.partition("/")[0] not in LEFT_OUT)
    if lacking := [name for name in (APP, README, MARK, *names) if not (root / name).is_file()]:
        raise InputError(f"{root} lacks {', '.join(dict.fromkeys(lacking))}. Restore it with git first.")
    if out.exists():
        shutil.rmtree(out)
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, out / name)
    if model:
        card = RepoCard((out / README).read_text())
        card.data["models"] = [model.repo_id]
        card.data["preload_from_hub"] = [f"{model.repo_id} {','.join(FILES)} {model.revision}"]
        (out / README).write_text(str(card))
    return names


def publish_space(repo_id: str, model: HubModel | None = None, *, public: bool = False, root: Path = ROOT) -> Published:
    """Bring a Space up to date with this repository. A second time changes nothing.

    The token is the Hub client's own: HF_TOKEN, or ``hf auth login``. A private ``model`` needs a secret HF_TOKEN in
    the Space's settings, which this does not set.

    Args:
        repo_id: ``owner/name``; made, private, where it does not exist.
        model: as in ``prepare_space``. It becomes the Space's variable ``RESTORATION_MODEL``; None leaves that as it
            is.
        public: makes a new Space public. The visibility of one that exists stays as it is.

    Raises:
        InputError: as ``prepare_space``.
        WeightsError: no token or one that may not write; a Space that is something else; one that somebody changes.
        HubUnreachable: the Hub does not answer, or the transfer is slower than ``SLOWEST``.
    """
    space = HubModel.repository(repo_id)
    state = in_time(ANSWER, space, lambda: _state(repo_id))
    with tempfile.TemporaryDirectory() as staging:
        out = Path(staging) / "space"
        names = prepare_space(out, model, root=root)
        size = sum((out / name).stat().st_size for name in names)
        seconds = 10 * ANSWER + 2 * size / SLOWEST
        return in_time(seconds, space, lambda: _publish(repo_id, out, names, state, model, public))


def _state(repo_id: str) -> SpaceInfo | None:
    if get_token() is None:
        raise WeightsError("Publishing needs a token: set HF_TOKEN, or run hf auth login.")
    try:
        state = HfApi().space_info(repo_id, timeout=ANSWER)
    except RepositoryNotFoundError:
        return None
    there = {file.rfilename for file in state.siblings or []}
    if APP in there and MARK not in there:
        raise WeightsError(f"The Space {repo_id} exists and is something else. Choose another name.")
    return state


def _publish(
    repo_id: str, out: Path, names: list[str], state: SpaceInfo | None, model: HubModel | None, public: bool
) -> Published:
    api = HfApi()
    with refusals(repo_id):
        if state is None:
            api.create_repo(repo_id, repo_type="space", space_sdk="gradio", private=not public)
            state = api.space_info(repo_id)
        if model and getattr(api.get_space_variables(repo_id).get(ENVIRONMENT), "value", None) != str(model):
            api.add_space_variable(repo_id, ENVIRONMENT, str(model))  # restarts a Space that runs
        ours = {name.partition("/")[0] for name in names if "/" in name}
        there = [file.rfilename for file in state.siblings or []]
        stale = sorted(name for name in there if name.partition("/")[0] in ours and name not in names)
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationAdd(name, str(out / name)) for name in names),
            *(CommitOperationDelete(name) for name in stale),
        ]
        commit = api.create_commit(
            repo_id, operations, repo_type="space", commit_message="Publish the app", parent_commit=state.sha
        )
        return Published(f"{api.endpoint}/spaces/{repo_id}", commit.oid, stale)
