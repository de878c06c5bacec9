"""The third tab: several degradations and methods side by side, or a degradation over its severities."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from restoration.degrade.degradations import LIMITS
from restoration.degrade.protocols import PRESETS
from restoration.images import Image, InputError
from restoration.lab.bundle import comparison_bundle, grid_bundle
from restoration.lab.comparison import Row, compare
from restoration.lab.experiment import make_seed, read_face, run_experiment
from restoration.lab.grid import AXES, Point, run_grid
from restoration.lab.recipe import Recipe
from restoration.page.assets import (
    GRID_HTML,
    GRID_JS,
    RESULT_HTML,
    RESULT_JS,
    SHOW_RESULT_JS,
    STOP_JS,
    SWEEP_HTML,
    SWEEP_JS,
)
from restoration.page.examples import FACES
from restoration.page.lab_values import grid_values, point_values, row_values, sweep_values
from restoration.page.links import CURRENT, CURRENT_LABEL, NOTHING, OWN, base, cases, plan, share, write_recipe
from restoration.page.pack import add_pack
from restoration.page.parts import (
    BARE,
    LABORATORY,
    NOTE,
    QUIET,
    check_photo,
    photo_input,
    present,
    publish,
    shown,
    shown_live,
)
from restoration.page.settings import Settings
from restoration.page.site import Site

COMPARE, SWEEP = "compare", "sweep"
AT_FIRST = ["old_phone", "shaky_hand", "cctv", "original_noise"]
NONE = "none"
FIRST_AXES = {"x": ("motion_length", 4, 60, 8), "y": ("noise", 0, 25, 6)}
DRAWN = 6  # points of a sweep between two drawings: each takes the server and the browser a moment


@dataclass(frozen=True)
class CompareTab:
    """The parts of the tab that a link sets."""

    mode: gr.Radio
    face: gr.Radio
    seed: gr.Number
    chosen: gr.CheckboxGroup
    base: gr.Dropdown
    axes: list[Any]
    grid: gr.HTML
    sweep: gr.HTML
    laboratory: Laboratory


class Laboratory:
    """What the tab's buttons do, without its layout. It keeps how a running sweep is stopped, and nothing else."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stops: dict[str | None, threading.Event] = {}  # by visitor: each runs one sweep at a time
        self._name = site.identity.name if site.identity else None

    def read(self, face: str, own: str | bytes | None) -> Image:
        """The clean face: an example, or the centre square of the visitor's picture."""
        return read_face(own if face == OWN else self._site.faces[face])[0]

    def compare(self, face: Image, recipe: Recipe) -> Iterator[dict[str, Any]]:
        """The grid as it grows, a row at a time; with the last row, the link and the zip."""
        site = self._site
        values = grid_values(self._name, len(recipe.cases))
        values["clean"] = publish({"clean.png": face})["clean.png"]
        yield values
        rows: list[Row] = []
        for row in compare(face, recipe.cases, recipe.seed, site.restorer, site.identity):
            drawn, pictures = row_values(row, len(rows))
            files = publish(dict(pictures))
            for cell in drawn["cells"]:
                cell["file"] = files.get(cell["name"])
            rows.append(row)
            values = {**values, "rows": [*values["rows"], drawn]}
            yield values
        zipped = publish({"comparison.zip": comparison_bundle(recipe, face, rows)})
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
        values = {**sweep_values(recipe.plan, self._name), "share": share(recipe)}
        yield values
        points: list[Point] = []
        for point in run_grid(face, recipe.plan, recipe.seed, site.restorer, site.identity):
            points.append(point)
            values = {**values, "points": [*values["points"], point_values(point)]}
            if len(points) % DRAWN == 0 or len(points) == len(recipe.plan):
                yield values
                if stop.is_set():
                    break
        zipped = publish({"sweep.zip": grid_bundle(recipe, face, points)})
        offered = {"share": share(recipe, len(points)), "zip": zipped["sweep.zip"]}
        yield {**values, "done": True, **offered}

    def case(self, token: str, column: int, row: int, own: str | bytes | None) -> dict[str, Any]:
        """One point of a sweep, as an experiment of its own: what ``RESULT_HTML`` draws."""
        site, recipe = self._site, Recipe.from_token(token)
        places = recipe.plan.places() if recipe.plan else []
        if recipe.plan is None or (column, row) not in places:
            raise InputError("This point is not one of the sweep. Run the sweep again.")
        photo = site.faces.get(recipe.face, own) if recipe.face else own
        face = read_face(photo)[0]
        if recipe.check(face, recipe.model):
            raise InputError("The picture was changed since this sweep. Run the sweep again.")
        settings = recipe.plan.settings(column, row)
        outcome = run_experiment(photo, settings, recipe.seed, site.restorer, site.identity)
        single = dataclasses.replace(recipe, view="test", plan=None, cases={CURRENT_LABEL: settings})
        return present(outcome, site.identity, share(single))


