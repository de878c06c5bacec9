"""Imports between rooms point one way; gradio stays in the page, argparse with what is typed."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BELOW = ("images", "degrade", "network", "faces", "measure", "hub", "restorer")
# Room -> the rooms that it may import.
ROOMS: dict[str, set[str]] = {
    "images": set(),
    "degrade": {"images"},
    "network": {"images"},
    "faces": {"images"},
    "measure": {"images", "degrade", "network", "faces"},
    "hub": {"images", "network", "restoration"},
    "restorer": set(BELOW[:-1]),
    "lab": set(BELOW),
    "cli": {*BELOW, "lab", "restoration"},
    "page": {*BELOW, "lab"},
    "train": {*BELOW, "lab", "restoration", "cli"},
    "examples": {*BELOW, "lab", "restoration", "page"},
    "__main__": {"cli"},
    "restoration": set(BELOW),
    "app": {"images", "page"},
}
OUTSIDE = {"gradio": {"page"}, "argparse": {"cli", "train", "examples"}}
KNOWN = {"restoration.hub.staging": {"restoration.degrade", "restoration.degrade.protocols"}}
FOLDERS = ("restoration", "train", "examples")
PATHS = [ROOT / "app.py", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))]
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in PATHS}


def room(module: str) -> str:
    """``restoration.faces.photo`` is in ``faces``, ``train.loop`` in ``train``."""
    top, _, rest = module.partition(".")
    return rest.partition(".")[0] if top == "restoration" and rest else top


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from [name for name in names if name in MODULES] or ["." * node.level + str(node.module)]


def test_imports_point_down() -> None:
    wrong, known = set(), {name: set() for name in KNOWN}
    for name, path in MODULES.items():
        own = room(name)
        for other in imported(ast.parse(path.read_text())):
            there = room(other)
            if other in KNOWN.get(name, ()):
                known[name].add(other)
            elif (there in ROOMS and there not in {own, *ROOMS[own]}) or own not in OUTSIDE.get(there, {own}):
                wrong.add(f"{name} imports {other}")
            assert not other.startswith("."), f"{name} has a relative import"
    assert wrong == set()
    assert known == KNOWN, "an exception that is none any more"
