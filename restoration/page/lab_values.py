"""What do the browser's drawings of a comparison and a sweep need?  Rows and points as plain values."""

from __future__ import annotations

import math
from typing import Any

from restoration.degrade.degradations import LIMITS
from restoration.images import Image
from restoration.lab.comparison import ABOUT, METHODS, Cell, Gain, Row, gain
from restoration.lab.experiment import CLEAN, DEGRADED
from restoration.lab.grid import Axis, Point, SeverityGrid
from restoration.measure.metrics import Scores

INFINITE = 1e9  # stands for an infinite number, which JSON does not know; the scripts write it as "identical"


def row_values(row: Row, index: int) -> tuple[dict[str, Any], dict[str, Image]]:
    """One row of the grid, and the pictures that it needs by the names that it gives them, degraded input first.

    Args:
        index: of the row, for the names.
    """
    pictures = {f"{index}_degraded.png": row.degraded.picture}
    cells = [_cell(DEGRADED, f"{index}_degraded.png", row.degraded, None)]
    for number, method in enumerate(METHODS):
        cell = row.cells[method]
        if cell is None:
            cells.append({"method": method, "name": None})
            continue
        name = f"{index}_{number}.png"
        pictures[name] = cell.picture
        cells.append(_cell(method, name, cell, row.gain(method)))
    caption = row.settings.describe()
    values = {"label": row.label, "caption": caption, "warnings": row.warnings, "cells": cells}
    return values, pictures


def grid_values(identity_name: str | None, total: int) -> dict[str, Any]:
    """The frame of a grid: its columns, how many rows will come, and the network behind the identity angles."""
    columns = [
        {"method": CLEAN, "about": "The face before anything was done to it: what everything is measured against."},
        {"method": DEGRADED, "about": "What the methods are given."},
        *({"method": method, "about": ABOUT[method]} for method in METHODS),
    ]
    return {"columns": columns, "total": total, "identity": identity_name, "rows": [], "done": False}


def sweep_values(plan: SeverityGrid, identity_name: str | None) -> dict[str, Any]:
    """The frame of a sweep: its axes, how many points will come, and the network behind the identity angles."""
    return {
        "x": _axis(plan.x),
        "y": _axis(plan.y) if plan.y else None,
        "base": plan.base.describe(),
        "total": len(plan),
        "identity": identity_name,
        "points": [],
        "done": False,
    }


def point_values(point: Point) -> dict[str, Any]:
    """One point of a sweep, without its pictures."""
    return {
        "column": point.column,
        "row": point.row,
        "trained": point.trained,
        "before": _scores(point.before),
        "after": _scores(point.after),
        "gain": _gain(gain(point.before, point.after)),
        "worse": list(gain(point.before, point.after).worse),
        "caption": point.settings.describe(),
    }


def _cell(method: str, name: str, cell: Cell, change: Gain | None) -> dict[str, Any]:
    values: dict[str, Any] = {"method": method, "name": name, "scores": _scores(cell.scores)}
    return values | {"gain": _gain(change) if change else None, "worse": list(change.worse) if change else []}


def _axis(axis: Axis) -> dict[str, Any]:
    limit = LIMITS[axis.name]
    return {"name": axis.name, "label": limit.label, "unit": limit.unit, "values": list(axis.values)}


def _scores(scores: Scores) -> dict[str, float | None]:
    return {"psnr": _finite(scores.psnr), "ssim": scores.ssim, "identity": scores.identity_angle}


def _gain(change: Gain) -> dict[str, float | None]:
    return {"psnr": _finite(change.psnr), "ssim": change.ssim, "identity": change.identity_angle}


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.copysign(INFINITE, value)
