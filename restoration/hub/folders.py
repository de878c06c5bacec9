"""Which folders of somebody's machine does a text name?  None of them may leave it with a push."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from restoration.hub.client import HubModel
from restoration.network.checkpoint import WeightsError

_ROOTED = re.compile(r"(?:file:|~|[A-Za-z]:)?[\\/].*|\.\.?[\\/].*", re.DOTALL)
_WITHIN = re.compile(r"(?<![\w:/\\.<])(?:~|[A-Za-z]:)?[\\/](?:[^\\/\s|\"'<>]+[\\/])+")  # folders in a sentence
_PATHS = ("init", "identity", "source")  # what may name a folder without a sign of it


def without_folders(facts: Any, key: str = "") -> Any:
    """The same JSON with every path of a machine cut down to its last name.

    Names on the Hub (``owner/name@revision``) and of embedded sets stay. A relative path of two parts that is no file
    or folder here cannot be told from a name on the Hub, and stays too.

    Args:
        facts: anything that JSON can hold. Not modified.
        key: under which it is stored; a relative path is known by it.
    """
    if isinstance(facts, dict):
        return {name: without_folders(value, str(name)) for name, value in facts.items()}
    if isinstance(facts, list):
        return [without_folders(value, key) for value in facts]
    if not isinstance(facts, str):
        return facts
    relative = key in _PATHS and re.search(r"[\\/]", facts) and not _names_the_hub(facts)
    if relative or _ROOTED.fullmatch(facts):
        return re.split(r"[\\/]", facts.rstrip("\\/"))[-1]
    return without_folders_in_text(facts)


def without_folders_in_text(text: str) -> str:
    """The same text, of any number of lines, where an absolute path keeps its last name alone."""
    return _WITHIN.sub("", text)


def _names_the_hub(text: str) -> bool:
    name = text.removeprefix("Hub: ").removeprefix("hub:")
    try:
        return HubModel.parse(name) is not None and not Path(name).exists()
    except WeightsError:  # what follows the @ is no revision
        return False
