"""What a visitor takes home: a zip of pictures, recipe, metrics, plots and code; a picture and an animation."""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import PIL.Image
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from PIL import ImageDraw, ImageFont

from restoration.degrade import LIMITS
from restoration.images import Image
from restoration.images.pictures import encode_png
from restoration.lab import METHODS, Point, Row, gain
from restoration.lab.recipe import Axis, Recipe, SeverityGrid, to_python
from restoration.measure import Scores

METRICS = ("psnr_db", "ssim", "identity_angle_deg")
COLOURS = {"Restored": "#0f766e", "Non-local means": "#b45309", "Lanczos": "#6d28d9", "Wiener": "#475569"}
INK, PAPER, SOFT = "#1c1917", "#ffffff", "#57534e"
MARGIN = 20  # pixels, around and between what is on a poster
STEPS, STEP, REST = 24, 40, 900  # of a wipe: pictures each way, milliseconds of each, and of both ends
GAIN_LABEL = "gain in PSNR over the degraded input, dB"


def comparison_bundle(recipe: Recipe, face: Image, rows: Sequence[Row]) -> bytes:
    """Everything about a comparison, or about one experiment as a comparison of one: a zip with clean.png, a folder a
    degradation with degraded.png and a picture a method, recipe.json, metrics.csv, plot.png, plot.svg and recipe.py.
    The same arguments give the same bytes."""
    pictures = {"clean": face}
    for number, row in enumerate(rows, 1):
        folder = f"{number}_{_name(row.label)}"
        pictures[f"{folder}/degraded"] = row.degraded.picture
        pictures |= {f"{folder}/{_name(method)}": cell.picture for method, cell in row.cells.items() if cell}
    files = {"recipe.py": to_python(recipe), "metrics.csv": comparison_csv(rows)}
    return _pack(recipe, pictures, files, _comparison_plot(rows))


def grid_bundle(recipe: Recipe, face: Image, points: Sequence[Point]) -> bytes:
    """Everything about a grid, whose plan the recipe holds: a zip as ``comparison_bundle``'s, with the pictures at the
    corners of what was measured. Points are the plan's first, at least one; missing.txt names the others."""
    assert recipe.plan is not None
    plan = recipe.plan
    columns, rows = {0, max(point.column for point in points)}, {0, points[-1].row}
    pictures = {"clean": face}
    for point in points:
        if point.column in columns and point.row in rows:
            folder = "_".join(f"{axis.name}_{getattr(point.settings, axis.name):g}" for axis in plan.axes)
            pictures[f"{folder}/degraded"], pictures[f"{folder}/restored"] = point.degraded, point.restored
    files = {"recipe.py": to_python(recipe, len(points)), "metrics.csv": grid_csv(points, plan)}
    if missing := [f"- {plan.settings(*place).describe()}\n" for place in plan.places()[len(points) :]]:
        told = f"This sweep was stopped after {len(points)} of {len(plan)} points. Not measured:\n"
        files["missing.txt"] = told + "".join(missing)
    return _pack(recipe, pictures, files, _grid_plot(points, plan))


def _pack(recipe: Recipe, pictures: Mapping[str, Image], texts: Mapping[str, str], plot: Any) -> bytes:
    files = {f"{name}.png": encode_png(picture) for name, picture in pictures.items()}
    files |= {name: text.encode() for name, text in {"recipe.json": recipe.to_json(), **texts}.items()}
    for form, undated in (("png", "Software"), ("svg", "Date")):  # the same plot gives the same bytes
        with matplotlib.rc_context({"svg.hashsalt": "restoration", "svg.fonttype": "none"}):  # text stays text
            plot.figure.savefig(buffer := io.BytesIO(), format=form, dpi=150, metadata={undated: None})
        files[f"plot.{form}"] = buffer.getvalue()
    return archive(files)


