"""A published file reaches this machine once, whole, checked, and in the user's cache; a network takes its weights."""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import torch
from filelock import FileLock
from huggingface_hub.constants import HF_HOME
from torch import nn

from restoration.images import InputError

TIMEOUT = 10.0  # seconds without a byte
Network = TypeVar("Network", bound=nn.Module)


class DownloadError(InputError):
    """A published file could not be had, or is not the file that was published. The message says what to do."""


def cache_folder() -> Path:
    """Where downloads stay: ``restoration`` in the Hub's own folder, so ``HF_HOME`` moves it."""
    return Path(HF_HOME) / "restoration"


def fetch(url: str, sha256: str, *, folder: Path | None = None) -> Path:
    """The file behind an address, from the cache when it is there; checked in this call.

    A download that breaks off leaves ``NAME.partial`` behind and goes on from there the next time; it gets its name
    only after its checksum was right. Several processes may ask at once: one fetches, the others wait.

    Args:
        url: http(s) address whose last part names the file.
        sha256: of the whole file, 64 hexadecimal digits, pinned in the code that asks.
        folder: where to look and to write; made when it does not exist. None is ``cache_folder()``.

    Raises:
        DownloadError: unreachable; an error status; a folder that cannot be written; a checksum that differs. The
            download is then deleted; a file that somebody put there is kept and named.
    """
    folder = cache_folder() if folder is None else folder
    path = folder / unquote(urlsplit(url).path).rpartition("/")[2]
    try:
        if path.is_file():
            _check(path, sha256, f"Delete it; it will be fetched again from {url}.")
            return path
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.is_file():  # another process may have been first
                partial = path.with_name(path.name + ".partial")
                _download(url, partial, path)
                try:
                    _check(partial, sha256, f"{url} holds another file than expected. Nothing was kept; try later.")
                except DownloadError:
                    partial.unlink()
                    raise
                os.replace(partial, path)
    except OSError as error:
        raise DownloadError(
            f"Cannot keep a download in {folder} ({error.strerror}). Set HF_HOME to another folder."
        ) from error
    return path


def load_checkpoint(path: Path, network: Network) -> Network:
    """Give a network the weights of a published file, on the CPU; no code in the file is run.

    The file is a ``torch.save`` of a state dictionary with exactly the network's parameters, each key of which may
    begin with "module."; the network comes back in evaluation mode, without gradients. DownloadError: damaged, or
    another's.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({key.removeprefix("module."): value for key, value in state.items()})
    except Exception as error:  # a damaged file can raise anything
        name = type(network).__name__
        raise DownloadError(f"{path} does not hold the weights of {name}. Delete it and fetch it again.") from error
    return network.eval().requires_grad_(False)


def _download(url: str, partial: Path, path: Path) -> None:
    """Append what is missing of ``url`` to ``partial``; ``path`` is named in messages alone."""
    begun = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})
    by_hand = f"Check the connection, or fetch {url} elsewhere and put it at {path}."
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            resumed = answer.status == 206  # a server may ignore the range and send everything
            expected = int(answer.headers.get("Content-Length") or -1)
            with partial.open("ab" if resumed else "wb") as file:
                shutil.copyfileobj(answer, file)
            received = partial.stat().st_size - (begun if resumed else 0)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is missing: the checksum decides
            return
        raise DownloadError(f"{url} answered with status {error.code}. {by_hand}") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise DownloadError(f"{url} cannot be reached ({reason}). {by_hand}") from error
    if received < expected:
        raise DownloadError(f"The download of {url} broke off. Try again: it goes on where it stopped. {by_hand}")


def _check(path: Path, sha256: str, advice: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256.lower():
        raise DownloadError(f"{path} has the checksum {found[:16]}…, not {sha256[:16]}…. {advice}")
