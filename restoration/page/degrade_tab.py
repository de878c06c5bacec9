"""The first tab: a clean face is degraded, restored and measured."""

from __future__ import annotations

import dataclasses
import functools
import json
import random
from typing import Any

import gradio as gr

from restoration.degrade import LIMITS
from restoration.degrade.operations import KERNELS
from restoration.images import InputError
from restoration.lab import DEGRADED, MAX_SEED, Outcome, make_seed, run_degrade
from restoration.page import widgets as ui
from restoration.page.reports import jpeg_address
from restoration.page.site import (
    CUSTOM,
    EXAMPLES,
    FACES,
    ORDER,
    Settings,
    Site,
    bounds,
    drawn,
    fill,
    from_controls,
    idle_controls,
)
from restoration.page.widgets import t


def controls(values: Settings) -> dict[str, Any]:
    """One control for every setting, built from its limits. What cannot change anything yet is greyed out."""
    made: dict[str, Any] = {}
    idle = idle_controls(values)
    for name in ORDER:
        options: dict[str, Any] = {"label": t(name), "value": values[name], "interactive": name not in idle}
        if name == "kernel":
            made[name] = gr.Dropdown(KERNELS, **options)
        elif name in ("isotropic", "grayscale"):
            made[name] = gr.Checkbox(**options)
        else:
            made[name] = gr.Slider(*bounds(name), step=LIMITS[name].step, buttons=[], **options)
    return made


class DegradeTab:
    """Layout, events and handlers. The first example is there, restored, when the page opens.

    ``face``, ``preset``, ``seed``, ``about``, ``knobs`` and ``result`` are what a link sets; other tabs read ``knobs``.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        first = EXAMPLES[0]
        opening = dataclasses.replace(site.run_example(first), seconds=None)  # slower than ever: all is starting
        with gr.Row(elem_classes="strip"):
            examples = [self._add_example(*example) for example in EXAMPLES]
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=7, min_width=320):
                self.result = ui.result_view(self.present(opening), elem_id="result")
                ui.add_examination(site, self.result)
            with gr.Column(scale=4, min_width=320, elem_classes="panel"):
                alt, at_first = "The clean face that is degraded", site.faces[first.face]
                self.face = ui.photo_input(at_first, label=t("face"), height=190, alt_text=alt, elem_id="face")
                ui.note("note_examples")
                self.face_note = ui.note()
                with gr.Row():
                    choices = ui.preset_choices(CUSTOM)
                    options: dict[str, Any] = {"label": t("preset"), "scale": 4, "min_width": 130}
                    self.preset = gr.Dropdown(choices, value=first.preset, **options)
                    self.seed = gr.Number(first.seed, label=t("seed"), scale=2, min_width=70)
                    dice = gr.Button(t("new_seed"), scale=2, min_width=80, elem_id="dice")
                self.about = ui.note(f"about_{first.preset}")
                with gr.Row(elem_classes="press"):
                    degrade = gr.Button(t("degrade"), min_width=100)
                    restore = gr.Button(t("degrade_restore"), variant="primary", min_width=150, scale=2)
                with gr.Accordion(t("all_settings"), open=False):
                    self.knobs = controls(fill(first.preset, first.seed))
        self._add_events(examples, degrade, restore, dice)

    def _add_example(self, name: str, preset: str, seed: int) -> gr.HTML:
        degraded = run_degrade(self._site.faces[name], drawn(preset, seed), seed, None)
        value = {"who": FACES[name], "picture": jpeg_address(degraded.pictures[DEGRADED], 144)}
        return ui.drawing("example", value, events="click", label=f"preset_{preset}", min_width=136)

    def _add_events(self, examples: list[gr.HTML], degrade: gr.Button, restore: gr.Button, dice: gr.Button) -> None:
        knobs, filled = self.knobs, [self.about, *self.knobs.values()]
        event = ui.network_event(self.result)
        for button, handler in ((degrade, self.show_degraded), (restore, self.show_restored)):
            inputs = [self.face, self.seed]
            button.click(None, js="() => { page.ask(); page.showResult(); }")  # first: listeners wait for one another
            button.click(ui.user_errors(handler), inputs, self.result, inputs_kwargs=knobs, **event)
        loaded = [self.face, self.face_note, self.preset, self.seed, *filled, self.result]
        for index, example in enumerate(examples):
            example.click(functools.partial(self.load_example, index), None, loaded, **event)
        self.preset.input(ui.user_errors(self.refill), [self.preset, self.seed], filled, **ui.QUIET)
        self.seed.input(self.refill_while_typing, [self.preset, self.seed], filled, **ui.QUIET)
        dice.click(self.new_seed, self.preset, [self.seed, *filled], **ui.QUIET)
        custom = f"() => {{ page.edited(); return {json.dumps([CUSTOM, t('about_custom')])}; }}"
        for knob in knobs.values():
            knob.input(None, None, [self.preset, self.about], js=custom)
        edits = [self.face.input, self.face.clear, self.preset.input, self.seed.input, dice.click]
        gr.on(edits, None, js="() => page.edited()")
        gates = [knobs[name] for name in ("motion_length", "blur_sigma", "isotropic", "blur_sigma_y", "downsample")]
        gated = [knobs[name] for name in ("motion_angle", "blur_sigma_y", "blur_angle", "kernel")]
        gate = "(...values) => page.gate(...values)"
        gr.on([each.change for each in gates], None, gates, gated, js=gate, trigger_mode="always_last")
        ui.checked_input(self.face, self.face_note)
        ui.Packer(self._site, self.result, self.face)

    def present(self, outcome: Outcome) -> dict[str, Any]:
        """What ``page.result`` draws of an experiment, and how to repeat it."""
        return ui.present(outcome, self._site.identity_name, self._site.recipe_of(outcome))

    def show_degraded(self, face: str | bytes | None, seed: float | None, **knobs: Any) -> dict[str, Any]:
        """What ``page.result`` draws of a face that is degraded and not restored."""
        outcome = run_degrade(face, from_controls(knobs), make_seed(seed), self._site.identity)
        return ui.present(outcome, self._site.identity_name)

    def show_restored(self, face: str | bytes | None, seed: float | None, **knobs: Any) -> dict[str, Any]:
        """What ``page.result`` draws of an experiment."""
        return self.present(self._site.run(face, from_controls(knobs), make_seed(seed)))

    def load_example(self, index: int) -> list[Any]:
        """[face, its note, preset, seed, description, value of every control, result] of an example."""
        example = EXAMPLES[index]
        filled = self.refill(example.preset, example.seed)
        result = self.present(self._site.run_example(example))
        return [self._site.faces[example.face], "", example.preset, example.seed, *filled, result]

    def refill(self, preset: str, seed: float | None) -> list[Any]:
        """[description, value of every control], with ``gr.skip()`` where the preset changes nothing."""
        values = fill(preset, seed)
        return [t(f"about_{preset}"), *(values.get(name, gr.skip()) for name in self.knobs)]

    def refill_while_typing(self, preset: str, seed: float | None) -> list[Any]:
        """``refill``, but for what is no seed yet: a press of a button says so if it stays as it is."""
        try:
            return self.refill(preset, seed)
        except InputError:
            return [gr.skip()] * (1 + len(self.knobs))

    def new_seed(self, preset: str) -> list[Any]:
        """[a seed, what ``refill`` makes of it]"""
        seed = random.randrange(MAX_SEED)
        return [seed, *self.refill(preset, seed)]
