"""What a visitor takes home: one zip of lossless pictures, recipe, metrics, plots, and the code that repeats it."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence

from matplotlib.figure import Figure

from restoration.images import Image, write_png
from restoration.lab.comparison import Gain, Row, gain
from restoration.lab.grid import Point
from restoration.lab.plots import comparison_plot, grid_plot, save
from restoration.lab.recipe import Recipe, to_python
from restoration.measure.metrics import Scores

METRICS = ("psnr_db", "ssim", "identity_angle_deg")
GAINS = tuple(f"gain_{name}" for name in METRICS)


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
    return _pack(recipe, to_python(recipe), pictures, comparison_csv(rows), comparison_plot(rows))


def grid_bundle(recipe: Recipe, face: Image, points: Sequence[Point]) -> bytes:
    """Everything about a severity grid; of its pictures, those at the corners of what was measured.

    Args:
        recipe: with a plan.
        points: at least one; a stopped grid has fewer than its plan, its first ones.

    Returns:
        A zip as ``comparison_bundle``'s. Of a stopped grid recipe.json holds the whole plan, recipe.py prints the
        points that there are, and missing.txt says which there are not.
    """
    assert recipe.plan is not None
    plan = recipe.plan
    columns, rows = ({0, max(getattr(point, place) for point in points)} for place in ("column", "row"))
    names = [axis.name for axis in (plan.x, plan.y) if axis]
    pictures = {"clean": face}
    for point in points:
        if point.column in columns and point.row in rows:
            folder = "_".join(f"{name}_{getattr(point.settings, name):g}" for name in names)
            pictures[f"{folder}/degraded"], pictures[f"{folder}/restored"] = point.degraded, point.restored
    plot = grid_plot(points, plan)
    missing = [f"- {plan.settings(*place).describe()}\n" for place in plan.places()[len(points) :]]
    told = f"This sweep was stopped after {len(points)} of {len(plan)} points. Not measured:\n" + "".join(missing)
    more = {"missing.txt": told.encode()} if missing else {}
    return _pack(recipe, to_python(recipe, len(points)), pictures, grid_csv(points, *names), plot, more)


def _pack(
    recipe: Recipe,
    code: str,
    pictures: Mapping[str, Image],
    table: str,
    plot: Figure,
    more: Mapping[str, bytes] | None = None,
) -> bytes:
    files = {}
    for name, picture in pictures.items():
        write_png(picture, buffer := io.BytesIO())
        files[f"{name}.png"] = buffer.getvalue()
    files |= {"recipe.json": recipe.to_json().encode(), "recipe.py": code.encode(), **(more or {})}
    plots = {f"plot.{form}": save(plot, form) for form in ("png", "svg")}
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


def _name(label: str) -> str:
    """A label as a file's name: lower case, words joined by underscores."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_") or "case"


def comparison_csv(rows: Iterable[Row]) -> str:
    """One line a picture: the degraded input first, then every method that had something to undo.

    Convention:
        - four decimals; "inf" where a picture equals the truth; empty where nothing was measured
        - gains are method minus degraded input; "worse" names the metrics by which the method is worse

    Returns:
        CSV with a header, lines ended by one newline character.
    """
    lines = []
    for row in rows:
        lines.append([row.label, "Degraded input", *_numbers(row.degraded.scores), "", "", "", ""])
        for method, cell in row.cells.items():
            change = row.gain(method)
            if cell is not None and change is not None:
                worse = " ".join(change.worse)
                lines.append([row.label, method, *_numbers(cell.scores), *_numbers(change), worse])
    return _csv(["degradation", "method", *METRICS, *GAINS, "worse"], lines)


def grid_csv(points: Iterable[Point], *names: str) -> str:
    """One line a point: where it lies, the scores before and after, and whether the network was trained there.

    Args:
        names: of the settings along the axes, x first.

    Returns:
        CSV as ``comparison_csv``'s.
    """
    lines = [
        [
            *(f"{getattr(point.settings, name):g}" for name in names),
            "yes" if point.trained else "no",
            *_numbers(point.before),
            *_numbers(point.after),
            *_numbers(gain(point.before, point.after)),
        ]
        for point in points
    ]
    stages = [f"{stage}_{name}" for stage in ("degraded", "restored") for name in METRICS]
    return _csv([*names, "trained", *stages, *GAINS], lines)


def _numbers(values: Scores | Gain) -> list[str]:
    numbers = (values.psnr, values.ssim, values.identity_angle)
    return ["" if value is None else f"{value:.4f}" for value in numbers]


def _csv(header: list[str], lines: list[list[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue()
