"""Where weights come from: a folder, this repository, or the Hub: named files alone, in bounded time and size, checked.

Files of the Hub lie in its client's own cache (``HF_HOME`` moves it), where ``preload_from_hub`` puts them too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import HfApi, errors, get_token, try_to_load_from_cache

from restoration.images.pictures import disk_is_full, write_atomically
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
    """A repository on the Hub, ``owner/name``, at a branch, tag or commit. WeightsError: a name that cannot be."""

    repo_id: str
    revision: str = "main"

    def __post_init__(self) -> None:
        part = r"[A-Za-z0-9](?:[\w.-]*\w)?"
        if not re.fullmatch(f"{part}/{part}", self.repo_id, re.ASCII) or re.search(r"--|\.\.", self.repo_id):
            raise WeightsError(f"{self.repo_id!r} is not a name on the Hub: write owner/name.")
        if not re.fullmatch(r"\w[\w./-]*", self.revision, re.ASCII) or ".." in self.revision:
            raise WeightsError(f"{self.revision!r} is not a revision: give a branch, a tag or a commit.")

    def __str__(self) -> str:
        return self.repo_id if self.revision == "main" else f"{self.repo_id}@{self.revision}"

    @classmethod
    def parse(cls, text: str) -> HubModel:
        """Read ``owner/name`` or ``owner/name@revision``."""
        return cls(*text.split("@", 1))


def load_weights(source: str | Path | None = None, *, revision: str | None = None) -> Weights:
    """Load a set of weights and check it.

    What the cache of the Hub's client holds is used without asking whether the Hub holds something newer: ``pull`` or
    another revision changes it.

    Args:
        source: a folder, of weights or of a run; else the name of an embedded set, which has no slash; else
            ``owner/name`` or ``owner/name@revision`` of the Hub. None is the embedded default.
        revision: branch, tag or commit of a model on the Hub.

    Raises:
        WeightsError: not there, incomplete, damaged, of another shape, or its golden output differs.
        HubUnreachable: not in the cache, and the Hub does not answer.
    """
    name = str(source if source is not None else DEFAULT)
    embedded = (EMBEDDED / name).parent == EMBEDDED and os.path.isdir(EMBEDDED / name)
    folder = EMBEDDED / name if embedded else Path(name)
    folder = folder / "weights" if os.path.exists(folder / "weights" / TRAINING) else folder
    if os.path.isdir(folder):
        if revision is not None:
            raise WeightsError(f"{name!r} has no revisions: they belong to models on the Hub, owner/name.")
        return read_weights(folder, f"embedded: {name}" if embedded else name)
    wanted = name if revision is None else f"{name}@{revision}"
    try:
        model = HubModel.parse(wanted)
    except WeightsError as error:
        known = ", ".join(sorted(path.name for path in EMBEDDED.iterdir() if (path / TRAINING).exists()))
        advice = f"Give a folder, a model on the Hub (owner/name or owner/name@revision), or an embedded set: {known}."
        raise WeightsError(f"There are no weights at {wanted!r}. {advice}") from error
    folder = _cached(model) or pull(model)
    return dataclasses.replace(read_weights(folder, f"Hub: {model}"), hub_model=str(model), commit=folder.name)


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
    """What ``find_update`` last said; it is asked again after so many seconds, when somebody wants to know."""

    def __init__(self, weights: Weights, *, every: float = 3600) -> None:
        self._weights, self._every, self._asked, self._sentence = weights, every, -every, ""

    def sentence(self) -> str:
        """How to take what is newer; "" where nothing is known to be. Waits up to ``ANSWER`` seconds where it asks."""
        if time.monotonic() - self._asked >= self._every:
            self._asked = time.monotonic()
            with contextlib.suppress(WeightsError):  # what was known stays
                self._sentence = find_update(self._weights) or ""
        return self._sentence


def pull(model: HubModel) -> Path:
    """Bring the cache up to date with a model; returns the folder of its files, named by the commit.

    Until everything is there and its checksums are right, the cache's branch or tag stays what it was: a process that
    is killed, or four at once, leave no mixture. (``snapshot_download`` moves the branch first.)

    Raises:
        HubUnreachable: no answer in ``ANSWER`` seconds a file, a download slower than ``SLOWEST``, or a Hub in trouble.
        WeightsError: no such model or revision, no access, not a set of weights, too large, or a wrong checksum.
    """
    info = _ask(model, files_metadata=True)
    sizes = {file.rfilename: file.size for file in info.siblings or [] if file.rfilename in FILES}
    if missing := [name for name in FILES if name not in sizes]:
        advice = "Pickles are never opened; python -m restoration push makes a complete set."
        raise WeightsError(f"{model} holds no weights that can be loaded: {', '.join(missing)} missing. {advice}")
    if large := [name for name, size in sizes.items() if size is None or size > FILES[name]]:
        raise WeightsError(f"{large[0]} of {model} has more than the {FILES[large[0]]:,} bytes that are fetched.")
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
    return folder if isinstance(first, str) and not _fault(folder) else None


def _fault(folder: Path) -> str:
    """What the list of checksums in a model's folder says against its files; "" for nothing."""
    try:
        rows = (line.split(maxsplit=1) for line in (folder / CHECKSUMS).read_text().splitlines())
        sums = {name: digest for digest, name in rows}
        found = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES if name != CHECKSUMS}
    except OSError as error:
        return f"{error.filename} cannot be read ({error.strerror})."
    except ValueError:
        return f"{folder / CHECKSUMS} is not a list of checksums."
    wrong = [str(folder / name) for name, digest in found.items() if digest != sums.get(name)]
    return f"The checksum of {wrong[0]} is wrong: it is damaged, or not what was published." if wrong else ""


