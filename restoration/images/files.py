"""The atomic write: a reader sees the old file or the whole new one, whenever the writer is killed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A short temporary name beside ``path``, which becomes ``path`` when the block ends without an error.

    The umask decides who may read the file. A process that is killed leaves ``.<16 digits>.partial`` behind, which
    nothing reads.

    Raises:
        OSError: the folder is missing or cannot be written, or the disk is full; ``path`` is then as it was.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.partial")  # ``path``'s own name may be as long as names can be
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a whole file, text as UTF-8. OSError as ``replacing``."""
    with replacing(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
