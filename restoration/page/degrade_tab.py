"""The first tab: a clean face is degraded, restored and measured."""

from __future__ import annotations

import dataclasses
import functools
import json
import random
from typing import Any

import gradio as gr

from restoration.degrade import KERNELS, LIMITS
from restoration.faces.detection import find_faces, load_detector
from restoration.images import InputError
from restoration.lab import DEGRADED, Outcome, read_face, run_degrade
from restoration.lab.recipe import make_seed, picture_id
from restoration.page import widgets as ui
from restoration.page.reports import items, jpeg_address, refused
from restoration.page.site import (
    CUSTOM,
    EXAMPLES,
    FACES,
    ORDER,
    Example,
    Site,
    drawn,
    fill,
    from_controls,
    idle_controls,
)
from restoration.page.widgets import t

GATES = ("motion_length", "blur_sigma", "isotropic", "blur_sigma_y", "downsample")  # what others rest by
GATED = ("motion_angle", "blur_sigma_y", "blur_angle", "kernel")  # those others
NO_FACE = "No face was found in the centre of this picture, which is what is used."
NOT_ASKED = f"{NO_FACE} Tick “Use its centre all the same”, or choose another picture."
NO_QUESTION: dict[str, Any] = {"value": True, "visible": False}  # of the box that asks


def controls(values: dict[str, Any]) -> dict[str, Any]:
    """One control for every setting, built from its limits. What cannot change anything yet is greyed out."""
    made: dict[str, Any] = {}
    idle = idle_controls(values)
    for name in ORDER:
        options: dict[str, Any] = {"label": t(f"set_{name}"), "value": values[name], "interactive": name not in idle}
        if name == "kernel":
            made[name] = gr.Dropdown(KERNELS, **options)
        elif name in ("isotropic", "grayscale"):
            made[name] = gr.Checkbox(**options)
        else:
            low = 0 if name == "jpeg" else LIMITS[name].low
            made[name] = gr.Slider(low, LIMITS[name].high, step=LIMITS[name].step, buttons=[], **options)
    return made


