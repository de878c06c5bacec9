"""The second tab: a photo whose clean original nobody has is restored."""

from __future__ import annotations

from typing import Any

import gradio as gr

from restoration.experiment import run_restore
from restoration.page.assets import RESULT_HTML, RESULT_JS, SHOW_RESULT_JS
from restoration.page.examine import add_examination
from restoration.page.parts import BARE, NOTE, QUIET, Site, check_photo, network_event, photo_input, present, shown
from restoration.page.words import CROP_HTML


def add_photo_tab(site: Site) -> None:
    """Layout and events. There is no result before a photo is restored."""
    with gr.Row(elem_classes="desk"):
        with gr.Column(scale=7, min_width=320):
            result = gr.HTML(
                html_template=RESULT_HTML,
                js_on_load=RESULT_JS,
                elem_id="photo-result",
                elem_classes="result",
                **BARE,
            )
            add_examination(site, result)
        with gr.Column(scale=4, min_width=320, elem_classes="panel"):
            photo = photo_input(label="Your photo", height=300, alt_text="The photo to restore", elem_id="photo")
            gr.HTML(CROP_HTML, **NOTE)
            photo_note = gr.HTML("", **NOTE)
            with gr.Row(elem_classes="press"):
                restore_button = gr.Button("Restore", variant="primary")

    def restore_only(photo: Any) -> dict[str, Any]:
        return present(run_restore(photo, site.restorer), site.identity)

    restore_button.click(shown(restore_only), photo, result, **network_event(result))
    restore_button.click(None, js=SHOW_RESULT_JS)
    photo.input(check_photo, photo, [photo, photo_note], trigger_mode="always_last", **QUIET)
