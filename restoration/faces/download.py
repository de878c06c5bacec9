"""A published file reaches this machine once, whole, checked, and in the user's cache; a network takes its weights."""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path

import torch
from filelock import FileLock
from huggingface_hub.constants import HF_HOME, HF_HUB_OFFLINE
from torch import nn

from restoration.images import InputError

TIMEOUT = 10.0  # seconds without a byte


class DownloadError(InputError):
    """A published file could not be had, or is not the file that was published. The message says what to do."""


def cache_folder() -> Path:
    """Where downloads stay: ``restoration`` in the Hub's own folder, so ``HF_HOME`` moves it."""
    return Path(HF_HOME) / "restoration"


def fetch(url: str, sha256: str, *, folder: Path | None = None) -> Path:
    """The file behind an address, from the cache when it is there; checked in this call.

    A download that breaks off leaves ``NAME.partial`` behind and goes on from there the next time. Several processes
    may ask at once: one fetches, the others wait. Where ``HF_HUB_OFFLINE`` is set the network is not asked.

    Args:
        url: http(s) address whose last part names the file.
        sha256: of the whole file, 64 hexadecimal digits, pinned in the code that asks.
        folder: where to look and to write; made when it does not exist. None is ``cache_folder()``.

    Raises:
        DownloadError: unreachable; an error status; a folder that cannot be written; a checksum that differs: the
            file is then deleted.
    """
    folder = cache_folder() if folder is None else folder
    path = folder / url.rpartition("/")[2]
    try:
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                if not path.is_file():  # another process may have been first
                    _download(url, path)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != sha256:
            path.unlink()
            told = f"the checksum {found[:16]}…, not {sha256[:16]}…"
            raise DownloadError(f"{path}, as {url} holds it, had {told}. It was deleted: try again later.")
    except OSError as error:
        raise DownloadError(
            f"Cannot keep a download in {folder} ({error.strerror}). Set HF_HOME to another folder."
        ) from error
    return path


def _download(url: str, path: Path) -> None:
    """Append what is missing to ``NAME.partial``, which becomes ``path`` when it is whole."""
    partial = path.with_name(path.name + ".partial")
    begun = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})
    by_hand = f"Check the connection, or fetch {url} elsewhere and put it at {path}."
    if HF_HUB_OFFLINE:
        raise DownloadError(f"{path.name} is not here, and HF_HUB_OFFLINE is set. {by_hand}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            resumed = answer.status == 206  # a server may ignore the range and send everything
            missing = int(answer.headers.get("Content-Length") or 0) + (begun if resumed else 0)
            with partial.open("ab" if resumed else "wb") as file:
                shutil.copyfileobj(answer, file)
                missing -= file.tell()
        if missing > 0:
            raise DownloadError(f"The download of {url} broke off. Try again: it goes on where it stopped. {by_hand}")
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        if getattr(error, "code", 0) != 416:  # where nothing is missing the checksum decides
            raise DownloadError(f"{url} cannot be reached ({getattr(error, 'reason', error)}). {by_hand}") from error
    os.replace(partial, path)


def load_checkpoint(path: Path, network: nn.Module) -> nn.Module:
    """Give a network the weights of a published file, on the CPU, without running code in it: a ``torch.save`` of a
    state dictionary with exactly its parameters, whose keys may begin with "module.". The network comes back in
    evaluation mode, without gradients. DownloadError: damaged, or another's."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({key.removeprefix("module."): value for key, value in state.items()})
    except Exception as error:  # a damaged file can raise anything
        raise DownloadError(f"{path} does not hold the weights that it should. Delete it and try again.") from error
    return network.eval().requires_grad_(False)
