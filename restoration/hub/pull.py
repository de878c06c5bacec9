"""How do weights come from the Hub?  Named files alone, in bounded time and size, at one commit, checked.

The files lie in the Hub client's own cache (``HF_HOME`` moves it), where ``preload_from_hub`` puts them too.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import HfApi, is_offline_mode, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tqdm import tqdm

from restoration.hub.checkpoint import CONFIG, GOLDEN, TRAINING, WEIGHTS, WeightsError

CHECKSUMS = "SHA256SUMS"  # as sha256sum writes it
# What is fetched, and at most how many bytes of it. Whatever else a repository holds is never touched.
FILES = {CHECKSUMS: 100_000, CONFIG: 100_000, TRAINING: 1_000_000, GOLDEN: 1_000_000, WEIGHTS: 500_000_000}
ANSWER = 4.0  # seconds that the Hub has to answer a question, the look-up of its name included
SLOWEST = 100_000  # bytes a second; a slower download is given up
TRY_LATER = "Try again later, or give a folder of weights."
T = TypeVar("T")


class HubUnreachable(WeightsError):
    """The Hub did not answer in time, or said that it cannot now. What it holds is unknown."""


@dataclass(frozen=True)
class HubModel:
    """A model on the Hub: ``owner/name``, at a branch, tag or commit.

    Raises:
        WeightsError: the revision could not be one of git's.
    """

    repo_id: str
    revision: str = "main"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w./-]*", self.revision, re.ASCII) or ".." in self.revision:
            raise WeightsError(f"{self.revision!r} is not a revision: give a branch, a tag or a commit.")

    def __str__(self) -> str:
        return self.repo_id if self.revision == "main" else f"{self.repo_id}@{self.revision}"

    @classmethod
    def parse(cls, text: str, revision: str | None = None) -> HubModel | None:
        """Read ``owner/name`` or ``owner/name@revision``; None where it is neither.

        Raises:
            WeightsError: two revisions, or one that could not be git's.
        """
        part = r"[A-Za-z0-9](?:[\w.-]*\w)?"
        match = re.fullmatch(rf"({part}/{part})(?:@(.+))?", text, re.ASCII)
        if not match or "--" in match[1] or ".." in match[1]:
            return None
        if match[2] and revision and match[2] != revision:
            raise WeightsError(f"{text} and revision {revision!r} contradict each other. Give one of them.")
        return cls(match[1], match[2] or revision or "main")


def cached(model: HubModel) -> Path | None:
    """Folder of the model in the cache, or None where it is absent or incomplete. No network connection is used."""
    first = try_to_load_from_cache(model.repo_id, CHECKSUMS, revision=model.revision)
    if not isinstance(first, str):
        return None
    folder = Path(first).parent  # one commit for all, even when another process moves the branch now
    return folder if all((folder / name).is_file() for name in FILES) else None


def pull(model: HubModel) -> Path:
    """Bring a model into the cache, or bring the cache up to date with it.

    Until everything is there and its checksums are right, the cache's branch or tag stays what it was: a process
    that is killed, or four at once, leave no mixture.

    Returns:
        The folder of its files; its name is the commit.

    Raises:
        HubUnreachable: no answer in ``ANSWER`` seconds, a download slower than ``SLOWEST``, or a Hub in trouble.
        WeightsError: no such model or revision, no access, not a set of weights, too large, or a wrong checksum.
    """
    info = _ask(model, files_metadata=True)
    sizes = {file.rfilename: file.size for file in info.siblings or []}
    if missing := [name for name in FILES if name not in sizes]:
        raise WeightsError(
            f"{model} holds no weights that can be loaded: {', '.join(missing)} missing. Pickles are never opened; "
            "python -m restoration push makes a complete set."
        )
    for name, limit in FILES.items():
        _check_size(model, name, sizes[name], limit)
    commit = info.sha or ""
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise HubUnreachable(f"The answer about {model} names no commit. Is HF_ENDPOINT a Hub?")
    seconds = ANSWER + sum(sizes[name] or 0 for name in FILES) / SLOWEST
    folder = _in_time(seconds, model, lambda: _download(model, commit))
    if model.revision != commit:
        _point(folder.parents[1] / "refs", model.revision, commit)
    return folder


def newest_commit(model: HubModel) -> str:
    """The commit that the Hub's branch or tag is at now. Nothing is fetched.

    Raises:
        HubUnreachable, WeightsError: as ``pull``.
    """
    return _ask(model).sha or ""


def verify(folder: Path) -> None:
    """Compare a model's files with their checksums.

    Raises:
        WeightsError: a file is missing, has no checksum, or another one.
    """
    try:
        rows = (line.split(maxsplit=1) for line in (folder / CHECKSUMS).read_text().splitlines())
        sums = {name: digest for digest, name in rows}
        found = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES if name != CHECKSUMS}
    except OSError as error:
        raise WeightsError(f"Weights are incomplete: {error.filename} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise WeightsError(f"{folder / CHECKSUMS} is not a list of checksums.") from error
    for name, digest in found.items():
        if digest != sums.get(name):
            raise WeightsError(f"The checksum of {folder / name} is wrong: it is damaged, or not what was published.")


def _ask(model: HubModel, **options: Any) -> Any:
    return _in_time(
        ANSWER, model, lambda: HfApi().model_info(model.repo_id, revision=model.revision, timeout=ANSWER, **options)
    )


def _download(model: HubModel, commit: str) -> Path:
    """Fetch what the cache lacks of a commit, and once more what is damaged there."""
    folder = Path()
    for again in (False, True):
        for name, limit in FILES.items():
            path = HfApi().hf_hub_download(
                model.repo_id,
                name,
                revision=commit,
                etag_timeout=ANSWER,
                force_download=again,
                tqdm_class=_limited(model, name, limit),
            )
            folder = Path(path).parent
        try:
            verify(folder)
            break
        except WeightsError:
            if again:
                raise
    return folder


def _point(refs: Path, revision: str, commit: str) -> None:
    """Let the cache's branch or tag be a commit, as the client itself writes it, in one step."""
    path = refs / revision
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = refs.parent / f".ref-{os.getpid()}-{threading.get_ident()}"
    partial.write_text(commit)
    os.replace(partial, path)


