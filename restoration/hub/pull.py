"""Weights from a folder, this repository or the Hub: named files alone, in bounded time and size, checked.

Files of the Hub lie in its client's own cache (``HF_HOME`` moves it), where ``preload_from_hub`` puts them too.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import HfApi, errors, get_token, is_offline_mode, try_to_load_from_cache
from tqdm import tqdm

from restoration.images.pictures import write_atomically
from restoration.network.checkpoint import CONFIG, GOLDEN, TRAINING, WEIGHTS, Weights, WeightsError, read_weights

EMBEDDED = Path(__file__).parents[1] / "weights"
DEFAULT = "default"
ENVIRONMENT = "RESTORATION_MODEL"
CHECKSUMS = "SHA256SUMS"  # as sha256sum writes it
# What is fetched, and at most how many bytes of it. Whatever else a repository holds is never touched.
FILES = {CHECKSUMS: 100_000, CONFIG: 100_000, TRAINING: 1_000_000, GOLDEN: 1_000_000, WEIGHTS: 500_000_000}
ANSWER = 4.0  # seconds that the Hub has to answer a question, the look-up of its name included
SLOWEST = 100_000  # bytes a second; a slower transfer is given up
T = TypeVar("T")


class HubUnreachable(WeightsError):
    """The Hub did not answer in time, or said that it cannot now. What it holds is unknown."""


@dataclasses.dataclass(frozen=True)
class HubModel:
    """A model on the Hub, ``owner/name`` at a branch, tag or commit. WeightsError: not a revision of git's."""

    repo_id: str
    revision: str = "main"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w./-]*", self.revision, re.ASCII) or ".." in self.revision:
            raise WeightsError(f"{self.revision!r} is not a revision: give a branch, a tag or a commit.")

    def __str__(self) -> str:
        return self.repo_id if self.revision == "main" else f"{self.repo_id}@{self.revision}"

    @classmethod
    def parse(cls, text: str, revision: str | None = None) -> HubModel | None:
        """Read ``owner/name[@revision]``; None where it is neither. WeightsError: two revisions, or a bad one."""
        part = r"[A-Za-z0-9](?:[\w.-]*\w)?"
        match = re.fullmatch(rf"({part}/{part})(?:@(.+))?", text, re.ASCII)
        if not match or "--" in match[1] or ".." in match[1]:
            return None
        if match[2] and revision and match[2] != revision:
            raise WeightsError(f"{text} and revision {revision!r} contradict each other. Give one of them.")
        return cls(match[1], match[2] or revision or "main")

    @classmethod
    def repository(cls, text: str) -> HubModel:
        """Read ``owner/name`` alone, for what is written to. WeightsError: anything else."""
        model = cls.parse(text)
        if model is None or text != model.repo_id:
            raise WeightsError(f"{text!r} is not a name on the Hub: write owner/name.")
        return model


def load_weights(source: str | Path | None = None, *, revision: str | None = None) -> Weights:
    """Load a set of weights and check it.

    Looked for in this order: a folder, the cache of the Hub's client, the Hub. What the cache holds is used without
    asking whether the Hub holds something newer: ``pull`` or another revision changes it.

    Args:
        source: a folder; ``owner/name`` or ``owner/name@revision`` of the Hub; or the name of an embedded set, which
            has no slash. None is the embedded default. A network connection is used for a model of the Hub alone.
        revision: branch, tag or commit of a model on the Hub.

    Raises:
        WeightsError: not there, incomplete, damaged, of another shape, or its golden output differs.
        HubUnreachable: not in the cache, and the Hub does not answer.
    """
    name = str(source if source is not None else DEFAULT)
    embedded = (EMBEDDED / name).parent == EMBEDDED and os.path.isdir(EMBEDDED / name)
    folder = EMBEDDED / name if embedded else Path(name)
    if os.path.isdir(folder):
        if revision is not None:
            raise WeightsError(f"{name!r} has no revisions: they belong to models on the Hub, owner/name.")
        return read_weights(folder, f"embedded: {name}" if embedded else name)
    if model := HubModel.parse(name, revision):
        folder = _cached(model) or pull(model)
        return dataclasses.replace(read_weights(folder, f"Hub: {model}"), hub_model=str(model), commit=folder.name)
    known = ", ".join(sorted(path.name for path in EMBEDDED.iterdir() if (path / TRAINING).exists()))
    advice = f"Give a folder, a model on the Hub (owner/name or owner/name@revision), or an embedded set: {known}."
    raise WeightsError(f"There are no weights at {name!r}. {advice}")


