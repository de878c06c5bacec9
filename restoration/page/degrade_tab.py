"""The first tab: a clean face is degraded, restored and measured."""

from __future__ import annotations

import dataclasses
import functools
import json
import random
from typing import Any

import gradio as gr

from restoration.images import InputError
from restoration.lab.bundle import comparison_bundle
from restoration.lab.comparison import compare
from restoration.lab.experiment import CLEAN, DEGRADED, MAX_SEED, Outcome, make_seed, read_face, run_degrade
from restoration.lab.recipe import Recipe
from restoration.page.examine import add_examination
from restoration.page.links import label
from restoration.page.settings import CUSTOM, controls, fill, from_controls, preset_choices
from restoration.page.site import EXAMPLES, FACES, Site
from restoration.page.widgets import (
    LABORATORY,
    QUIET,
    check_photo,
    drawing,
    jpeg_address,
    network_event,
    new_folder,
    note,
    photo_input,
    present,
    result_view,
    user_errors,
    write_files,
)
from restoration.page.words import t


def present_with_recipe(site: Site, outcome: Outcome) -> dict[str, Any]:
    """What ``page.result`` draws of an experiment, and how to repeat it."""
    assert outcome.settings is not None
    assert outcome.seed is not None
    cases = {label(outcome.settings, outcome.seed): outcome.settings}
    recipe = site.recipe("test", outcome.pictures[CLEAN], outcome.seed, cases=cases)
    return present(outcome, site.identity_name, recipe)


class Packer:
    """The zip of an experiment that was presented with its recipe."""

    def __init__(self, site: Site, result: gr.HTML, own: gr.Image) -> None:
        """Let ``result`` ask for its zip; ``own`` holds the visitor's picture."""
        self._site = site
        result.pack(user_errors(self.pack), own, drawing("packed"), show_progress="hidden", **LABORATORY)

    def pack(self, photo: str | bytes | None, event: gr.EventData) -> dict[str, Any]:
        """By the token of the recipe, which is run once more; ``photo`` where it was made with the visitor's own."""
        site, recipe = self._site, Recipe.from_token(event.token)
        face = read_face(site.faces.get(recipe.face, photo))[0]
        if notes := recipe.check(face, site.restorer.fingerprint):
            raise InputError(f"{notes[0]} Press the button again to make it anew.")
        rows = list(compare(face, recipe.cases, recipe.seed, site.restorer, site.identity))
        return write_files({"experiment.zip": comparison_bundle(recipe, face, rows)}, new_folder())["experiment.zip"]