def archive(files: Mapping[str, bytes]) -> bytes:
    """A zip of these names and contents; the same contents give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, data in files.items():
            packed.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # such an entry has no date
    return buffer.getvalue()


def poster(pictures: Mapping[str, Image], lines: Sequence[str], link: str) -> bytes:
    """A PNG with pictures, (H, W, 3) uint8 RGB of one size, side by side under their labels: a file that speaks for
    itself. Below are ``lines``, of which the first is the headline, and, small, a link on as many as it takes."""
    high, side = next(iter(pictures.values())).shape[:2]
    width = MARGIN + len(pictures) * (side + MARGIN)
    across = (width - 2 * MARGIN) // 8  # characters of the link's font in a line
    rest = [(text, _font(20), INK) for text in lines[1:]]
    rest += [(link[at : at + across], _font(13, "DejaVu Sans Mono"), SOFT) for at in range(0, len(link), across)]
    words = [(lines[0], _font(28, "DejaVu Sans:bold"), INK), *rest]
    height = MARGIN + 30 + high + MARGIN + sum(round(1.5 * font.size) for _, font, _ in words) + MARGIN
    sheet = PIL.Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, (label, picture) in enumerate(pictures.items()):
        left = MARGIN + index * (side + MARGIN)
        draw.text((left, MARGIN - 4), label, INK, _font(20, "DejaVu Sans:bold"))
        sheet.paste(PIL.Image.fromarray(picture), (left, MARGIN + 30))
    top = MARGIN + 30 + high + MARGIN
    for text, font, colour in words:
        draw.text((MARGIN, top), text, colour, font)
        top += round(1.5 * font.size)
    return encode_png(np.asarray(sheet))


def wipe(before: Image, after: Image) -> bytes:
    """A line that goes over two (H, W, 3) uint8 RGB pictures of one size and back: an animated WebP without an end."""
    width, frames = before.shape[1], []
    for step in range(STEPS + 1):
        at = round(width * step / STEPS)
        frame = np.concatenate((after[:, :at], before[:, at:]), axis=1)
        if 0 < step < STEPS:
            frame[:, at - 1 : at + 1] = 255
        frames.append(PIL.Image.fromarray(frame))
        draw = ImageDraw.Draw(frames[-1])
        style: dict[str, Any] = {"fill": "white", "font": _font(20), "stroke_width": 3, "stroke_fill": "black"}
        if step > STEPS / 3:
            draw.text((12, 10), "Restored", anchor="la", **style)
        if step < STEPS * 2 / 3:
            draw.text((width - 12, 10), "Degraded", anchor="ra", **style)
    times = [REST, *[STEP] * (STEPS - 1), REST, *[STEP] * (STEPS - 1)]
    buffer, more = io.BytesIO(), [*frames[1:], *frames[-2:0:-1]]
    frames[0].save(buffer, "WEBP", save_all=True, append_images=more, duration=times, loop=0, quality=80)
    return buffer.getvalue()


def _font(size: int, family: str = "DejaVu Sans") -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(findfont(family), size)  # matplotlib brings this family


def _name(label: str) -> str:
    """A label as a file's name: lower case, words joined by underscores."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_") or "case"


def comparison_csv(rows: Iterable[Row]) -> str:
    """CSV with a line a picture: the degraded input first, then every method that had something to undo.

    Convention:
        - four decimals; "inf" where a picture equals the truth; empty where nothing was measured
        - gains are method minus degraded input; "worse" names the metrics by which the method is worse
    """
    lines = []
    for row in rows:
        lines.append({"degradation": row.label, "method": "Degraded input", **_numbers("", row.degraded.scores)})
        for method, cell in row.cells.items():
            if cell and (change := row.gain(method)):
                numbers = {**_numbers("", cell.scores), **_numbers("gain_", change), "worse": " ".join(change.worse)}
                lines.append({"degradation": row.label, "method": method, **numbers})
    return _csv(lines)


def grid_csv(points: Iterable[Point], plan: SeverityGrid) -> str:
    """CSV with a line a point: where it lies along the axes, x first; whether the network was trained there; and the
    scores, as ``comparison_csv`` has them."""
    lines = []
    for point in points:
        place = {axis.name: f"{getattr(point.settings, axis.name):g}" for axis in plan.axes}
        change = _numbers("gain_", gain(point.before, point.after))
        numbers = {**_numbers("degraded_", point.before), **_numbers("restored_", point.after), **change}
        lines.append({**place, "trained": "yes" if point.trained else "no", **numbers})
    return _csv(lines)


