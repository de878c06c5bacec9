"""How do weights go to the Hub?  Everything about them in one commit, and a tag for every release."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, ModelInfo, get_token
from huggingface_hub.errors import RepositoryNotFoundError

from restoration.degrade.degradations import degrade_image
from restoration.degrade.protocols import PRESETS
from restoration.hub.card import PICTURE, is_generated, model_card
from restoration.hub.client import ANSWER, SLOWEST, HubModel, explained, in_time, refusals
from restoration.hub.folders import without_folders, without_folders_in_text
from restoration.hub.pull import CHECKSUMS
from restoration.images import read_image, to_image, to_tensor, write_png
from restoration.measure.metrics import psnr
from restoration.network.checkpoint import CONFIG, GOLDEN, TRAINING, WEIGHTS, WeightsError, read_weights
from restoration.network.unet import UNet

SET = (WEIGHTS, CONFIG, GOLDEN, TRAINING)
# What else of a run is published, where it is there: never pictures of faces, names of files, or checkpoints.
EVALUATION, CARD = "evaluation.json", "README.md"
ABOUT = (EVALUATION, "evaluation.md", "run.json", "train.csv", "validation.csv", "curves.png")
FACE = Path(__file__).parents[2] / "examples" / "eileen_collins.png"
Card = Literal["protect", "keep", "replace"]


@dataclass(frozen=True)
class Pushed:
    """What a push left on the Hub, and which files of an earlier push it took away."""

    repo_id: str
    revision: str
    tag: str
    deleted: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    def __str__(self) -> str:
        lines = [f"{self.repo_id}: revision {self.revision}, tag {self.tag}"]
        return "\n".join([*lines, *(f"deleted there: {name}" for name in self.deleted)])


def prepare(folder: Path, out: Path, repo_id: str) -> list[str]:
    """Write everything that a push of ``folder`` to ``repo_id`` sends. No network connection is used.

    Args:
        folder: a run (with its weights in ``weights/``), or a set of weights with what is about it beside it.
        out: emptied first; made when it does not exist.
        repo_id: ``owner/name``, for the card.

    Returns:
        Names of the files, with forward slashes, sorted.

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
    evaluation = without_folders(_read_json(folder / EVALUATION)) if (folder / EVALUATION).exists() else None
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    for name in SET:
        _copy(home / name, out / name)
    for path in sorted(path for name in ABOUT for path in (*folder.glob(name), *folder.glob(f"*/{name}"))):
        target = out / path.relative_to(folder)
        target.parent.mkdir(exist_ok=True)
        _copy(path, target)
    caption = _draw(weights.model, out / PICTURE)
    sums = (f"{hashlib.sha256((out / name).read_bytes()).hexdigest()}  {name}\n" for name in _names(out))
    (out / CHECKSUMS).write_text("".join(sums))
    (out / CARD).write_text(model_card(repo_id, weights, evaluation, caption))
    return _names(out)


def push_to_hub(
    folder: Path, repo_id: str, *, public: bool = False, tag: str | None = None, card: Card = "protect"
) -> Pushed:
    """Publish weights as one commit, so that nobody ever sees half of it, and tag it.

    The token is the Hub client's own: HF_TOKEN, or ``hf auth login``.

    Args:
        folder: as ``prepare`` takes it.
        repo_id: ``owner/name``; made, private, where it does not exist.
        public: makes the new repository public. Needed for one that is public already: it is seen at once.
        tag: of the release, a name that git takes; None is ``v1``, or the number after the last.
        card: what to do with a README.md there that a person wrote or changed: "protect" refuses to push, "keep"
            pushes everything else, "replace" overwrites it.

    Raises:
        WeightsError: what ``prepare`` refuses; no token or one that may not write; a person's README.md; a tag that
            exists; a repository that somebody else is changing.
        HubUnreachable: the Hub does not answer, or the transfer is slower than ``SLOWEST``.
    """
    model, state = check_push(repo_id, public, tag)
    with tempfile.TemporaryDirectory() as staging:
        out = Path(staging) / "model"
        names = prepare(folder, out, repo_id)
        size = sum((out / name).stat().st_size for name in names)
        return in_time(
            10 * ANSWER + 2 * size / SLOWEST, model, lambda: _publish(repo_id, out, names, state, public, tag, card)
        )


def check_tag(tag: str | None) -> None:
    """Refuse a tag that the Hub would refuse, or that looks like a branch or a commit.

    Raises:
        WeightsError: not a name of letters, digits, ``.``, ``_`` and ``-``.
    """
    if tag is None:
        return
    odd = not re.fullmatch(r"\w(?:[\w.-]*\w)?", tag, re.ASCII) or ".." in tag or tag.endswith(".lock")
    if odd or tag in ("main", "HEAD") or re.fullmatch("[0-9a-f]{7,64}", tag):
        raise WeightsError(f"--tag {tag!r} cannot be the tag of a release. Choose a name such as v2 or 2026.11.")


def check_push(repo_id: str, public: bool, tag: str | None = None) -> tuple[HubModel, ModelInfo | None]:
    """Ask the Hub what can be known before there is anything to push. Nothing is changed.

    Returns:
        The repository, and what the Hub knows about it: None where it does not exist.

    Raises:
        WeightsError: not such a name or tag, no valid token, or a repository whose visibility is not ``public``.
        HubUnreachable: the Hub does not answer.
    """
    check_tag(tag)
    model = HubModel.repository(repo_id)
    state = in_time(ANSWER, model, lambda: _state(repo_id))
    if state is not None and bool(state.private) == public:
        now, other = ("private", "leave --public out") if public else ("public", "say --public")
        raise WeightsError(
            f"{repo_id} exists and is {now}: {other}, or change that on its settings page. Nothing was sent."
        )
    return model, state


