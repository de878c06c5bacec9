"""How is gradio imported?  Without the type stubs that it writes for programmers: a third of the time."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quickly() -> Iterator[None]:
    """Import gradio inside this block.

    At every import Gradio parses the source of each of its 80 component classes to compare a ``.pyi`` file beside it.
    It leaves out a class whose source file is not known (``gradio.component_meta.create_or_modify_pyi``): inside the
    block, that is every component's. Nothing that runs reads those files.
    """
    find = inspect.getfile

    def getfile(thing: object) -> str:
        if type(thing).__name__ == "ComponentMeta":
            raise OSError("the source of a component is not looked for")
        return find(thing)  # type: ignore[arg-type]

    inspect.getfile = getfile  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = find
