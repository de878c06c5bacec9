"""How is the Hub asked?  In bounded time, and what goes wrong is said in sentences."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from huggingface_hub import get_token, is_offline_mode
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from restoration.network.checkpoint import WeightsError

ANSWER = 4.0  # seconds that the Hub has to answer a question, the look-up of its name included
SLOWEST = 100_000  # bytes a second; a slower transfer is given up
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

    @classmethod
    def repository(cls, text: str) -> HubModel:
        """Read ``owner/name`` alone, for what is written to.

        Raises:
            WeightsError: anything else.
        """
        model = cls.parse(text)
        if model is None or text != model.repo_id:
            raise WeightsError(f"{text!r} is not a name on the Hub: write owner/name.")
        return model


def in_time(seconds: float, model: HubModel, work: Callable[[], T]) -> T:
    """Do ``work`` in a thread and give it up after so many seconds: looking up a name has no time limit of its own.

    Raises:
        HubUnreachable, WeightsError: in place of the client's own exceptions.
    """
    if not re.fullmatch(r"[!-~]*", get_token() or ""):
        raise WeightsError("The token (HF_TOKEN, or hf auth login) holds letters that no token has. Copy it again.")
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
        told = explained(model, errors[0])
        raise told from (None if told is errors[0] else errors[0])
    raise HubUnreachable(
        f"The Hub did not finish {model} in {seconds:.0f} s. Try again later; a folder of weights needs no Hub."
    )


def explained(model: HubModel, error: Exception) -> WeightsError:
    """The client's exception as a sentence that says what to do."""
    if isinstance(error, WeightsError):
        return error
    cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) and error.__cause__ else error
    status = cause.response.status_code if isinstance(cause, HfHubHTTPError) and cause.response is not None else None
    if isinstance(cause, GatedRepoError) or status == 403:
        return WeightsError(f"The Hub does not give access to {model}: ask its owner, or use another HF_TOKEN.")
    if isinstance(cause, RevisionNotFoundError):
        return WeightsError(f"{model.repo_id} has no revision {model.revision!r} on the Hub.")
    if status == 401 and not isinstance(cause, RepositoryNotFoundError):
        return WeightsError("The Hub refuses the token. Set HF_TOKEN to a valid one, or run hf auth login.")
    if isinstance(cause, RepositoryNotFoundError):
        return WeightsError(
            f"There is no folder {str(model)!r}, and the Hub shows no such model: it does not exist, or it is private "
            "and the token (HF_TOKEN, or hf auth login) does not open it."
        )
    if isinstance(cause, RemoteEntryNotFoundError):
        return WeightsError(f"{model} is incomplete on the Hub.")
    if isinstance(cause, OfflineModeIsEnabled) or is_offline_mode():
        return HubUnreachable(f"HF_HUB_OFFLINE forbids to ask the Hub about {model}: its cache alone can be used.")
    if status in (400, 409, 410, 412, 413, 415, 422):
        said = getattr(cause, "server_message", None) or "without a reason"
        return WeightsError(f"The Hub refused what was asked about {model} (status {status}: {said}).")
    reason = f"status {status}" if status else f"{type(cause).__name__}: {cause}"
    return HubUnreachable(
        f"The Hub could not be reached for {model}, or broke off ({reason}). "
        "Try again later; a folder of weights needs no Hub."
    )


@contextmanager
def refusals(repo_id: str) -> Iterator[None]:
    """Say what the Hub refuses to somebody who writes to a repository."""
    try:
        yield
    except HfHubHTTPError as error:
        told = {
            401: "The Hub refuses the token. Set HF_TOKEN to a valid one, or run hf auth login.",
            403: f"The token may not write to {repo_id}. Use one with the right to write.",
            409: f"{repo_id} was changed at the same moment. Try again.",
            412: f"{repo_id} was changed at the same moment. Try again.",
        }
        status = error.response.status_code if error.response is not None else 0
        if status in told:
            raise WeightsError(told[status]) from error
        raise
