"""Imports between rooms point one way; gradio stays in the page, argparse with what is typed."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

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
KNOWN = (
    ("restoration.hub.staging", "restoration.degrade"),
    ("restoration.hub.staging", "restoration.degrade.protocols"),
)


FOLDERS = ("restoration", "train", "examples")
PATHS = [ROOT / "app.py", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))]
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in PATHS}


def room(module: str) -> str:
    """``restoration.faces.photo`` is in ``faces``, ``train.loop`` in ``train``."""
    top, _, rest = module.partition(".")
    return rest.partition(".")[0] if top == "restoration" and rest else top


def imported(tree: ast.AST) -> Iterator[str]:
    """Modules that are imported when the program runs: not those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [name for name in names if name in MODULES]
            yield from found or [str(node.module)]
        else:
            yield from imported(node)


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name: str) -> None:
    own = room(name)
    for other in imported(ast.parse(MODULES[name].read_text())):
        there = room(other)
        if there in ROOMS and there != own and (name, other) not in KNOWN:
            assert there in ROOMS[own], f"{name} imports {other}: {own} may not know {there}"
        assert own in OUTSIDE.get(there, {own}), f"{name} imports {there}"


def test_every_known_exception_is_still_one() -> None:
    for name, other in KNOWN:
        assert other in imported(ast.parse(MODULES[name].read_text())), f"{name} no longer imports {other}"
