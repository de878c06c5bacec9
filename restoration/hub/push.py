"""Weights to the Hub: everything about them in one commit, and a tag for every release."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import RepositoryNotFoundError

from restoration.degrade import degrade_image
from restoration.degrade.protocols import PRESETS
from restoration.hub.card import PICTURE, is_generated, model_card
from restoration.hub.client import ANSWER, SLOWEST, HubModel, explained, in_time
from restoration.hub.pull import CHECKSUMS
from restoration.images import read_image, to_image, to_tensor, write_png
from restoration.measure.metrics import psnr
from restoration.network.checkpoint import CONFIG, GOLDEN, TRAINING, WEIGHTS, WeightsError, read_weights

SET = (WEIGHTS, CONFIG, GOLDEN, TRAINING)
# What else of a run is published, where it is there: never pictures of faces, names of files, or checkpoints.
EVALUATION, TABLES, CARD = "evaluation.json", "evaluation.md", "README.md"
ABOUT = (EVALUATION, TABLES, "run.json", "train.csv", "validation.csv", "curves.png")
FACE = Path(__file__).parents[2] / "examples" / "eileen_collins.png"
Card = Literal["protect", "keep", "replace"]
_ROOTED = re.compile(r"(?:file:|~|[A-Za-z]:|\.\.?)?[\\/].*")
_WITHIN = re.compile(r"(?<![\w:/\\.<])(?:~|[A-Za-z]:)?[\\/](?:[^\\/\s|\"'<>]+[\\/])+")  # folders in a sentence


@dataclass(frozen=True)
class Pushed:
    """What a push left on the Hub, and which files of an earlier push it took away; ``tag`` is "" of a Space."""

    place: str
    revision: str
    tag: str = ""
    deleted: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    def __str__(self) -> str:
        first = f"{self.place}: revision {self.revision}" + (f", tag {self.tag}" if self.tag else "")
        return "\n".join([first, *(f"deleted there: {name}" for name in self.deleted)])


def prepare(folder: Path, out: Path, repo_id: str) -> list[str]:
    """Write everything that a push of ``folder`` to ``repo_id`` sends. No network connection is used.

    Args:
        folder: a run (with its weights in ``weights/``), or a set of weights with what is about it beside it.
        out: emptied first; made when it does not exist. Returned are its files' names, sorted.
        repo_id: ``owner/name``, for the card.

    Raises:
        WeightsError: not such a name, not a valid set of weights, an evaluation that is not of these weights, or
            ``folder`` and ``out`` within each other.
    """
    HubModel.repository(repo_id)
    home = folder / "weights" if (folder / "weights" / TRAINING).exists() else folder
    for place in (folder.resolve(), home.resolve()):
        if place == out.resolve() or out.resolve() in place.parents or out.resolve().parent == place:
            raise WeightsError(f"{folder} overlaps with {out}, which is emptied first. Push a folder elsewhere.")
    weights = read_weights(home, str(home))
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name in SET:
        _copy(home / name, out / name)
    for path in (path for name in ABOUT for path in (*folder.glob(name), *folder.glob(f"*/{name}"))):
        _copy(path, out / path.relative_to(folder))
    evaluation = _read_json(out / EVALUATION) if (out / EVALUATION).exists() else None
    tables = (out / TABLES).read_text().strip() if (out / TABLES).exists() else ""
    weights = dataclasses.replace(weights, training=_read_json(out / TRAINING))
    caption = _draw(weights.model, out / PICTURE)
    sums = (f"{hashlib.sha256((out / name).read_bytes()).hexdigest()}  {name}\n" for name in _names(out))
    (out / CHECKSUMS).write_text("".join(sums))
    (out / CARD).write_text(model_card(repo_id, weights, evaluation, tables, caption))
    return _names(out)


def push_to_hub(
    folder: Path, repo_id: str, *, public: bool = False, tag: str | None = None, card: Card = "protect"
) -> Pushed:
    """Publish weights as one commit, so that nobody ever sees half of it, and tag it.

    The token is the Hub client's own: HF_TOKEN, or ``hf auth login``.

    Args:
        folder: as ``prepare`` takes it.
        repo_id: ``owner/name``; made, private, where it does not exist.
        public: makes a new repository public; needed for one that is public already.
        tag: of the release, a name that git takes; None is ``v1``, or the number after the last.
        card: what to do with a README.md there that a person wrote or changed: "protect" refuses to push, "keep"
            pushes everything else, "replace" overwrites it.

    Raises:
        WeightsError: what ``prepare`` refuses; no token or one that may not write; a person's README.md; a tag that
            exists; a repository that somebody else is changing.
        HubUnreachable: the Hub does not answer, or the transfer is slower than ``SLOWEST``.
    """
    state = check_push(repo_id, public, tag)
    with tempfile.TemporaryDirectory() as staging:
        out = Path(staging) / "model"
        prepare(folder, out, repo_id)
        return in_time(seconds_for(out), HubModel(repo_id), lambda: _publish(repo_id, out, state, public, tag, card))


def check_tag(tag: str | None) -> None:
    """Refuse, by a WeightsError, a tag that the Hub would refuse, or that looks like a branch or a commit."""
    odd = not re.fullmatch(r"\w(?:[\w.-]*\w)?", tag or "v1", re.ASCII) or tag == ""
    if odd or re.search(r"\.\.|\.lock$|^main$|^HEAD$|^[0-9a-f]{7,64}$", tag or ""):
        raise WeightsError(f"--tag {tag!r} cannot be the tag of a release. Choose a name such as v2 or 2026.11.")


def check_push(repo_id: str, public: bool, tag: str | None = None) -> Any:
    """Ask the Hub what can be known before there is anything to push; what it knows, None where there is nothing yet.

    Raises:
        WeightsError: not such a name or tag, no valid token, or a repository whose visibility is not ``public``.
        HubUnreachable: the Hub does not answer.
    """
    check_tag(tag)
    state = find(repo_id, "model")
    if state is not None and bool(state.private) == public:
        now, other = ("private", "leave --public out") if public else ("public", "say --public")
        raise WeightsError(f"{repo_id} exists and is {now}: {other}, or change its settings there. Nothing was sent.")
    return state


def find(repo_id: str, kind: str) -> Any:
    """What the Hub knows about a "model" or "space" to write to; None where there is none. Raises as ``check_push``."""

    def ask() -> Any:
        if get_token() is None:
            raise WeightsError("A push needs a token: set HF_TOKEN, or run hf auth login.")
        try:
            return HfApi().repo_info(repo_id, repo_type=kind, timeout=ANSWER)
        except RepositoryNotFoundError:
            return None

    return in_time(ANSWER, HubModel.repository(repo_id), ask)


def seconds_for(out: Path) -> float:
    """How long a folder may take to be sent."""
    return 10 * ANSWER + 2 * sum((out / name).stat().st_size for name in _names(out)) / SLOWEST


def send(repo_id: str, kind: str, out: Path, state: Any, stale: list[str], message: str) -> str:
    """Send a folder and take away ``stale`` in one commit upon ``state``; returns it. Nothing new is no commit.

    (``upload_folder`` makes several commits: a push that is killed between them would leave a mixture.)
    """
    operations: list[Any] = [CommitOperationAdd(name, str(out / name)) for name in _names(out)]
    operations += [CommitOperationDelete(name) for name in stale]
    commit = HfApi().create_commit(repo_id, operations, repo_type=kind, commit_message=message, parent_commit=state.sha)
    return str(commit.oid)


def _publish(repo_id: str, out: Path, state: Any, public: bool, tag: str | None, card: Card) -> Pushed:
    api = HfApi()
    if state is None:
        api.create_repo(repo_id, private=not public)
        state = api.model_info(repo_id)
    refs = api.list_repo_refs(repo_id)
    tags = {ref.name: ref.target_commit for ref in refs.tags}
    if tag in tags or tag in {ref.name for ref in refs.branches}:
        raise WeightsError(f"{repo_id} has a tag or branch {tag} already. Choose another; a release is never moved.")
    old = {file.rfilename for file in state.siblings or []}
    # Of an earlier push: an old evaluation beside new weights would mislead. Whatever ``prepare`` never writes stays.
    ours = {name for name in old if name in (*SET, PICTURE) or re.sub("^[^/]+/", "", name) in ABOUT}
    stale = sorted(ours - set(_names(out))) if CHECKSUMS in old else []
    if CARD in old and card != "replace":
        with tempfile.TemporaryDirectory() as cache:
            path = api.hf_hub_download(repo_id, CARD, revision=state.sha, cache_dir=cache, etag_timeout=ANSWER)
            theirs = not is_generated(Path(path).read_text(errors="replace"))
        if theirs and card == "protect":
            advice = "Push again with --card keep to leave it as it is, or with --card replace to overwrite it."
            raise WeightsError(f"{CARD} of {repo_id} was written or changed by a person. Nothing was sent. {advice}")
        if theirs:
            (out / CARD).unlink()
    facts = _read_json(out / TRAINING)
    message = f"{facts['name']}, step {facts.get('step', 'unknown')}"
    commit = send(repo_id, "model", out, state, stale, message)
    if tag is None:
        numbers = [int(name[1:]) for name in tags if name.startswith("v") and name[1:].isdecimal()]
        tag = next((name for name in sorted(tags) if tags[name] == commit), f"v{max(numbers, default=0) + 1}")
    if tag not in tags:
        try:
            api.create_tag(repo_id, tag=tag, revision=commit, tag_message=message)
        except Exception as error:
            told = explained(HubModel(repo_id), error)
            kept = f"Everything was sent to {repo_id} (revision {commit}), but its tag {tag} was not set"
            raise type(told)(f"{kept}. Push again to set it. {told}") from error
    return Pushed(repo_id, commit, tag, tuple(stale))


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path} cannot be read as JSON. Write it again with the command that made it.") from error


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if source.suffix in (".json", ".md"):
        target.write_bytes(without_folders(source.read_text(errors="replace")).encode())
    else:
        shutil.copyfile(source, target)


def without_folders(text: str) -> str:
    """The same JSON or Markdown with every path of a machine cut down to its last name.

    Addresses and names on the Hub stay; a relative path of two parts that is nothing here cannot be told from them.
    """

    def cut(match: re.Match[str]) -> str:
        path = match[1]
        relative = path.count("/") > 1 and not re.search(r"\s|://", path)
        ours = relative or _ROOTED.fullmatch(path) or os.path.exists(path)
        return '"' + re.split(r"[\\/]", path.rstrip("\\/"))[-1] + '"' if ours else match[0]

    return _WITHIN.sub("", re.sub(r'"([^"\n]*[\\/][^"\n]*)"', cut, text))


def _draw(model: torch.nn.Module, path: Path) -> str:
    """Write the card's picture: a face, the face degraded, and what the model makes of that. Returns its caption."""
    if not FACE.exists():
        raise WeightsError(f"{FACE} is missing: the card's picture is made from it. Run this from the repository.")
    face, preset = read_image(FACE), PRESETS["old_phone"]
    degraded = degrade_image(face, preset.draw(0))
    with torch.inference_mode():
        restored = to_image(model(to_tensor(degraded)).float())
    gap = np.full((face.shape[0], 8, 3), 255, np.uint8)
    write_png(np.concatenate([face, gap, degraded, gap, restored], axis=1), path)
    before, after = f"“{preset.label}” ({psnr(degraded, face):.1f} dB)", f"{psnr(restored, face):.1f} dB"
    return f"From left to right: Eileen Collins (NASA, public domain), degraded as {before}, and restored ({after})."