def load_configured(name: str | None = None) -> Weights:
    """Load ``name`` as ``load_weights`` does; without one what ``RESTORATION_MODEL`` names, or the embedded default.

    Where the Hub cannot be reached for the variable's, the embedded default comes with a ``notice`` that says so, which
    is logged too. Any other fault is a WeightsError: a damaged model must not look like a working one.
    """
    if name:
        return load_weights(name)
    source = os.environ.get(ENVIRONMENT, "").strip()
    try:
        return load_weights(source or None)
    except HubUnreachable as error:
        notice = f"{ENVIRONMENT} names {source}, but the embedded weights are in use. {error}"
        logging.getLogger(__name__).warning(notice)
        return dataclasses.replace(load_weights(), notice=notice)


def find_update(weights: Weights) -> str | None:
    """A sentence that says how to take what is newer on the Hub's branch or tag that weights came from, or None.

    HubUnreachable or WeightsError where the Hub could not say, within ``ANSWER`` seconds.
    """
    model = HubModel.parse(weights.hub_model) if weights.hub_model else None
    if model is None or weights.commit is None or model.revision == weights.commit:  # a pinned commit stays
        return None
    newest = _ask(model).sha or ""
    if newest == weights.commit:
        return None
    way = f"restart with {ENVIRONMENT}={model.repo_id}@{newest}, or after python -m restoration pull {model}"
    return f"{model} has moved on: the Hub is at {newest[:8]}, in use is {weights.commit[:8]}. To take it, {way}."


class UpdateWatch:
    """What ``find_update`` last said, asked again every so many seconds in the background: reading it never waits."""

    def __init__(self, weights: Weights, *, every: float = 3600) -> None:
        self._weights, self._every = weights, every
        self._lock, self._asked, self._sentence = threading.Lock(), -every, ""
        self.sentence()

    def sentence(self) -> str:
        """How to take what is newer; "" where nothing is known to be."""
        with self._lock:
            if time.monotonic() - self._asked >= self._every:
                self._asked = time.monotonic()
                threading.Thread(target=self._ask, daemon=True).start()
        return self._sentence

    def _ask(self) -> None:
        with contextlib.suppress(WeightsError):  # what was known stays; the question is asked again
            self._sentence = find_update(self._weights) or ""


def pull(model: HubModel) -> Path:
    """Bring a model into the cache, or bring the cache up to date with it.

    Until everything is there and its checksums are right, the cache's branch or tag stays what it was: a process that
    is killed, or four at once, leave no mixture. (``snapshot_download`` moves the branch first.)

    Returns:
        The folder of its files, named by the commit.

    Raises:
        HubUnreachable: no answer in ``ANSWER`` seconds a file, a download slower than ``SLOWEST``, or a Hub in trouble.
        WeightsError: no such model or revision, no access, not a set of weights, too large, or a wrong checksum.
    """
    info = _ask(model, files_metadata=True)
    sizes = {file.rfilename: file.size for file in info.siblings or [] if file.rfilename in FILES}
    if missing := [name for name in FILES if name not in sizes]:
        advice = "Pickles are never opened; python -m restoration push makes a complete set."
        raise WeightsError(f"{model} holds no weights that can be loaded: {', '.join(missing)} missing. {advice}")
    for name, size in sizes.items():
        _check_size(f"{name} of {model}", FILES[name], size)
    if not re.fullmatch(r"[0-9a-f]{40}", info.sha or ""):
        raise HubUnreachable(f"The answer about {model} names no commit. Is HF_ENDPOINT a Hub?")
    seconds = ANSWER * len(FILES) + sum(sizes.values()) / SLOWEST
    return in_time(seconds, model, lambda: _download(model, info.sha))


def _ask(model: HubModel, **options: Any) -> Any:
    """What the Hub's API knows about the model now; nothing is fetched."""
    options |= {"revision": model.revision, "timeout": ANSWER}
    return in_time(ANSWER, model, lambda: HfApi().model_info(model.repo_id, **options))


def _cached(model: HubModel) -> Path | None:
    """Folder of the model in the cache, without a network connection; None where it is absent or not whole."""
    first = try_to_load_from_cache(model.repo_id, CHECKSUMS, revision=model.revision)
    folder = Path(str(first)).parent  # one commit for all, even when another process moves the branch now
    if not isinstance(first, str) or not all((folder / name).is_file() for name in FILES):
        return None
    try:
        _verify(folder)
    except WeightsError as error:
        logging.getLogger(__name__).warning("%s It is fetched again.", error)
        return None
    return folder


