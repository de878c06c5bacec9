"""The panels below a result: where it changed the face, what the photo has been through, and what to expect."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from restoration.degrade import Degradation
from restoration.images import Image, InputError, read_image
from restoration.lab.experiment import CLEAN, DEGRADED, PHOTO, RESTORED
from restoration.measure.estimate import Estimate
from restoration.page.links import CURRENT_LABEL
from restoration.page.reports import changes, estimated, expected, face_maps, in_words
from restoration.page.site import FACES, Site
from restoration.page.widgets import RECIPE, drawing, file_name, network_event, user_errors, write_files
from restoration.page.words import t

TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
NOTHING = "There is no restored face yet. Restore one first."
EXPIRED = "This result has expired. Restore the face again, then look at what changed."
SEED = 1  # of the noise of what is to be expected


class Examiner:
    """What the panels say of a result that ``widgets.present`` made, by what its component holds."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def changes(self, value: Any) -> dict[str, Any]:
        """What ``page.panel`` draws: the maps and what is known beside them."""
        folder, site = result_folder(value), self._site
        pictures, recipe = read_result(folder)
        if RESTORED not in pictures:
            raise InputError(NOTHING)
        truth = pictures.get(CLEAN)
        before = pictures[PHOTO] if truth is None else pictures[DEGRADED]
        seen = site.examine(before, pictures[RESTORED], truth=truth, recipe=recipe)
        maps = face_maps(seen)
        files = write_files({f"{name}.png": picture for name, *_, picture in maps}, folder)
        drawn = [
            {"label": label, "note": note, "alt": alt, "file": files[f"{name}.png"]}
            for name, label, note, alt, _ in maps
        ]
        bands = site.identity.bands if site.identity else None
        return {"maps": drawn, "text": of_face(value) + changes(seen, bands, site.restorer.calibration)}

    def past(self, value: Any) -> dict[str, Any]:
        """What ``page.panel`` draws: what the photo of a result has been through."""
        seen = self._estimate(value)
        return self._panel(value, seen, estimated(seen))

    def expectation(self, value: Any) -> dict[str, Any]:
        """What ``page.panel`` draws: the same degradation on the example faces, restored and measured."""
        site, seen, outcomes = self._site, self._estimate(value), {}
        settings = seen.settings()
        for name, path in site.faces.items():
            outcome = site.run(path, settings, SEED)
            recipe = site.recipe("test", outcome.pictures[CLEAN], SEED, cases={CURRENT_LABEL: settings})
            outcomes[FACES[name]] = outcome, recipe.to_token()
        return self._panel(value, seen, expected(outcomes, site.identity_name))

    def _estimate(self, value: Any) -> Estimate:
        photo = read_result(result_folder(value))[0].get(PHOTO)
        if photo is None:
            raise InputError(NOTHING)
        return self._site.estimator.estimate(photo)

    def _panel(self, value: Any, seen: Estimate, text: str) -> dict[str, Any]:
        verdict = f'<p class="verdict">{in_words(seen)}</p>'
        return {"maps": [], "text": of_face(value) + verdict + text}


def add_examination(site: Site, result: gr.HTML) -> None:
    """A button and its panel for a result. A new result closes the panel."""
    button = gr.Button(t("where_changed"), elem_classes="examine")
    _open_panel([(button, Examiner(site).changes)], result)


def add_estimate(site: Site, result: gr.HTML) -> None:
    """The same for what is known of a photo's past; two buttons share the panel."""
    examiner = Examiner(site)
    with gr.Row():
        past = gr.Button(t("past"), elem_classes="examine")
        expectation = gr.Button(t("expectation"), elem_classes="examine")
    _open_panel([(past, examiner.past), (expectation, examiner.expectation)], result, elem_id="estimate")


def _open_panel(buttons: list[tuple[gr.Button, Callable[[Any], Any]]], result: gr.HTML, **options: Any) -> None:
    panel = drawing("panel", elem_classes="examination", **options)
    for button, look in buttons:
        button.click(None, None, panel, js="() => ({working: true})")
        looking = button.click(user_errors(look), result, panel, **network_event(panel))
        looking.failure(None, None, panel, js="() => null")
    result.change(None, None, panel, js="() => null")


def of_face(value: Any) -> str:
    """Which of several restored faces a panel is about, as HTML; "" where there is one alone."""
    number = value.get("examined")
    if not isinstance(number, int) or not number:  # a client may send anything
        return ""
    return f"<p>Of face {number}, the first of those that were restored.</p>"


def result_folder(value: Any) -> Path:
    """Where the files of a result lie, by what its component holds: only the folder's name is taken from there.

    Raises:
        InputError: no result, or one that has expired.
    """
    try:
        token = Path(value["pictures"][0]["file"]["path"]).parent.name
    except (TypeError, KeyError, IndexError) as error:
        raise InputError(NOTHING) from error
    folder = Path(get_upload_folder()) / token
    if not TOKEN.fullmatch(token) or not (folder / RECIPE).is_file():
        raise InputError(EXPIRED)
    return folder


def read_result(folder: Path) -> tuple[dict[str, Image], tuple[Degradation, int] | None]:
    """The pictures of a result by their labels, and the settings and seed that degraded it, where it was degraded.

    Raises:
        InputError: its files have expired.
    """
    paths = {label: folder / file_name(label) for label in (CLEAN, DEGRADED, RESTORED, PHOTO)}
    try:
        pictures = {label: read_image(path) for label, path in paths.items() if path.is_file()}
        recipe = json.loads((folder / RECIPE).read_text())
    except (InputError, OSError) as error:
        raise InputError(EXPIRED) from error
    return pictures, (Degradation(**recipe["settings"]), recipe["seed"]) if recipe["settings"] else None
