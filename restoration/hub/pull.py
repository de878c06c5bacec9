"""Weights from the Hub: named files alone, in bounded time and size, at one commit, checked.

The files lie in the Hub client's own cache (``HF_HOME`` moves it), where ``preload_from_hub`` puts them too.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, try_to_load_from_cache
from tqdm import tqdm

from restoration.hub.client import ANSWER, SLOWEST, HubModel, HubUnreachable, in_time
from restoration.images.pictures import write_atomically
from restoration.network.checkpoint import CONFIG, GOLDEN, TRAINING, WEIGHTS, WeightsError

CHECKSUMS = "SHA256SUMS"  # as sha256sum writes it
# What is fetched, and at most how many bytes of it. Whatever else a repository holds is never touched.
FILES = {CHECKSUMS: 100_000, CONFIG: 100_000, TRAINING: 1_000_000, GOLDEN: 1_000_000, WEIGHTS: 500_000_000}


def cached(model: HubModel) -> Path | None:
    """Folder of the model in the cache, or None where it is absent or incomplete. No network connection is used."""
    first = try_to_load_from_cache(model.repo_id, CHECKSUMS, revision=model.revision)
    folder = Path(str(first)).parent  # one commit for all, even when another process moves the branch now
    return folder if isinstance(first, str) and all((folder / name).is_file() for name in FILES) else None


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
    info = ask(model, files_metadata=True)
    sizes = {file.rfilename: file.size for file in info.siblings or []}
    if missing := [name for name in FILES if name not in sizes]:
        advice = "Pickles are never opened; python -m restoration push makes a complete set."
        raise WeightsError(f"{model} holds no weights that can be loaded: {', '.join(missing)} missing. {advice}")
    for name, limit in FILES.items():
        _check_size(f"{name} of {model}", limit, sizes[name])
    if not re.fullmatch(r"[0-9a-f]{40}", info.sha or ""):
        raise HubUnreachable(f"The answer about {model} names no commit. Is HF_ENDPOINT a Hub?")
    seconds = ANSWER * len(FILES) + sum(sizes[name] for name in FILES) / SLOWEST
    return in_time(seconds, model, lambda: _download(model, info.sha))


def ask(model: HubModel, **options: Any) -> Any:
    """What the Hub's API knows about the model now; nothing is fetched. HubUnreachable, WeightsError: as ``pull``."""
    options |= {"revision": model.revision, "timeout": ANSWER}
    return in_time(ANSWER, model, lambda: HfApi().model_info(model.repo_id, **options))


def verify(folder: Path) -> None:
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
            verify(folder)
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
