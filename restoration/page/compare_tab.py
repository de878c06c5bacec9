"""The third tab: several degradations and methods side by side, or a degradation over its severities."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Any

import gradio as gr

from restoration import lab
from restoration.degrade import LIMITS
from restoration.images import Image, InputError
from restoration.lab import ABOUT, CLEAN, DEGRADED, METHODS, Cell, Gain, Point, Row, gain, read_face, run_grid
from restoration.lab.bundle import comparison_bundle, grid_bundle
from restoration.lab.recipe import AXES, Axis, Recipe, make_seed
from restoration.measure import Scores
from restoration.page import widgets as ui
from restoration.page.site import CURRENT, CURRENT_LABEL, FACES, NOTHING, OWN, Site, cases_of, degradation_of, plan_of
from restoration.page.widgets import t

COMPARE, SWEEP = "several", "range"  # values are no keys of the languages: Gradio would translate them
AT_FIRST = ["old_phone", "shaky_hand", "cctv", "original_noise"]
NONE = "none"
FIRST_AXES = {"x": ("motion_length", 4, 60, 8), "y": ("noise", 0, 25, 6)}
INFINITE = 1e9  # stands for an infinite number, which JSON does not know; page.js writes it as "identical"
DRAWN = 6  # points of a sweep between two drawings: each takes the server and the browser a moment


class CompareTab:
    """Layout, events and handlers. Between events it keeps which sweeps were stopped, and nothing else.

    Args:
        knobs: the controls of the first tab, which hold the visitor's own settings.

    ``mode``, ``face``, ``seed``, ``chosen``, ``start``, ``axes``, ``grid`` and ``sweep`` are what a link sets.
    """

    def __init__(self, site: Site, knobs: dict[str, Any]) -> None:
        self._site = site
        self._stopped: deque[str] = deque(maxlen=256)  # by the names that compare.js gives them
        choices = ui.preset_choices(CURRENT)
        with gr.Row(elem_classes="desk lab"):
            with gr.Column(scale=8, min_width=320):
                with gr.Column(elem_classes="view") as grid_view:
                    self.grid = ui.drawing("grid", label="no_grid", elem_id="grid")
                with gr.Column(visible=False, elem_classes="view") as sweep_view:
                    self.sweep = ui.drawing("sweep", label="no_sweep", events="go halt turn choose", elem_id="sweep")
                    self._case = ui.result_view(elem_id="case")
            with gr.Column(scale=3, min_width=300, elem_classes="panel"):
                modes = [(t("mode_compare"), COMPARE), (t("mode_sweep"), SWEEP)]
                self.mode = gr.Radio(modes, value=COMPARE, label=t("mode"), elem_id="mode")
                faces = [*((name, key) for key, name in FACES.items()), (t("own_picture"), OWN)]
                self.face = gr.Radio(faces, value=next(iter(FACES)), label=t("face"), elem_id="lab-face")
                look: dict[str, Any] = {"height": 200, "elem_id": "lab-own", "visible": False}
                self._own = ui.photo_input(label=t("own_face"), alt_text="The clean face to compare on", **look)
                own_note = ui.note()
                with gr.Column(elem_classes="panel") as compare_panel:
                    self.chosen = gr.CheckboxGroup(
                        choices, value=AT_FIRST, label=t("degradations"), elem_id="degradations"
                    )
                with gr.Column(elem_classes="panel", visible=False) as sweep_panel:
                    starts = [(t("start_nothing"), NOTHING), *choices]
                    self.start = gr.Dropdown(starts, value=NOTHING, label=t("start"))
                    self.axes: list[Any] = []
                    row_numbers = [self._add_axis(*axis) for axis in FIRST_AXES.items()][1]
                self.seed = gr.Number(1, label=t("seed"))
                with gr.Row(elem_classes="press") as compare_press:
                    go = gr.Button(t("compare"), variant="primary", elem_id="compare-go")
                with gr.Row(elem_classes="press", visible=False) as sweep_press:
                    stop = gr.Button(t("stop"), interactive=False, min_width=80, elem_id="sweep-stop")
                    go_sweep = gr.Button(t("sweep"), variant="primary", scale=2, elem_id="sweep-go")
        comparing, sweeping = [grid_view, compare_panel, compare_press], [sweep_view, sweep_panel, sweep_press]
        self.mode.change(self.switch, self.mode, [*comparing, *sweeping], **ui.QUIET)
        self.axes[4].change(lambda name: gr.update(visible=name != NONE), self.axes[4], row_numbers, **ui.QUIET)
        self.face.change(lambda face: gr.update(visible=face == OWN), self.face, self._own, **ui.QUIET)
        ui.checked_input(self._own, own_note)
        self._add_runs(go, go_sweep, stop, knobs)

    def _add_axis(self, place: str, first: tuple[str, float, float, int]) -> gr.Row:
        """Its setting, and the row of its numbers, which is seen where it is swept along."""
        name, *values = first
        choices = [(t(f"axis_{axis}"), axis) for axis in (AXES if place == "x" else (NONE, *AXES))]
        self.axes.append(gr.Dropdown(choices, value=name, label=t(f"along_{place}")))
        numbers: gr.Row
        with gr.Row(elem_classes="numbers") as numbers:
            for key, value in zip(("from", "to", "steps"), values, strict=True):
                self.axes.append(gr.Number(value, label=t(key), min_width=60))
        return numbers

    def _add_runs(self, go: gr.Button, go_sweep: gr.Button, stop: gr.Button, knobs: dict[str, Any]) -> None:
        inputs = [self.face, self._own, self.seed]
        live: dict[str, Any] = {"inputs_kwargs": knobs, "show_progress": "minimal", **ui.LABORATORY}
        asked = [*inputs, self.chosen, self.start, *self.axes, *knobs.values()]
        gr.on([each.change for each in asked], None, asked, js="(...values) => page.settle(values)")
        # What acts at once is registered first: listeners wait for one another.
        go.click(None, asked, go, js="(...values) => page.compares(values)")
        comparing = go.click(ui.user_errors(self.run_compare), [*inputs, self.chosen], self.grid, **live)
        ui.finish(comparing, "() => { page.ends('grid'); return page.buttons('grid', ['compare']); }", go)
        # The sweep's script knows which one runs: a press may begin one, or be kept until a stopped one has ended.
        go_sweep.click(None, asked, js="(...values) => page.press(values)")
        stop.click(None, js="() => page.stop()")
        self.sweep.turn(None, None, [go_sweep, stop], js="() => page.turned()")
        sweeping: dict[str, Any] = {"trigger_mode": "multiple", "show_progress_on": self.sweep, **live}
        outputs = [self.sweep, self._case]
        run = self.sweep.go(ui.user_errors(self.run_sweep), [*inputs, self.start, *self.axes], outputs, **sweeping)
        ui.finish(run, "() => page.ended()")
        self.sweep.halt(self.stop, queue=False, **ui.QUIET)
        self.sweep.choose(ui.user_errors(self.open_case), self._own, self._case, **ui.network_event(self._case))
        ui.add_packer(self._site, self._case, self._own)

    def switch(self, mode: str) -> list[Any]:
        """What is seen of the grid's three parts and the sweep's, which take turns."""
        return [gr.update(visible=mode == each) for each in (COMPARE, SWEEP) for _ in range(3)]

    def read(self, face: str, own: str | bytes | None) -> Image:
        """The clean face: an example, or the centre square of the visitor's picture."""
        return read_face(own if face == OWN else self._site.faces[face])[0]

    def run_compare(
        self, face: str, own: str | bytes | None, seed: Any, chosen: list[str], **knobs: Any
    ) -> Iterator[dict[str, Any]]:
        """The grid as it grows."""
        clean, number = self.read(face, own), make_seed(seed)
        if not chosen:
            raise InputError("Tick at least one degradation.")
        recipe = self._site.recipe("compare", clean, number, cases=cases_of(chosen, knobs, number))
        yield from self.draw_grid(clean, recipe)

    def draw_grid(self, face: Image, recipe: Recipe) -> Iterator[dict[str, Any]]:
        """What ``page.grid`` draws, a row at a time; with the last row, the link and the zip."""
        site, folder = self._site, ui.new_folder()
        about = {CLEAN: "The face before anything was done to it: what everything is measured against."}
        about |= {DEGRADED: "What the methods are given.", **ABOUT}
        columns = [{"method": method, "about": told} for method, told in about.items()]
        known = {"columns": columns, "total": len(recipe.cases), "identity": site.identity_name}
        values: dict[str, Any] = {**known, "clean": ui.write_file("clean.png", face, folder), "rows": [], "done": False}
        yield values
        rows: list[Row] = []
        for row in lab.compare(face, recipe.cases, recipe.seed, site.restorer, site.identity):
            drawn, pictures = row_values(row, len(rows))
            files = {name: ui.write_file(name, picture, folder) for name, picture in pictures.items()}
            for cell in drawn["cells"]:
                cell["file"] = files.get(cell["name"])
            rows.append(row)
            values = {**values, "rows": [*values["rows"], drawn]}
            yield values
        zipped = ui.write_file("comparison.zip", comparison_bundle(recipe, face, rows), folder)
        yield {**values, "done": True, "share": ui.share(recipe), "zip": zipped}

    def run_sweep(
        self, event: gr.EventData, face: str, own: str | bytes | None, seed: Any, start: str, *axes: Any, **knobs: Any
    ) -> Iterator[tuple[Any, Any]]:
        """The map as it grows, and at first no opened case; nothing of one that was stopped before it began."""
        if event.run in self._stopped:
            yield gr.skip(), gr.skip()
            return
        clean, number = self.read(face, own), make_seed(seed)
        x, y = axes[:4], axes[4:]
        asked = plan_of(degradation_of(start, knobs, number), x, None if y[0] == NONE else y)  # type: ignore[arg-type]
        recipe = self._site.recipe("sweep", clean, number, plan=asked)
        for values in self.draw_sweep(clean, recipe, event.run):
            yield values, gr.skip() if values["points"] else None

    def draw_sweep(self, face: Image, recipe: Recipe, run: str) -> Iterator[dict[str, Any]]:
        """What ``page.sweep`` draws, some points at a time; the link is there from the start, the zip with the last.
        ``stop`` ends it by its name, ``run``, which nobody guesses, with what was measured by then."""
        assert recipe.plan is not None
        site, plan, points = self._site, recipe.plan, list[Point]()
        axes = {"x": axis_values(plan.x), "y": axis_values(plan.y) if plan.y else None}
        known = {"run": run, "base": plan.base.describe(), "total": len(plan), "identity": site.identity_name}
        values: dict[str, Any] = {**axes, **known, "points": [], "done": False, "share": ui.share(recipe)}
        yield values
        for point in run_grid(face, plan, recipe.seed, site.restorer, site.identity):
            points.append(point)
            values = {**values, "points": [*values["points"], point_values(point)]}
            if len(points) % DRAWN == 0:
                yield values
            if run in self._stopped:
                break
        zipped = ui.write_file("sweep.zip", grid_bundle(recipe, face, points))
        yield {**values, "done": True, "share": ui.share(recipe, len(points)), "zip": zipped}

    def stop(self, event: gr.EventData) -> None:
        """End a sweep after the points at hand; one that waits for others will not begin."""
        self._stopped.append(str(event.run)[:32])

    def open_case(self, own: str | bytes | None, event: gr.EventData) -> dict[str, Any]:
        """The point of a sweep that was pressed, as an experiment of its own: what ``page.result`` draws."""
        site, recipe = self._site, Recipe.from_token(event.token)
        if recipe.plan is None or (event.column, event.row) not in recipe.plan.places():
            raise InputError("This point is not one of the sweep. Run the sweep again.")
        photo = site.faces.get(recipe.face, own) if recipe.face else own
        if recipe.check(read_face(photo)[0], recipe.model):
            raise InputError("The picture was changed since this sweep. Run the sweep again.")
        outcome = site.run(photo, recipe.plan.settings(event.column, event.row), recipe.seed)
        return ui.present(outcome, site.identity_name, site.recipe_of(outcome, CURRENT_LABEL))


