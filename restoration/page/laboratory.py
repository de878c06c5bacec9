"""Comparisons and sweeps as they run: what ``page.grid`` and ``page.sweep`` draw, a row or a few points at a time."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Iterator
from typing import Any

import gradio as gr

from restoration.degrade import LIMITS
from restoration.images import Image, InputError
from restoration.lab.bundle import comparison_bundle, grid_bundle
from restoration.lab.comparison import ABOUT, METHODS, Cell, Gain, Row, compare, gain
from restoration.lab.experiment import CLEAN, DEGRADED, read_face
from restoration.lab.grid import Axis, Point, SeverityGrid, run_grid
from restoration.lab.recipe import Recipe
from restoration.measure.metrics import Scores
from restoration.page.links import CURRENT_LABEL, OWN
from restoration.page.site import Site
from restoration.page.widgets import new_folder, present, share, write_files

INFINITE = 1e9  # stands for an infinite number, which JSON does not know; page.js writes it as "identical"
DRAWN = 6  # points of a sweep between two drawings: each takes the server and the browser a moment


class Laboratory:
    """What the tab's buttons do, without its layout. It keeps how a running sweep is stopped, and nothing else."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stops: dict[str | None, threading.Event] = {}  # by visitor: each runs one sweep at a time

    def read(self, face: str, own: str | bytes | None) -> Image:
        """The clean face: an example, or the centre square of the visitor's picture."""
        return read_face(own if face == OWN else self._site.faces[face])[0]

    def compare(self, face: Image, recipe: Recipe) -> Iterator[dict[str, Any]]:
        """The grid as it grows, a row at a time; with the last row, the link and the zip."""
        site, folder = self._site, new_folder()
        values = grid_values(site.identity_name, len(recipe.cases))
        values["clean"] = write_files({"clean.png": face}, folder)["clean.png"]
        yield values
        rows: list[Row] = []
        for row in compare(face, recipe.cases, recipe.seed, site.restorer, site.identity):
            drawn, pictures = row_values(row, len(rows))
            files = write_files(dict(pictures), folder)
            for cell in drawn["cells"]:
                cell["file"] = files.get(cell["name"])
            rows.append(row)
            values = {**values, "rows": [*values["rows"], drawn]}
            yield values
        zipped = write_files({"comparison.zip": comparison_bundle(recipe, face, rows)}, folder)
        yield {**values, "done": True, "share": share(recipe), "zip": zipped["comparison.zip"]}

    def stop(self, request: gr.Request) -> None:
        """End this visitor's running sweep after the points at hand."""
        if request.session_hash in self._stops:
            self._stops[request.session_hash].set()

    def sweep(self, face: Image, recipe: Recipe, visitor: str | None) -> Iterator[dict[str, Any]]:
        """The map as it grows; with the last point, the zip. The link is there from the start.

        Args:
            visitor: ``gr.Request.session_hash``; ``stop`` ends the sweep with what was measured by then.
        """
        stop = self._stops[visitor] = threading.Event()
        try:
            yield from self._sweep(face, recipe, stop)
        finally:
            if self._stops.get(visitor) is stop:
                del self._stops[visitor]

    def _sweep(self, face: Image, recipe: Recipe, stop: threading.Event) -> Iterator[dict[str, Any]]:
        assert recipe.plan is not None
        site = self._site
        values = {**sweep_values(recipe.plan, site.identity_name), "share": share(recipe)}
        yield values
        points: list[Point] = []
        for point in run_grid(face, recipe.plan, recipe.seed, site.restorer, site.identity):
            points.append(point)
            values = {**values, "points": [*values["points"], point_values(point)]}
            if len(points) % DRAWN == 0 or len(points) == len(recipe.plan):
                yield values
                if stop.is_set():
                    break
        zipped = write_files({"sweep.zip": grid_bundle(recipe, face, points)}, new_folder())
        yield {**values, "done": True, "share": share(recipe, len(points)), "zip": zipped["sweep.zip"]}

    def case(self, token: str, column: int, row: int, own: str | bytes | None) -> dict[str, Any]:
        """One point of a sweep, as an experiment of its own: what ``page.result`` draws."""
        site, recipe = self._site, Recipe.from_token(token)
        if recipe.plan is None or (column, row) not in recipe.plan.places():
            raise InputError("This point is not one of the sweep. Run the sweep again.")
        photo = site.faces.get(recipe.face, own) if recipe.face else own
        if recipe.check(read_face(photo)[0], recipe.model):
            raise InputError("The picture was changed since this sweep. Run the sweep again.")
        settings = recipe.plan.settings(column, row)
        single = dataclasses.replace(recipe, view="test", plan=None, cases={CURRENT_LABEL: settings})
        return present(site.run(photo, settings, recipe.seed), site.identity_name, single)


def grid_values(identity_name: str | None, total: int) -> dict[str, Any]:
    """The frame of a grid: its columns, how many rows will come, and the network behind the identity angles."""
    columns = [
        {"method": CLEAN, "about": "The face before anything was done to it: what everything is measured against."},
        {"method": DEGRADED, "about": "What the methods are given."},
        *({"method": method, "about": ABOUT[method]} for method in METHODS),
    ]
    return {"columns": columns, "total": total, "identity": identity_name, "rows": [], "done": False}


def row_values(row: Row, index: int) -> tuple[dict[str, Any], dict[str, Image]]:
    """One row of the grid, and the pictures that it needs by the names that it gives them, degraded input first.

    Args:
        index: of the row, for the names.
    """
    pictures = {f"{index}_degraded.png": row.degraded.picture}
    cells = [_cell(DEGRADED, f"{index}_degraded.png", row.degraded, None)]
    for number, method in enumerate(METHODS):
        cell, name = row.cells[method], f"{index}_{number}.png"
        if cell is None:
            cells.append({"method": method, "name": None})
            continue
        pictures[name] = cell.picture
        cells.append(_cell(method, name, cell, row.gain(method)))
    caption = row.settings.describe()
    return {"label": row.label, "caption": caption, "warnings": row.warnings, "cells": cells}, pictures


def sweep_values(plan: SeverityGrid, identity_name: str | None) -> dict[str, Any]:
    """The frame of a sweep: its axes, how many points will come, and the network behind the identity angles."""

    def values(axis: Axis) -> dict[str, Any]:
        limit = LIMITS[axis.name]
        return {"name": axis.name, "label": limit.label, "unit": limit.unit, "values": list(axis.values)}

    axes = {"x": values(plan.x), "y": values(plan.y) if plan.y else None}
    known = {"base": plan.base.describe(), "total": len(plan), "identity": identity_name}
    return {**axes, **known, "points": [], "done": False}


def point_values(point: Point) -> dict[str, Any]:
    """One point of a sweep, without its pictures."""
    change = gain(point.before, point.after)
    return {
        "column": point.column,
        "row": point.row,
        "trained": point.trained,
        "before": _scores(point.before),
        "after": _scores(point.after),
        "gain": _scores(change),
        "worse": list(change.worse),
        "caption": point.settings.describe(),
    }


def _cell(method: str, name: str, cell: Cell, change: Gain | None) -> dict[str, Any]:
    values: dict[str, Any] = {"method": method, "name": name, "scores": _scores(cell.scores)}
    return values | {"gain": _scores(change) if change else None, "worse": list(change.worse) if change else []}


def _scores(scores: Scores | Gain) -> dict[str, float | None]:
    psnr = scores.psnr if math.isfinite(scores.psnr) else math.copysign(INFINITE, scores.psnr)
    return {"psnr": psnr, "ssim": scores.ssim, "identity": scores.identity_angle}
