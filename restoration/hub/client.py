"""Questions to the Hub in bounded time, and what goes wrong in sentences."""

from __future__ import annotations

import concurrent.futures
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from huggingface_hub import errors, get_token, is_offline_mode

from restoration.network.checkpoint import WeightsError

ANSWER = 4.0  # seconds that the Hub has to answer a question, the look-up of its name included
SLOWEST = 100_000  # bytes a second; a slower transfer is given up
T = TypeVar("T")


class HubUnreachable(WeightsError):
    """The Hub did not answer in time, or said that it cannot now. What it holds is unknown."""


@dataclass(frozen=True)
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
        advice = "Try again later; a folder of weights needs no Hub."
        raise HubUnreachable(f"The Hub did not finish {model} in {seconds:.0f} s. {advice}") from error
    except Exception as error:
        raise explained(model, error) from error


def explained(model: HubModel, error: Exception) -> WeightsError:
    """The client's exception as a sentence that says what to do."""
    cause = error.__cause__ if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ else error
    answer = cause.response if isinstance(cause, errors.HfHubHTTPError) else None
    status = answer.status_code if answer is not None else 0
    if isinstance(cause, errors.RevisionNotFoundError):
        return WeightsError(f"{model.repo_id} has no revision {model.revision!r} on the Hub.")
    if isinstance(cause, errors.RepositoryNotFoundError) and not isinstance(cause, errors.GatedRepoError):
        why = "it does not exist, or it is private and the token (HF_TOKEN, or hf auth login) does not open it"
        return WeightsError(f"There is no folder {str(model)!r}, and the Hub shows no such model: {why}.")
    if status == 401:
        return WeightsError("The Hub refuses the token. Set HF_TOKEN to a valid one, or run hf auth login.")
    if status == 403:
        return WeightsError(f"This token may not read, or may not write to, {model}: use another, or ask the owner.")
    if status in (409, 412):
        return WeightsError(f"{model} was changed at the same moment. Try again.")
    if status in (400, 410, 413, 415, 422):
        return WeightsError(f"The Hub refused what was asked about {model} (status {status}): {cause}")
    if isinstance(cause, errors.OfflineModeIsEnabled) or is_offline_mode():
        return HubUnreachable(f"HF_HUB_OFFLINE forbids to ask the Hub about {model}: its cache alone can be used.")
    reason = f"status {status}" if status else f"{type(cause).__name__}: {cause}"
    advice = "Try again later; a folder of weights needs no Hub."
    return HubUnreachable(f"The Hub could not be reached for {model}, or broke off ({reason}). {advice}")