def _download(model: HubModel, commit: str) -> Path:
    """Fetch what the cache lacks of a commit, and everything once more where something is damaged there; then let the
    cache's branch or tag be that commit."""
    folder, fault = Path(), ""
    for again in (False, True):
        for name in FILES:
            options: Any = {"etag_timeout": ANSWER, "force_download": again}
            folder = Path(HfApi().hf_hub_download(model.repo_id, name, revision=commit, **options)).parent
        if not (fault := _fault(folder)):
            break
    else:
        raise WeightsError(fault)
    if model.revision != commit:
        reference = folder.parents[1] / "refs" / model.revision  # as the client itself writes it
        reference.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(reference, commit)
    return folder


def in_time(seconds: float, model: HubModel, work: Callable[[], T]) -> T:
    """Do ``work`` in a thread and give it up after so many seconds: looking up a name has no time limit of its own.

    HubUnreachable and WeightsError come in place of the client's own exceptions.
    """
    if not re.fullmatch(r"[!-~]*", get_token() or ""):
        raise WeightsError("The token (HF_TOKEN, or hf auth login) holds letters that no token has. Copy it again.")
    future: futures.Future[T] = futures.Future()

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
    except Exception as error:
        raise explained(model, error) from error


def explained(model: HubModel, error: Exception) -> WeightsError:
    """The client's exception as a sentence that says what to do."""
    cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ else error
    status = cause.response.status_code if isinstance(cause, errors.HfHubHTTPError) else 0
    told = " ".join(f"{type(cause).__name__} {cause}".split())
    if disk_is_full(error):
        return WeightsError(f"The disk is full: {model} cannot be kept. Free some space, or set HF_HOME elsewhere.")
    if 400 <= status < 500 and status != 429:
        advice = "Check the name, the revision, and what the token (HF_TOKEN, or hf auth login) may do."
        hub = f"There is no folder {str(model)!r}, and the Hub" if status in (401, 404) else "The Hub"
        return WeightsError(f"{hub} refuses what was asked of {model} (status {status}). {advice} It says: {told}")
    reached = f"The Hub could not be reached for {model}, or broke off ({told})."
    return HubUnreachable(f"{reached} Try again later; a folder of weights needs no Hub.")
