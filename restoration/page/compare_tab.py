"""The third tab: several degradations and methods side by side, or a degradation over its severities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from restoration.images import InputError
from restoration.lab.experiment import make_seed
from restoration.lab.grid import AXES
from restoration.page.degrade_tab import Packer
from restoration.page.laboratory import Laboratory
from restoration.page.links import CURRENT, NOTHING, OWN, base, cases, plan
from restoration.page.settings import preset_choices
from restoration.page.site import FACES, Site
from restoration.page.widgets import (
    LABORATORY,
    QUIET,
    check_photo,
    drawing,
    note,
    photo_input,
    result_view,
    user_errors,
)
from restoration.page.words import t

COMPARE, SWEEP = "compare", "sweep"
AT_FIRST = ["old_phone", "shaky_hand", "cctv", "original_noise"]
NONE = "none"
FIRST_AXES = {"x": ("motion_length", 4, 60, 8), "y": ("noise", 0, 25, 6)}


class CompareTab:
    """Layout, events and handlers.

    Args:
        knobs: the controls of the first tab, which hold the visitor's own settings.

    ``mode``, ``face``, ``seed``, ``chosen``, ``start``, ``axes``, ``grid`` and ``sweep`` are what a link sets.
    """

    def __init__(self, site: Site, knobs: dict[str, Any]) -> None:
        self._site = site
        self.laboratory = Laboratory(site)
        own_settings = (t("preset_current"), CURRENT)
        with gr.Row(elem_classes="desk lab"):
            with gr.Column(scale=8, min_width=320):
                with gr.Column(elem_classes="view") as grid_view:
                    self.grid = drawing("grid", label="no_grid", elem_id="grid")
                with gr.Column(visible=False, elem_classes="view") as sweep_view:
                    self.sweep = drawing("sweep", label="no_sweep", events="halt withdraw choose", elem_id="sweep")
                    self._case = result_view(elem_id="case")
            with gr.Column(scale=3, min_width=300, elem_classes="panel"):
                modes = [(t("mode_compare"), COMPARE), (t("mode_sweep"), SWEEP)]
                self.mode = gr.Radio(modes, value=COMPARE, label=t("mode"), elem_id="mode")
                faces = [*((name, key) for key, name in FACES.items()), (t("own_picture"), OWN)]
                self.face = gr.Radio(faces, value=next(iter(FACES)), label=t("face"), elem_id="lab-face")
                alt = "The clean face to compare on"
                self._own = photo_input(label=t("own_face"), height=200, alt_text=alt, elem_id="lab-own", visible=False)
                own_note = note()
                with gr.Column(elem_classes="panel") as compare_panel:
                    choices, label = [*preset_choices(), own_settings], t("degradations")
                    self.chosen = gr.CheckboxGroup(choices, value=AT_FIRST, label=label, elem_id="degradations")
                with gr.Column(elem_classes="panel", visible=False) as sweep_panel:
                    choices = [(t("start_nothing"), NOTHING), *preset_choices(), own_settings]
                    self.start = gr.Dropdown(choices, value=NOTHING, label=t("start"))
                    self.axes: list[Any] = []
                    row_numbers = [self._add_axis(*axis) for axis in FIRST_AXES.items()][1]
                self.seed = gr.Number(1, label=t("seed"))
                with gr.Row(elem_classes="press") as compare_press:
                    go = gr.Button(t("compare"), variant="primary", elem_id="compare-go")
                with gr.Row(elem_classes="press", visible=False) as sweep_press:
                    stop = gr.Button(t("stop"), min_width=80, elem_id="sweep-stop")
                    go_sweep = gr.Button(t("sweep"), variant="primary", scale=2, elem_id="sweep-go")
        groups = [grid_view, sweep_view, compare_panel, sweep_panel, compare_press, sweep_press]
        self.mode.change(self.switch, self.mode, groups, **QUIET)
        self.axes[4].change(lambda name: gr.update(visible=name != NONE), self.axes[4], row_numbers, **QUIET)
        self.face.change(lambda face: gr.update(visible=face == OWN), self.face, self._own, **QUIET)
        self._own.input(check_photo, self._own, [self._own, own_note], trigger_mode="always_last", **QUIET)
        self._add_runs(go, go_sweep, stop, knobs)

    def _add_axis(self, place: str, first: tuple[str, float, float, int]) -> gr.Row:
        """Its setting, and the row of its numbers, which is seen where it is swept along."""
        name, *values = first
        settings = [(t(f"axis_{axis}"), axis) for axis in AXES]
        choices = settings if place == "x" else [(t("axis_none"), NONE), *settings]
        self.axes.append(gr.Dropdown(choices, value=name, label=t(f"along_{place}")))
        numbers: gr.Row
        with gr.Row(elem_classes="numbers") as numbers:
            for key, value in zip(("from", "to", "steps"), values, strict=True):
                self.axes.append(gr.Number(value, label=t(key), min_width=60))
        return numbers

    def _add_runs(self, go: gr.Button, go_sweep: gr.Button, stop: gr.Button, knobs: dict[str, Any]) -> None:
        inputs = [self.face, self._own, self.seed]
        live: dict[str, Any] = {"inputs_kwargs": knobs, "show_progress": "hidden", **LABORATORY}
        go.click(user_errors(self.run_compare), [*inputs, self.chosen], self.grid, **live)
        sweeping = [*inputs, self.start, *self.axes]
        running = go_sweep.click(user_errors(self.run_sweep), sweeping, [self.sweep, self._case], **live)
        for button in (go, go_sweep):
            button.click(None, js="() => page.showResult()")
        stop.click(None, js="() => page.stop()")  # the sweep's script says which of the two:
        self.sweep.halt(self.laboratory.stop, queue=False, **QUIET)  # a running one ends with what it has measured
        self.sweep.withdraw(None, cancels=running)  # one that waits for others does not begin
        self.sweep.choose(user_errors(self.open_case), self._own, self._case, show_progress_on=self._case, **LABORATORY)
        Packer(self._site, self._case, self._own)

    def switch(self, mode: str) -> list[Any]:
        """What is seen of the grid's and the sweep's parts, which take turns."""
        return [gr.update(visible=(place % 2 == 0) == (mode == COMPARE)) for place in range(6)]

    def run_compare(
        self, face: str, own: str | bytes | None, seed: Any, chosen: list[str], **knobs: Any
    ) -> Iterator[dict[str, Any]]:
        """The grid as it grows."""
        clean, number = self.laboratory.read(face, own), make_seed(seed)
        asked = cases(chosen, knobs, number)
        if not asked:
            raise InputError("Tick at least one degradation.")
        yield from self.laboratory.compare(clean, self._site.recipe("compare", clean, number, cases=asked))

    def run_sweep(
        self, request: gr.Request, face: str, own: str | bytes | None, seed: Any, start: str, *axes: Any, **knobs: Any
    ) -> Iterator[tuple[dict[str, Any], None]]:
        """The map as it grows, and no opened case."""
        clean, number = self.laboratory.read(face, own), make_seed(seed)
        x, y = axes[:4], axes[4:]
        asked = plan(base(start, knobs, number), x, None if y[0] == NONE else y)  # type: ignore[arg-type]
        recipe = self._site.recipe("sweep", clean, number, plan=asked)
        for values in self.laboratory.sweep(clean, recipe, request.session_hash):
            yield values, None

    def open_case(self, own: str | bytes | None, event: gr.EventData) -> dict[str, Any]:
        """The point of a sweep that was pressed."""
        return self.laboratory.case(event.token, event.column, event.row, own)
