"""What has this photo been through, and what can be expected?  A button and its panel below a restored photo."""

from __future__ import annotations

from typing import Any

import gradio as gr

from restoration.images import InputError
from restoration.lab.experiment import CLEAN, PHOTO, run_experiment
from restoration.measure.estimate import Estimator
from restoration.page.assets import PANEL_HTML
from restoration.page.examine import of_face, open_panel, read_result, result_folder
from restoration.page.examples import FACES
from restoration.page.guess import expected, in_words, table
from restoration.page.links import CURRENT_LABEL, write_recipe
from restoration.page.parts import BARE
from restoration.page.site import Site

SEED = 1


def add_estimate(site: Site, estimator: Estimator, result: gr.HTML) -> None:
    """For a result that ``parts.present`` made of a photo. A new result closes the panel."""
    with gr.Row():
        guess_button = gr.Button("What has this photo been through?", elem_classes="examine")
        expect_button = gr.Button("What to expect?", elem_classes="examine")
    shown_panel = gr.HTML(html_template=PANEL_HTML, elem_id="estimate", elem_classes="examination", **BARE)

    def estimate(value: Any) -> Any:
        photo = read_result(result_folder(value))[0].get(PHOTO)
        if photo is None:
            raise InputError("There is no restored photo yet. Restore one first.")
        return estimator.estimate(photo)

    def guess(value: Any) -> dict[str, Any]:
        seen = estimate(value)
        return {"maps": [], "text": f'{of_face(value)}<p class="verdict">{in_words(seen)}</p>{table(seen)}'}

    def expect(value: Any) -> dict[str, Any]:
        seen = estimate(value)
        outcomes = {}
        for name, path in site.faces.items():
            outcome = run_experiment(path, seen.settings(), SEED, site.restorer, site.identity)
            recipe = write_recipe(
                "test",
                outcome.pictures[CLEAN],
                site.known,
                SEED,
                site.restorer.fingerprint,
                cases={CURRENT_LABEL: seen.settings()},
            )
            outcomes[FACES[name]] = outcome, recipe.to_token()
        text = expected(outcomes, site.identity.name if site.identity else None)
        return {"maps": [], "text": f'{of_face(value)}<p class="verdict">{in_words(seen)}</p>{text}'}

    open_panel(guess_button, guess, result, shown_panel)
    open_panel(expect_button, expect, result, shown_panel)
    result.change(None, None, shown_panel, js="() => null")
