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
from restoration.lab.recipe import MAX_SEED, make_seed, picture_id
from restoration.page import widgets as ui
from restoration.page.reports import items, jpeg_address, refused
from restoration.page.site import (
    CUSTOM,
    EXAMPLES,
    FACES,
    ORDER,
    Example,
    Settings,
    Site,
    bounds,
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


def controls(values: Settings) -> dict[str, Any]:
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
            made[name] = gr.Slider(*bounds(name), step=LIMITS[name].step, buttons=[], **options)
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
                    options: dict[str, Any] = {"label": t("preset"), "scale": 4, "min_width": 130}
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
                ui.add_examination(site, self.result)
        self._buttons = {degrade: "degrade", restore: "degrade_restore"}
        self._add_events(examples, degrade, restore, dice)

    def _add_example(self, example: Example) -> gr.HTML:
        face = self._site.faces[example.face]
        degraded = run_degrade(face, drawn(example.preset, example.seed), example.seed, None)
        value = {"who": FACES[example.face], "picture": jpeg_address(degraded.pictures[DEGRADED], 144)}
        value |= {"busy": t("restoring"), "hard": t("hard") if example.hard else ""}
        return ui.drawing("example", value, events="click", label=f"preset_{example.preset}", min_width=136)

    def _add_events(self, examples: list[gr.HTML], degrade: gr.Button, restore: gr.Button, dice: gr.Button) -> None:
        knobs, filled = self.knobs, [self.about, *self.knobs.values()]
        asked, event = [self.face, self.seed, self.centre], ui.network_event(self.result)
        for button, said in ((degrade, "degrading"), (restore, "restoring")):
            show = functools.partial(self.show, button is restore)
            self._run(button.click, show, asked, [self.result], {button: said}, inputs_kwargs=knobs, **event)
        loaded = [self.face, self.face_note, self.centre, self.preset, self.seed, *filled, self.result]
        for index, example in enumerate(examples):
            self._run(example.click, functools.partial(self.load_example, index), [], loaded, {}, **event)
        self.preset.input(ui.user_errors(self.refill), [self.preset, self.seed], filled, **ui.QUIET)
        self.seed.input(self.refill_while_typing, [self.preset, self.seed], filled, **ui.QUIET)
        dice.click(self.new_seed, self.preset, [self.seed, *filled], **ui.QUIET)
        custom = f"() => {{ page.edited(); return {json.dumps([CUSTOM, t('about_custom')])}; }}"
        for knob in knobs.values():
            knob.input(None, None, [self.preset, self.about], js=custom)
        edits = [self.face.input, self.face.clear, self.preset.input, self.seed.input, dice.click]
        gr.on(edits, None, js="() => page.edited()")
        gates, gated = {name: knobs[name] for name in GATES}, [knobs[name] for name in GATED]
        changes = [each.change for each in gates.values()]
        gr.on(changes, self.rest, None, gated, inputs_kwargs=gates, trigger_mode="always_last", **ui.QUIET)
        checked = [self.face, self.face_note, self.centre]
        self.face.input(None, None, self.face_note, js="() => ''")  # what it says is about the picture before
        self._run(self.face.input, self.check, [self.face], checked, None, trigger_mode="always_last", **ui.QUIET)
        ui.Packer(self._site, self.result, self.face)

    def _run(self, listen: Any, handler: Any, inputs: list[Any], outputs: Any, said: Any, **options: Any) -> None:
        """An event during which both buttons are off; with ``said``, what they say then, its answer is a result."""
        off, on = [], []
        for button, key in self._buttons.items():
            off.append({"__type__": "update", "interactive": False, "value": t((said or {}).get(button, key))})
            on.append({"__type__": "update", "interactive": True, "value": t(key)})
        buttons, makes = [*self._buttons], said is not None
        # The listeners of one event wait for one another: this one is the first.
        show = "page.showResult(); " if said else ""
        listen(None, None, buttons, js=f"() => {{ {show}return {json.dumps(off)}; }}")
        count = len(inputs) + len(options.get("inputs_kwargs", ()))
        begin = {"js": f"(...given) => {{ page.begin(); return given.slice(0, {count}); }}"} if makes else {}
        run = listen(ui.user_errors(handler), inputs, outputs, **begin, **options)
        end = "page.end(); " if makes else ""
        for after in (run.then, run.failure):  # Gradio calls one of them
            after(None, None, buttons, js=f"() => {{ {end}return {json.dumps(on)}; }}")

    def present(self, outcome: Outcome) -> dict[str, Any]:
        """What ``page.result`` draws of an experiment, and how to repeat it."""
        return ui.present(outcome, self._site.identity_name, self._site.recipe_of(outcome))

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

    def show(self, restored: bool, face: Any, seed: float | None, centre: bool, **knobs: Any) -> dict[str, Any]:
        """What ``page.result`` draws of a face that is degraded, and restored or not; ``centre`` as ``check`` asks."""
        if not centre:
            raise InputError(NOT_ASKED)
        degradation, number = from_controls(knobs), make_seed(seed)
        if restored:
            return self.present(self._site.run(face, degradation, number))
        return ui.present(run_degrade(face, degradation, number, self._site.identity), self._site.identity_name)

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