class DegradeTab:
    """Layout, events and handlers. The first example is there, restored, when the page opens.

    ``face``, ``preset``, ``seed``, ``about``, ``knobs`` and ``result`` are what a link sets; other tabs read ``knobs``.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        first = EXAMPLES[0]
        opening = dataclasses.replace(site.run_example(first), seconds=None)  # slower than ever: all is starting
        values, description = fill(first.preset, first.seed)
        with gr.Row(elem_classes="strip"):
            examples = self._add_examples()
        with gr.Row(elem_classes="desk"):
            with gr.Column(scale=7, min_width=320):
                shown = present_with_recipe(site, opening)
                self.result = result_view(shown, elem_id="result")
                add_examination(site, self.result)
            with gr.Column(scale=4, min_width=320, elem_classes="panel"):
                alt, at_first = "The clean face that is degraded", site.faces[first.face]
                self.face = photo_input(at_first, label=t("face"), height=190, alt_text=alt, elem_id="face")
                note("note_examples")
                self.face_note = note()
                with gr.Row():
                    choices = [*preset_choices(), (t("preset_custom"), CUSTOM)]
                    options: dict[str, Any] = {"label": t("preset"), "scale": 4, "min_width": 130}
                    self.preset = gr.Dropdown(choices, value=first.preset, **options)
                    self.seed = gr.Number(first.seed, label=t("seed"), scale=2, min_width=70)
                    dice = gr.Button(t("new_seed"), scale=2, min_width=80, elem_id="dice")
                self.about = drawing("note", description, elem_classes="note")
                with gr.Row(elem_classes="press"):
                    degrade = gr.Button(t("degrade"), min_width=100)
                    restore = gr.Button(t("degrade_restore"), variant="primary", min_width=150, scale=2)
                with gr.Accordion(t("all_settings"), open=False):
                    self.knobs = controls(values)
        self._add_events(examples, degrade, restore, dice)

    def _add_examples(self) -> list[gr.HTML]:
        made = []
        for name, preset, seed in EXAMPLES:
            degraded = run_degrade(self._site.faces[name], from_controls(fill(preset, seed)[0]), seed, None)
            value = {"who": FACES[name], "picture": jpeg_address(degraded.pictures[DEGRADED], 144)}
            made.append(drawing("example", value, events="click", label=f"preset_{preset}", min_width=136))
        return made

    def _add_events(self, examples: list[gr.HTML], degrade: gr.Button, restore: gr.Button, dice: gr.Button) -> None:
        knobs, filled = self.knobs, [self.about, *self.knobs.values()]
        for button, handler in ((degrade, self.show_degraded), (restore, self.show_restored)):
            inputs, event = [self.face, self.seed], network_event(self.result)
            button.click(user_errors(handler), inputs, self.result, inputs_kwargs=knobs, **event)
            button.click(None, js="() => page.showResult()")
        loaded = [self.face, self.face_note, self.preset, self.seed, *filled, self.result]
        for index, example in enumerate(examples):
            example.click(functools.partial(self.load_example, index), None, loaded, **network_event(self.result))
        self.preset.input(user_errors(self.refill), [self.preset, self.seed], filled, **QUIET)
        self.seed.input(self.refill_while_typing, [self.preset, self.seed], filled, **QUIET)
        dice.click(self.new_seed, self.preset, [self.seed, *filled], **QUIET)
        custom = f"() => {json.dumps([CUSTOM, t('about_custom')])}"
        for knob in knobs.values():
            knob.input(None, None, [self.preset, self.about], js=custom)
        gates = [knobs[name] for name in ("motion_length", "blur_sigma", "isotropic", "blur_sigma_y", "downsample")]
        gated = [knobs[name] for name in ("motion_angle", "blur_sigma_y", "blur_angle", "kernel")]
        gate = "(...values) => page.gate(...values)"
        gr.on([each.change for each in gates], None, gates, gated, js=gate, trigger_mode="always_last")
        self.face.input(check_photo, self.face, [self.face, self.face_note], trigger_mode="always_last", **QUIET)
        Packer(self._site, self.result, self.face)

    def show_degraded(self, face: str | bytes | None, seed: float | None, **knobs: Any) -> dict[str, Any]:
        """What ``page.result`` draws of a face that is degraded and not restored."""
        outcome = run_degrade(face, from_controls(knobs), make_seed(seed), self._site.identity)
        return present(outcome, self._site.identity_name)

    def show_restored(self, face: str | bytes | None, seed: float | None, **knobs: Any) -> dict[str, Any]:
        """What ``page.result`` draws of an experiment."""
        return present_with_recipe(self._site, self._site.run(face, from_controls(knobs), make_seed(seed)))

    def load_example(self, index: int) -> list[Any]:
        """[face, its note, preset, seed, description, value of every control, result] of an example."""
        example = EXAMPLES[index]
        result = present_with_recipe(self._site, self._site.run_example(example))
        filled = self.refill(example.preset, example.seed)
        return [self._site.faces[example.face], "", example.preset, example.seed, *filled, result]

    def refill(self, preset: str, seed: float | None) -> list[Any]:
        """[description, value of every control], with ``gr.skip()`` where the preset changes nothing."""
        values, description = fill(preset, seed)
        return [description, *(values.get(name, gr.skip()) for name in self.knobs)]

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