def _check_size(model: HubModel, name: str, size: int | None, limit: int) -> None:
    if size is None or size > limit:
        said = "an unknown number of" if size is None else f"{size:,}"
        raise WeightsError(f"{name} of {model} has {said} bytes; more than {limit:,} are not fetched.")


def _limited(model: HubModel, name: str, limit: int) -> type[tqdm]:
    """A progress bar that ends a download which is larger than the Hub had said: by its header, or in fact."""

    class Limited(tqdm):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, disable=None, **options)  # None: shown on a terminal alone
            self.received = 0
            _check_size(model, name, options.get("total") or 0, limit)

        def update(self, n: float | None = 1) -> bool | None:
            self.received += int(n or 0)
            _check_size(model, name, self.received, limit)
            return super().update(n)  # type: ignore[no-any-return]

    return Limited


def _in_time(seconds: float, model: HubModel, work: Callable[[], T]) -> T:
    """Do ``work`` in a thread, and give it up after so many seconds: looking up a name has no time limit of its own.

    Raises:
        HubUnreachable, WeightsError: in place of the client's own exceptions.
    """
    results: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if results:
        return results[0]
    if errors:
        raise _explained(model, errors[0]) from errors[0]
    raise HubUnreachable(f"The Hub did not deliver {model} in {seconds:.0f} s. {TRY_LATER}")


def _explained(model: HubModel, error: Exception) -> WeightsError:
    """The client's exception as a sentence that says what to do."""
    if isinstance(error, WeightsError):
        return error
    cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) and error.__cause__ else error
    status = cause.response.status_code if isinstance(cause, HfHubHTTPError) and cause.response is not None else None
    if isinstance(cause, GatedRepoError) or status == 403:
        return WeightsError(f"The Hub does not give access to {model}: ask its owner, or use another HF_TOKEN.")
    if isinstance(cause, RevisionNotFoundError):
        return WeightsError(f"{model.repo_id} has no revision {model.revision!r} on the Hub.")
    if isinstance(cause, RepositoryNotFoundError) or status == 401:
        return WeightsError(
            f"There is no folder {str(model)!r}, and the Hub shows no such model: it does not exist, or it is private "
            "and the token (HF_TOKEN, or hf auth login) does not open it."
        )
    if isinstance(cause, RemoteEntryNotFoundError):
        return WeightsError(f"{model} is incomplete on the Hub.")
    if isinstance(cause, OfflineModeIsEnabled) or is_offline_mode():
        return HubUnreachable(f"{model} is not in the cache, and HF_HUB_OFFLINE forbids to ask the Hub.")
    reason = f"status {status}" if status else f"{type(cause).__name__}: {cause}"
    return HubUnreachable(f"The Hub could not be reached for {model}, or broke off ({reason}). {TRY_LATER}")
