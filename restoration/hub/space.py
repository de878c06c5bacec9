"""This repository as a Space: the files that the app needs, in one commit."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, RepoCard

from restoration import DEBIAN_PACKAGES
from restoration.hub.client import HubModel, in_time
from restoration.hub.pull import FILES
from restoration.hub.push import CARD, Pushed, find, seconds_for, send
from restoration.hub.sources import ENVIRONMENT
from restoration.images import InputError
from restoration.network.checkpoint import WeightsError

ROOT = Path(__file__).parents[2]
# What the app does not need: tests, training, and the tools' settings. Everything else that git tracks is sent.
LEFT_OUT = {"tests", "train", ".ci", ".gitignore", ".mypy.ini", ".pytest.ini", ".ruff.toml"}
APP, MARK = "app.py", "restoration/__init__.py"
PACKAGES = "packages.txt"  # names the Debian packages that a Space installs; made here, not kept in the repository


def prepare_space(out: Path, model: HubModel | None = None, *, root: Path = ROOT) -> list[str]:
    """Write everything that a Space of this repository holds. No network connection is used.

    Args:
        out: emptied first; made when it does not exist.
        model: of the Hub, that the app is to run, downloaded when the Space is built; None is the embedded weights.
        root: a git checkout of the repository. Only what git tracks is taken, as it is on disk; these names are
            returned, sorted. InputError where it is no checkout, or lacks a file that git tracks.
    """
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(f"{root} is not a git checkout: publish the Space from a clone of the repository.") from error
    names = sorted(name for name in listed.split("\0") if name and name.partition("/")[0] not in LEFT_OUT)
    if lacking := [name for name in (APP, CARD, MARK, *names) if not (root / name).is_file()]:
        raise InputError(f"{root} lacks {', '.join(dict.fromkeys(lacking))}. Restore it with git first.")
    shutil.rmtree(out, ignore_errors=True)
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, out / name)
    (out / PACKAGES).write_text("\n".join(DEBIAN_PACKAGES) + "\n")
    if model:
        card = RepoCard((out / CARD).read_text())
        card.data["models"] = [model.repo_id]
        card.data["preload_from_hub"] = [f"{model.repo_id} {','.join(FILES)} {model.revision}"]
        (out / CARD).write_text(str(card))
    return sorted([*names, PACKAGES])


def publish_space(repo_id: str, model: HubModel | None = None, *, public: bool = False, root: Path = ROOT) -> Pushed:
    """Bring a Space up to date with this repository. A second time changes nothing.

    Args:
        repo_id: ``owner/name``; made, private, where it does not exist; what exists keeps its visibility.
        model: as in ``prepare_space``. It becomes the Space's variable ``RESTORATION_MODEL``; None leaves that as it
            is. A private one needs a secret HF_TOKEN in the Space's settings, which this does not set.
        public: makes a new Space public.

    Raises:
        InputError: as ``prepare_space``.
        WeightsError: no token or one that may not write; a Space that is something else; one that somebody changes.
        HubUnreachable: the Hub does not answer, or the transfer is slower than ``SLOWEST``.
    """
    state = find(repo_id, "space")
    there = {file.rfilename for file in state.siblings or []} if state else set()
    if APP in there and MARK not in there:
        raise WeightsError(f"The Space {repo_id} exists and is something else. Choose another name.")
    with tempfile.TemporaryDirectory() as staging:
        out = Path(staging) / "space"
        names = prepare_space(out, model, root=root)
        rooms = {name.partition("/")[0] for name in names if "/" in name}
        stale = sorted(name for name in there - set(names) if name.partition("/")[0] in rooms)
        where, seconds = HubModel(repo_id), seconds_for(out)
        return in_time(seconds, where, lambda: _publish(repo_id, out, state, stale, model, public))


def _publish(repo_id: str, out: Path, state: Any, stale: list[str], model: HubModel | None, public: bool) -> Pushed:
    api = HfApi()
    if state is None:
        api.create_repo(repo_id, repo_type="space", space_sdk="gradio", private=not public)
        state = api.space_info(repo_id)
    if model and getattr(api.get_space_variables(repo_id).get(ENVIRONMENT), "value", None) != str(model):
        api.add_space_variable(repo_id, ENVIRONMENT, str(model))  # restarts a Space that runs
    revision = send(repo_id, "space", out, state, stale, "Publish the app")
    return Pushed(f"{api.endpoint}/spaces/{repo_id}", revision, deleted=tuple(stale))
