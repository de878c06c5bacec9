"""The whole page: the header, one tab for each kind of question, what a link does, and the footer."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.exceptions import InvalidPathError

from restoration.degrade.protocols import PRESETS
from restoration.lab.recipe import Recipe
from restoration.page import widgets as ui
from restoration.page.compare_tab import COMPARE, NONE, SWEEP, CompareTab
from restoration.page.degrade_tab import NO_QUESTION, DegradeTab
from restoration.page.endpoints import add_endpoints
from restoration.page.photo_tab import PhotoTab
from restoration.page.reports import footer, items
from restoration.page.site import CUSTOM, Opened, Site, open_recipe
from restoration.page.widgets import t

State = dict[Any, Any]
THEME = gr.themes.Base(  # system fonts alone: nothing is fetched
    primary_hue="teal",
    neutral_hue="stone",
    radius_size="lg",
    font=["system-ui", "-apple-system", "'Segoe UI'", "Roboto", "sans-serif"],
    font_mono=["ui-monospace", "Consolas", "monospace"],
).set(
    body_background_fill="*neutral_100",
    body_background_fill_dark="*neutral_950",
    block_background_fill="white",
    block_background_fill_dark="*neutral_900",
    block_border_width="1px",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover_dark="*primary_800",
    button_primary_text_color="white",
    button_large_radius="*radius_md",
    color_accent="*primary_700",
    block_label_text_color="*neutral_600",
    block_title_text_color="*neutral_700",
    block_title_text_size="*text_sm",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_400",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_400",
)
LAUNCH: dict[str, Any] = {
    "theme": THEME,
    "css": ui.CSS,
    "head": ui.HEAD,
    "i18n": ui.I18N,
    "footer_links": ["api", "settings"],
    "run_history": False,
    "max_file_size": "30mb",
    "ssr_mode": False,
    "enable_monitoring": False,
    "mcp_server": True,
}


class Page(gr.Blocks):
    """Gradio's page, which says what Gradio itself refuses without a word: a file that is not there any more."""

    async def process_api(self, *args: Any, **options: Any) -> dict[str, Any]:
        """As Gradio's. gr.Error: a visitor's file, or that of a result, has expired, or the server was started anew."""
        try:
            return await super().process_api(*args, **options)
        except (InvalidPathError, FileNotFoundError) as error:
            raise gr.Error(ui.GONE) from error  # and the log holds which


def build_page(site: Site) -> gr.Blocks:
    """The whole page. Starts nothing."""
    page = Page(title="Face restoration, measured", analytics_enabled=False)
    with page:
        ui.drawing("header", t("intro"), label="title")
        opener, link_note = ui.drawing("opener", "", events="recipe", elem_classes="opener"), ui.note()
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab(t("tab_degrade"), id="degrade"):
                degrade = DegradeTab(site)
            with gr.Tab(t("tab_photo"), id="photo"):
                PhotoTab(site)
            with gr.Tab(t("tab_compare"), id="compare"):
                compare = CompareTab(site, degrade.knobs)
        tabs.change(None, js="() => page.moved()")
        LinkOpener(site, opener, link_note, tabs, degrade, compare)
        info, news = site.restorer.info, site.news
        with gr.Column(elem_classes="foot"):
            foot = ui.drawing("note", footer(info))
            ui.note("privacy")
        if news:
            page.load(lambda: footer(info, news()), None, foot, **ui.QUIET)
        add_endpoints(site)
    return page


class LinkOpener:
    """A link's recipe, which ``opener`` hands over, fills the controls and is run again; ``note`` says why its numbers
    will differ here. A page that was opened without one asks nothing."""

    def __init__(
        self, site: Site, opener: gr.HTML, note: gr.HTML, tabs: gr.Tabs, degrade: DegradeTab, compare: CompareTab
    ) -> None:
        self._site, self._note, self._tabs, self._degrade, self._compare = site, note, tabs, degrade, compare
        first = [degrade.face, degrade.face_note, degrade.centre, degrade.preset, degrade.seed, degrade.about]
        third = [compare.mode, compare.face, compare.seed, compare.chosen, compare.start, *compare.axes]
        outputs = [tabs, note, *first, *degrade.knobs.values(), degrade.result, *third, compare.grid, compare.sweep]
        following = opener.recipe(ui.user_errors(self.follow), None, outputs, show_progress="hidden", **ui.LABORATORY)
        following.then(None, js="() => page.linked(true)")
        following.failure(None, js="() => page.linked(false)")

    def follow(self, event: gr.EventData) -> Iterator[State]:
        """What the page shows: the controls first, then the results as they come."""
        opened = open_recipe(event.token, self._site.faces, self._site.restorer.fingerprint)
        recipe, knobs = opened.recipe, self._degrade.knobs
        state: State = {self._note: items(opened.notes)}
        state |= {knobs[name]: value for name, value in opened.knobs.items()}
        yield state | (self._show_degrade(opened) if recipe.view == "test" else self._show_compare(opened))
        if recipe.face:
            yield from ({place: value} for place, value in self._run(recipe))

    def _run(self, recipe: Recipe) -> Iterator[tuple[gr.HTML, Any]]:
        degrade, compare, face = self._degrade, self._compare, self._site.faces[recipe.face]
        if recipe.view == "test":
            outcome = self._site.run(face, next(iter(recipe.cases.values())), recipe.seed)
            yield degrade.result, degrade.present(outcome)
        elif recipe.plan is None:
            yield from ((compare.grid, values) for values in compare.draw_grid(compare.read(recipe.face, None), recipe))
        else:
            clean = compare.read(recipe.face, None)
            yield from ((compare.sweep, values) for values in compare.draw_sweep(clean, recipe, secrets.token_hex()))

    def _show_degrade(self, opened: Opened) -> State:
        key, degrade = opened.chosen[0] if opened.chosen[0] in PRESETS else CUSTOM, self._degrade
        filled = {degrade.preset: key, degrade.seed: opened.recipe.seed, degrade.about: t(f"about_{key}")}
        filled |= {degrade.face: self._site.faces.get(opened.recipe.face), degrade.face_note: ""}
        filled |= {degrade.centre: gr.Checkbox(**NO_QUESTION), degrade.result: None}  # it was another face's
        return {self._tabs: gr.Tabs(selected="degrade"), **filled}

    def _show_compare(self, opened: Opened) -> State:
        recipe, compare = opened.recipe, self._compare
        state: State = {self._tabs: gr.Tabs(selected="compare"), compare.seed: recipe.seed, compare.face: recipe.face}
        if recipe.plan is None:
            return state | {compare.mode: COMPARE, compare.chosen: opened.chosen}
        values: list[Any] = []
        for axis in (recipe.plan.x, recipe.plan.y):
            values += [axis.name, axis.values[0], axis.values[-1], len(axis.values)] if axis else [NONE, 0, 1, 2]
        axes = dict(zip(compare.axes, values, strict=True))
        return state | {compare.mode: SWEEP, compare.start: opened.chosen[0], **axes}
