"""A published file reaches this machine once, checked, in the user's cache; a network takes its weights."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path

import torch
from huggingface_hub.constants import HF_HOME, HF_HUB_OFFLINE
from torch import nn

from restoration.images import InputError
from restoration.images.pictures import write_atomically

TIMEOUT = 10.0  # seconds without a byte
CACHE = Path(HF_HOME) / "restoration"


class DownloadError(InputError):
    """A published file could not be had, or is not the file that was published. The message says what to do."""


def fetch(url: str, sha256: str, *, folder: Path | None = None) -> Path:
    """The file behind an address, from the cache when it is there; checked in this call.

    Args:
        url: http(s) address whose last part names the file.
        sha256: of the whole file, 64 hexadecimal digits, pinned in the code that asks.
        folder: where to look and to write; made when it does not exist. None is ``CACHE``, which ``HF_HOME`` moves.

    DownloadError: unreachable; broken off; an error status; a folder that cannot be written; a checksum that differs:
    the file is then deleted.
    """
    folder = CACHE if folder is None else folder
    path = folder / url.rpartition("/")[2]
    by_hand = f"Check the connection, or fetch {url} elsewhere and put it at {path}."
    try:
        if not path.is_file():
            if HF_HUB_OFFLINE:
                raise DownloadError(f"{path.name} is not here, and HF_HUB_OFFLINE is set. {by_hand}")
            folder.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
                write_atomically(path, answer.read())
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != sha256:
            path.unlink()
            told = f"the checksum {found[:16]}…, not {sha256[:16]}…"
            raise DownloadError(f"{path}, as {url} holds it, had {told}. It was deleted: try again later.")
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise DownloadError(f"{url} cannot be reached ({getattr(error, 'reason', error)}). {by_hand}") from error
    except OSError as error:
        told = f"Cannot keep a download in {folder} ({error.strerror})"
        raise DownloadError(f"{told}. Set HF_HOME to another folder.") from error
    return path


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
