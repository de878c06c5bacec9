"""How is one experiment taken home?  Its recipe is run once more and packed."""

from __future__ import annotations

from typing import Any

import gradio as gr

from restoration.images import InputError
from restoration.lab.bundle import comparison_bundle
from restoration.lab.comparison import compare
from restoration.lab.experiment import read_face
from restoration.lab.recipe import Recipe
from restoration.page.assets import PACKED_JS
from restoration.page.parts import BARE, LABORATORY, publish, shown
from restoration.page.site import Site


def add_pack(site: Site, result: gr.HTML, own: gr.Image) -> None:
    """The zip of an experiment that ``parts.present`` made with a recipe.

    Args:
        result: shows the experiment and asks for the zip.
        own: holds the visitor's picture, where the experiment was made with that.
    """
    packed = gr.HTML(None, html_template="", js_on_load=PACKED_JS, **BARE)

    def pack(photo: Any, event: gr.EventData) -> dict[str, Any]:
        recipe = Recipe.from_token(event.token)
        face = read_face(site.faces.get(recipe.face, photo))[0]
        if notes := recipe.check(face, site.restorer.fingerprint):
            raise InputError(f"{notes[0]} Press the button again to make it anew.")
        rows = list(compare(face, recipe.cases, recipe.seed, site.restorer, site.identity))
        return publish({"experiment.zip": comparison_bundle(recipe, face, rows)})["experiment.zip"]

    result.pack(shown(pack), own, packed, show_progress="hidden", **LABORATORY)