def add_compare_tab(site: Site, knobs: dict[str, Any]) -> CompareTab:
    """Layout and events.

    Args:
        knobs: the controls of the first tab, which hold the visitor's own settings.
    """
    presets = [(preset.label, key) for key, preset in PRESETS.items()]
    settings = [(LIMITS[name].label, name) for name in AXES]
    with gr.Row(elem_classes="desk lab"):
        with gr.Column(scale=8, min_width=320):
            with gr.Column(elem_classes="view") as grid_view:
                grid = gr.HTML(None, html_template=GRID_HTML, js_on_load=GRID_JS, elem_id="grid", **BARE)
            with gr.Column(visible=False, elem_classes="view") as sweep_view:
                sweep = gr.HTML(None, html_template=SWEEP_HTML, js_on_load=SWEEP_JS, elem_id="sweep", **BARE)
                case = gr.HTML(
                    html_template=RESULT_HTML,
                    js_on_load=RESULT_JS,
                    elem_id="case",
                    elem_classes="result",
                    **BARE,
                )
        with gr.Column(scale=3, min_width=300, elem_classes="panel"):
            mode = gr.Radio(
                [("Several degradations", COMPARE), ("A range of severities", SWEEP)],
                value=COMPARE,
                label="What to compare",
                elem_id="mode",
            )
            faces = [*((name, key) for key, name in FACES.items()), ("My own picture", OWN)]
            face = gr.Radio(faces, value=next(iter(FACES)), label="Clean face", elem_id="lab-face")
            own = photo_input(label="My own clean face", height=200, alt_text="The clean face to compare on",
                              elem_id="lab-own", visible=False)  # fmt: skip
            own_note = gr.HTML("", **NOTE)
            with gr.Column(elem_classes="panel") as compare_panel:
                chosen = gr.CheckboxGroup(
                    [*presets, (f"{CURRENT_LABEL} (first tab)", CURRENT)],
                    value=AT_FIRST,
                    label="Degradations",
                    elem_id="degradations",
                )
            with gr.Column(elem_classes="panel", visible=False) as sweep_panel:
                start = gr.Dropdown(
                    [("No other degradation", NOTHING), *presets, (f"{CURRENT_LABEL} (first tab)", CURRENT)],
                    value=NOTHING,
                    label="Start from",
                )
                axes: list[Any] = []
                for place, (name, low, high, steps) in FIRST_AXES.items():
                    options = settings if place == "x" else [("Nothing else", NONE), *settings]
                    label = "Along the columns" if place == "x" else "Along the rows"
                    axes.append(gr.Dropdown(options, value=name, label=label))
                    with gr.Row(elem_classes="numbers") as numbers:  # those of the rows are seen where rows are swept
                        for text, number in (("From", low), ("To", high), ("Steps", steps)):
                            axes.append(gr.Number(number, label=text, min_width=60))
            seed = gr.Number(1, label="Seed")
            with gr.Row(elem_classes="press") as compare_press:
                go = gr.Button("Compare", variant="primary", elem_id="compare-go")
            with gr.Row(elem_classes="press", visible=False) as sweep_press:
                stop = gr.Button("Stop", min_width=80, elem_id="sweep-stop")
                go_sweep = gr.Button("Sweep", variant="primary", scale=2, elem_id="sweep-go")

    laboratory = Laboratory(site)
    fingerprint = site.restorer.fingerprint

    def compare_now(face: str, own: Any, seed: Any, chosen: list[str], **knobs: Any) -> Iterator[dict[str, Any]]:
        clean, number = laboratory.read(face, own), make_seed(seed)
        asked = cases(chosen, knobs, number)
        if not asked:
            raise InputError("Tick at least one degradation.")
        yield from laboratory.compare(
            clean, write_recipe("compare", clean, site.known, number, fingerprint, cases=asked)
        )

    def sweep_now(
        request: gr.Request, face: str, own: Any, seed: Any, start: str, *axes: Any, **knobs: Settings
    ) -> Iterator[Any]:
        clean, number = laboratory.read(face, own), make_seed(seed)
        x, y = axes[:4], axes[4:]
        asked = plan(base(start, knobs, number), x, None if y[0] == NONE else y)  # type: ignore[arg-type]
        recipe = write_recipe("sweep", clean, site.known, number, fingerprint, plan=asked)
        for values in laboratory.sweep(clean, recipe, request.session_hash):
            yield values, None

    def open_case(own: Any, event: gr.EventData) -> dict[str, Any]:
        return laboratory.case(event.token, event.column, event.row, own)

    groups = [grid_view, sweep_view, compare_panel, sweep_panel, compare_press, sweep_press]

    def switch(mode: str) -> list[Any]:
        return [gr.update(visible=(place % 2 == 0) == (mode == COMPARE)) for place in range(len(groups))]

    mode.change(switch, mode, groups, **QUIET)
    axes[4].change(lambda name: gr.update(visible=name != NONE), axes[4], numbers, **QUIET)
    face.change(lambda face: gr.update(visible=face == OWN), face, own, **QUIET)
    own.input(check_photo, own, [own, own_note], trigger_mode="always_last", **QUIET)
    inputs = [face, own, seed]
    streaming: dict[str, Any] = {"inputs_kwargs": knobs, "show_progress": "hidden", **LABORATORY}
    go.click(shown_live(compare_now), [*inputs, chosen], grid, **streaming)
    running = go_sweep.click(shown_live(sweep_now), [*inputs, start, *axes], [sweep, case], **streaming)
    for button in (go, go_sweep):
        button.click(None, js=SHOW_RESULT_JS)
    stop.click(None, js=STOP_JS)  # sweep.js says which of the two:
    sweep.halt(laboratory.stop, queue=False, **QUIET)  # a running one ends with what it has measured
    sweep.withdraw(None, cancels=running)  # one that waits for others does not begin
    sweep.choose(shown(open_case), own, case, show_progress_on=case, **LABORATORY)
    add_pack(site, case, own)
    return CompareTab(mode, face, seed, chosen, start, axes, grid, sweep, laboratory)