def _verify(folder: Path) -> None:
    """Compare a model's files with their checksums. WeightsError: one is missing, has no checksum, or another one."""
    try:
        rows = (line.split(maxsplit=1) for line in (folder / CHECKSUMS).read_text().splitlines())
        sums = {name: digest for digest, name in rows}
        found = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES if name != CHECKSUMS}
    except OSError as error:
        raise WeightsError(f"Weights are incomplete: {error.filename} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise WeightsError(f"{folder / CHECKSUMS} is not a list of checksums.") from error
    if wrong := [name for name, digest in found.items() if digest != sums.get(name)]:
        raise WeightsError(f"The checksum of {folder / wrong[0]} is wrong: it is damaged, or not what was published.")


def _download(model: HubModel, commit: str) -> Path:
    """Fetch what the cache lacks of a commit, and everything once more where something is damaged there; then let the
    cache's branch or tag be that commit."""
    folder = Path()
    for again in (False, True):
        for name, limit in FILES.items():
            bar: Any = type("Bar", (_Bar,), {"what": f"{name} of {model}", "limit": limit})
            options = {"etag_timeout": ANSWER, "force_download": again, "tqdm_class": bar}
            folder = Path(HfApi().hf_hub_download(model.repo_id, name, revision=commit, **options)).parent
        try:
            _verify(folder)
            break
        except WeightsError:
            if again:
                raise
    if model.revision != commit:
        reference = folder.parents[1] / "refs" / model.revision  # as the client itself writes it
        reference.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(reference, commit)
    return folder


def _check_size(what: str, limit: int, size: int | None) -> None:
    if size is None or size > limit:
        said = "an unknown number of" if size is None else f"{size:,}"
        raise WeightsError(f"{what} has {said} bytes; more than {limit:,} are not fetched.")


class _Bar(tqdm):  # type: ignore[misc]
    """A progress bar, on a terminal alone, that ends a download which is larger than the Hub had said."""

    what, limit, received = "", 0, 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "disable": None})

    def update(self, n: float | None = 1) -> bool | None:
        self.received += int(n or 0)
        _check_size(self.what, self.limit, self.received)
        return super().update(n)  # type: ignore[no-any-return]


def in_time(seconds: float, model: HubModel, work: Callable[[], T]) -> T:
    """Do ``work`` in a thread and give it up after so many seconds: looking up a name has no time limit of its own.

    HubUnreachable and WeightsError come in place of the client's own exceptions.
    """
    if not re.fullmatch(r"[!-~]*", get_token() or ""):
        raise WeightsError("The token (HF_TOKEN, or hf auth login) holds letters that no token has. Copy it again.")
    future: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return future.result(seconds)
    except WeightsError:
        raise
    except concurrent.futures.TimeoutError as error:
        raise HubUnreachable(f"The Hub did not finish {model} in {seconds:.0f} s. {_LATER}") from error
    except Exception as error:
        raise explained(model, error) from error


_LATER = "Try again later; a folder of weights needs no Hub."


def explained(model: HubModel, error: Exception) -> WeightsError:
    """The client's exception as a sentence that says what to do."""
    cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ else error
    status = cause.response.status_code if isinstance(cause, errors.HfHubHTTPError) else 0
    refused = f"The Hub refused what was asked about {model} (status {status}): {cause}"
    told = {
        401: "The Hub refuses the token. Set HF_TOKEN to a valid one, or run hf auth login.",
        403: f"This token may not read, or may not write to, {model}: use another, or ask the owner.",
        **dict.fromkeys((409, 412), f"{model} was changed at the same moment. Try again."),
        **dict.fromkeys((400, 410, 413, 415, 422), refused),
    }
    if isinstance(cause, errors.RevisionNotFoundError):
        return WeightsError(f"{model.repo_id} has no revision {model.revision!r} on the Hub.")
    if isinstance(cause, errors.RepositoryNotFoundError) and not isinstance(cause, errors.GatedRepoError):
        why = "it does not exist, or it is private and the token (HF_TOKEN, or hf auth login) does not open it"
        return WeightsError(f"There is no folder {str(model)!r}, and the Hub shows no such model: {why}.")
    if status in told:
        return WeightsError(told[status])
    if isinstance(cause, errors.OfflineModeIsEnabled) or is_offline_mode():
        return HubUnreachable(f"HF_HUB_OFFLINE forbids to ask the Hub about {model}: its cache alone can be used.")
    reason = f"status {status}" if status else f"{type(cause).__name__}: {cause}"
    return HubUnreachable(f"The Hub could not be reached for {model}, or broke off ({reason}). {_LATER}")