def _state(repo_id: str) -> ModelInfo | None:
    """What is on the Hub; None where there is nothing."""
    if get_token() is None:
        raise WeightsError("A push needs a token: set HF_TOKEN, or run hf auth login.")
    try:
        return HfApi().model_info(repo_id, timeout=ANSWER)
    except RepositoryNotFoundError:
        return None


def _publish(
    repo_id: str, out: Path, names: list[str], state: ModelInfo | None, public: bool, tag: str | None, card: Card
) -> Pushed:
    api = HfApi()
    with refusals(repo_id):
        if state is None:
            api.create_repo(repo_id, private=not public)
            state = api.model_info(repo_id)
        refs = api.list_repo_refs(repo_id)
        tags = {ref.name: ref.target_commit for ref in refs.tags}
        if tag in {ref.name for ref in refs.branches}:
            raise WeightsError(f"{repo_id} has a branch {tag}. Choose another tag.")
        if tag in tags:
            raise WeightsError(f"{repo_id} has the tag {tag} already. Choose another; a release is never moved.")
        old = {file.rfilename for file in state.siblings or []}
        with tempfile.TemporaryDirectory() as cache:

            def read(name: str) -> str:
                path = api.hf_hub_download(repo_id, name, revision=state.sha, cache_dir=cache, etag_timeout=ANSWER)
                return Path(path).read_text(errors="replace")

            stale = _stale(read(CHECKSUMS), old, names) if CHECKSUMS in old else []
            if CARD in old and card != "replace" and not is_generated(read(CARD)):
                if card == "protect":
                    raise WeightsError(
                        f"{CARD} of {repo_id} was written or changed by a person. Nothing was sent. Push again with "
                        "--card keep to leave it as it is, or with --card replace to overwrite it."
                    )
                names = [name for name in names if name != CARD]
        facts = json.loads((out / TRAINING).read_text())
        message = f"{facts['name']}, step {facts.get('step', 'unknown')}"
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationAdd(name, str(out / name)) for name in names),
            *(CommitOperationDelete(name) for name in stale),
        ]
        commit = api.create_commit(repo_id, operations, commit_message=message, parent_commit=state.sha).oid
        if tag is None:
            at_commit = sorted(name for name, target in tags.items() if target == commit)
            tag = at_commit[0] if at_commit else _next_tag(tags)
        if tag not in tags:
            try:
                api.create_tag(repo_id, tag=tag, revision=commit, tag_message=message)
            except Exception as error:
                told = explained(HubModel(repo_id), error)
                raise type(told)(
                    f"Everything was sent to {repo_id} (revision {commit}), but its tag {tag} was not set. Push again "
                    f"to set it. {told}"
                ) from error
        return Pushed(repo_id, commit, tag, tuple(stale))


def _stale(sums: str, old: set[str], names: list[str]) -> list[str]:
    """What an earlier push sent and this one does not: an old evaluation beside new weights would mislead.

    A list of checksums may name anything: only what ``prepare`` can have written is taken away.
    """
    sent = {row[1] for line in sums.splitlines() if len(row := line.split(maxsplit=1)) == 2}
    ours = {name for name in sent if name in (*SET, *ABOUT, PICTURE) or re.sub("^[^/]+/", "", name) in ABOUT}
    return sorted((ours & old) - set(names))


def _next_tag(tags: dict[str, str]) -> str:
    numbers = [int(name[1:]) for name in tags if name.startswith("v") and name[1:].isdecimal()]
    return f"v{max(numbers, default=0) + 1}"


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path} cannot be read as JSON. Write it again with the command that made it.") from error


def _copy(source: Path, target: Path) -> None:
    """A copy in which no folder of this machine is named; byte for byte where none was."""
    if source.suffix == ".json":
        facts = _read_json(source)
        if (public := without_folders(facts)) != facts:
            target.write_text(json.dumps(public, indent=2) + "\n")
            return
    if source.suffix == ".md":
        target.write_text(without_folders_in_text(source.read_text(errors="replace")))
        return
    shutil.copyfile(source, target)


def _draw(model: UNet, path: Path) -> str:
    """Write the card's picture: a face, the face degraded, and what the model makes of that. Returns its caption."""
    if not FACE.exists():
        raise WeightsError(f"{FACE} is missing: the card's picture is made from it. Run this from the repository.")
    face = read_image(FACE)
    settings = PRESETS["old_phone"].draw(0)
    degraded = degrade_image(face, settings)
    with torch.inference_mode():
        restored = to_image(model(to_tensor(degraded)).float())
    gap = np.full((face.shape[0], 8, 3), 255, np.uint8)
    write_png(np.concatenate([face, gap, degraded, gap, restored], axis=1), path)
    return (
        "From left to right: Eileen Collins (NASA, public domain), degraded as “"
        f"{PRESETS['old_phone'].label}” ({psnr(degraded, face):.1f} dB), and restored by these weights "
        f"({psnr(restored, face):.1f} dB). One picture shows what happens, not how good it is: see the results."
    )
