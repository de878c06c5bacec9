"""The first tab: a clean face is degraded, restored and measured."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from typing import Any

import gradio as gr

from restoration.degrade.degradations import Degradation
from restoration.degrade.protocols import PRESETS
from restoration.images import InputError
from restoration.lab.experiment import CLEAN, MAX_SEED, Outcome, make_seed, run_degrade, run_experiment
from restoration.page.assets import GATE_JS, RESULT_HTML, RESULT_JS, SHOW_RESULT_JS, STRIP_JS
from restoration.page.examine import add_examination
from restoration.page.examples import EXAMPLES, NOTE_HTML
from restoration.page.links import label, share, write_recipe
from restoration.page.pack import add_pack
from restoration.page.parts import (
    BARE,
    NOTE,
    QUIET,
    check_photo,
    controls,
    network_event,
    photo_input,
    present,
    refill,
    shown,
)
from restoration.page.settings import CUSTOM, CUSTOM_DESCRIPTION, fill, from_controls
from restoration.page.site import Site


@dataclass(frozen=True)
class TestTab:
    """The parts of the tab that a link sets, and the controls that the other tabs read."""

    face: gr.Image
    preset: gr.Dropdown
    seed: gr.Number
    about: gr.HTML
    knobs: dict[str, Any]
    result: gr.HTML


def run_and_present(site: Site, face: Any, settings: Degradation, seed: int) -> dict[str, Any]:
    """One experiment, what ``RESULT_HTML`` draws of it, and how to repeat it."""
    return present_with_recipe(site, run_experiment(face, settings, seed, site.restorer, site.identity))


def present_with_recipe(site: Site, outcome: Outcome) -> dict[str, Any]:
    """What ``RESULT_HTML`` draws of an experiment, and how to repeat it."""
    settings, seed = outcome.settings, outcome.seed
    assert settings is not None
    assert seed is not None
    recipe = write_recipe(
        "test",
        outcome.pictures[CLEAN],
        site.known,
        seed,
        site.restorer.fingerprint,
        cases={label(settings, seed): settings},
    )
    return present(outcome, site.identity, share(recipe))


def add_test_tab(site: Site) -> TestTab:
    """Layout and events. The first example is there, restored, when the page opens."""
    first_face, first_preset = EXAMPLES[0]
    values, description = fill(first_preset, 1)

    examples = gr.HTML(site.strip, js_on_load=STRIP_JS, **BARE)
    with gr.Row(elem_classes="desk"):
        with gr.Column(scale=7, min_width=320):
            result = gr.HTML(
                present_with_recipe(site, site.opening),
                html_template=RESULT_HTML,
                js_on_load=RESULT_JS,
                elem_id="result",
                elem_classes="result",
                **BARE,
            )
            add_examination(site, result)
        with gr.Column(scale=4, min_width=320, elem_classes="panel"):
            alt = "The clean face that is degraded"
            face = photo_input(site.faces[first_face], label="Clean face", height=190, alt_text=alt, elem_id="face")
            gr.HTML(NOTE_HTML, **NOTE)
            face_note = gr.HTML("", **NOTE)
            with gr.Row():
                choices = [(p.label, key) for key, p in PRESETS.items()] + [("Custom", CUSTOM)]
                preset = gr.Dropdown(choices, value=first_preset, label="Degradation", scale=4, min_width=130)
                seed = gr.Number(1, label="Seed", scale=2, min_width=70)  # make_seed says what is allowed
                dice = gr.Button("New seed", scale=2, min_width=80, elem_id="dice")
            about = gr.HTML(f"<p>{description}</p>", **NOTE)
            with gr.Row(elem_classes="press"):
                degrade_button = gr.Button("Degrade", min_width=100)
                test_button = gr.Button("Degrade & restore", variant="primary", min_width=150, scale=2)
            with gr.Accordion("All settings", open=False):
                knobs = controls(values)

    def degrade_only(face: Any, seed: float | None, **knobs: Any) -> dict[str, Any]:
        return present(run_degrade(face, from_controls(knobs), make_seed(seed), site.identity), site.identity)

    def test(face: Any, seed: float | None, **knobs: Any) -> dict[str, Any]:
        return run_and_present(site, face, from_controls(knobs), make_seed(seed))

    def new_seed(preset: str) -> list[Any]:
        seed = random.randrange(MAX_SEED)
        return [seed, *refill(list(knobs), preset, seed)]

    def load_example(event: gr.EventData) -> list[Any]:
        name, key = EXAMPLES[event.index]
        filled, description = fill(key, 1)
        shown_now = run_and_present(site, site.faces[name], from_controls(filled), 1)
        loaded = [site.faces[name], "", key, 1, f"<p>{description}</p>"]
        return [*loaded, *(filled[knob] for knob in knobs), shown_now]

    network = network_event(result)
    degrade_button.click(shown(degrade_only), [face, seed], result, inputs_kwargs=knobs, **network)
    test_button.click(shown(test), [face, seed], result, inputs_kwargs=knobs, **network)
    for button in (degrade_button, test_button):
        button.click(None, js=SHOW_RESULT_JS)
    loaded = [face, face_note, preset, seed, about, *knobs.values(), result]
    examples.pick(load_example, None, loaded, **network)

    def refill_while_typing(preset: str, seed: float | None) -> list[Any]:
        try:
            return refill(list(knobs), preset, seed)
        except InputError:  # it is not a seed yet: a press of a button says so if it stays as it is
            return [gr.skip()] * (1 + len(knobs))

    filled = [about, *knobs.values()]
    preset.input(shown(functools.partial(refill, list(knobs))), [preset, seed], filled, **QUIET)
    seed.input(refill_while_typing, [preset, seed], filled, **QUIET)
    dice.click(new_seed, preset, [seed, about, *knobs.values()], **QUIET)
    for knob in knobs.values():
        knob.input(None, None, [preset, about], js=f"() => ['{CUSTOM}', '<p>{CUSTOM_DESCRIPTION}</p>']")
    gates = [knobs[name] for name in ("motion_length", "blur_sigma", "isotropic", "blur_sigma_y", "downsample")]
    gated = [knobs[name] for name in ("motion_angle", "blur_sigma_y", "blur_angle", "kernel")]
    gr.on([gate.change for gate in gates], None, gates, gated, js=GATE_JS, trigger_mode="always_last")
    face.input(check_photo, face, [face, face_note], trigger_mode="always_last", **QUIET)
    add_pack(site, result, face)
    return TestTab(face, preset, seed, about, knobs, result)
