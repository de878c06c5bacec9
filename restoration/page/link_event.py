"""What happens when the page is opened by a link?  Its recipe fills the controls and is run again."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import gradio as gr

from restoration.degrade.protocols import PRESETS
from restoration.images import InputError
from restoration.lab.recipe import Recipe
from restoration.page.assets import OPENER_JS
from restoration.page.compare_tab import COMPARE, NONE, SWEEP, CompareTab
from restoration.page.links import Opened, open_recipe
from restoration.page.parts import BARE, LABORATORY, shown_live
from restoration.page.settings import CUSTOM, CUSTOM_DESCRIPTION
from restoration.page.site import Site
from restoration.page.test_tab import TestTab, run_and_present
from restoration.page.words import items

State = dict[Any, Any]


def add_link_event(site: Site, note: gr.HTML, tabs: gr.Tabs, test: TestTab, lab: CompareTab) -> None:
    """The event that a link sets off. A page that was opened without one asks nothing.

    Args:
        note: says why a recipe's numbers will differ here.
        tabs, test, lab: what the recipe fills.
    """
    opener = gr.HTML("", js_on_load=OPENER_JS, **BARE)
    laboratory = lab.laboratory

    def follow(event: gr.EventData, request: gr.Request) -> Iterator[State]:
        answered = {opener: f"<!-- {secrets.token_hex(4)} -->"}  # another one for every link
        try:
            opened = open_recipe(event.token, site.faces, site.restorer.fingerprint)
        except InputError:
            yield answered
            raise
        recipe, state = opened.recipe, {note: items(opened.notes), **answered}
        state |= {test.knobs[name]: value for name, value in opened.knobs.items()}
        if recipe.view == "test":
            yield state | _test(opened)
        else:
            yield state | _compare(opened)
        if recipe.face:
            yield from ({place: value} for place, value in run(recipe, request.session_hash))

    def run(recipe: Recipe, visitor: str | None) -> Iterator[tuple[gr.HTML, Any]]:
        face = site.faces[recipe.face]
        if recipe.view == "test":
            settings = next(iter(recipe.cases.values()))
            yield test.result, run_and_present(site, face, settings, recipe.seed)
            return
        clean = laboratory.read(recipe.face, None)
        if recipe.plan is None:
            yield from ((lab.grid, values) for values in laboratory.compare(clean, recipe))
        else:
            yield from ((lab.sweep, values) for values in laboratory.sweep(clean, recipe, visitor))

    def _test(opened: Opened) -> State:
        key = opened.chosen[0]
        about = PRESETS[key].description if key in PRESETS else CUSTOM_DESCRIPTION
        return {
            tabs: gr.Tabs(selected="test"),
            test.face: site.faces.get(opened.recipe.face),
            test.preset: key if key in PRESETS else CUSTOM,
            test.seed: opened.recipe.seed,
            test.about: f"<p>{about}</p>",
        }

    def _compare(opened: Opened) -> State:
        recipe = opened.recipe
        state: State = {tabs: gr.Tabs(selected="compare"), lab.seed: recipe.seed, lab.face: recipe.face}
        if recipe.plan is None:
            return state | {lab.mode: COMPARE, lab.chosen: opened.chosen}
        values: list[Any] = []
        for axis in (recipe.plan.x, recipe.plan.y):
            values += [axis.name, axis.values[0], axis.values[-1], len(axis.values)] if axis else [NONE, 0, 1, 2]
        return state | {lab.mode: SWEEP, lab.base: opened.chosen[0], **dict(zip(lab.axes, values, strict=True))}

    outputs = [tabs, note, opener, test.face, test.preset, test.seed, test.about, *test.knobs.values(), test.result]
    outputs += [lab.mode, lab.face, lab.seed, lab.chosen, lab.base, *lab.axes, lab.grid, lab.sweep]
    opener.recipe(shown_live(follow), None, outputs, show_progress="hidden", **LABORATORY)
