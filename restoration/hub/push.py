"""To the Hub, each in one commit: weights with a tag for every release, and this repository as a Space."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from pathlib import Path
from typing import Any, Literal, NamedTuple

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import RepositoryNotFoundError

from restoration.hub import ANSWER, CHECKSUMS, ENVIRONMENT, FILES, SLOWEST, HubModel, in_time, staging
from restoration.hub.staging import CARD
from restoration.network.checkpoint import TRAINING, WeightsError

Card = Literal["protect", "keep", "replace"]


class Pushed(NamedTuple):
    """What a push left on the Hub, and which files of an earlier push it took away; ``tag`` is "" of a Space."""

    place: str
    revision: str
    tag: str = ""
    deleted: tuple[str, ...] = ()

    def __str__(self) -> str:
        first = f"{self.place}: revision {self.revision}" + (f", tag {self.tag}" if self.tag else "")
        return "\n".join([first, *(f"deleted there: {name}" for name in self.deleted)])


def push_to_hub(
    folder: Path, repo_id: str, *, public: bool = False, tag: str | None = None, card: Card = "protect"
) -> Pushed:
    """Publish weights as one commit, so that nobody ever sees half of it, and tag it. The token is the client's own.

    Args:
        folder: as ``staging.prepare`` takes it.
        repo_id: ``owner/name``; made, private, where it does not exist.
        public: makes a new repository public; needed for one that is public already.
        tag: of the release, a name that git takes; None is ``v1``, or the number after the last.
        card: what to do with a README.md there that a person wrote or changed: "protect" refuses to push, "keep"
            pushes everything else, "replace" overwrites it.

    Raises:
        WeightsError: what ``prepare`` and ``check_push`` refuse; a person's README.md; a tag that exists; a repository
            that somebody else is changing.
        HubUnreachable: the Hub does not answer, or the transfer is slower than ``SLOWEST``.
    """
    state = check_push(repo_id, public, tag)
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "model"
        staging.prepare(folder, out, repo_id)
        return in_time(_seconds(out), HubModel(repo_id), lambda: _push(repo_id, out, state, public, tag, card))


def publish_space(repo_id: str, model: HubModel | None = None, *, public: bool = False) -> Pushed:
    """Bring a Space up to date with this repository. A second time changes nothing.

    Args:
        repo_id: ``owner/name``; made, private or ``public``, where it does not exist.
        model: as ``staging.prepare_space`` takes it. It becomes the Space's variable ``RESTORATION_MODEL``; None leaves
            that as it is. A private one needs a secret HF_TOKEN in the Space's settings, which this does not set.

    Raises:
        InputError: as ``prepare_space``.
        WeightsError, HubUnreachable: as ``push_to_hub``; and a Space that is something else.
    """
    state = check_push(repo_id, public, kind="space")
    there = {file.rfilename for file in state.siblings} if state else set()
    if staging.APP in there and staging.PACKAGE not in there:
        raise WeightsError(f"The Space {repo_id} exists and is something else. Choose another name.")
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "space"
        names = staging.prepare_space(out, model)
        rooms = {name.partition("/")[0] for name in names if "/" in name}
        stale = sorted(name for name in there - set(names) if name.partition("/")[0] in rooms)

        def publish() -> Pushed:
            api = HfApi()
            now = state or _make(repo_id, "space", public)
            if model and getattr(api.get_space_variables(repo_id).get(ENVIRONMENT), "value", None) != str(model):
                api.add_space_variable(repo_id, ENVIRONMENT, str(model))  # restarts a Space that runs
            commit = _send(repo_id, "space", out, now, stale, "Publish the app")
            return Pushed(f"{api.endpoint}/spaces/{repo_id}", commit, deleted=tuple(stale))

        return in_time(_seconds(out), HubModel(repo_id), publish)


def check_push(repo_id: str, public: bool, tag: str | None = None, kind: str = "model") -> Any:
    """What the Hub knows of a repository, None where there is none yet; asked before there is anything to push, with
    arguments as ``push_to_hub``'s. ``kind`` is "model" or "space", which keeps its visibility.

    Raises:
        WeightsError: a name or tag that cannot be, no valid token, or a model whose visibility is not ``public``.
        HubUnreachable: the Hub does not answer.
    """
    model = HubModel(repo_id, "main" if tag is None else tag)
    if get_token() is None:
        raise WeightsError("A push needs a token: set HF_TOKEN, or run hf auth login.")

    def ask() -> Any:
        with contextlib.suppress(RepositoryNotFoundError):
            return HfApi().repo_info(repo_id, repo_type=kind, timeout=ANSWER)

    state = in_time(ANSWER, model, ask)
    if kind == "model" and state is not None and bool(state.private) == public:
        now, other = ("private", "leave --public out") if public else ("public", "say --public")
        raise WeightsError(f"{repo_id} exists and is {now}: {other}, or change its settings there. Nothing was sent.")
    return state


def _make(repo_id: str, kind: str, public: bool) -> Any:
    sdk = "gradio" if kind == "space" else None
    HfApi().create_repo(repo_id, repo_type=kind, space_sdk=sdk, private=not public)
    return HfApi().repo_info(repo_id, repo_type=kind)


def _seconds(out: Path) -> float:
    """How long a folder may take to be sent."""
    return 10 * ANSWER + 2 * sum((out / name).stat().st_size for name in staging.names_in(out)) / SLOWEST


def _send(repo_id: str, kind: str, out: Path, state: Any, stale: list[str], message: str) -> str:
    """Send a folder and take away ``stale`` in one commit upon ``state``; returns it. Nothing new is no commit.

    (``upload_folder`` makes several commits: a push that is killed between them would leave a mixture.)
    """
    operations: list[Any] = [CommitOperationAdd(name, str(out / name)) for name in staging.names_in(out)]
    operations += [CommitOperationDelete(name) for name in stale]
    commit = HfApi().create_commit(repo_id, operations, repo_type=kind, commit_message=message, parent_commit=state.sha)
    return str(commit.oid)


def _push(repo_id: str, out: Path, state: Any, public: bool, tag: str | None, card: Card) -> Pushed:
    api, state = HfApi(), state or _make(repo_id, "model", public)
    refs = api.list_repo_refs(repo_id)
    tags = {ref.name: ref.target_commit for ref in refs.tags}
    if tag in {*tags, *(ref.name for ref in refs.branches)}:
        raise WeightsError(f"{repo_id} has a tag or branch {tag} already. Choose another; a release is never moved.")
    old = {file.rfilename for file in state.siblings}
    # Of an earlier push: an old evaluation beside new weights would mislead. Whatever ``prepare`` never writes stays.
    ours = {name for name in old if name in (*FILES, staging.PICTURE) or re.sub("^[^/]+/", "", name) in staging.ABOUT}
    stale = sorted(ours - set(staging.names_in(out))) if CHECKSUMS in old else []
    if CARD in old and card != "replace":
        there = Path(api.hf_hub_download(repo_id, CARD, revision=state.sha, etag_timeout=ANSWER))
        if not staging.is_generated(there.read_text(errors="replace")):
            if card == "protect":
                advice = "Push again with --card keep to leave it as it is, or with --card replace to overwrite it."
                raise WeightsError(
                    f"{CARD} of {repo_id} was written or changed by a person. Nothing was sent. {advice}"
                )
            (out / CARD).unlink()
    facts = json.loads((out / TRAINING).read_text())
    message = f"{facts['name']}, step {facts.get('step', 'unknown')}"
    commit = _send(repo_id, "model", out, state, stale, message)
    if tag is None:
        numbers = [int(name[1:]) for name in tags if name.startswith("v") and name[1:].isdecimal()]
        tag = next((name for name in sorted(tags) if tags[name] == commit), f"v{max(numbers, default=0) + 1}")
    if tag not in tags:
        api.create_tag(repo_id, tag=tag, revision=commit, tag_message=message)
    return Pushed(repo_id, commit, tag, tuple(stale))