def row_values(row: Row, index: int) -> tuple[dict[str, Any], dict[str, Image]]:
    """One row of the grid, and its pictures by the names that it gives them, which begin with the row's ``index``."""
    pictures: dict[str, Image] = {}
    cells: list[dict[str, Any]] = []
    shown: dict[str, Cell | None] = {DEGRADED: row.degraded, **{method: row.cells[method] for method in METHODS}}
    for place, (method, cell) in enumerate(shown.items()):
        if cell is None:
            cells.append({"method": method, "name": None})
            continue
        name = f"{index}_{place - 1}.png" if place else f"{index}_degraded.png"
        change = row.gain(method) if place else None
        pictures[name] = cell.picture
        gained, worse = (_scores(change), list(change.worse)) if change else (None, [])
        cells.append({"method": method, "name": name, "scores": _scores(cell.scores), "gain": gained, "worse": worse})
    caption = row.settings.describe()
    return {"label": row.label, "caption": caption, "warnings": row.warnings, "cells": cells}, pictures


def axis_values(axis: Axis) -> dict[str, Any]:
    """One axis of a sweep."""
    limit = LIMITS[axis.name]
    return {"label": limit.label, "unit": limit.unit, "values": list(axis.values)}


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


def _scores(scores: Scores | Gain) -> dict[str, float | None]:
    psnr = scores.psnr if math.isfinite(scores.psnr) else math.copysign(INFINITE, scores.psnr)
    return {"psnr": psnr, "ssim": scores.ssim, "identity": scores.identity_angle}