class DegradeTab:
    """Layout, events and handlers. The first example is there, restored, when the page opens.

    ``face``, ``face_note``, ``centre``, ``preset``, ``seed``, ``about``, ``knobs`` and ``result`` are what a link sets;
    other tabs read ``knobs``.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        first = EXAMPLES[0]
        opening = dataclasses.replace(site.run_example(first), seconds=None)  # slower than ever: all is starting
        with gr.Row(elem_classes="strip"):
            examples = [self._add_example(example) for example in EXAMPLES]
        with gr.Row(elem_classes="desk test"):
            with gr.Column(scale=4, min_width=320):
                with gr.Row():
                    choices = ui.preset_choices(CUSTOM)
                    options: dict[str, Any] = {"label": t("preset"), "scale": 4, "min_width": 200}
                    self.preset = gr.Dropdown(choices, value=first.preset, **options)
                    self.seed = gr.Number(first.seed, label=t("seed"), scale=2, min_width=70)
                    dice = gr.Button(t("new_seed"), scale=2, min_width=80, elem_id="dice")
                self.about = ui.note(f"about_{first.preset}")
                with gr.Row(elem_classes="press"):
                    degrade = gr.Button(t("degrade"), min_width=100)
                    restore = gr.Button(t("degrade_restore"), variant="primary", min_width=150, scale=2)
                alt, at_first = "The clean face that is degraded", site.faces[first.face]
                self.face = ui.photo_input(at_first, label=t("face"), height=190, alt_text=alt, elem_id="face")
                self.face_note = ui.note()
                self.centre = gr.Checkbox(label=t("use_centre"), elem_id="centre", **NO_QUESTION)
                ui.note("note_examples")
                with gr.Accordion(t("all_settings"), open=False):
                    self.knobs = controls(fill(first.preset, first.seed))
            with gr.Column(scale=7, min_width=320):
                self.result = ui.result_view(self.present(opening), elem_id="result")
                ui.add_panel(site, self.result, "where_changed")
        self._add_events(examples, degrade, restore, dice)

    def _add_example(self, example: Example) -> gr.HTML:
        face = self._site.faces[example.face]
        degraded = run_degrade(face, drawn(example.preset, example.seed), example.seed, None).pictures[DEGRADED]
        value = {"name": f"{example.face} {example.preset}", "of": "result", "first": example is EXAMPLES[0]}
        value |= {"who": FACES[example.face], "hard": t("hard") if example.hard else ""}
        return ui.chip(jpeg_address(degraded, 144), f"preset_{example.preset}", **value)

    def _add_events(self, examples: list[gr.HTML], degrade: gr.Button, restore: gr.Button, dice: gr.Button) -> None:
        knobs, filled = self.knobs, [self.about, *self.knobs.values()]
        buttons, event = {degrade: "degrade", restore: "degrade_restore"}, ui.network_event(self.result)
        given = [self.face, self.seed, self.centre, self.face_note]
        shown = {"inputs": given, "outputs": self.result, "inputs_kwargs": knobs, **event}
        for button, busy in ((degrade, "degrading"), (restore, "restoring")):
            show = functools.partial(self.show, button is restore)
            ui.run(button.click, show, "result", buttons, {button: busy}, **shown)
        loaded = [self.face, self.face_note, self.centre, self.preset, self.seed, *filled, self.result]
        for index, example in enumerate(examples):
            load = functools.partial(self.load_example, index)
            ui.run(example.click, load, "result", buttons, {}, outputs=loaded, **event)
        gr.on([self.preset.input, self.seed.input], self.refill, [self.preset, self.seed], filled, **ui.QUIET)
        dice.click(self.new_seed, self.preset, [self.seed, *filled], **ui.QUIET)
        custom = f"() => {{ page.edited('result'); return {json.dumps([CUSTOM, t('about_custom')])}; }}"
        for knob in knobs.values():
            ui.on_edit(knob, [self.preset, self.about], custom)
        edited = "() => page.edited('result')"
        ui.on_edit(self.preset, [], edited)
        gr.on([self.face.input, self.face.clear, self.seed.input, dice.click], None, js=edited)
        gates, gated = {name: knobs[name] for name in GATES}, [knobs[name] for name in GATED]
        changes = [each.change for each in gates.values()]
        gr.on(changes, self.rest, None, gated, inputs_kwargs=gates, trigger_mode="always_last", **ui.QUIET)
        # What the note says is about the picture before, and the buttons wait until this one was looked at.
        looked = "[...page.ready('result', {}), '']"
        self.face.input(None, None, [*buttons, self.face_note], js=f"() => {looked.format('false')}")
        checked, once = [self.face, self.face_note, self.centre], {"trigger_mode": "always_last", **ui.QUIET}
        looking = self.face.input(self.check, self.face, checked, **once)
        ui.finish(looking, "() => page.ready('result', true)", [*buttons])
        ui.add_packer(self._site, self.result, self.face)

    def present(self, outcome: Outcome, person: bool = True) -> dict[str, Any]:
        """What ``page.result`` draws of an experiment, and how to repeat it; ``person``: whether it is of a face."""
        return ui.present(outcome, self._site.identity_name if person else None, self._site.recipe_of(outcome))

    def check(self, photo: str | bytes | None) -> list[Any]:
        """[a picture that was just chosen, what to know about it, whether its centre is to be used without a face]"""
        if photo is None:
            return [gr.skip(), "", gr.Checkbox(**NO_QUESTION)]
        try:
            face, notes = read_face(photo)
        except InputError as error:
            return [None, refused(error), gr.Checkbox(**NO_QUESTION)]
        if picture_id(face) in self._site.known or find_faces(face, load_detector()):
            return [gr.skip(), items(notes), gr.Checkbox(**NO_QUESTION)]
        return [gr.skip(), items([NO_FACE, *notes]), gr.Checkbox(value=False, visible=True)]

    def show(
        self, restored: bool, face: Any, seed: float | None, centre: bool, note: str | None, **knobs: Any
    ) -> dict[str, Any]:
        """What ``page.result`` draws of a picture that is degraded, and restored or not; ``note`` and ``centre`` as
        ``check`` says and asks. Nobody is measured where no face was found."""
        if not centre:
            raise InputError(NOT_ASKED)
        degradation, number, person = from_controls(knobs), make_seed(seed), NO_FACE not in (note or "")
        if restored:
            return self.present(self._site.run(face, degradation, number), person)
        outcome = run_degrade(face, degradation, number, self._site.identity)
        return ui.present(outcome, self._site.identity_name if person else None)

    def load_example(self, index: int) -> list[Any]:
        """[face, its note, its centre, preset, seed, description, value of every control, result] of an example."""
        example = EXAMPLES[index]
        filled = self.refill(example.preset, example.seed)
        result = self.present(self._site.run_example(example))
        face, asked = self._site.faces[example.face], gr.Checkbox(**NO_QUESTION)
        return [face, "", asked, example.preset, example.seed, *filled, result]

    def rest(self, **values: Any) -> list[dict[str, Any]]:
        """Of ``GATED``, whether each can change anything at these values of ``GATES``."""
        idle = idle_controls({name: value or 0 for name, value in values.items()})  # None is a field that was emptied
        return [gr.update(interactive=name not in idle) for name in GATED]

    def refill(self, preset: str, seed: float | None) -> list[Any]:
        """[description, value of every control], with ``gr.skip()`` where the preset changes nothing, or where the seed
        is none because it is being typed: a press of a button says so if it stays as it is."""
        try:
            values = fill(preset, seed)
        except InputError:
            values = {}
        return [t(f"about_{preset}"), *(values.get(name, gr.skip()) for name in self.knobs)]

    def new_seed(self, preset: str) -> list[Any]:
        """[a seed, what ``refill`` makes of it]"""
        seed = random.randrange(10_000)  # fits its field, and can be typed
        return [seed, *self.refill(preset, seed)]