def _numbers(start: str, scores: Scores) -> dict[str, str]:
    values = zip(METRICS, (scores.psnr, scores.ssim, scores.identity_angle), strict=True)
    return {f"{start}{name}": "" if value is None else f"{value:.4f}" for name, value in values}


def _csv(lines: list[dict[str, str]]) -> str:
    names = dict.fromkeys(name for line in lines for name in line)
    writer = csv.DictWriter(text := io.StringIO(), list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _comparison_plot(rows: Sequence[Row]) -> Any:
    """Bars of the gain in PSNR, a group a degradation, a bar a method; below the line is worse than the input."""
    axes = _axes(max(6.0, 1.6 * len(rows)), 4.2)
    width = 0.8 / len(METHODS)
    for place, method in enumerate(METHODS):
        gains = [row.gain(method) for row in rows]
        heights = [change.psnr if change and math.isfinite(change.psnr) else math.nan for change in gains]
        spots = [index + (place - (len(METHODS) - 1) / 2) * width for index in range(len(rows))]
        axes.bar(spots, heights, width, label=method, color=COLOURS[method])
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(rows)), [row.label for row in rows], rotation=20, ha="right")
    axes.set_ylabel(GAIN_LABEL)
    axes.legend(frameon=False)
    return axes


def _grid_plot(points: Sequence[Point], plan: SeverityGrid) -> Any:
    """PSNR before and after along one setting, or a map of the gain over two; the trained range is marked."""
    axes = _curves(points, plan.x) if plan.y is None else _map(points, plan.x, plan.y)
    notes = [f"{GAIN_LABEL}; in brackets: outside the trained range"] if plan.y else []
    if len(points) < len(plan):
        notes.append(f"stopped after {len(points)} of {len(plan)} points; the others were not measured")
    axes.set_title("\n".join(notes), fontsize=8)
    axes.set_xlabel(_label(plan.x))
    return axes


def _curves(points: Sequence[Point], x: Axis) -> Any:
    axes = _axes(6.4, 4.2)
    at = [x.values[point.column] for point in points]
    axes.plot(at, [point.before.psnr for point in points], "o--", color="#78716c", label="Degraded input")
    axes.plot(at, [point.after.psnr for point in points], "o-", color=COLOURS["Restored"], label="Restored")
    if trained := [value for value, point in zip(at, points, strict=True) if point.trained]:
        axes.axvspan(min(trained), max(trained), color="#0f766e", alpha=0.08, label="Trained range")
    reach = 0.05 * (x.values[-1] - x.values[0])
    axes.set_xlim(x.values[0] - reach, x.values[-1] + reach)
    axes.set_ylabel("PSNR, dB")
    axes.legend(frameon=False)
    return axes


def _map(points: Sequence[Point], x: Axis, y: Axis) -> Any:
    gains = np.full((len(y.values), len(x.values)), np.nan)
    for point in points:
        change = gain(point.before, point.after).psnr
        gains[point.row, point.column] = change if math.isfinite(change) else np.nan
    axes = _axes(1.6 + 0.75 * len(x.values), 1.4 + 0.55 * len(y.values))
    span = max(0.1, float(np.nanmax(np.abs(gains)))) if np.isfinite(gains).any() else 1.0
    axes.patch.set(hatch="///", edgecolor="#a8a29e")  # seen where there is no number
    axes.imshow(gains, cmap="BrBG", vmin=-span, vmax=span, origin="lower", aspect="auto")
    for point in points:
        value = gains[point.row, point.column]
        if np.isfinite(value):
            colour = "white" if abs(value) > 0.7 * span else "black"
            text = f"{value:+.1f}" if point.trained else f"({value:+.1f})"
            axes.text(point.column, point.row, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(x.values)), [f"{value:g}" for value in x.values])
    axes.set_yticks(range(len(y.values)), [f"{value:g}" for value in y.values])
    axes.set_ylabel(_label(y))
    return axes


def _label(axis: Axis) -> str:
    return f"{LIMITS[axis.name].label}, {LIMITS[axis.name].unit}"


def _axes(width: float, height: float) -> Any:
    return Figure((width, height), layout="constrained").subplots()
