"""What does a visitor take home?  One zip: lossless pictures, recipe, metrics, plots, and the code that repeats it."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from restoration.images import Image, write_png
from restoration.lab.comparison import Row
from restoration.lab.plots import comparison_plot, save, sweep_plot
from restoration.lab.recipe import Recipe
from restoration.lab.script import to_python
from restoration.lab.sweep import Point
from restoration.lab.tables import comparison_csv, sweep_csv

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def comparison_bundle(recipe: Recipe, face: Image, rows: Sequence[Row]) -> bytes:
    """Everything about a comparison, or about one experiment as a comparison of one.

    Returns:
        A zip with clean.png, a folder a degradation with degraded.png and a picture a method, recipe.json,
        metrics.csv, plot.png, plot.svg and recipe.py. The same arguments give the same bytes.
    """
    pictures = {"clean": face}
    for number, row in enumerate(rows, 1):
        folder = f"{number}_{_name(row.label)}"
        pictures[f"{folder}/degraded"] = row.degraded.picture
        pictures |= {f"{folder}/{_name(method)}": cell.picture for method, cell in row.cells.items() if cell}
    return _pack(recipe, to_python(recipe), pictures, comparison_csv(rows), comparison_plot(rows), {})


def sweep_bundle(recipe: Recipe, face: Image, points: Sequence[Point]) -> bytes:
    """Everything about a sweep; of its pictures, those at the corners of what was measured.

    Args:
        recipe: with a plan.
        points: at least one; a stopped sweep has fewer than its plan, its first ones.

    Returns:
        A zip as ``comparison_bundle``'s. Of a stopped sweep recipe.json holds the whole plan, recipe.py prints the
        points that there are, and missing.txt says which there are not.
    """
    assert recipe.plan is not None
    plan = recipe.plan
    columns, rows = ({0, max(getattr(point, place) for point in points)} for place in ("column", "row"))
    pictures = {"clean": face}
    for point in points:
        if point.column in columns and point.row in rows:
            place = f"{plan.x.name}_{plan.x.values[point.column]:g}"
            if plan.y:
                place += f"_{plan.y.name}_{plan.y.values[point.row]:g}"
            pictures[f"{place}/degraded"], pictures[f"{place}/restored"] = point.degraded, point.restored
    table = sweep_csv(points, plan.x.name, plan.y.name if plan.y else None)
    missing = plan.missing(len(points))
    files = {"missing.txt": missing.encode()} if missing else {}
    return _pack(recipe, to_python(recipe, len(points)), pictures, table, sweep_plot(points, plan), files)


def _pack(
    recipe: Recipe, code: str, pictures: Mapping[str, Image], table: str, plot: Figure, more: Mapping[str, bytes]
) -> bytes:
    with ThreadPoolExecutor(1) as aside:  # pictures are pressed while plots are drawn
        pressed = aside.map(_png, pictures.values())
        plots = {f"plot.{form}": save(plot, form) for form in ("png", "svg")}
        files = {f"{name}.png": data for name, data in zip(pictures, pressed, strict=True)}
    files |= {"recipe.json": recipe.to_json().encode(), "recipe.py": code.encode(), **more}
    return archive({**files, "metrics.csv": table.encode(), **plots})


def archive(files: Mapping[str, bytes]) -> bytes:
    """A zip of these names and contents; the same contents give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            pressed = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
            packed.writestr(entry, data, compress_type=pressed)
    return buffer.getvalue()


def _png(image: Image) -> bytes:
    buffer = io.BytesIO()
    write_png(image, buffer)
    return buffer.getvalue()


def _name(label: str) -> str:
    """A label as a file's name: lower case, words joined by underscores."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_") or "case"
