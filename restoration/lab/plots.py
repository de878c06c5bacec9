"""Plots of a comparison and of a severity grid, for the download."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from restoration.degrade import LIMITS
from restoration.lab.comparison import METHODS, Row, gain
from restoration.lab.grid import Point, SeverityGrid

COLOURS = {"Restored": "#0f766e", "Non-local means": "#b45309", "Lanczos": "#6d28d9", "Wiener": "#475569"}
GAIN_LABEL = "gain in PSNR over the degraded input, dB"


def comparison_plot(rows: Sequence[Row]) -> Figure:
    """Bars of the gain in PSNR, a group a degradation, a bar a method; below the line is worse than the input."""
    figure, axes = _figure(max(6.0, 1.6 * len(rows)), 4.2)
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
    return figure


def grid_plot(points: Sequence[Point], plan: SeverityGrid) -> Figure:
    """PSNR before and after along one setting, or a map of the gain over two; the trained range is marked.

    Args:
        points: a stopped grid has fewer than its plan; the plot keeps their places free and says so.
    """
    figure, axes = (_curves if plan.y is None else _map)(points, plan)
    notes = [axes.get_title()] if plan.y else []
    if len(points) < len(plan):
        notes.append(f"stopped after {len(points)} of {len(plan)} points; the others were not measured")
    axes.set_title("\n".join(notes), fontsize=8)
    axes.set_xlabel(_label(plan.x.name))
    return figure


def _curves(points: Sequence[Point], plan: SeverityGrid) -> tuple[Figure, Any]:
    figure, axes = _figure(6.4, 4.2)
    at = [plan.x.values[point.column] for point in points]
    axes.plot(at, [point.before.psnr for point in points], "o--", color="#78716c", label="Degraded input")
    axes.plot(at, [point.after.psnr for point in points], "o-", color=COLOURS["Restored"], label="Restored")
    trained = [value for value, point in zip(at, points, strict=True) if point.trained]
    if trained:
        axes.axvspan(min(trained), max(trained), color="#0f766e", alpha=0.08, label="Trained range")
    reach = 0.05 * (plan.x.values[-1] - plan.x.values[0])
    axes.set_xlim(plan.x.values[0] - reach, plan.x.values[-1] + reach)
    axes.set_ylabel("PSNR, dB")
    axes.legend(frameon=False)
    return figure, axes


def _map(points: Sequence[Point], plan: SeverityGrid) -> tuple[Figure, Any]:
    assert plan.y is not None
    columns, rows = len(plan.x.values), len(plan.y.values)
    gains = np.full((rows, columns), np.nan)
    for point in points:
        change = gain(point.before, point.after).psnr
        gains[point.row, point.column] = change if math.isfinite(change) else np.nan
    figure, axes = _figure(1.6 + 0.75 * columns, 1.4 + 0.55 * rows)
    span = max(0.1, float(np.nanmax(np.abs(gains)))) if np.isfinite(gains).any() else 1.0
    axes.patch.set(hatch="///", edgecolor="#a8a29e")  # seen where there is no number
    axes.imshow(gains, cmap="BrBG", vmin=-span, vmax=span, origin="lower", aspect="auto")
    for point in points:
        value = gains[point.row, point.column]
        if np.isfinite(value):
            colour = "white" if abs(value) > 0.7 * span else "black"
            text = f"{value:+.1f}" if point.trained else f"({value:+.1f})"
            axes.text(point.column, point.row, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(columns), [f"{value:g}" for value in plan.x.values])
    axes.set_yticks(range(rows), [f"{value:g}" for value in plan.y.values])
    axes.set_ylabel(_label(plan.y.name))
    axes.set_title(f"{GAIN_LABEL}; in brackets: outside the trained range")
    return figure, axes


def _label(name: str) -> str:
    return f"{LIMITS[name].label}, {LIMITS[name].unit}"


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure((width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def save(figure: Figure, form: str) -> bytes:
    """The figure as a file; the same figure gives the same bytes.

    Args:
        form: "png" (150 dots an inch) or "svg" (text stays text).
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "restoration", "svg.fonttype": "none"}):
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(buffer, format=form, dpi=150, metadata=metadata)
    return buffer.getvalue()
